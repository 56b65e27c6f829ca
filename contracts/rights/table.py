"""The table of rights: what each role may do, and for which part of the work. What the table does not list is refused.

The three powers of a service centre are kept apart (审批、管理、监督三分离): a role approves, manages or supervises,
and no person holds roles of two of them.
"""

from collections.abc import Mapping
from enum import StrEnum, unique


@unique
class Power(StrEnum):
    """The powers that are kept apart."""

    APPROVE = "approve"
    MANAGE = "manage"
    SUPERVISE = "supervise"
    SERVE = "serve"
    """Programs: they hand over what others have decided."""


@unique
class Role(StrEnum):
    """The kind of a post, or of a program."""

    WINDOW_CLERK = "window_clerk"
    CHIEF_REVIEWER = "chief_reviewer"
    """首席代表: decides at the centre for a department."""
    DEPARTMENT_HEAD = "department_head"
    SUPERVISOR = "supervisor"
    AUDITOR = "auditor"
    """Reads everything that is recorded, and changes nothing."""
    CENTRE_MANAGER = "centre_manager"
    OPERATOR = "operator"
    """Keeps the platform running."""
    WALL_DISPLAY = "wall_display"
    """A screen in a hall: a program that shows numbers, and no case and no name."""
    IMPORTING_SYSTEM = "importing_system"
    DEPARTMENT_SYSTEM = "department_system"


POWERS: Mapping[Role, Power] = {
    Role.WINDOW_CLERK: Power.APPROVE,
    Role.CHIEF_REVIEWER: Power.APPROVE,
    Role.DEPARTMENT_HEAD: Power.APPROVE,
    Role.SUPERVISOR: Power.SUPERVISE,
    Role.AUDITOR: Power.SUPERVISE,
    Role.CENTRE_MANAGER: Power.MANAGE,
    Role.OPERATOR: Power.MANAGE,
    Role.WALL_DISPLAY: Power.SERVE,
    Role.IMPORTING_SYSTEM: Power.SERVE,
    Role.DEPARTMENT_SYSTEM: Power.SERVE,
}
"""The power of each role."""


@unique
class Act(StrEnum):
    """Something that a person or a program may do. Each endpoint and page is one act."""

    ACCEPT_CASE = "case.accept"
    IMPORT_CASES = "case.import"
    READ_CASE = "case.read"
    """With the personal data of the applicant; each reading is recorded."""
    READ_TIME = "time.read"
    """The clocks, steps and deadlines of a case, without personal data."""
    SUSPEND_CASE = "case.suspend"
    EXTEND_CASE = "case.extend"
    RESTART_CASE = "case.restart"
    RUN_SIDE_TIMER = "timer.run"
    READ_ALERT = "alert.read"
    ACKNOWLEDGE_ALERT = "alert.acknowledge"
    APPEAL_ALERT = "alert.appeal"
    DECIDE_APPEAL = "appeal.decide"
    HOLD_CASE = "case.hold"
    SETTLE_TIME = "time.settle"
    READ_ISSUE = "issue.read"
    """Failures of the platform itself, which no department answers for."""
    READ_BOARD = "board.read"
    READ_WALL = "wall.read"
    """The wall display: numbers of departments and places alone."""
    MANAGE_WALLS = "wall.manage"
    RECOUNT_FIGURES = "board.recount"
    READ_DIGEST = "digest.read"
    RETRY_DIGEST = "digest.retry"
    READ_RULES = "rules.read"
    CHANGE_RULES = "rules.change"
    READ_DIRECTORY = "directory.read"
    CHANGE_DIRECTORY = "directory.change"
    READ_JOURNAL = "journal.read"
    READ_RECORD = "record.read"
    """The record of access: logins, acts, readings of personal data, exports and refusals."""
    READ_STATE = "state.read"
    """The state of the platform: services, lag, dead letters by number."""
    READ_DEAD_LETTER = "letter.read"
    SETTLE_DEAD_LETTER = "letter.settle"
    RESUME_TOPIC = "topic.resume"
    MANAGE_PEOPLE = "people.manage"


@unique
class Extent(StrEnum):
    """For which part of the work a right holds."""

    POST = "post"
    """The departments, region and items of the post."""
    REGION = "region"
    """All departments and items in the region of the post."""
    ALL = "all"
    """Everything: what belongs to no department and no region."""


