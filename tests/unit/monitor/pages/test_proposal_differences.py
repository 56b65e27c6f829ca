"""The difference of two versions of a document, as the page of a proposal shows it."""

from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from contracts.working_time.notices import Notice, NoticeDay
from services.monitor.core.rules import rule_set
from services.monitor.store import rule_store
from services.monitor.web.pages.proposals.differences import changed_days, changed_lines

LINES = st.lists(st.sampled_from("abcdefgh"), max_size=30)


@given(LINES, LINES)
def test_the_lines_lead_from_one_file_to_the_other(before: list[str], after: list[str]) -> None:
    found = changed_lines("\n".join(before), "\n".join(after))
    assert (found == []) == (before == after)
    for line in found:
        if line.before is not None:
            assert before[line.before - 1] == line.text
        if line.after is not None:
            assert after[line.after - 1] == line.text
    kept_before = [text for i, text in enumerate(before, 1) if i not in {one.before for one in found}]
    kept_after = [text for i, text in enumerate(after, 1) if i not in {one.after for one in found}]
    assert kept_before == kept_after, "what is not shown is the same in both"


def test_days_that_count_in_another_way_are_listed_by_region() -> None:
    rules = rule_store.shipped().rule_set
    day = NoticeDay(name="台风", date=date(2026, 4, 16), is_off_day=True)
    other = rule_set(rules.rules, [*rules.notices, Notice(year=2026, region="CN-45", days=(day,))])
    (found,) = changed_days(rules, other)
    assert found == ("CN-45", date(2026, 4, 16), "now off", "台风")
    assert [one.kind for one in changed_days(other, rules)] == ["now worked"]
