"""The directory file, which people write: its content and its checks. Pure."""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from contracts.envelope import Name
from contracts.faults import Fault, Path, located
from contracts.messages.alerts import Rung
from contracts.values import StrictValue
from services.monitor.core.notifications.posts import Leave, Person, Post, Role, leave_by_person, present

SUPERVISOR = "supervisor"
"""The role that is notified of appeals; every directory has it."""

DEFAULT_ESCALATION = ("clerk", "office", "head", SUPERVISOR, "director")

DEFAULT_FIRST_RECIPIENTS = {
    Rung.WARNING: ("clerk", "office"),
    Rung.YELLOW: ("head",),
    Rung.RED: (SUPERVISOR,),
    Rung.OVERSIGHT: ("director",),
}

DEFAULT_UNACKNOWLEDGED_HOURS = {Rung.WARNING: 8.0, Rung.YELLOW: 4.0, Rung.RED: 2.0, Rung.OVERSIGHT: 2.0}


def _with_default_hours(hours: dict[Rung, float]) -> dict[Rung, float]:
    return DEFAULT_UNACKNOWLEDGED_HOURS | hours


def _with_default_recipients(roles: dict[Rung, tuple[Role, ...]]) -> dict[Rung, tuple[Role, ...]]:
    return DEFAULT_FIRST_RECIPIENTS | roles


class DirectoryFile(StrictValue):
    """The content of a directory file. Rungs that ``first_recipients`` or ``unacknowledged_hours`` omit
    keep their defaults."""

    version: Name
    people: Annotated[tuple[Person, ...], Field(min_length=1)]
    leave: tuple[Leave, ...] = ()
    posts: Annotated[tuple[Post, ...], Field(min_length=1)]
    escalation: Annotated[tuple[Role, ...], Field(min_length=1)] = DEFAULT_ESCALATION
    """All roles, from the one nearest to the matter to the one that answers for everything."""
    first_recipients: Annotated[
        dict[Rung, Annotated[tuple[Role, ...], Field(min_length=1)]], AfterValidator(_with_default_recipients)
    ] = DEFAULT_FIRST_RECIPIENTS
    """The roles that are notified first."""
    unacknowledged_hours: Annotated[
        dict[Rung, Annotated[float, Field(ge=0.1, le=1000, strict=True)]], AfterValidator(_with_default_hours)
    ] = DEFAULT_UNACKNOWLEDGED_HOURS
    """Working hours of the place after which an unacknowledged rung escalates."""

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
        for fault in _post_contradictions(post, people, file.escalation):
            yield fault._replace(path=("posts", number, *fault.path))
    for rung, roles in file.first_recipients.items():
        for role in roles:
            if role not in file.escalation:
                yield _no_role(("first_recipients", rung.value), role)


def _post_contradictions(post: Post, people: set[str], roles: Sequence[Role]) -> Iterator[Fault]:
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


def _no_role(place: Path, role: Role) -> Fault:
    return Fault(place, f"{role} is no role of escalation", f"escalation 中没有 {role}")


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
