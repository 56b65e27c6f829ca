"""Who is told of an alert: people, the posts they hold and deputise for, their leave, and how telling climbs. Pure.

A *directory file* is what people write; a `Directory` is one that is ready to be asked. Its days are days in China.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Annotated, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from contracts.envelope import Code, Name
from contracts.messages import fields
from contracts.messages.alerts import Rung
from contracts.values import StrictValue
from contracts.working_time.almanac import RegionPrefix
from contracts.working_time.wording import Language

ZONE = ZoneInfo("Asia/Shanghai")

SUPERVISOR = "supervisor"
"""The role that is told of appeals; every directory has it."""

CLIMBS = ("clerk", "office", "head", SUPERVISOR, "director")

TELLS = {
    Rung.WARNING: ("clerk", "office"),
    Rung.YELLOW: ("head",),
    Rung.RED: (SUPERVISOR,),
    Rung.FURTHER: ("director",),
}

UNACKNOWLEDGED_HOURS = {Rung.WARNING: 8.0, Rung.YELLOW: 4.0, Rung.RED: 2.0, Rung.FURTHER: 2.0}

Day = Annotated[date, Field(ge=date(1900, 1, 1), le=date(2300, 1, 1))]

Role = Code
"""What somebody is, of those who are told: ``clerk``, ``head``."""

Address = Annotated[str, Field(max_length=400, pattern=r"^[a-z][a-z0-9-]{0,31}:[^\s\x00]+$")]
"""A channel, and where somebody is found there: ``mail:zhou@example.gov.cn``."""

Fault = tuple[tuple[int | str, ...], str]
"""Where in the file something is wrong, and what."""


class Person(StrictValue):
    """Somebody who can be told."""

    id: fields.PersonId
    name: Name
    language: Language = "zh"
    tell: Annotated[tuple[Address, ...], Field(min_length=1, max_length=20)]


class Leave(StrictValue):
    """Somebody is away, from the first of these days to the last."""

    person: fields.PersonId
    since: Day
    until: Day

    def covers(self, day: date) -> bool:
        """Whether it is a day of this leave."""
        return self.since <= day <= self.until


class Post(StrictValue):
    """Who is told in this role: of what that department answers for, in that region, about these items; where one of
    them is not named, of all."""

    role: Role
    department: Name | None = None
    """The owner of a commitment, as alerts name it."""
    region: RegionPrefix | None = None
    items: tuple[Code, ...] = ()
    """Items or bundles, by their codes in the catalogue."""
    since: Day | None = None
    until: Day | None = None
    """The last day."""
    person: fields.PersonId
    deputy: fields.PersonId | None = None

    def held_on(self, day: date) -> bool:
        """Whether there is this post on that day."""
        return (self.since is None or self.since <= day) and (self.until is None or day <= self.until)

    @property
    def for_all(self) -> bool:
        """Whether it speaks of every commitment."""
        return self.department is None and self.region is None and not self.items

    @property
    def narrowness(self) -> tuple[int, bool, bool]:
        """Of the posts that somebody fills, the narrowest count: by region first, then department, then item."""
        return len(self.region or ""), self.department is not None, bool(self.items)


def _with_the_usual_hours(said: dict[Rung, float]) -> dict[Rung, float]:
    return UNACKNOWLEDGED_HOURS | said


def _with_the_usual_roles(said: dict[Rung, tuple[Role, ...]]) -> dict[Rung, tuple[Role, ...]]:
    return TELLS | said


class DirectoryFile(StrictValue):
    """What people write. A rung of which ``tells`` or ``unacknowledged_hours`` says nothing keeps what is usual."""

    version: Name
    people: Annotated[tuple[Person, ...], Field(min_length=1)]
    leave: tuple[Leave, ...] = ()
    posts: Annotated[tuple[Post, ...], Field(min_length=1)]
    climbs: Annotated[tuple[Role, ...], Field(min_length=1)] = CLIMBS
    """All roles, from the one nearest to the matter to the one that answers for everything."""
    tells: Annotated[
        dict[Rung, Annotated[tuple[Role, ...], Field(min_length=1)]], AfterValidator(_with_the_usual_roles)
    ] = TELLS
    """The roles that are told first."""
    unacknowledged_hours: Annotated[
        dict[Rung, Annotated[float, Field(ge=0.1, le=1000)]], AfterValidator(_with_the_usual_hours)
    ] = UNACKNOWLEDGED_HOURS
    """How many working hours of the place somebody has to take a rung in hand, before it climbs."""

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        faults = list(_faults(self)) or list(_gaps_at_the_top(self))
        if faults:  # all of them at once, each with its place
            raise ValidationError.from_exception_data("directory", [_detail(fault) for fault in faults])
        return self


def _detail(fault: Fault) -> InitErrorDetails:
    place, what = fault
    return InitErrorDetails(type=PydanticCustomError("directory", "{what}", {"what": what}), loc=place, input=None)


def _faults(said: DirectoryFile) -> Iterator[Fault]:
    """What contradicts something else."""
    yield from _said_twice(("people",), [one.id for one in said.people])
    yield from _said_twice(("climbs",), said.climbs)
    if SUPERVISOR not in said.climbs:
        yield ("climbs",), f"{SUPERVISOR} is missing, who is told of appeals"
    known = {person.id for person in said.people}
    for number, person in enumerate(said.people):
        yield from _said_twice(("people", number, "tell"), person.tell)
    for number, leave in enumerate(said.leave):
        if leave.person not in known:
            yield ("leave", number, "person"), f"{leave.person} is nobody among the people"
        yield from _reversed(("leave", number, "until"), leave.since, leave.until)
    for number, post in enumerate(said.posts):
        yield from ((("posts", number, *place), what) for place, what in _post_faults(post, known, said.climbs))
    for rung, roles in said.tells.items():
        for role in roles:
            if role not in said.climbs:
                yield ("tells", rung.value), f"{role} is no role among those of climbs"


def _post_faults(post: Post, known: set[str], roles: Sequence[Role]) -> Iterator[Fault]:
    for name, person in (("person", post.person), ("deputy", post.deputy)):
        if person is not None and person not in known:
            yield (name,), f"{person} is nobody among the people"
    if post.deputy == post.person:
        yield ("deputy",), f"{post.deputy} cannot deputise for themselves"
    if post.role not in roles:
        yield ("role",), f"{post.role} is no role among those of climbs"
    yield from _reversed(("until",), post.since, post.until)


def _said_twice(place: tuple[int | str, ...], said: Sequence[str]) -> Iterator[Fault]:
    for number, one in enumerate(said):
        if one in said[:number]:
            yield (*place, number), f"{one} is said twice"


def _reversed(place: tuple[int | str, ...], since: date | None, until: date | None) -> Iterator[Fault]:
    if since is not None and until is not None and until < since:
        yield place, f"it cannot end on {until} and begin on {since}"


def _gaps_at_the_top(said: DirectoryFile) -> Iterator[Fault]:
    """Days on which nobody at all could be told."""
    top = said.climbs[-1]
    posts = [post for post in said.posts if post.role == top and post.for_all]
    if not posts:
        yield ("posts",), f"one {top} must be for all departments, regions and items, so that somebody can be told"
        return
    away = _by_person(said.leave)
    spans = [(post.since, post.until) for post in posts]
    spans += [
        (one.since, one.until) for post in posts for who in (post.person, post.deputy) for one in away.get(who, ())
    ]
    # Who is there changes on these days only.
    occurrences = {day for day, _ in spans if day} | {day + timedelta(days=1) for _, day in spans if day}
    for day in sorted({date.min} | occurrences):
        if not any(_present(post, day, away) for post in posts):
            when = f"on {day}" if day > date.min else f"before {min(occurrences)}"
            yield ("posts",), f"{when} nobody is there as {top} for all departments, regions and items"


Away = Mapping[str | None, Sequence[Leave]]
"""The leave of each person."""


def _by_person(leave: Iterable[Leave]) -> Away:
    away: dict[str | None, list[Leave]] = {}
    for one in leave:
        away.setdefault(one.person, []).append(one)
    return away


def _is_away(person: str, day: date, away: Away) -> bool:
    return any(one.covers(day) for one in away.get(person, ()))


def _present(post: Post, day: date, away: Away) -> str | None:
    """Who fills a post on that day: its holder, the deputy of one who is on leave, or nobody."""
    if not post.held_on(day):
        return None
    if not _is_away(post.person, day, away):
        return post.person
    if post.deputy is not None and not _is_away(post.deputy, day, away):
        return post.deputy
    return None


class Directory:
    """A directory, ready to be asked. ``owner``, ``region`` and ``item`` are those of the alert; ``at`` is when."""

    def __init__(self, said: DirectoryFile) -> None:
        self.said = said
        self._people = {person.id: person for person in said.people}
        self._away = _by_person(said.leave)
        self._posts: dict[tuple[Role, str, str | None], list[Post]] = {}
        for post in said.posts:
            self._posts.setdefault((post.role, post.region or "", post.department), []).append(post)

    def person(self, id: str) -> Person | None:
        """Somebody, if they are in the directory."""
        return self._people.get(id)

    def levels(self, rung: Rung) -> int:
        """How many times a rung is told, if nobody takes it in hand: level 0 at first, up to the top."""
        return len(self.said.climbs) - self._highest(rung)

    def hours(self, rung: Rung) -> float:
        """How many working hours it waits before it climbs one level."""
        return self.said.unacknowledged_hours[rung]

    def told(self, rung: Rung, level: int, owner: str, region: str, item: str, at: datetime) -> tuple[Person, ...]:
        """Who is told of a rung that has climbed so far. Somebody always is; beyond the top, nobody."""
        if level >= self.levels(rung):
            return ()
        roles = self.said.tells[rung] if level == 0 else (self.said.climbs[self._highest(rung) + level],)
        return self._in(roles, owner, region, item, at)

    def supervisors(self, owner: str, region: str, item: str, at: datetime) -> tuple[Person, ...]:
        """Who is told of an appeal. Somebody always is."""
        return self._in((SUPERVISOR,), owner, region, item, at)

    def holds(self, person: str, role: Role, owner: str, region: str, item: str, at: datetime) -> bool:
        """Whether somebody has a post of this role that speaks of the commitment, or fills it for one on leave."""
        day = _day(at)
        return any(
            post.held_on(day) and person in (post.person, self._fills(post, day))
            for post in self._fitting(role, owner, region, item)
        )

    def holds_at_least(self, person: str, role: Role, owner: str, region: str, item: str, at: datetime) -> bool:
        """Whether somebody has such a post, or one of a role above it. Nobody does where there is no such role."""
        climbs = self.said.climbs
        above = climbs[climbs.index(role) :] if role in climbs else ()
        return any(self.holds(person, one, owner, region, item, at) for one in above)

    def _highest(self, rung: Rung) -> int:
        """The place, among those of the climb, of the highest role that is told first."""
        return max(self.said.climbs.index(role) for role in self.said.tells[rung])

    def _in(self, roles: Sequence[Role], owner: str, region: str, item: str, at: datetime) -> tuple[Person, ...]:
        """Those who are there in these roles; if nobody is, those in the next role up in which somebody is."""
        climbs = self.said.climbs
        lowest = min(climbs.index(role) for role in roles)
        for wanted in (roles, *((role,) for role in climbs[lowest:])):
            found = [person for role in wanted for person in self._filling(role, owner, region, item, _day(at))]
            if found:
                return tuple(self._people[person] for person in dict.fromkeys(found))
        raise AssertionError("a directory without anybody at the top is refused")

    def _filling(self, role: Role, owner: str, region: str, item: str, day: date) -> list[str]:
        """Who fills the posts of this role that speak of the commitment: the narrowest of those that somebody fills."""
        fitting = self._fitting(role, owner, region, item)
        filled = [(post.narrowness, person) for post in fitting if (person := self._fills(post, day)) is not None]
        narrowest = max((narrowness for narrowness, _ in filled), default=None)
        return [person for narrowness, person in filled if narrowness == narrowest]

    def _fills(self, post: Post, day: date) -> str | None:
        return _present(post, day, self._away)

    def _fitting(self, role: Role, owner: str, region: str, item: str) -> Iterator[Post]:
        """The posts of this role that speak of the commitment."""
        for length in range(len(region) + 1):
            for department in (None, owner):
                for post in self._posts.get((role, region[:length], department), ()):
                    if not post.items or item in post.items:
                        yield post


def _day(at: datetime) -> date:
    return at.astimezone(ZONE).date()
