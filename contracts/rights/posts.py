"""The posts of people and programs, and the leave of people, as a directory lists them. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Annotated

from pydantic import ConfigDict, Field

from contracts.envelope import Code, Name
from contracts.messages.documents import Absence, Held
from contracts.working_time.almanac import RegionPrefix
from contracts.working_time.written import WrittenDate

Day = Annotated[WrittenDate, Field(ge=date(1900, 1, 1), le=date(2300, 1, 1))]

PostName = Code
"""The directory's own name for a kind of post, such as ``clerk`` or ``head``."""


class Leave(Absence):
    """An absence, as people write it into a file."""

    model_config = ConfigDict(extra="forbid")

    since: Day
    until: Day


class Post(Held):
    """A person is notified in this role of commitments of this department, in this region, about these items.

    An omitted department or region, and an empty list of items, stand for all.
    """

    model_config = ConfigDict(extra="forbid")

    role: PostName
    department: Name | None = None
    """The owner of a commitment, as alerts name it."""
    region: RegionPrefix | None = None
    items: tuple[Code, ...] = ()
    """Items or bundles, by their codes in the catalogue."""
    since: Day | None = None
    until: Day | None = None

    @property
    def is_general(self) -> bool:
        """Whether it covers every commitment."""
        return self.department is None and self.region is None and not self.items

    @property
    def specificity(self) -> tuple[int, bool, bool]:
        """Orders posts: by the length of the region first, then by department, then by items."""
        return len(self.region or ""), self.department is not None, bool(self.items)


LeaveByPerson = Mapping[str | None, Sequence[Absence]]


def leave_by_person(leave: Iterable[Absence]) -> LeaveByPerson:
    """The leave of each person."""
    found: dict[str | None, list[Absence]] = {}
    for one in leave:
        found.setdefault(one.person, []).append(one)
    return found


def present(post: Held, day: date, leave: LeaveByPerson) -> str | None:
    """The person who fills it on that day: its holder, the deputy of a holder on leave, or None."""
    if not post.held_on(day):
        return None
    if not _is_on_leave(post.person, day, leave):
        return post.person
    if post.deputy is not None and not _is_on_leave(post.deputy, day, leave):
        return post.deputy
    return None


def _is_on_leave(person: str, day: date, leave: LeaveByPerson) -> bool:
    return any(one.covers(day) for one in leave.get(person, ()))
