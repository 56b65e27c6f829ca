"""A year of ten thousand cases: make-up days, festivals, suspensions, an amendment in the middle of it and the notice
for the next year, checked against counting day by day (`tests.unit.working_time.naive`)."""

from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from operator import itemgetter
from random import Random

import pytest

from contracts.envelope import RulesChanged, TimerFired
from contracts.messages.alerts import Rung
from contracts.messages.cases import CaseStateRequested, StepState, SuspensionKind
from contracts.messages.commitments import CommitmentKey
from contracts.working_time import Suspension
from contracts.working_time.notices import Notice, NoticeDay
from services.monitor.core.rules import Rules
from tests.support.messages import at, case_extended, case_restarted, case_suspended, limits, report
from tests.support.monitor_histories import BUSINESS, Monitor, business, changed_rules
from tests.support.scenario import At
from tests.unit.working_time.naive import due_by_the_day

CASES = 10_000
ENDS = at("2027-03-01 12:00")
AMENDED, NEXT_YEAR = at("2026-06-15 09:30"), at("2026-11-10 09:30")
REGIONS = ("450103", "440305")


def off(day: str, name: str, *, is_off: bool = True) -> NoticeDay:
    return NoticeDay(name=name, date=date.fromisoformat(day), is_off_day=is_off)


TYPHOON = Notice(year=2026, region="CN-45", days=(off("2026-07-10", "台风"), off("2026-07-11", "台风", is_off=False)))
NEW_YEAR = Notice(
    year=2027,
    days=(
        off("2027-01-01", "元旦"),
        off("2026-12-27", "元旦", is_off=False),
        *(off(f"2027-02-{day:02}", "春节") for day in range(5, 13)),
        off("2027-02-14", "春节", is_off=False),
    ),
)
RULES_VERSIONS = (
    (at("2026-01-01 00:00"), changed_rules(number=1)),
    (AMENDED, changed_rules(number=2, notices=[TYPHOON])),
    (NEXT_YEAR, changed_rules(number=3, notices=[TYPHOON, NEW_YEAR])),
)


def in_force(time: datetime) -> Rules:
    return RULES_VERSIONS[bisect_right([since for since, _ in RULES_VERSIONS], time) - 1][1]


@dataclass
class History:
    """The events of a case, and the messages that report them."""

    region: str
    began_at: datetime
    days: dict[CommitmentKey, tuple[int, int]]
    """Committed and statutory."""
    answered_at: datetime | None
    suspensions: list[tuple[SuspensionKind, Suspension]] = field(default_factory=list)
    extension: int = 0
    restarted_at: datetime | None = None
    messages: list[At] = field(default_factory=list)


def draw_history(random: Random) -> History:
    began_at = at("2026-01-01 09:00") + timedelta(minutes=random.randrange(365 * 24 * 60))
    committed = {key: random.randint(1, 20) for key in ("case", "step/licence")}
    days = {key: (length, length + random.randint(0, 20)) for key, length in committed.items()}
    answered_at = began_at + timedelta(hours=random.uniform(3, 60 * 24)) if random.random() < 0.9 else None
    found = History(random.choice(REGIONS), began_at, days, answered_at)
    of = business(limits(*days["case"]), limits(*days["step/licence"]), region=found.region)
    received_at = began_at + timedelta(minutes=random.randint(1, 120))
    found.messages = [
        (of.accepted(began_at), began_at),
        (of.delivered("licence", received_at, requested_at=began_at), received_at),
    ]
    _change_time(found, random)
    if answered_at is not None:
        step = report("licence", StepState.DONE, began_at, decided_at=answered_at)
        found.messages.append((of.done("licence", answered_at, delivered_at=received_at), answered_at))
        found.messages.append((of.decided(answered_at, step), answered_at))
    # Repeated messages change nothing.
    found.messages += [one for one in found.messages if random.random() < 0.1]
    found.messages.sort(key=itemgetter(1))
    return found


