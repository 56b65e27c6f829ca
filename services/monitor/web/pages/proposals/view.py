"""The content of the pages of proposals."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from contracts.regions import region_name
from contracts.rights.actor import Actor
from contracts.rights.table import Act
from contracts.working_time import phrases
from contracts.working_time.notices import NATION
from contracts.zone import CHINA
from services.monitor.core.rules import RuleSet
from services.monitor.store import rule_store
from services.monitor.store.notifications import directory_store
from services.monitor.web.pages.proposals.differences import MOST_LINES, ChangedDay, Line, changed_days, changed_lines
from services.monitor.web.pages.words import NameOf, Words
from services.runtime.files.document import write_yaml
from services.runtime.http.pages.languages import N_
from services.runtime.store.documents import VersionedDocument
from services.runtime.store.proposals import Proposal
from services.runtime.store.rollouts import Progress


class Changed(NamedTuple):
    """A document that is changed by proposals. ``content``: what its file says."""

    document: VersionedDocument[Any]
    reads: Act
    changes: Act
    text: str
    content: Callable[[Any], Any]

    @property
    def kind(self) -> str:
        """The name of the document in addresses."""
        return self.document.kind


CHANGED: Mapping[str, Changed] = {
    one.kind: one
    for one in (
        Changed(
            rule_store.RULES,
            Act.READ_RULES,
            Act.CHANGE_RULES,
            N_("Rules and calendars"),
            lambda content: content.rules,
        ),
        Changed(
            directory_store.DIRECTORY,
            Act.READ_DIRECTORY,
            Act.CHANGE_DIRECTORY,
            N_("Directory"),
            lambda content: content,
        ),
    )
}
"""Each document by its kind."""

KINDS = {
    "now off": N_("becomes a day off"),
    "now worked": N_("becomes a working day"),
    "now published": N_("the year is published"),
}


class ShownVersion(NamedTuple):
    """A version that came into force, and how far the open cases follow it."""

    number: int
    summary: str
    when: str
    people: str
    rollout: str


class ShownDay(NamedTuple):
    """A day that counts in another way."""

    place: str
    day: str
    change: str
    name: str
    is_off: bool


@dataclass
class Shown:
    """Makes proposals and versions into words."""

    words: Words
    name_of: NameOf
    now: Any

    def person(self, actor: Actor) -> str:
        """A person, with the one on leave for whom."""
        return self.words.person(self.name_of, actor.person, actor.on_behalf_of)

    def moment(self, at: Any) -> str:
        """A moment in China."""
        return phrases.moment(at.astimezone(CHINA), self.now.astimezone(CHINA).date(), self.words.language)

    def version(self, changed: Changed, one: Progress) -> ShownVersion:
        """A version of the history."""
        return ShownVersion(
            one.number, one.summary, self.moment(one.made_at), self._people(one), self.rollout(changed, one)
        )

    def rollout(self, changed: Changed, one: Progress) -> str:
        """How far the open cases follow a version; empty for a document that cases do not follow."""
        words = self.words
        if changed.document.core_for is None:
            return ""
        if one.began_at is None:
            return words._(N_("Its roll-out begins: every open deadline is computed again."))
        if one.done_at is None:
            return words._(N_("Roll-out under way, open cases computed again: %(number)s."), number=f"{one.visited:,}")
        return words._(
            N_("All %(number)s open cases follow it, %(changed)s of them changed."),
            number=f"{one.visited:,}",
            changed=f"{one.changed:,}",
        )

    def _people(self, one: Progress) -> str:
        if one.author is None:
            return "–"
        author = self.person(Actor(one.author, one.author_on_behalf_of))
        if one.approver is None:
            return self.words._(N_("%(name)s alone"), name=author)
        approver = self.person(Actor(one.approver, one.approver_on_behalf_of))
        return self.words._(N_("%(name)s, approved by %(other)s"), name=author, other=approver)


@dataclass
class ProposalView:
    """The content of the page of one proposal."""

    shown: Shown
    changed: Changed
    proposal: Proposal
    in_force: int
    before: Any
    after: Any
    actor: Actor | None
    """The reader, where they may settle it."""
    is_fresh: bool

    @cached_property
    def title(self) -> str:
        """The name of the changed document."""
        return self.shown.words._(self.changed.text)

    @property
    def path(self) -> str:
        """The address of the page."""
        return f"/proposals/{self.changed.kind}/{self.proposal.number}"

    @cached_property
    def author(self) -> str:
        """The person who proposes it."""
        return self.shown.person(self.proposal.author)

    @cached_property
    def when(self) -> str:
        """When it was proposed."""
        return self.shown.moment(self.proposal.proposed_at)

    @property
    def is_late(self) -> bool:
        """Whether another version came into force since."""
        return self.proposal.after != self.in_force

    @property
    def is_own(self) -> bool:
        """Whether the reader proposes it, or acts for the person who does."""
        return self.actor is not None and self.proposal.author.shares_a_person_with(self.actor)

    @cached_property
    def days(self) -> list[ShownDay]:
        """The days that count in another way."""
        if not (isinstance(self.after, RuleSet) and isinstance(self.before, RuleSet)):
            return []
        return [self._day(one) for one in changed_days(self.before, self.after)]

    @cached_property
    def all_lines(self) -> Sequence[Line]:
        """The lines that differ."""
        before = write_yaml(self.changed.content(self.before)) if self.before is not None else ""
        return changed_lines(before, write_yaml(self.changed.content(self.after)))

    @property
    def lines(self) -> Sequence[Line]:
        """Of these, as many as the page shows."""
        return self.all_lines[:MOST_LINES]

    @property
    def more(self) -> int:
        """How many lines are not shown."""
        return max(0, len(self.all_lines) - MOST_LINES)

    def _day(self, one: ChangedDay) -> ShownDay:
        words, today = self.shown.words, self.shown.now.astimezone(CHINA).date()
        whole = one.region == NATION
        place = words._(N_("the whole country")) if whole else region_name(one.region.removeprefix("CN-"))
        day = f"{one.day.year}" if one.kind == "now published" else phrases.weekday(one.day, today, words.language)
        return ShownDay(place, day, words._(KINDS[one.kind]), one.name, one.kind == "now off")
