"""Cases in monitor: the messages about one matter, the core as a scenario, changed rules, and generated histories."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from hypothesis import strategies as st

from contracts.envelope import TimerFired
from contracts.messages.alerts import AlertRaised, AlertWithdrawn, Rung
from contracts.messages.cases import StepState
from contracts.messages.commitments import CommitmentKey
from contracts.messages.plans import Limits
from contracts.working_time.notices import Notice
from services.monitor.core.commitment import TrackedCommitment
from services.monitor.core.handle import handle
from services.monitor.core.rules import RuleFile, Rules, rule_set
from services.monitor.core.state import MonitoredCase
from services.monitor.store import rule_store
from services.runtime.files.document import read_document
from tests.support.messages import MONDAY, CaseMessages, at, limits, plan, plan_step, report
from tests.support.scenario import At, Scenario, of_type

STEP_WARNING, STEP_YELLOW, STEP_RED = at("2026-03-03 09:00"), at("2026-03-03 17:30"), at("2026-03-05 17:30")
CASE_WARNING, CASE_YELLOW, CASE_RED = at("2026-03-05 09:00"), at("2026-03-09 17:30"), at("2026-03-16 17:30")
"""When the rungs of `BUSINESS` fall due, accepted on Monday."""

INSTANT = timedelta(microseconds=1)


def business(
    whole: Limits | None = None, licence: Limits | None = None, tax: Limits | None = None, region: str = "440305"
) -> CaseMessages:
    """Commerce leads; a licence with a limit of its own, and a tax registration after it, without one unless given."""
    steps = (
        plan_step("licence", department="Market office", system="commerce", limits=licence or limits(1, 3)),
        plan_step("tax", after=("licence",), limits=tax),
    )
    return CaseMessages(plan(*steps, whole=whole or limits(5, 10)), region=region)


BUSINESS = business()
LICENCE_OPEN = report("licence", StepState.DELIVERED, MONDAY)
REPORTED_OPEN = BUSINESS.reported(LICENCE_OPEN)


def rule_text(*changes: tuple[str, str]) -> str:
    """The shipped rule file with these replacements, each at its first place."""
    text = rule_store.SHIPPED.read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    return text


def changed_rules(*changes: tuple[str, str], number: int = 1, notices: Iterable[Notice] = ()) -> Rules:
    """The shipped rules with these replacements and notices, under this number."""
    return Rules(number, rule_set(read_document(RuleFile, rule_text(*changes).encode()), notices))


class Monitor(Scenario[MonitoredCase]):
    """A case in monitor, by the shipped rules unless others are given."""

    def __init__(self, rules: Rules | None = None) -> None:
        super().__init__(partial(handle, rules or rule_store.shipped()))

    def use(self, rules: Rules) -> None:
        """Put other rules in force."""
        self.core = partial(handle, rules)

    def tracked(self, key: CommitmentKey) -> TrackedCommitment:
        """The commitment with this key."""
        found = self.case.commitment(key)
        assert found is not None
        return found

    def change(self, key: CommitmentKey, **facts: Any) -> None:
        """Replace recorded facts of a commitment."""
        self.state = self.case.with_commitment(self.tracked(key).replace(**facts))

    def standing(self) -> set[tuple[CommitmentKey, Rung, datetime]]:
        """The alerts raised and not withdrawn. Each rung is raised, and withdrawn, at most once an occurrence."""
        raised = of_type(AlertRaised, self.published)
        withdrawn = [(one.commitment, one.rung, one.occurrence) for one in of_type(AlertWithdrawn, self.published)]
        keys = [(one.commitment, one.rung, one.occurrence) for one in raised]
        assert len(set(keys)) == len(keys), "a rung has fired twice"
        assert len(set(withdrawn)) == len(withdrawn), "a rung was withdrawn twice"
        assert set(withdrawn) <= set(keys), "a rung was withdrawn that had not fired"
        standing = [a for a in raised if (a.commitment, a.rung, a.occurrence) not in withdrawn]
        assert len({(a.commitment, a.rung) for a in standing}) == len(standing), "a rung stands twice"
        return {(a.commitment, a.rung, a.due_at) for a in standing}

    def standing_rungs(self) -> set[tuple[CommitmentKey, Rung]]:
        """The commitments and rungs of the standing alerts."""
        return {(key, rung) for key, rung, _ in self.standing()}


def opened(of: CaseMessages = BUSINESS, rules: Rules | None = None) -> Monitor:
    """A case accepted on Monday, whose licence was delivered to the department at once."""
    return Monitor(rules).given((of.accepted(MONDAY), MONDAY), (of.delivered("licence", MONDAY), MONDAY))


def carded() -> Monitor:
    """The same, after its time: the licence has a warning and a yellow card."""
    card_at = STEP_YELLOW + INSTANT
    return opened().given((TimerFired(), card_at), (REPORTED_OPEN, card_at))


def facts(case: MonitoredCase) -> MonitoredCase:
    """The state without alerts, platform issues and requests, which depend on the order of messages."""
    commitments = tuple(tracked.replace(raised=()) for tracked in case.commitments)
    changing = {"request_count": 0, "unanswered_requests": 0, "requested_at": None, "sequence": 0}
    return case.replace(commitments=commitments, platform_issues=(), **changing)


# -- generated histories -----------------------------------------------------------------------------------------------

# Deadlines and answers meet on few moments, so that "exactly when it is due" comes up often.
moments = st.one_of(
    st.sampled_from([STEP_WARNING, STEP_YELLOW, STEP_RED, CASE_YELLOW]),
    st.integers(0, 20 * 24).map(lambda hours: MONDAY + timedelta(hours=hours)),
).flatmap(lambda moment: st.sampled_from([moment, moment + INSTANT]))

limit_ends = st.one_of(st.integers(0, 6), moments)
"""Ends of limits: a number of working days, or a moment."""


@st.composite
def histories(draw: st.DrawFn, *, finished: bool = False) -> list[At]:
    """Possible histories of a case: each event at one moment, reported in messages of that moment or later."""
    whole, licence, tax = (limits(draw(limit_ends), draw(limit_ends)) for _ in range(3))
    of = business(whole, licence, tax)
    step_at, arrived_at, tax_at, case_at = sorted((draw(moments), draw(moments), draw(moments), draw(moments)))
    messages: list[At] = [(of.accepted(MONDAY), MONDAY), (of.delivered("licence", MONDAY), MONDAY)]
    answered = finished or draw(st.booleans())
    licence_done = report("licence", StepState.DONE, MONDAY, decided_at=step_at, arrived_at=arrived_at)
    if answered:
        messages.append((of.done("licence", step_at, delivered_at=MONDAY, arrived_at=arrived_at), arrived_at))
    for time in draw(st.lists(moments, max_size=3)):
        if answered and time >= arrived_at:
            steps = [licence_done, report("tax", StepState.DELIVERED, arrived_at)]
        else:
            steps = [LICENCE_OPEN, report("tax", StepState.WAITING)]
        if not answered or time <= tax_at:
            messages.append((of.reported(*steps), time))
    if finished or (answered and draw(st.booleans())):
        messages.append((of.done("tax", tax_at, delivered_at=MONDAY), tax_at))
        tax_done = report("tax", StepState.DONE, arrived_at, decided_at=tax_at)
        messages.append((of.decided(case_at, licence_done, tax_done), case_at))
    return messages


def disturbed(history: list[At]) -> st.SearchStrategy[list[At]]:
    """The same messages in another order, some of them more than once."""
    repeats = st.lists(st.sampled_from(history), max_size=6)
    return repeats.flatmap(lambda again: st.permutations([*history, *again]))
