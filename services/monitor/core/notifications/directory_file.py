"""The directory file, which people write: its content and its checks. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from contracts.envelope import Name
from contracts.faults import Fault, Path, located
from contracts.messages.alerts import Rung
from contracts.messages.documents import Absence, PostsPublished, PublishedPost
from contracts.rights.posts import Leave, Post, PostName, leave_by_person, present
from contracts.rights.table import POWERS, Role
from contracts.values import StrictValue
from services.monitor.core.notifications.people import Person

SUPERVISOR = "supervisor"
"""The role that is notified of appeals; every directory has it."""

DEFAULT_ESCALATION = ("clerk", "office", "head", SUPERVISOR, "director")

DEFAULT_ROLES = {
    "clerk": Role.WINDOW_CLERK,
    "office": Role.CHIEF_REVIEWER,
    "head": Role.DEPARTMENT_HEAD,
    SUPERVISOR: Role.SUPERVISOR,
    "director": Role.SUPERVISOR,
    "manager": Role.CENTRE_MANAGER,
    "operator": Role.OPERATOR,
    "auditor": Role.AUDITOR,
    "wall": Role.WALL_DISPLAY,
}

DEFAULT_FIRST_RECIPIENTS = {
    Rung.WARNING: ("clerk", "office"),
    Rung.YELLOW: ("head",),
    Rung.RED: (SUPERVISOR,),
    Rung.OVERSIGHT: ("director",),
}

DEFAULT_UNACKNOWLEDGED_HOURS = {Rung.WARNING: 8.0, Rung.YELLOW: 4.0, Rung.RED: 2.0, Rung.OVERSIGHT: 2.0}


def _with_default_hours(hours: dict[Rung, float]) -> dict[Rung, float]:
    return DEFAULT_UNACKNOWLEDGED_HOURS | hours


def _with_default_recipients(roles: dict[Rung, tuple[PostName, ...]]) -> dict[Rung, tuple[PostName, ...]]:
    return DEFAULT_FIRST_RECIPIENTS | roles


def _with_default_roles(roles: dict[PostName, Role]) -> dict[PostName, Role]:
    return DEFAULT_ROLES | roles


class DirectoryFile(StrictValue):
    """The content of a directory file. What ``roles``, ``first_recipients`` or ``unacknowledged_hours`` omit keeps its
    default."""

    version: Name
    people: Annotated[tuple[Person, ...], Field(min_length=1)]
    leave: tuple[Leave, ...] = ()
    posts: Annotated[tuple[Post, ...], Field(min_length=1)]
    roles: Annotated[dict[PostName, Role], AfterValidator(_with_default_roles)] = DEFAULT_ROLES
    """The rights that each kind of post gives (`contracts.rights.table`)."""
    powers_apart: Annotated[bool, Field(strict=True)] = True
    """Whether no person may hold posts of two powers (审批、管理、监督三分离); false where one person does all."""
    four_eyes: Annotated[bool, Field(strict=True)] = True
    """Whether a change of rules, directory or calendar comes into force only when a second person approves it; false
    where one person does all."""
    escalation: Annotated[tuple[PostName, ...], Field(min_length=1)] = DEFAULT_ESCALATION
    """The posts that are notified, from the one nearest to the matter to the one that answers for everything."""
    first_recipients: Annotated[
        dict[Rung, Annotated[tuple[PostName, ...], Field(min_length=1)]], AfterValidator(_with_default_recipients)
    ] = DEFAULT_FIRST_RECIPIENTS
    """The roles that are notified first."""
    unacknowledged_hours: Annotated[
        dict[Rung, Annotated[float, Field(ge=0.1, le=1000, strict=True)]], AfterValidator(_with_default_hours)
    ] = DEFAULT_UNACKNOWLEDGED_HOURS
    """Working hours of the place after which an unacknowledged rung escalates."""

    def published(self) -> PostsPublished:
        """The posts, as all services follow them."""
        posts = tuple(
            PublishedPost(**{**dict(post), "role": self.roles[post.role].value, "items": tuple(post.items)})
            for post in self.posts
        )
        leave = tuple(Absence(**dict(one)) for one in self.leave)
        return PostsPublished(posts=posts, leave=leave, powers_apart=self.powers_apart, four_eyes=self.four_eyes)

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        faults = list(_contradictions(self)) or list(_days_without_recipient(self))
        if faults:  # reported together, each with its place
            raise located("directory", faults)
        return self


def _contradictions(file: DirectoryFile) -> Iterator[Fault]:
    yield from _repeated(("people",), [person.id for person in file.people])
    yield from _repeated(("escalation",), file.escalation)
    if SUPERVISOR not in file.escalation:
        yield Fault(
            ("escalation",),
            f"{SUPERVISOR} is missing: this role is notified of appeals",
            f"缺少 {SUPERVISOR}：申诉由其处理",
        )
    people = {person.id for person in file.people}
    for number, person in enumerate(file.people):
        yield from _repeated(("people", number, "addresses"), person.addresses)
    for number, leave in enumerate(file.leave):
        if leave.person not in people:
            yield _no_person(("leave", number, "person"), leave.person)
        yield from _reversed(("leave", number, "until"), leave.since, leave.until)
    for number, post in enumerate(file.posts):
        for fault in _post_contradictions(post, people, file.roles):
            yield fault._replace(path=("posts", number, *fault.path))
    if file.powers_apart:
        yield from _powers_in_one_hand(file)
    for name in file.escalation:
        if name not in file.roles:
            yield _no_role(("escalation",), name)
    for rung, roles in file.first_recipients.items():
        for role in roles:
            if role not in file.escalation:
                yield Fault(
                    ("first_recipients", rung.value),
                    f"{role} is no role of escalation",
                    f"escalation 中没有 {role}",
                )


def _powers_in_one_hand(file: DirectoryFile) -> Iterator[Fault]:
    """Posts by which one person would hold two powers, as a holder or a deputy, on days that overlap."""
    held: dict[str, list[Post]] = {}
    for number, post in enumerate(file.posts):
        power = POWERS[file.roles[post.role]] if post.role in file.roles else None
        for field, person in (("person", post.person), ("deputy", post.deputy)):
            if person is None or power is None:
                continue
            for other in held.get(person, ()):
                if POWERS[file.roles[other.role]] is not power and _overlap(post, other):
                    yield Fault(
                        ("posts", number, field),
                        f"{person} holds a post of {other.role} as well: who approves, who manages and who supervises "
                        "are different people. Name somebody else, or set powers_apart to false",
                        f"{person} 已任 {other.role}：审批、管理、监督须由不同人员承担。"
                        "请另行指定人员，或将 powers_apart 设为 false",
                    )
                    break
            held.setdefault(person, []).append(post)


def _overlap(one: Post, other: Post) -> bool:
    return (one.until or date.max) >= (other.since or date.min) and (other.until or date.max) >= (one.since or date.min)


def _post_contradictions(post: Post, people: set[str], roles: Mapping[PostName, Role]) -> Iterator[Fault]:
    for name, person in (("person", post.person), ("deputy", post.deputy)):
        if person is not None and person not in people:
            yield _no_person((name,), person)
    if post.deputy == post.person:
        yield Fault(("deputy",), f"{post.deputy} cannot deputise for themselves", f"{post.deputy} 不能代理自己")
    if post.role not in roles:
        yield _no_role(("role",), post.role)
    yield from _reversed(("until",), post.since, post.until)


def _no_person(place: Path, person: str) -> Fault:
    return Fault(place, f"{person} is not among the people", f"people 中没有 {person}")


def _no_role(place: Path, role: PostName) -> Fault:
    return Fault(place, f"{role} is none of roles; add it there", f"roles 中没有 {role}，请先加入")


def _repeated(place: Path, values: Sequence[str]) -> Iterator[Fault]:
    for number, value in enumerate(values):
        if value in values[:number]:
            yield Fault((*place, number), f"{value} is listed twice; keep one", f"{value} 重复，请只保留一处")


def _reversed(place: Path, since: date | None, until: date | None) -> Iterator[Fault]:
    if since is not None and until is not None and until < since:
        yield Fault(place, f"it cannot end on {until} and begin on {since}", f"开始于 {since}，不能结束于 {until}")


def _days_without_recipient(file: DirectoryFile) -> Iterator[Fault]:
    """Days on which the highest role has no person present who answers for all commitments."""
    highest = file.escalation[-1]
    posts = [post for post in file.posts if post.role == highest and post.is_general]
    if not posts:
        yield Fault(
            ("posts",),
            f"one {highest} must be for all departments, regions and items, so that each alert has a recipient",
            f"至少一名 {highest} 须不限部门、区域和事项，使每项警示都有接收人",
        )
        return
    leave = leave_by_person(file.leave)
    spans = [(post.since, post.until) for post in posts]
    spans += [
        (one.since, one.until)
        for post in posts
        for person in (post.person, post.deputy)
        for one in leave.get(person, ())
    ]
    # Presence changes on these days only.
    changes = {day for day, _ in spans if day} | {day + timedelta(days=1) for _, day in spans if day}
    for day in sorted({date.min} | changes):
        if not any(present(post, day, leave) for post in posts):
            when, when_zh = (
                (f"on {day}", f"{day}") if day > date.min else (f"before {min(changes)}", f"{min(changes)} 之前")
            )
            yield Fault(
                ("posts",),
                f"{when} no {highest} for all departments, regions and items is present",
                f"{when_zh}没有不限部门、区域和事项的 {highest} 在岗",
            )
