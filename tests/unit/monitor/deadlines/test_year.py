"""A year of ten thousand cases: make-up days, festivals, suspensions, an amendment in the middle of it and the notice
for the next year, checked against counting day by day (`tests.unit.working_time.naive`)."""

from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from random import Random

import pytest

from contracts.envelope import Message, RulesChanged, TimerFired
from contracts.messages.alerts import Rung
from contracts.messages.cases import (
    CaseExtended,
    CaseRestarted,
    CaseStateRequested,
    CaseSuspended,
    StepState,
    SuspensionKind,
)
from contracts.messages.commitments import CommitmentKey
from contracts.messages.tasks import TaskSuspended
from contracts.working_time import Suspension
from contracts.working_time.notices import Notice, NoticeDay
from services.monitor.core.rules import Rules, rule_set
from services.monitor.store.rule_store import SHIPPED, read
from tests.support.monitor_histories import (
    CASE_ID,
    Monitor,
    accepted,
    at,
    decided,
    delivered,
    done,
    limits,
    plan,
    report,
    reported,
)
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
    (at("2026-01-01 00:00"), Rules(1, rule_set(read(SHIPPED)))),
    (AMENDED, Rules(2, rule_set(read(SHIPPED), [TYPHOON]))),
    (NEXT_YEAR, Rules(3, rule_set(read(SHIPPED), [TYPHOON, NEW_YEAR]))),
)


def in_force(time: datetime) -> Rules:
    return RULES_VERSIONS[bisect_right([since for since, _ in RULES_VERSIONS], time) - 1][1]


@dataclass
class Story:
    """What happens to a case."""

    region: str
    began_at: datetime
    days: dict[CommitmentKey, tuple[int, int]]
    """Committed and statutory."""
    answered_at: datetime | None
    suspensions: list[tuple[SuspensionKind, Suspension]] = field(default_factory=list)
    extension: int = 0
    restarted_at: datetime | None = None
    messages: list[tuple[datetime, Message]] = field(default_factory=list)


def story(random: Random) -> Story:
    began_at = at("2026-01-01 09:00") + timedelta(minutes=random.randrange(365 * 24 * 60))
    committed = {key: random.randint(1, 20) for key in ("case", "step/licence")}
    days = {key: (length, length + random.randint(0, 20)) for key, length in committed.items()}
    answered_at = began_at + timedelta(hours=random.uniform(3, 60 * 24)) if random.random() < 0.9 else None
    found = Story(random.choice(REGIONS), began_at, days, answered_at)
    of = plan(whole=limits(*days["case"]), licence=limits(*days["step/licence"]))
    received_at = began_at + timedelta(minutes=random.randint(1, 120))
    found.messages = [
        (began_at, accepted(began_at, of).replace(region=found.region)),
        (received_at, delivered(received_at).replace(requested_at=began_at)),
    ]
    _bend(found, random)
    if answered_at is not None:
        found.messages.append((answered_at, done(answered_at, delivered_at=received_at)))
        step = report("licence", StepState.DONE, began_at, decided_at=answered_at)
        found.messages.append((answered_at, decided(answered_at, step)))
    # Repeated messages change nothing.
    found.messages += [(time, published) for time, published in found.messages if random.random() < 0.1]
    found.messages.sort(key=lambda one: one[0])
    return found


def _bend(story: Story, random: Random) -> None:
    """Suspend, extend or restart the time."""
    last = story.answered_at or ENDS

    def moment() -> datetime:
        return min(story.began_at + timedelta(hours=random.uniform(1, 20 * 24)), last - timedelta(minutes=1))

    for number in range(random.choice((0, 0, 0, 1, 1, 2))):
        since = moment()
        until = since + timedelta(hours=random.uniform(0, 15 * 24)) if random.random() < 0.9 else None
        if until is not None and until >= last:
            until = None
        correction = random.random() < 0.4
        for time, end in ((since, None), *(((until, until),) if until is not None else ())):
            story.messages.append((time, _change(number, since, end, correction=correction)))
        kind = SuspensionKind.CORRECTION if correction else SuspensionKind.PROCEDURE
        story.suspensions.append((kind, Suspension(since, until)))
    if random.random() < 0.1:
        story.extension = random.choice((10, 15))
        notified_at = moment()
        change = CaseExtended(change_id="e1", days=story.extension, reason="案情复杂", notified_at=notified_at)
        story.messages.append((notified_at, change))
    if random.random() < 0.05:
        story.restarted_at = moment()
        change = CaseRestarted(change_id="r1", reason="重新受理", restarted_at=story.restarted_at)  # type: ignore[assignment]
        story.messages.append((story.restarted_at, change))


