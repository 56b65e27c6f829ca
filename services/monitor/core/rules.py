"""The rules by which commitments are held, as data: calendars, hours, the ladder, and what a suspension stops. Pure.

A *rule file* is what people write (``rules.yaml`` beside this file is the one that comes with onedoor). With the
calendars it makes a *rule set*, which says all there is to know: a deadline can be reckoned from it again years later.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from contracts.envelope import Code, Name
from contracts.messages.alerts import Rung
from contracts.messages.cases import SuspensionKind
from contracts.messages.commitments import CommitmentKey, Kind, kind_of
from contracts.messages.plans import Limit, Limits
from contracts.values import StrictValue, Value
from contracts.working_time import CountingMethod, CountingRules
from contracts.working_time.almanac import Almanac, HoursByRegion, RegionalRules, RegionPrefix, almanac
from contracts.working_time.notices import Notice


class LimitKind(StrEnum):
    """Which of the two limits of a commitment (承诺 / 法定时限)."""

    COMMITTED = "committed"
    STATUTORY = "statutory"


class RungRule(StrictValue):
    """When a rung falls due: at the end of a limit, some days after it, or while some of it is left.

    ``days_left``: when the day begins that has so many days after it until the last. ``share_used``: not before so much
    of the limit is used; alone, then. ``days_over``: when the limit and so many days more have passed.
    """

    limit: LimitKind = LimitKind.COMMITTED
    days_left: Annotated[int, Field(ge=0, le=3650)] | None = None
    share_used: Annotated[float, Field(gt=0, lt=1)] | None = None
    days_over: Annotated[int, Field(ge=0, le=3650)] = 0

    @property
    def early(self) -> bool:
        """Whether it falls due while some of the limit is left."""
        return self.days_left is not None or self.share_used is not None

    def days_before(self, days: int | None) -> int:
        """How many days before the last of a limit of ``days`` it falls due; None is a length that nobody knows."""
        most = self.days_left if self.days_left is not None else (days or 0)
        if self.share_used is None or days is None:
            return most
        return min(most, int(days * (1 - self.share_used)))

    @model_validator(mode="after")
    def _is_before_or_after(self) -> Self:
        if self.early and self.days_over:
            raise ValueError("days_over goes with neither days_left nor share_used")
        return self


Ladder = dict[Rung, RungRule]
"""The rungs there are, and when each falls due."""


class _ForSome(StrictValue):
    """A rule for the commitments that fit: of these kinds, and where given of this region and these items."""

    kinds: Annotated[tuple[Kind, ...], Field(min_length=1)]
    region: RegionPrefix | None = None
    items: tuple[Code, ...] = ()
    """Items or bundles, by their codes in the catalogue."""

    def fits(self, kind: Kind, region: str, item: str) -> bool:
        """Whether it speaks of such a commitment."""
        return (
            kind in self.kinds
            and (self.region is None or region.startswith(self.region))
            and (not self.items or item in self.items)
        )


class LadderRule(_ForSome):
    """The ladder of the commitments that fit."""

    rungs: Annotated[Ladder, Field(min_length=1)]


class LimitRule(_ForSome):
    """How long there is for the commitments that fit, where nobody has promised another time."""

    committed: Limit
    statutory: Limit | None = None
    """The committed limit where it is not given."""

    @property
    def limits(self) -> Limits:
        """Both limits."""
        return Limits(committed=self.committed, statutory=self.statutory or self.committed)

    @model_validator(mode="after")
    def _is_of_clocks_beside_the_case(self) -> Self:
        if promised := [kind for kind in self.kinds if kind in (Kind.CASE, Kind.STEP)]:
            raise ValueError(f"the limits of {', '.join(promised)} stand in the catalogue")
        return self


def _days(days: int, *kinds: Kind) -> LimitRule:
    return LimitRule(kinds=kinds, committed=Limit(working_days=days))


USUAL_LIMITS = (
    _days(5, Kind.NOTICE),
    _days(10, Kind.DELIVERY),
    _days(2, Kind.ACCEPTANCE),
    _days(5, Kind.COMPLAINT, Kind.CONSULTATION),
)
"""Of rules that say nothing of limits (Administrative Licensing Law, articles 32 and 44; the last three are those of a
province's supervision)."""


class Scope(StrEnum):
    """What a suspension stops."""

    CASE = "case"
    STEP = "step"
    """The step that it is about."""
    STEPS = "steps"
    """All steps."""


class RuleFile(StrictValue):
    """What people write."""

    version: Name
    counting: CountingMethod = CountingMethod.DAY
    ladder: Annotated[tuple[LadderRule, ...], Field(min_length=1)]
    limits: tuple[LimitRule, ...] = USUAL_LIMITS
    hours: HoursByRegion
    suspends: dict[SuspensionKind, tuple[Scope, ...]]

    @model_validator(mode="after")
    def _speaks_of_all(self) -> Self:
        everywhere = {kind for rule in self.ladder if rule.region is None and not rule.items for kind in rule.kinds}
        if missing := [kind for kind in Kind if kind not in everywhere]:
            raise ValueError(f"ladder: nothing is said of {', '.join(missing)} in all regions, for all items")
        if missing_kinds := [kind for kind in SuspensionKind if kind not in self.suspends]:
            raise ValueError(f"suspends: nothing is said of {', '.join(missing_kinds)}")
        return self


class RuleSet(Value):
    """Everything by which commitments are held, at one time."""

    format: Literal[1] = 1
    rules: RuleFile
    almanac: Almanac

    @property
    def notices(self) -> tuple[Notice, ...]:
        """The notices in force beside what is published."""
        return self.almanac.notices


@dataclass(frozen=True, slots=True, eq=False)
class Scale:
    """By what the rungs of a commitment fall due. There is one for all commitments that are held alike."""

    ladder: Ladder
    terms: CountingRules


class Rules:
    """A rule set, ready to be asked. Says the same of the same commitment for ever."""

    def __init__(self, number: int, said: RuleSet) -> None:
        """``number`` is the version's number. Raises `contracts.working_time.notices.InvalidNotice`."""
        self.number = number
        self.rule_set = said
        self._places = RegionalRules(said.almanac)
        self._scales: dict[tuple[str, str, str], Scale] = {}
        self._alike: dict[tuple[int, int], Scale] = {}
        """By the identities of ladder and terms, which both live as long as these rules."""

    def terms(self, region: str) -> CountingRules:
        """By what time is counted in a county, by its code of administrative division."""
        return self._places.counting_rules(region)

    def ladder(self, key: CommitmentKey, region: str, item: str) -> Ladder:
        """The rungs of this commitment."""
        kind = kind_of(key)
        fitting = [rule.rungs for rule in self.rule_set.rules.ladder if rule.fits(kind, region, item)]
        return fitting[-1]

    def scale(self, key: CommitmentKey, region: str, item: str) -> Scale:
        """By what the rungs of this commitment fall due."""
        kind, _, _ = key.partition("/")
        wanted = kind, region, item
        if (known := self._scales.get(wanted)) is None:
            found = Scale(self.ladder(*wanted), self.terms(region))
            known = self._scales[wanted] = self._alike.setdefault((id(found.ladder), id(found.terms)), found)
        return known

    def limits(self, key: CommitmentKey, region: str, item: str) -> Limits | None:
        """The limits of this commitment, where it has none of its own; None where the rules know none either."""
        kind = kind_of(key)
        fitting = [rule for rule in self.rule_set.rules.limits if rule.fits(kind, region, item)]
        return fitting[-1].limits if fitting else None

    def stops(self, kind: SuspensionKind, step: Code | None, key: CommitmentKey) -> bool:
        """Whether a suspension of this kind, which is about this step or the whole case, stops this commitment."""
        scopes = self.rule_set.rules.suspends[kind]
        match kind_of(key):
            case Kind.CASE:
                return Scope.CASE in scopes
            case Kind.STEP:
                return Scope.STEPS in scopes or (Scope.STEP in scopes and (step is None or key == f"step/{step}"))
            case _:
                return False


def rule_set(rules: RuleFile, notices: Iterable[Notice] = ()) -> RuleSet:
    """These rules with the calendar as it is published now, and notices beside it."""
    return RuleSet(rules=rules, almanac=almanac(notices, rules.hours, rules.counting))
