"""Documents that every process keeps: the posts of the directory, from which rights follow, the almanac, by which time
is counted, and the names of the catalogue."""

from datetime import date
from typing import ClassVar

from contracts.envelope import Code, Document, Name
from contracts.messages.fields import PersonId
from contracts.values import Value
from contracts.working_time.almanac import Almanac


class Absence(Value):
    """A person is absent from the first of these days to the last."""

    person: PersonId
    since: date
    until: date

    def covers(self, day: date) -> bool:
        """Whether it includes that day."""
        return self.since <= day <= self.until


class Held(Value):
    """A person fills something from the first of these days to the last; on leave, the deputy does."""

    person: PersonId
    deputy: PersonId | None = None
    since: date | None = None
    until: date | None = None
    """The last day."""

    def held_on(self, day: date) -> bool:
        """Whether it exists on that day."""
        return (self.since is None or self.since <= day) and (self.until is None or day <= self.until)


class PublishedPost(Held):
    """A post, with the role that gives its rights.

    An omitted department or region, and an empty list of items, stand for all. A role that is not known here gives no
    right.
    """

    role: Code
    department: Name | None = None
    region: Code | None = None
    """A code of administrative division or the beginning of one."""
    items: tuple[Code, ...] = ()


class PostsPublished(Document):
    """The posts and the leave of the directory in force, without the names and addresses of people."""

    type: ClassVar[str] = "onedoor.posts.published.v1"
    kind: ClassVar[str] = "posts"

    posts: tuple[PublishedPost, ...]
    leave: tuple[Absence, ...] = ()
    powers_apart: bool = True
    """Whether no person holds posts of two powers."""
    four_eyes: bool = True
    """Whether changes of rules, directory and calendar need a second person."""


class AlmanacPublished(Document):
    """The calendars and office hours in force, by which due dates are computed."""

    type: ClassVar[str] = "onedoor.almanac.published.v1"
    kind: ClassVar[str] = "calendars"

    almanac: Almanac


class CatalogueName(Value):
    """An entry of the catalogue as people call it.

    ``key`` is what other messages have of it: the code of an item or a bundle, the full name of a department.
    """

    key: Name
    zh: Name
    en: Name | None = None


class BundleName(CatalogueName):
    """A bundle as people call it. Its steps have the names of their items."""

    steps: dict[Code, Code]
    """The item of each step."""


class NamesPublished(Document):
    """The names of the catalogue in use."""

    type: ClassVar[str] = "onedoor.names.published.v1"
    kind: ClassVar[str] = "names"

    departments: tuple[CatalogueName, ...]
    items: tuple[CatalogueName, ...]
    bundles: tuple[BundleName, ...] = ()