def _change(number: int, since: datetime, until: datetime | None, *, correction: bool) -> Message:
    if correction:
        return CaseSuspended(
            change_id=f"w{number}{'e' if until else 'b'}",
            suspension=f"C{number}",
            kind=SuspensionKind.CORRECTION,
            reason="材料不齐",
            since=since,
            until=until,
            recorded_at=until or since,
        )
    return TaskSuspended(
        task_id=f"{CASE_ID}/licence",
        step="licence",
        department="Market office",
        system="commerce",
        procedure=f"P{number}",
        name="检验",
        reason="需要检验",
        since=since,
        until=until,
        reported_at=until or since,
    )


def lived(story: Story) -> Monitor:
    """Monitor's view of it at the end: each message at its moment, each timer when it is due, each query answered."""
    monitor = Monitor(in_force(story.began_at))
    changes = [(since, RulesChanged()) for since, _ in RULES_VERSIONS if story.began_at < since <= ENDS]
    events: list[tuple[datetime, Message]] = sorted([*story.messages, *changes], key=lambda one: one[0])
    for time, message in [*events, (ENDS, None)]:
        while monitor.step is not None and monitor.timer_at is not None and monitor.timer_at <= min(time, ENDS):
            now = monitor.timer_at
            if CaseStateRequested() in monitor.process(TimerFired(), now):
                known = report("licence", StepState.DELIVERED, story.began_at)
                monitor.process(reported(known.replace(delivered_at=story.began_at + timedelta(hours=2))), now)
        if message is None or time > ENDS:
            break
        monitor.rules = in_force(time)
        if not (isinstance(message, RulesChanged) and monitor.step is not None and monitor.step.closed):
            monitor.process(message, time)
    return monitor


def expected(story: Story, key: CommitmentKey, statutory: bool) -> datetime | None:
    """When the limit ends, counting day by day; None while an open suspension lies before it."""
    rules = in_force(min(story.answered_at or ENDS, ENDS))
    terms = rules.terms(story.region)
    days = story.days[key][statutory]
    start = story.began_at
    if key == "case":
        days += story.extension
        start = max(start, story.restarted_at or start)
    # A department's procedure ends with its step, if it has not ended before.
    suspensions = [
        Suspension(one.since, one.until or story.answered_at) if kind is SuspensionKind.PROCEDURE else one
        for kind, one in story.suspensions
    ]
    return due_by_the_day(start, days, suspensions, terms.calendar, terms.hours)


@pytest.mark.timeout(240)
def test_a_year_of_ten_thousand_cases_is_right_to_the_day_and_each_card_stands_that_ought_to() -> None:
    random = Random(2026)
    seen: Counter[str] = Counter()
    for number in range(CASES):
        story_ = story(random)
        monitor = lived(story_)
        assert monitor.state is not None
        standing = {(key, rung) for key, rung, _ in monitor.standing()}
        for key in story_.days:
            tracked = monitor.state.commitment(key)
            assert tracked is not None and tracked.due is not None
            for rung, statutory in ((Rung.YELLOW, False), (Rung.RED, True)):
                due_at = expected(story_, key, statutory)
                where = (number, key, rung, story_)
                assert tracked.due.of(rung) == due_at, where
                late = due_at is not None and due_at < min(story_.answered_at or ENDS, ENDS)
                assert ((key, rung) in standing) == late, where
                seen["late" if late else "in time"] += 1
                seen["paused"] += due_at is None
        seen["amended"] += story_.began_at < AMENDED < (story_.answered_at or ENDS)
        seen["next year"] += (story_.answered_at or ENDS) > NEXT_YEAR > story_.began_at
        seen["suspended"] += bool(story_.suspensions)
    assert min(seen.values()) > 100, seen