_READ_WORK = dict.fromkeys((Act.READ_TIME, Act.READ_ALERT, Act.READ_ISSUE, Act.READ_BOARD), Extent.POST)

RIGHTS: Mapping[Role, Mapping[Act, Extent]] = {
    Role.WINDOW_CLERK: {
        **_READ_WORK,
        Act.ACCEPT_CASE: Extent.POST,
        Act.READ_CASE: Extent.POST,
        Act.RUN_SIDE_TIMER: Extent.POST,
        Act.ACKNOWLEDGE_ALERT: Extent.POST,
        Act.APPEAL_ALERT: Extent.POST,
    },
    Role.CHIEF_REVIEWER: {
        **_READ_WORK,
        Act.ACCEPT_CASE: Extent.POST,
        Act.READ_CASE: Extent.POST,
        Act.SUSPEND_CASE: Extent.POST,
        Act.RESTART_CASE: Extent.POST,
        Act.RUN_SIDE_TIMER: Extent.POST,
        Act.ACKNOWLEDGE_ALERT: Extent.POST,
        Act.APPEAL_ALERT: Extent.POST,
    },
    Role.DEPARTMENT_HEAD: {
        **_READ_WORK,
        Act.READ_CASE: Extent.POST,
        Act.SUSPEND_CASE: Extent.POST,
        Act.EXTEND_CASE: Extent.POST,
        Act.RESTART_CASE: Extent.POST,
        Act.RUN_SIDE_TIMER: Extent.POST,
        Act.ACKNOWLEDGE_ALERT: Extent.POST,
        Act.APPEAL_ALERT: Extent.POST,
    },
    Role.SUPERVISOR: {
        **_READ_WORK,
        Act.READ_WALL: Extent.POST,
        Act.ACKNOWLEDGE_ALERT: Extent.POST,
        Act.DECIDE_APPEAL: Extent.POST,
        Act.HOLD_CASE: Extent.POST,
        Act.SETTLE_TIME: Extent.POST,
        Act.READ_DIGEST: Extent.POST,
        Act.READ_RULES: Extent.ALL,
        Act.READ_DIRECTORY: Extent.ALL,
        Act.READ_JOURNAL: Extent.ALL,
    },
    Role.AUDITOR: {
        **_READ_WORK,
        Act.READ_DIGEST: Extent.POST,
        Act.READ_RULES: Extent.ALL,
        Act.READ_DIRECTORY: Extent.ALL,
        Act.READ_JOURNAL: Extent.ALL,
        Act.READ_RECORD: Extent.ALL,
        Act.READ_STATE: Extent.ALL,
    },
    Role.CENTRE_MANAGER: {
        Act.READ_TIME: Extent.REGION,
        Act.READ_BOARD: Extent.REGION,
        Act.READ_WALL: Extent.REGION,
        Act.MANAGE_WALLS: Extent.ALL,
        Act.READ_RULES: Extent.ALL,
        Act.CHANGE_RULES: Extent.ALL,
        Act.READ_DIRECTORY: Extent.ALL,
        Act.CHANGE_DIRECTORY: Extent.ALL,
        Act.MANAGE_PEOPLE: Extent.ALL,
    },
    Role.OPERATOR: {
        Act.READ_STATE: Extent.ALL,
        Act.READ_ISSUE: Extent.ALL,
        Act.READ_RULES: Extent.ALL,
        Act.CHANGE_RULES: Extent.ALL,
        Act.READ_DIRECTORY: Extent.ALL,
        Act.CHANGE_DIRECTORY: Extent.ALL,
        Act.READ_DIGEST: Extent.ALL,
        Act.RETRY_DIGEST: Extent.ALL,
        Act.READ_DEAD_LETTER: Extent.ALL,
        Act.SETTLE_DEAD_LETTER: Extent.ALL,
        Act.RESUME_TOPIC: Extent.ALL,
        Act.RECOUNT_FIGURES: Extent.ALL,
        Act.MANAGE_PEOPLE: Extent.ALL,
        Act.MANAGE_WALLS: Extent.ALL,
    },
    Role.WALL_DISPLAY: {Act.READ_WALL: Extent.POST},
    Role.IMPORTING_SYSTEM: {Act.IMPORT_CASES: Extent.POST, Act.READ_TIME: Extent.POST},
    Role.DEPARTMENT_SYSTEM: {Act.READ_TIME: Extent.POST},
}
"""The rights of each role."""
