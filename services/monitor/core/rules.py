"""The rules that deadlines follow, as data: the ladder, limits, hours, and which clocks a suspension stops. Pure.

People write a *rule file*; onedoor ships ``store/rules.yaml``. A *rule set* is a rule file with the calendars. It is
complete: a deadline can be computed from it again years later.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from contracts.envelope import Code, Name
from contracts.faults import Fault, fault, located
from contracts.messages.alerts import Rung
from contracts.messages.cases import SuspensionKind
from contracts.messages.commitments import CommitmentKey, Kind, kind_of, step_key
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

    ``days_left``: at the beginning of the day after which so many days of the limit are left. ``share_used``: once this
    share of the limit is used; together with ``days_left``, at the later of both moments. ``days_over``: so many days
    after the end of the limit.
    """

    limit: LimitKind = LimitKind.COMMITTED
    days_left: Annotated[int, Field(ge=0, le=3650, strict=True)] | None = None
    share_used: Annotated[float, Field(gt=0, lt=1, strict=True)] | None = None
    days_over: Annotated[int, Field(ge=0, le=3650, strict=True)] = 0

    @property
    def is_early(self) -> bool:
        """Whether it falls due before the end of the limit."""
        return self.days_left is not None or self.share_used is not None

    def days_before(self, days: int | None) -> int:
        """How many days before the last day of a limit of ``days`` it falls due; None is an unknown length."""
        most = self.days_left if self.days_left is not None else (days or 0)
        if self.share_used is None or days is None:
            return most
        return min(most, int(days * (1 - self.share_used)))

    @model_validator(mode="after")
    def _is_before_or_after(self) -> Self:
        if self.is_early and self.days_over:
            raise fault(
                "days_over goes with neither days_left nor share_used; give one or the other",
                "days_over 不能与 days_left 或 share_used 同时填写",
            )
        return self


Ladder = dict[Rung, RungRule]
"""The rungs, and when each falls due."""


class _Selector(StrictValue):
    """Selects commitments: of these kinds, and if given of this region and these items."""

    kinds: Annotated[tuple[Kind, ...], Field(min_length=1)]
    region: RegionPrefix | None = None
    items: tuple[Code, ...] = ()
    """Items or bundles, by their codes in the catalogue."""

    def fits(self, kind: Kind, region: str, item: str) -> bool:
        """Whether it selects such a commitment."""
        return (
            kind in self.kinds
            and (self.region is None or region.startswith(self.region))
            and (not self.items or item in self.items)
        )


class LadderRule(_Selector):
    """The ladder of the selected commitments."""

    rungs: Annotated[Ladder, Field(min_length=1)]


class LimitRule(_Selector):
    """The limits of the selected commitments, where no other limits were promised."""

    committed: Limit
    statutory: Limit | None = None
    """The same as the committed limit if it is omitted."""

    @property
    def limits(self) -> Limits:
        """Both limits."""
        return Limits(committed=self.committed, statutory=self.statutory or self.committed)

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        if promised := [kind for kind in self.kinds if kind in (Kind.CASE, Kind.STEP)]:
            raise fault(
                f"the limits of {', '.join(promised)} stand in the catalogue; leave them out here",
                f"{'、'.join(promised)} 的时限在事项目录中规定，请勿在此填写",
            )
        if not self.limits.in_order:
            raise fault("committed is longer than statutory; correct one of them", "承诺时限长于法定时限，请更正其一")
        return self


def _days(days: int, *kinds: Kind) -> LimitRule:
    return LimitRule(kinds=kinds, committed=Limit(working_days=days))


DEFAULT_LIMITS = (
    _days(5, Kind.NOTICE),
    _days(10, Kind.DELIVERY),
    _days(2, Kind.ACCEPTANCE),
    _days(5, Kind.COMPLAINT, Kind.CONSULTATION),
)
"""The limits of rules that omit them (Administrative Licensing Law, articles 32 and 44; the last three as a province's
supervision has them)."""


class Scope(StrEnum):
    """Which clocks a suspension stops."""

    CASE = "case"
    STEP = "step"
    """The step that the suspension concerns."""
    STEPS = "steps"
    """All steps."""


