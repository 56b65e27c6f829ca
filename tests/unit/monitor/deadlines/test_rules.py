"""Rules as data: the content of a file, the entry that counts, and the shipped rules."""

from datetime import date, datetime, timedelta

import pytest

from contracts.messages.alerts import Rung
from contracts.messages.cases import SuspensionKind
from contracts.messages.commitments import CommitmentKey, Kind
from contracts.messages.plans import Limit, Limits
from contracts.working_time import CountingMethod
from contracts.working_time.notices import Notice, NoticeDay
from services.monitor.core.ladder import ClockHistory, due_dates
from services.monitor.core.rules import RuleFile, RuleSet
from services.monitor.store import rule_store
from services.runtime.files.document import read_document
from services.runtime.files.encoding import InvalidFile
from tests.support.messages import at, limits
from tests.support.monitor_histories import changed_rules, rule_text

# -- the province's card rules -----------------------------------------------------------------------------------------

# Worked timestamps of a provincial system of electronic supervision (Hunan, 2018): from when on a rung is reached.
START = "2018-10-15 10:00"
CARDS = [
    ("case", 7, 10, {Rung.WARNING: "19", Rung.YELLOW: "24", Rung.RED: "29"}),
    ("procedure/1", 7, 7, {Rung.WARNING: "19", Rung.YELLOW: "24", Rung.RED: "25"}),
    ("acceptance", 2, 2, {Rung.WARNING: "17", Rung.YELLOW: "22", Rung.RED: "24"}),
    ("delivery", 3, 3, {Rung.YELLOW: "18"}),
    ("consultation", 5, 5, {Rung.WARNING: "17", Rung.YELLOW: "22", Rung.RED: "23"}),
    ("complaint", 5, 5, {Rung.WARNING: "17", Rung.YELLOW: "22", Rung.RED: "23"}),
]
"""Kind, committed and statutory days, and the day of October on which each rung is reached, at the same time of day."""


@pytest.mark.parametrize(("key", "committed", "statutory", "expected"), CARDS, ids=[case[0] for case in CARDS])
def test_the_shipped_ladder_to_the_second_is_the_provinces(
    key: CommitmentKey, committed: int, statutory: int, expected: dict[Rung, str]
) -> None:
    ladder = changed_rules(("counting: day", "counting: second")).counted_ladder(key, "430100", "any")
    found = due_dates(limits(committed, statutory), ClockHistory(at(START)), ladder)
    assert dict(found.ladder()) == {rung: at(f"2018-10-{day} 10:00") for rung, day in expected.items()}


def test_the_shipped_ladder_by_the_day_ends_at_close_of_business() -> None:
    ladder = rule_store.shipped().counted_ladder("case", "430100", "any")
    found = due_dates(limits(7, 10), ClockHistory(at(START)), ladder)
    assert dict(found.ladder()) == {
        Rung.WARNING: at("2018-10-22 09:00"),
        Rung.YELLOW: at("2018-10-24 17:30"),
        Rung.RED: at("2018-10-29 17:30"),
    }


# -- which entry counts ------------------------------------------------------------------------------------------------


def test_of_the_ladders_that_fit_the_last_one_counts() -> None:
    narrow = """
  - {kinds: [case], region: "45", rungs: {yellow: {}}}
  - {kinds: [case], region: "4501", items: [transfer-property], rungs: {red: {limit: statutory, days_over: 3}}}
"""
    first = changed_rules(("ladder:\n", f"ladder:{narrow}"))
    assert list(first.ladder("case", "450103", "transfer-property")) == [Rung.WARNING, Rung.YELLOW, Rung.RED]
    last = changed_rules(("\nlimits:", f"{narrow}limits:"))
    assert list(last.ladder("case", "450103", "transfer-property")) == [Rung.RED]
    assert list(last.ladder("case", "450200", "transfer-property")) == [Rung.YELLOW]
    assert list(last.ladder("case", "450103", "other")) == [Rung.YELLOW]
    assert len(last.ladder("case", "440305", "other")) == len(last.ladder("step/x", "450103", "other")) == 3


def test_hours_and_zone_are_those_of_the_longest_region() -> None:
    more = """hours:
  - {region: "65", zone: Asia/Urumqi, sessions: ["10:00-14:00", "15:30-19:30"]}
  - {region: "6501", zone: Asia/Shanghai, sessions: ["10:00-18:00"]}
"""
    found = changed_rules(("hours:\n", more))
    assert found.counting_rules("652300").hours.zone == "Asia/Urumqi"
    assert str(found.counting_rules("650102").hours.closes) == "18:00:00"
    assert str(found.counting_rules("450103").hours.closes) == "17:30:00"


def test_a_provinces_notice_counts_there_alone() -> None:
    third_of_march = Notice(
        year=2026,
        region="CN-45",
        days=(NoticeDay(name="壮族三月三", date=date(2026, 4, 20), is_off_day=True),),
    )
    found = changed_rules(notices=[third_of_march])
    friday = ClockHistory(at("2026-04-17 10:00"))
    elsewhere, there = (found.counted_ladder("case", region, "any") for region in ("440305", "450103"))
    assert due_dates(limits(1, 3), friday, elsewhere).yellow == at("2026-04-20 17:30")
    assert due_dates(limits(1, 3), friday, there).yellow == at("2026-04-21 17:30")


