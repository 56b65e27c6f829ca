"""Words that the pages of several services share: acts, roles, outcomes and services."""

from collections.abc import Mapping

from contracts.rights.table import Act, Role
from services.runtime.http.pages.languages import N_
from services.runtime.security.access_record import Outcome

ACTS: Mapping[str, str] = {
    Act.ACCEPT_CASE: N_("Accept a case"),
    Act.IMPORT_CASES: N_("Import cases"),
    Act.READ_CASE: N_("Read a case with personal data"),
    Act.READ_TIME: N_("Read the time of a case"),
    Act.SUSPEND_CASE: N_("Suspend the time of a case"),
    Act.EXTEND_CASE: N_("Extend the time of a case"),
    Act.RESTART_CASE: N_("Begin the time of a case anew"),
    Act.RUN_SIDE_TIMER: N_("Start or end a side timer"),
    Act.READ_ALERT: N_("Read alerts"),
    Act.ACKNOWLEDGE_ALERT: N_("Acknowledge an alert"),
    Act.APPEAL_ALERT: N_("Appeal against an alert"),
    Act.DECIDE_APPEAL: N_("Decide an appeal"),
    Act.HOLD_CASE: N_("Hold a case"),
    Act.SETTLE_TIME: N_("Settle a doubtful time"),
    Act.READ_ISSUE: N_("Read faults of the platform"),
    Act.READ_BOARD: N_("Read the board"),
    Act.READ_WALL: N_("Read the wall display"),
    Act.MANAGE_WALLS: N_("Manage wall displays"),
    Act.RECOUNT_FIGURES: N_("Count figures anew"),
    Act.READ_DIGEST: N_("Read notifications"),
    Act.RETRY_DIGEST: N_("Send a notification again"),
    Act.READ_RULES: N_("Read rules and calendars"),
    Act.CHANGE_RULES: N_("Change rules and calendars"),
    Act.READ_DIRECTORY: N_("Read the directory"),
    Act.CHANGE_DIRECTORY: N_("Change the directory"),
    Act.READ_JOURNAL: N_("Read the journal"),
    Act.READ_RECORD: N_("Read the record of access"),
    Act.READ_STATE: N_("Read the state of the platform"),
    Act.READ_DEAD_LETTER: N_("Read a dead letter"),
    Act.SETTLE_DEAD_LETTER: N_("Settle a dead letter"),
    Act.RESUME_TOPIC: N_("Resume a topic"),
    Act.MANAGE_PEOPLE: N_("Manage accounts"),
}
"""Each act, as an auditor reads it."""

ROLES: Mapping[str, str] = {
    Role.WINDOW_CLERK: N_("window clerk"),
    Role.CHIEF_REVIEWER: N_("chief reviewer"),
    Role.DEPARTMENT_HEAD: N_("department head"),
    Role.SUPERVISOR: N_("supervisor"),
    Role.AUDITOR: N_("auditor"),
    Role.CENTRE_MANAGER: N_("centre manager"),
    Role.OPERATOR: N_("operator"),
    Role.WALL_DISPLAY: N_("wall display"),
    Role.IMPORTING_SYSTEM: N_("importing system"),
    Role.DEPARTMENT_SYSTEM: N_("department system"),
}
"""Each role."""

OUTCOMES: Mapping[str, str] = {
    Outcome.BEGUN: N_("begun"),
    Outcome.DONE: N_("done"),
    Outcome.REFUSED: N_("not possible"),
    Outcome.FAILED: N_("failed"),
    Outcome.GIVEN: N_("given"),
    Outcome.SENT: N_("all sent"),
    Outcome.BROKEN_OFF: N_("broken off"),
    Outcome.NOT_LOGGED_IN: N_("refused: not logged in"),
    Outcome.NO_RIGHT: N_("refused: no right"),
    Outcome.NOT_FOUND: N_("refused: not found"),
    Outcome.FOREIGN: N_("refused: from another site"),
    Outcome.MALFORMED: N_("refused: misleading headers or path"),
}
"""Each outcome of a request."""

SERVICES: Mapping[str, str] = {
    "intake": N_("Intake"),
    "routing": N_("Routing"),
    "monitor": N_("Monitor"),
}
"""The services that every installation has. One of a department has its code for a name."""
