"""Words that the lists and records of monitor share: commitments, rungs, moments of the place, and people by name."""

from collections.abc import Callable, Mapping
from datetime import datetime

from babel.support import NullTranslations
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.bilingual import Language
from contracts.messages.alerts import Rung
from contracts.messages.commitments import CommitmentKey, Kind, kind_of
from contracts.working_time import phrases
from contracts.working_time.hours import OfficeHours
from services.monitor.store.notifications import directory_store
from services.runtime.http.pages.languages import N_

NameOf = Callable[[str], str]
"""The name of a person by the id."""

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


async def names(connection: AsyncConnection) -> NameOf:
    """The names of people by the directory in force; a person whom it lacks has the id for a name."""
    found = await directory_store.latest(connection)
    directory = found[1] if found is not None else None

    def name_of(id: str) -> str:
        person = directory.person(id) if directory is not None else None
        return person.name if person is not None else id

    return name_of


class Words:
    """Texts in one language."""

    def __init__(self, language: Language, texts: NullTranslations) -> None:
        self.language = language
        self.texts = texts

    def _(self, text: str, **values: object) -> str:
        translated: str = self.texts.gettext(text)
        return translated % values if values else translated

    def many(self, one: str, several: str, number: int, **values: object) -> str:
        """A text about so many of something: of two texts, the one for this number."""
        return self._(one if number == 1 else several, number=f"{number:,}", **values)

    def commitment(self, key: CommitmentKey) -> str:
        """What a commitment is for: the whole case, or a step by its code."""
        name = self._(COMMITMENTS[kind_of(key)])
        _, _, which = key.partition("/")
        return f"{name} {which}" if which else name

    def rung(self, rung: Rung) -> str:
        """A rung of the ladder."""
        return self._(RUNGS[rung])

    def person(self, name_of: NameOf, by: str, instead_of: str | None) -> str:
        """The person who acted, and the one on leave for whom."""
        if instead_of is None:
            return name_of(by)
        return self._(N_("%(name)s on behalf of %(other)s"), name=name_of(by), other=name_of(instead_of))

    def moment(self, at: datetime, now: datetime, hours: OfficeHours) -> str:
        """A moment at the place."""
        return phrases.moment(hours.local(at), hours.local(now).date(), self.language)

    def listed(self, parts: list[str]) -> str:
        """Several in one sentence."""
        return ("、" if self.language == "zh" else ", ").join(parts)
