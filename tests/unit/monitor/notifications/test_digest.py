"""The text of a digest."""

from datetime import timedelta

import pytest

from contracts.bilingual import Language
from contracts.messages.alerts import Rung
from services.monitor.core.notifications.digest_text import (
    MAX_LINES,
    AlertCount,
    DigestLine,
    DigestText,
    Recipients,
    digest_text,
)
from services.monitor.core.notifications.policy import EntryKind
from tests.support.messages import at

NOW = at("2026-03-04 10:00")


def line(what: EntryKind = EntryKind.RUNG, rung: Rung = Rung.RED, **news: object) -> DigestLine:
    usual = DigestLine(
        7, what, rung, 0, "K7Q2-9MXF-4TBA-3", "step/licence", "start-business", "市场监管局", NOW, "Asia/Shanghai"
    )
    return usual._replace(**news)  # type: ignore[arg-type]


def to(language: Language) -> Recipients:
    """One person who reads this language."""
    return Recipients((17,), ("王芳",), (language,))


COUNTS = [
    AlertCount(EntryKind.RUNG, Rung.WARNING, "税务局", 985),
    AlertCount(EntryKind.RUNG, Rung.RED, "税务局", 1),
    AlertCount(EntryKind.RUNG, Rung.RED, "市场监管局", 2),
    AlertCount(EntryKind.WITHDRAWN, Rung.RED, "税务局", 1),
    AlertCount(EntryKind.WITHDRAWN, Rung.YELLOW, "税务局", 1),
]


def test_a_digest_counts_by_department_the_most_severe_first() -> None:
    zh = digest_text(to("zh"), COUNTS, [line()], 989, NOW)
    assert zh.subject == "onedoor 督办：红牌3件，预警985件，撤销2件"
    assert zh.counts == {"red": 3, "warning": 985, "withdrawn": 2}
    body = zh.text.splitlines()
    assert body[2:5] == ["按部门", "  市场监管局：红牌2件", "  税务局：红牌1件，预警985件，撤销2件"]
    assert "  另有989条" in body and body[-1] == "onedoor 督办通知第17号"
    en = digest_text(to("en"), COUNTS, [line()], 0, NOW)
    assert en.subject == "onedoor: 3 red cards, 985 warnings, 2 withdrawn"
    assert "more" not in en.text and en.text.endswith("onedoor, digest 17\n")
    assert DigestText.model_validate_json(en.model_dump_json()) == en


@pytest.mark.parametrize(
    ("of", "zh", "en"),
    [
        (line(due_at=NOW + timedelta(hours=5)), "尚余5小时", "5 h left"),
        (line(due_at=NOW - timedelta(hours=26, minutes=59)), "已超26小时", "26 h over"),
        (line(due_at=None), "暂停计时", "time is suspended"),
        (
            line(unmoved=True),
            "曾暂停计时，但到期时刻由他人指定，不因此移动",
            "was suspended, but another party has fixed the end",
        ),
        (line(level=2), "无人认领，第2次升级", "not acknowledged, escalated 2 times"),
        (
            line(),
            "红牌 第7号，K7Q2-9MXF-4TBA-3，start-business 环节 licence，市场监管局",
            "red card alert 7, K7Q2-9MXF-4TBA-3, start",
        ),
        (line(due_at=at("2026-03-03 17:30")), "2026-03-03 周二 17:30 到期", "due Tue 2026-03-03 17:30"),
        (line(commitment="case"), "start-business 全程，", "start-business case, "),
        (line(EntryKind.WITHDRAWN), "红牌已撤销 第7号", "red card withdrawn alert 7"),
        (line(EntryKind.APPEAL), "对红牌的申诉 第7号，", "appeal against a red card alert 7, "),
        (line(EntryKind.DECISION, upheld=True), "对红牌的申诉成立", "appeal against a red card upheld"),
        (line(EntryKind.DECISION, upheld=False), "对红牌的申诉不成立", "appeal against a red card rejected"),
    ],
)
def test_a_line_has_case_matter_department_and_deadline(of: DigestLine, zh: str, en: str) -> None:
    counts = [AlertCount(of.kind, of.rung, of.owner, 1)]
    assert zh in digest_text(to("zh"), counts, [of], 0, NOW).text
    assert en in digest_text(to("en"), counts, [of], 0, NOW).text


def test_departments_beyond_the_maximum_are_counted_together() -> None:
    counts = [AlertCount(EntryKind.RUNG, Rung.WARNING, f"Office {n:03}", 1) for n in range(MAX_LINES + 7)]
    text = digest_text(to("en"), counts, [], 0, NOW).text
    assert text.count("  Office ") == MAX_LINES and "  and 7 more departments" in text


def test_people_who_share_an_address_are_all_named_each_in_their_language() -> None:
    recipients = Recipients((17, 19), ("王芳", "J. Smith"), ("zh", "en"))
    lines = [line(), line(EntryKind.APPEAL, people=("J. Smith",))]
    both = digest_text(recipients, COUNTS, lines, 0, NOW)
    assert both.subject == "onedoor 督办：红牌3件，预警985件，撤销2件 / onedoor: 3 red cards, 985 warnings, 2 withdrawn"
    assert both.counts == {"red": 3, "warning": 985, "withdrawn": 2}
    assert both.languages == ("zh", "en")
    zh, en = both.text.split("onedoor 督办通知第17、19号\n")
    assert zh.startswith("致：王芳、J. Smith\n") and zh.count("通知J. Smith") == 1
    assert en.strip().startswith("To: 王芳, J. Smith\n") and en.count("for J. Smith") == 1
    assert en.endswith("onedoor, digests 17, 19\n")
