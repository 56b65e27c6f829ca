"""The content of the pages of a journal: its chains, the blocks of a day, and the decisions in them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property
from typing import Annotated, Any, NamedTuple

from babel.support import NullTranslations
from pydantic import ConfigDict, Field
from sqlalchemy import Row

from contracts.bilingual import Language
from contracts.messages.alerts import (
    AlertAcknowledged,
    AlertAppealed,
    AlertClosed,
    AlertRaised,
    AlertReopened,
    AlertWithdrawn,
    AppealDecided,
    CardNotIssued,
    OperationsAlerted,
    Rung,
    TimeDoubted,
)
from contracts.messages.cases import CaseExtended, CaseHeld, CaseRestarted, CaseSuspended
from contracts.messages.commitments import CommitmentsMoved, CommitmentsOpened
from contracts.messages.side_timers import SideTimersReported
from contracts.regions import region_name
from contracts.values import Model
from services.runtime.http.pages.audit.shown import Day, address, moment, service_name
from services.runtime.http.pages.languages import N_
from services.runtime.journal.checking import CheckedDay

PAGE_ENTRIES = 50

LABELS = {"region": N_("Region"), "day": N_("Day"), "verify": N_("Day to verify")}
"""The label of each field."""

DECISIONS: Mapping[str, str] = {
    CommitmentsOpened.type: N_("Limits set"),
    CommitmentsMoved.type: N_("Limits moved"),
    CaseHeld.type: N_("Case held by a supervisor"),
    AlertRaised.type: N_("Alert raised"),
    AlertWithdrawn.type: N_("Alert withdrawn"),
    AlertClosed.type: N_("Alerts closed"),
    AlertReopened.type: N_("Alerts in force again"),
    CardNotIssued.type: N_("Card not issued: the answer was in time"),
    AlertAcknowledged.type: N_("Alert acknowledged"),
    AlertAppealed.type: N_("Appeal made"),
    AppealDecided.type: N_("Appeal decided"),
    OperationsAlerted.type: N_("Operations alerted"),
    TimeDoubted.type: N_("Time doubted or settled"),
    CaseSuspended.type: N_("Time suspended"),
    CaseExtended.type: N_("Time extended"),
    CaseRestarted.type: N_("Time begun anew"),
    SideTimersReported.type: N_("Side timers"),
}
"""Each kind of decision."""

FACTS = {
    "commitment": N_("limit"),
    "rung": N_("rung"),
    "step": N_("step"),
    "procedure": N_("procedure"),
    "kind": N_("kind"),
    "days": N_("days"),
    "upheld": N_("granted"),
    "issue": N_("fault"),
    "field": N_("time"),
    "owner": N_("answers for it:"),
    "matter": N_("item"),
}
"""The fields of a decision that are shown at once; all others are in its text."""

VALUES = {
    Rung.WARNING.value: N_("Warning"),
    Rung.YELLOW.value: N_("Yellow card"),
    Rung.RED.value: N_("Red card"),
    Rung.OVERSIGHT.value: N_("Oversight"),
    "case": N_("the whole case"),
    "True": N_("yes"),
    "False": N_("no"),
}
"""The values that have words."""

_PEOPLE = ("by", "settled_by", "started_by", "ended_by")


class JournalQuery(Model):
    """A day of a chain. The page begins with an entry of a block; both count from 1."""

    model_config = ConfigDict(extra="forbid")

    region: Annotated[str, Field(pattern=r"^[0-9]{2,12}$")] | None = None
    day: Day | None = None
    verify: Day | None = None
    block: int | None = Field(None, ge=1, lt=2**63)
    entry: int = Field(1, ge=1, lt=2**31)


class Slice(NamedTuple):
    """The entries of a block that a page shows, from the ``first`` to the ``last`` one; they count from 1."""

    head: Row[Any]
    first: int
    last: int


def sliced(heads: Sequence[Row[Any]], entry: int, most: int) -> tuple[list[Slice], tuple[int, int] | None]:
    """The first so many entries of these blocks from this entry of the first one on, and where the next page begins.

    A head has its ``number`` and how many ``entries`` its block has.
    """
    found: list[Slice] = []
    for head in heads:
        if most == 0:
            return found, (head.number, 1)
        last = min(head.entries, entry + most - 1)
        if last >= entry:
            found.append(Slice(head, entry, last))
            most -= last - entry + 1
        if last < head.entries:
            return found, (head.number, last + 1)
        entry = 1
    return found, None


class ShownDecision(NamedTuple):
    """An entry of the journal in words."""

    when: str
    title: str
    case_id: str
    people: str
    facts: str
    reason: str | None
    text: str


class ShownBlock(NamedTuple):
    """A block with the entries that the page shows. ``four_eyes``: see `blocks.Block`."""

    number: int
    chained_at: str
    entries: int
    four_eyes: bool | None
    hash: str
    first: int
    decisions: Sequence[ShownDecision]


class ShownChain(NamedTuple):
    """A chain, with its last block and its last closed day."""

    region: str
    name: str
    link: str
    last_day: date
    blocks: int
    closed: date | None
    root: str


@dataclass
class JournalView:
    """The content of the page of a day."""

    service: str
    wanted: JournalQuery
    region: str
    day: date
    size: Row[Any]
    blocks: Sequence[ShownBlock]
    next: tuple[int, int] | None
    last_day: date
    checked: CheckedDay | None
    four_eyes: bool
    texts: NullTranslations

    @property
    def path(self) -> str:
        """The address of the page."""
        return f"/journal/{self.service}"

    @cached_property
    def name(self) -> str:
        """The name of the service."""
        return service_name(self.service, self.texts)

    @cached_property
    def place(self) -> str:
        """The name of the region."""
        return region_name(self.region)

    @cached_property
    def next_page(self) -> str | None:
        """The address of the next page."""
        if self.next is None:
            return None
        block, entry = self.next
        return address(self.path, self._here, block=block, entry=entry if entry > 1 else None)

    @cached_property
    def first_page(self) -> str | None:
        """The address of the first page, where this is another one."""
        return address(self.path, self._here) if self.wanted.block is not None else None

    @cached_property
    def check(self) -> str:
        """The address that verifies the day."""
        return address(self.path, self._here, verify=self.day)

    @cached_property
    def export(self) -> str:
        """The address of the download of the day."""
        return address(f"{self.path}/export", {"region": self.region, "since": self.day, "until": self.day})

    @cached_property
    def export_all(self) -> str:
        """The address of the download of the whole chain."""
        return address(f"{self.path}/export", {"region": self.region})

    @property
    def _here(self) -> dict[str, Any]:
        return {"region": self.region, "day": self.day}


class DecisionMaker:
    """Makes entries into words."""

    def __init__(self, now: datetime, language: Language, texts: NullTranslations) -> None:
        self._now = now
        self._language = language
        self._texts = texts

    def block(self, part: Slice, entries: Sequence[str]) -> ShownBlock:
        """A block with these entries."""
        head = part.head
        return ShownBlock(
            head.number,
            moment(head.chained_at, self._now, self._language),
            head.entries,
            head.four_eyes,
            head.hash.hex(),
            part.first,
            [self._decision(entry) for entry in entries],
        )

    def _decision(self, entry: str) -> ShownDecision:
        event = json.loads(entry)
        data: Mapping[str, Any] = event.get("data") or {}
        kind = str(event.get("type", ""))
        return ShownDecision(
            moment(datetime.fromisoformat(event["time"]).astimezone(UTC), self._now, self._language),
            self._texts.gettext(DECISIONS[kind]) if kind in DECISIONS else kind,
            str(event.get("subject", "")),
            self._listed(_people(data)),
            self._listed(
                f"{self._texts.gettext(text)} {self._value(data[name])}"
                for name, text in FACTS.items()
                if data.get(name) is not None
            ),
            data.get("reason") or None,
            json.dumps(event, ensure_ascii=False, indent=1),
        )

    def _value(self, value: object) -> str:
        text = str(value)
        return self._texts.gettext(VALUES[text]) if text in VALUES else text

    def _listed(self, parts: Iterator[str]) -> str:
        return ("、" if self._language == "zh" else ", ").join(parts)


def _people(data: Mapping[str, Any]) -> Iterator[str]:
    """The people who have decided, each once, with the person on leave for whom."""
    found: dict[str, None] = {}
    for one in (data, *data.get("timers", ())):
        for name in _PEOPLE:
            if one.get(name):
                instead = one.get("on_behalf_of" if name == "by" else name.replace("_by", "_on_behalf_of"))
                found[f"{one[name]} ({instead})" if instead else str(one[name])] = None
    return iter(found)