def _change_time(history: History, random: Random) -> None:
    """Suspend, extend or restart the time."""
    last = history.answered_at or ENDS

    def moment() -> datetime:
        return min(history.began_at + timedelta(hours=random.uniform(1, 20 * 24)), last - timedelta(minutes=1))

    for number in range(random.choice((0, 0, 0, 1, 1, 2))):
        since = moment()
        until = since + timedelta(hours=random.uniform(0, 15 * 24)) if random.random() < 0.9 else None
        if until is not None and until >= last:
            until = None
        kind = SuspensionKind.CORRECTION if random.random() < 0.4 else SuspensionKind.PROCEDURE
        for end in (None,) if until is None else (None, until):
            change = f"c{number}-{'begins' if end is None else 'ends'}"
            message = (
                case_suspended(since, end, suspension=f"c{number}", change_id=change)
                if kind is SuspensionKind.CORRECTION
                else BUSINESS.suspended("licence", f"P{number}", since, until=end)
            )
            history.messages.append((message, end or since))
        history.suspensions.append((kind, Suspension(since, until)))
    if random.random() < 0.1:
        history.extension = random.choice((10, 15))
        notified_at = moment()
        history.messages.append((case_extended(history.extension, notified_at, steps=["licence"]), notified_at))
    if random.random() < 0.05:
        history.restarted_at = moment()
        history.messages.append((case_restarted(history.restarted_at), history.restarted_at))


def processed(history: History) -> Monitor:
    """Monitor's view of it at the end: each message at its moment, each timer when it is due, each request answered."""
    monitor = Monitor(in_force(history.began_at))
    delivered = report(
        "licence", StepState.DELIVERED, history.began_at, delivered_at=history.began_at + timedelta(hours=2)
    )
    changes: list[At] = [(RulesChanged(), since) for since, _ in RULES_VERSIONS if history.began_at < since <= ENDS]
    for message, time in [*sorted([*history.messages, *changes], key=itemgetter(1)), (None, ENDS)]:
        while monitor.state is not None and (now := monitor.last.timer_at) is not None and now <= min(time, ENDS):
            if CaseStateRequested() in monitor.when(TimerFired(), now):
                monitor.when(BUSINESS.reported(delivered), now)
        if message is None or time > ENDS:
            break
        monitor.use(in_force(time))
        if not (isinstance(message, RulesChanged) and monitor.state is not None and monitor.last.closed):
            monitor.when(message, time)
    return monitor


def expected(history: History, key: CommitmentKey, statutory: bool) -> datetime | None:
    """When the limit ends, counting day by day; None while an open suspension lies before it."""
    rules = in_force(min(history.answered_at or ENDS, ENDS))
    counting = rules.counting_rules(history.region)
    days = history.days[key][statutory] + history.extension
    start = max(history.began_at, history.restarted_at or history.began_at)
    # A department's procedure ends with its step, if it has not ended before.
    suspensions = [
        Suspension(one.since, one.until or history.answered_at) if kind is SuspensionKind.PROCEDURE else one
        for kind, one in history.suspensions
    ]
    return due_by_the_day(start, days, suspensions, counting.calendar, counting.hours)


@pytest.mark.timeout(240)
def test_a_year_of_ten_thousand_cases_is_right_to_the_day_and_each_card_stands_that_ought_to() -> None:
    random = Random(2026)
    seen: Counter[str] = Counter()
    for number in range(CASES):
        history = draw_history(random)
        monitor = processed(history)
        standing = monitor.standing_rungs()
        for key in history.days:
            due = monitor.tracked(key).due
            assert due is not None
            for rung, statutory in ((Rung.YELLOW, False), (Rung.RED, True)):
                due_at = expected(history, key, statutory)
                where = (number, key, rung, history)
                assert due.of(rung) == due_at, where
                late = due_at is not None and due_at < min(history.answered_at or ENDS, ENDS)
                assert ((key, rung) in standing) == late, where
                seen["late" if late else "in time"] += 1
                seen["paused"] += due_at is None
        seen["amended"] += history.began_at < AMENDED < (history.answered_at or ENDS)
        seen["next year"] += (history.answered_at or ENDS) > NEXT_YEAR > history.began_at
        seen["suspended"] += bool(history.suspensions)
    assert min(seen.values()) > 100, seen
