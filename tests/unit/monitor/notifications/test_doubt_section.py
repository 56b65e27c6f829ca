"""The section of a digest on doubtful times."""

import pytest

from contracts.bilingual import Language
from contracts.messages.alerts import Rung
from contracts.messages.tasks import TimeField
from services.monitor.core.notifications.digest_text import AlertCount, DigestText, Recipients, digest_text
from services.monitor.core.notifications.doubt_section import DoubtLine, DoubtSection
from services.monitor.core.notifications.policy import EntryKind
from tests.support.messages import at

NOW = at("2026-03-04 10:00")
UNSET = at("1970-01-01 08:00")
DECIDED = DoubtLine(
    case_id="K7Q2-9MXF-4TBA-3",
    matter="start-business",
    step="licence",
    procedure=None,
    field=TimeField.DECIDED_AT,
    owner="市场监管局",
    claimed=UNSET,
    counts_at=at("2026-03-03 15:30"),
    zone="Asia/Shanghai",
)
COUNTS = [AlertCount(EntryKind.RUNG, Rung.RED, "税务局", 1)]


def digest(section: DoubtSection, *languages: Language) -> DigestText:
    return digest_text(Recipients((17,), ("王芳",), languages), COUNTS, [], 0, NOW, section)


def test_a_supervisor_reads_what_is_claimed_what_counts_and_what_to_do() -> None:
    text = digest(DoubtSection((DECIDED,), 0), "zh").text.splitlines()
    start = text.index("存疑时间（部门报告的时间不可能属实，请认定以何时为准）")
    assert text[start - 1] == "" and text[start + 4] == "", "a section of its own"
    assert text[start + 1] == (
        "  K7Q2-9MXF-4TBA-3，start-business 环节 licence，市场监管局，"
        "办结时间 decided_at 报告为 1970-01-01 周四 08:00，目前以 2026-03-03 周二 15:30 为准"
    )
    assert "onedoor times list" in text[start + 2] and "GET /doubtful-times" in text[start + 2]
    assert "onedoor times settle 办件编号 环节 时间项 以何时为准 --reason" in text[start + 3]
    assert "POST /commitments/办件编号/times" in text[start + 3]


def test_it_is_counted_in_the_subject_and_for_programs() -> None:
    both = digest(DoubtSection((DECIDED,) * 2, 3), "zh", "en")
    assert both.subject == "onedoor 督办：红牌1件，存疑时间5项 / onedoor: 1 red card, 5 doubtful times"
    assert both.counts == {"red": 1, "doubtful_time": 5}
    assert "  另有3项" in both.text and "  and 3 more" in both.text
    assert both.text.count("K7Q2-9MXF-4TBA-3") == 4


def test_a_digest_without_doubtful_times_does_not_mention_them() -> None:
    both = digest(DoubtSection((), 0), "zh", "en")
    assert both.counts == {"red": 1}
    assert "存疑" not in both.text and "oubtful" not in both.text and "times" not in both.text


@pytest.mark.parametrize(
    ("line", "zh", "en"),
    [
        (
            DECIDED._replace(procedure="P1", field=TimeField.UNTIL, counts_at=None),
            "环节 licence 特别程序 P1，市场监管局，结束时间 until 报告为 1970-01-01 周四 08:00，目前视为尚未结束",
            "step licence procedure P1, 市场监管局, end until reported as Thu 1970-01-01 08:00, counts as not ended",
        ),
        (DECIDED._replace(field=TimeField.SINCE), "开始时间 since 报告为", "beginning since reported as"),
        (
            DECIDED._replace(field=TimeField.DELIVERED_AT),
            "接收时间 delivered_at 报告为",
            "time of receipt delivered_at reported as Thu 1970-01-01 08:00, Tue 2026-03-03 15:30 counts meanwhile",
        ),
        (DECIDED._replace(people=("陈静",)), "，请陈静认定", ", for 陈静"),
        (DECIDED._replace(zone="Asia/Urumqi"), "1970-01-01 周四 06:00", "Thu 1970-01-01 06:00"),
    ],
)
def test_each_time_has_its_name(line: DoubtLine, zh: str, en: str) -> None:
    section = DoubtSection((line,), 0)
    assert zh in digest(section, "zh").text
    assert en in digest(section, "en").text