def test_a_special_procedure_stops_its_own_step_and_the_case_and_no_other() -> None:
    shipped = rule_store.shipped()
    stopped = {
        key: shipped.suspends(SuspensionKind.PROCEDURE, "land", key)
        for key in ("case", "step/land", "step/tax", "complaint/1")
    }
    assert stopped == {"case": True, "step/land": True, "step/tax": False, "complaint/1": False}
    assert shipped.suspends(SuspensionKind.CORRECTION, None, "step/tax")


def test_a_stored_rule_set_is_the_same() -> None:
    published = rule_store.shipped().rule_set
    stored = published.model_dump_json(by_alias=True)
    assert RuleSet.model_validate_json(stored) == published
    assert rule_store.parse(3, stored).number == 3


def test_counting_is_by_the_day_by_default() -> None:
    assert rule_store.shipped().counting_rules("450103").method is CountingMethod.DAY


# -- files with faults -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (("counting: day", "counting: week"), "line 8: counting: must be 'day' or 'second' / 须为 'day' 或 'second'"),
        (("yellow: {}", "yelow: {}"), "ladder[1].rungs.yelow"),
        (("days_left: 2, share_used: 0.5", "days_left: 2, days_over: 1"), "goes with neither days_left nor share_used"),
        (("  - kinds: [delivery]\n    rungs:\n      yellow: {}\n", ""), "no entry covers delivery in all regions"),
        (("kinds: [delivery]", "kinds: [parcel]"), "must be 'case'"),
        (("days_left: 2, share_used", "days_left: true, share_used"), "days_left: must be a whole number"),
        (
            ("  - {zone: Asia", '  - {region: "99", zone: Asia/Shanghai, sessions: ["09:00-17:30"]}\n  - {zone: Asia'),
            "no code of administrative division begins with 99",
        ),
        (("Asia/Shanghai", "Asia/Nowhere"), "'Asia/Nowhere' is no time zone; write for example Asia/Shanghai"),
        (
            ("committed: {working_days: 10}", "committed: {working_days: 10}, statutory: {working_days: 9}"),
            "committed is longer than statutory",
        ),
        (("09:00-17:30", "09:00-09:00"), "have no length; an office that never closes is open 00:00-24:00"),
        (("09:00-17:30", "nine to five"), "are no hours of business"),
        (("  hold: [case, steps]\n", ""), "suspends: no entry for hold; add one"),
        (("  - {zone: Asia", '  - {region: "45", zone: Asia'), "one entry must apply to all regions"),
        (("ladder:", "ladder: ]"), "line 11: "),
    ],
)
def test_a_file_with_faults_is_refused_with_line_and_reason(changes: tuple[str, str], expected: str) -> None:
    with pytest.raises(InvalidFile) as refused:
        rule_store.read(rule_text(changes))
    assert expected in str(refused.value)
    for line in str(refused.value).splitlines():
        english, chinese = line.split(" / ")
        assert english.startswith("line ") and not chinese.isascii()


def test_the_line_is_the_one_on_which_the_fault_stands() -> None:
    text = rule_text(("days_over: 3", "days_over: -3"))
    (line,) = [number for number, content in enumerate(text.splitlines(), 1) if "days_over: -3" in content]
    with pytest.raises(InvalidFile, match=f"^line {line}: ladder"):
        rule_store.read(text)


@pytest.mark.parametrize("content", ["", "[]", "7", "ladder: {}"])
def test_another_file_is_refused_as_rules(content: str) -> None:
    with pytest.raises(InvalidFile, match=r"^line 1"):
        rule_store.read(content)


def test_every_kind_of_commitment_has_a_ladder() -> None:
    shipped = rule_store.shipped()
    assert all(shipped.ladder(kind, "110101", "any") for kind in Kind)
    assert read_document(RuleFile, rule_text().encode()) == shipped.rule_set.rules


def test_moments_are_instants_in_utc() -> None:
    ladder = rule_store.shipped().counted_ladder("case", "430100", "any")
    found = due_dates(limits(7, 10), ClockHistory(at(START)), ladder)
    assert all(isinstance(due_at, datetime) and due_at.utcoffset() == timedelta() for _, due_at in found.ladder())


def test_days_over_a_fixed_moment_are_counted_from_the_earlier_end() -> None:
    fixed = Limit(working_days=10, due_at=at("2026-03-04 17:30"))
    ladder = rule_store.shipped().counted_ladder("complaint/1", "440305", "any")
    found = due_dates(Limits(committed=fixed, statutory=fixed), ClockHistory(at("2026-03-02 10:00")), ladder)
    assert (found.yellow, found.red) == (at("2026-03-04 17:30"), at("2026-03-05 17:30"))