class RuleFile(StrictValue):
    """The content of a rule file."""

    version: Name
    counting: CountingMethod = CountingMethod.DAY
    ladder: Annotated[tuple[LadderRule, ...], Field(min_length=1)]
    limits: tuple[LimitRule, ...] = DEFAULT_LIMITS
    hours: HoursByRegion
    suspends: dict[SuspensionKind, tuple[Scope, ...]]

    @model_validator(mode="after")
    def _covers_everything(self) -> Self:
        everywhere = {kind for rule in self.ladder if rule.region is None and not rule.items for kind in rule.kinds}
        if missing := [kind for kind in Kind if kind not in everywhere]:
            en = f"no entry covers {', '.join(missing)} in all regions, for all items; add one"
            raise located("rules", [Fault(("ladder",), en, f"{'、'.join(missing)} 缺少不限区域和事项的一项，请补充")])
        if missing_kinds := [kind for kind in SuspensionKind if kind not in self.suspends]:
            en = f"no entry for {', '.join(missing_kinds)}; add one"
            raise located("rules", [Fault(("suspends",), en, f"缺少 {'、'.join(missing_kinds)} 的规定，请补充")])
        return self


class RuleSet(Value):
    """All that deadlines depend on: a rule file, the calendars and the hours of business."""

    format: Literal[1] = 1
    rules: RuleFile
    almanac: Almanac

    @property
    def notices(self) -> tuple[Notice, ...]:
        """The holiday notices in force beside the published calendar."""
        return self.almanac.notices


@dataclass(frozen=True, slots=True, eq=False)
class CountedLadder:
    """A ladder, and the rules by which its days are counted. Commitments with the same rules share one object."""

    ladder: Ladder
    counting_rules: CountingRules


class Rules:
    """A rule set with its lookups. The same commitment gets the same result every time."""

    def __init__(self, number: int, rule_set: RuleSet) -> None:
        """``number`` is the version's number. Raises `contracts.working_time.notices.InvalidNotice`."""
        self.number = number
        self.rule_set = rule_set
        self._regional_rules = RegionalRules(rule_set.almanac)
        self._counted_ladders: dict[tuple[str, str, str], CountedLadder] = {}
        self._shared: dict[tuple[int, int], CountedLadder] = {}
        """By the identities of ladder and counting rules, which both live as long as these rules."""

    def counting_rules(self, region: str) -> CountingRules:
        """How time is counted in a county, given its code of administrative division."""
        return self._regional_rules.counting_rules(region)

    def ladder(self, key: CommitmentKey, region: str, item: str) -> Ladder:
        """The rungs of this commitment."""
        kind = kind_of(key)
        fitting = [rule.rungs for rule in self.rule_set.rules.ladder if rule.fits(kind, region, item)]
        return fitting[-1]

    def counted_ladder(self, key: CommitmentKey, region: str, item: str) -> CountedLadder:
        """The rungs of this commitment, and the rules by which their days are counted."""
        kind, _, _ = key.partition("/")
        wanted = kind, region, item
        if (known := self._counted_ladders.get(wanted)) is None:
            found = CountedLadder(self.ladder(*wanted), self.counting_rules(region))
            known = self._shared.setdefault((id(found.ladder), id(found.counting_rules)), found)
            self._counted_ladders[wanted] = known
        return known

    def limits(self, key: CommitmentKey, region: str, item: str) -> Limits | None:
        """The limits of a commitment without limits of its own; None if the rules have none either."""
        kind = kind_of(key)
        fitting = [rule for rule in self.rule_set.rules.limits if rule.fits(kind, region, item)]
        return fitting[-1].limits if fitting else None

    def suspends(self, kind: SuspensionKind, step: Code | None, key: CommitmentKey) -> bool:
        """Whether a suspension of this kind, of this step or of the whole case, stops the clock of this commitment."""
        scopes = self.rule_set.rules.suspends[kind]
        match kind_of(key):
            case Kind.CASE:
                return Scope.CASE in scopes
            case Kind.STEP:
                return Scope.STEPS in scopes or (Scope.STEP in scopes and (step is None or key == step_key(step)))
            case _:
                return False


def rule_set(rules: RuleFile, notices: Iterable[Notice] = ()) -> RuleSet:
    """The rule set of this file: with the calendar as it is published now, and with these notices."""
    return RuleSet(rules=rules, almanac=almanac(notices, rules.hours, rules.counting))
