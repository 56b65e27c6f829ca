"""Words that the lists and records of monitor share: commitments, rungs, moments of the place, and all that has a name:
people, departments, items, steps, places."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Protocol

from babel.support import NullTranslations
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.bilingual import Language
from contracts.messages.alerts import Rung
from contracts.messages.commitments import CommitmentKey, Kind, kind_of
from contracts.rights.posts import PostName
from contracts.working_time import phrases
from contracts.working_time.hours import OfficeHours
from contracts.zone import CHINA
from services.monitor.core.names import Names
from services.monitor.core.notifications.directory import Directory
from services.monitor.store.notifications import directory_store
from services.monitor.web.pages.filters import place_name
from services.runtime.http.pages.languages import N_, Plural
from services.runtime.http.pages.words import ROLES


class NameOf(Protocol):
    """A person by the id, as people read it: the name, the post and the department."""

    def __call__(self, id: str, department: str | None = None) -> str:
        """Of several posts that of ``department`` is named, which the act was about."""
        ...


COMMITMENTS: Mapping[Kind, str] = {
    Kind.CASE: N_("The whole case"),
    Kind.STEP: N_("Step"),
    Kind.PROCEDURE: N_("Special procedure"),
    Kind.ACCEPTANCE: N_("Acceptance"),
    Kind.NOTICE: N_("Notice"),
    Kind.DELIVERY: N_("Delivery"),
    Kind.COMPLAINT: N_("Complaint"),
    Kind.CONSULTATION: N_("Consultation"),
}

RUNGS: Mapping[Rung, str] = {
    Rung.WARNING: N_("Warning"),
    Rung.YELLOW: N_("Yellow card"),
    Rung.RED: N_("Red card"),
    Rung.OVERSIGHT: N_("Oversight"),
}

POSTS: Mapping[PostName, str] = {
    "clerk": N_("window clerk"),
    "office": N_("chief reviewer"),
    "head": N_("department head"),
    "supervisor": N_("supervisor"),
    "director": N_("head of supervision"),
    "manager": N_("centre manager"),
    "operator": N_("operator"),
    "auditor": N_("auditor"),
    "wall": N_("wall display"),
}
"""The posts of a directory that are named as in the one that comes with onedoor; others are called by their role."""


class Words:
    """Texts in one language."""

    def __init__(self, language: Language, texts: NullTranslations, names: Names) -> None:
        self.language = language
        self.texts = texts
        self.names = names

    def _(self, text: str, **values: object) -> str:
        translated: str = self.texts.gettext(text)
        return translated % values if values else translated

    def many(self, text: Plural, number: int, **values: object) -> str:
        """A text about so many of something."""
        translated: str = self.texts.ngettext(*text, number)
        return translated % {"number": f"{number:,}", **values}

    def department(self, name: str) -> str:
        """A department."""
        return self.names.department(name, self.language)

    def matter(self, code: str) -> str:
        """An item or a bundle."""
        return self.names.matter(code, self.language)

    def item_field(self, code: str | None) -> str:
        """The text in the field of an item: its name, or its code where the name would not lead back to it."""
        name = self.matter(code) if code is not None else ""
        return name if code is None or self.names.code_of(name) == code else code

    def place(self, code: str) -> str:
        """A region."""
        return place_name(code, self.texts)

    def filtered(self, field: str, value: str) -> str:
        """The value of a filter."""
        match field:
            case "region":
                return self.place(value)
            case "owner":
                return self.department(value)
            case "item" | "matter":
                name = self.matter(value)
                return name if name == value else f"{name} {value}"
            case _:
                return value

    def commitment(self, key: CommitmentKey, matter: str) -> str:
        """The subject of a commitment: the whole case, or a step of a case about this matter."""
        if (step := self.names.step(key, matter, self.language)) is not None:
            return step
        name = self._(COMMITMENTS[kind_of(key)])
        _, _, which = key.partition("/")
        return f"{name} {which}" if which else name

    def rung(self, rung: Rung) -> str:
        """A rung of the ladder."""
        return self._(RUNGS[rung])

    async def people(self, connection: AsyncConnection, now: datetime) -> NameOf:
        """The people of the directory in force."""
        found = await directory_store.latest(connection)
        directory = found[1] if found is not None else None
        day = now.astimezone(CHINA).date()

        def name_of(id: str, department: str | None = None) -> str:
            return self.named(directory, id, day, department) if directory is not None else id

        return name_of

    def named(self, directory: Directory, id: str, day: date, department: str | None = None) -> str:
        """A person with the post of that day; see `NameOf`. One who has left keeps the id for a name."""
        person = directory.person(id)
        if person is None:
            return self._(N_("%(id)s (no longer in the directory)"), id=id)
        post = directory.post_of(id, day, department)
        if post is None:
            return person.name
        role = self._(POSTS.get(post.role) or ROLES[directory.content.roles[post.role]])
        if post.department is None:
            return self._(N_("%(name)s (%(post)s)"), name=person.name, post=role)
        text = N_("%(name)s (%(post)s, %(department)s)")
        return self._(text, name=person.name, post=role, department=self.department(post.department))

    def person(self, name_of: NameOf, by: str, instead_of: str | None, department: str | None = None) -> str:
        """The person who acted, and the one on leave for whom."""
        if instead_of is None:
            return name_of(by, department)
        text = N_("%(name)s on behalf of %(other)s")
        return self._(text, name=name_of(by), other=name_of(instead_of, department))

    def moment(self, at: datetime, now: datetime, hours: OfficeHours) -> str:
        """A moment at the place."""
        return phrases.moment(hours.local(at), hours.local(now).date(), self.language)

    def listed(self, parts: list[str]) -> str:
        """Several in one sentence."""
        return ("、" if self.language == "zh" else ", ").join(parts)
