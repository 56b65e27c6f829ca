"""What somebody is told of an alert next."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.messages.alerts import Rung
from services.monitor.notifications.directory import Directory, DirectoryFile
from services.monitor.notifications.policy import Alert, News, NewsKind, Notified, step
from tests.unit.monitor.histories import at

NOW = at("2026-03-04 10:00")
ROLES = ("clerk", "office", "head", "supervisor", "director")
SAID = {
    "version": "any",
    "people": [{"id": role, "name": role, "tell": [f"mail:{role}@example.gov.cn"]} for role in ROLES],
    "posts": [{"role": role, "person": role} for role in ROLES],
}
DIRECTORY = Directory(DirectoryFile.model_validate(SAID))


def alert(**news: Any) -> Alert:
    usual = Alert(
        "K7Q2-9MXF-4TBA-3", "case", Rung.YELLOW, 1, "Tax", "m", "450302", NOW, 0, None, None, None, None, None, None
    )
    return usual._replace(**news)


FIRST = News(NewsKind.RUNG, 0, ("head",))
APPEALED = {"appealed_at": NOW, "appealed_by": "office"}


@pytest.mark.parametrize(
    ("of", "told", "news", "level", "waits"),
    [
        (alert(), {}, [FIRST], 1, True),
        (alert(level=2), {NewsKind.RUNG: {"head"}}, [News(NewsKind.RUNG, 2, ("director",))], 3, False),
        (alert(rung=Rung.WARNING), {}, [News(NewsKind.RUNG, 0, ("clerk", "office"))], 1, True),
        # A red card of the same commitment stands: that one climbs. Who has not heard of this one does, once.
        (alert(level=1, overtaken=True), {NewsKind.RUNG: {"head"}}, [], 1, False),
        (alert(overtaken=True), {}, [FIRST], 1, False),
        (alert(acknowledged_at=NOW), {}, [], 0, False),
        (alert(ended_at=NOW), {}, [], 0, False),
        (alert(withdrawn_at=NOW), {}, [], 0, False),
        (
            alert(withdrawn_at=NOW, level=1),
            {NewsKind.RUNG: {"head"}},
            [News(NewsKind.WITHDRAWN, 0, ("head",))],
            1,
            False,
        ),
        (alert(withdrawn_at=NOW, level=1), {NewsKind.RUNG: {"head"}, NewsKind.WITHDRAWN: {"head"}}, [], 1, False),
        (alert(level=1, **APPEALED), {NewsKind.RUNG: {"head"}}, [News(NewsKind.APPEAL, 0, ("supervisor",))], 1, True),
        # Appealed at once: its own people have not heard of it yet.
        (alert(**APPEALED), {}, [News(NewsKind.APPEAL, 0, ("supervisor",)), FIRST], 1, True),
        (
            alert(level=1, **APPEALED),
            {NewsKind.RUNG: {"head"}, NewsKind.APPEAL: {"supervisor"}},
            [News(NewsKind.RUNG, 1, ("supervisor",))],
            2,
            True,
        ),
        (
            alert(level=1, **APPEALED, appeal_decided_at=NOW),
            {NewsKind.RUNG: {"head"}, NewsKind.APPEAL: {"supervisor"}},
            [News(NewsKind.DECISION, 0, ("head", "supervisor", "office"))],
            1,
            True,
        ),
        (
            alert(level=1, **APPEALED, appeal_decided_at=NOW, withdrawn_at=NOW),
            {NewsKind.RUNG: {"head"}},
            [News(NewsKind.DECISION, 0, ("head", "office"))],
            1,
            False,
        ),
        # Whoever has left the directory can be told no more.
        (
            alert(withdrawn_at=NOW, level=1),
            {NewsKind.RUNG: {"gone", "head"}},
            [News(NewsKind.WITHDRAWN, 0, ("head",))],
            1,
            False,
        ),
    ],
)
def test_what_is_told_next(of: Alert, told: Notified, news: list[News], level: int, waits: bool) -> None:
    assert step(of, told, DIRECTORY, NOW) == (tuple(news), level, waits)


moments: st.SearchStrategy[datetime | None] = st.sampled_from((None, NOW))


@given(st.sampled_from(Rung), moments, moments, moments, moments, moments)
def test_it_comes_to_an_end_and_tells_nobody_the_same_twice(
    rung: Rung,
    withdrawn: datetime | None,
    ended: datetime | None,
    acknowledged: datetime | None,
    appealed: datetime | None,
    decided: datetime | None,
) -> None:
    of = alert(
        rung=rung,
        withdrawn_at=withdrawn,
        ended_at=ended,
        acknowledged_at=acknowledged,
        appealed_at=appealed,
        appealed_by="office" if appealed else None,
        appeal_decided_at=decided if appealed else None,
    )
    told: dict[NewsKind, set[str]] = {}
    seen: set[tuple[NewsKind, int, str]] = set()
    waits, looks = True, 0
    while waits:
        looks += 1
        assert looks < 10
        found = step(of, told, DIRECTORY, NOW + timedelta(days=looks))
        for news in found.news:
            for person in news.people:
                assert (news.what, news.level, person) not in seen
                seen.add((news.what, news.level, person))
                told.setdefault(news.what, set()).add(person)
        of, waits = of._replace(level=found.level), found.waits
    if of.climbs:
        assert "director" in told[NewsKind.RUNG], "it has come to the top"
