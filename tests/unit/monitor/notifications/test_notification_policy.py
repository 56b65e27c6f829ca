"""The next entries of an alert."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.messages.alerts import Rung
from services.monitor.core.notifications.directory import Directory
from services.monitor.core.notifications.directory_file import DirectoryFile
from services.monitor.core.notifications.policy import Alert, Entry, EntryKind, Notified, next_entries
from tests.support.messages import at

NOW = at("2026-03-04 10:00")
ROLES = ("clerk", "office", "head", "supervisor", "director")
CONTENT = {
    "version": "any",
    "people": [{"id": role, "name": role, "addresses": [f"mail:{role}@example.gov.cn"]} for role in ROLES],
    "posts": [{"role": role, "person": role} for role in ROLES],
}
DIRECTORY = Directory(DirectoryFile.model_validate(CONTENT))


def alert(**changes: Any) -> Alert:
    usual = Alert(
        "K7Q2-9MXF-4TBA-3", "case", Rung.YELLOW, 1, "Tax", "m", "450302", NOW, 0, None, None, None, None, None, None
    )
    return usual._replace(**changes)


RUNG, WITHDRAWN, APPEAL, DECISION = EntryKind.RUNG, EntryKind.WITHDRAWN, EntryKind.APPEAL, EntryKind.DECISION
FIRST = Entry(RUNG, 0, ("head",))
WITHDRAWAL = Entry(WITHDRAWN, 0, ("head",))
TO_SUPERVISOR = Entry(APPEAL, 0, ("supervisor",))
HEAD: Notified = {RUNG: {"head"}}
HEAD_AND_SUPERVISOR: Notified = {RUNG: {"head"}, APPEAL: {"supervisor"}}
APPEALED = {"appealed_at": NOW, "appealed_by": "office"}
DECIDED = {**APPEALED, "appeal_decided_at": NOW}


@pytest.mark.parametrize(
    ("of", "notified", "entries", "level", "escalates"),
    [
        (alert(), {}, [FIRST], 1, True),
        (alert(level=2), HEAD, [Entry(RUNG, 2, ("director",))], 3, False),
        (alert(rung=Rung.WARNING), {}, [Entry(RUNG, 0, ("clerk", "office"))], 1, True),
        # A red card of the same commitment stands and escalates in its place. Its own first report is still due.
        (alert(level=1, superseded=True), HEAD, [], 1, False),
        (alert(superseded=True), {}, [FIRST], 1, False),
        (alert(acknowledged_at=NOW), {}, [], 0, False),
        (alert(ended_at=NOW), {}, [], 0, False),
        (alert(withdrawn_at=NOW), {}, [], 0, False),
        (alert(withdrawn_at=NOW, level=1), HEAD, [WITHDRAWAL], 1, False),
        (alert(withdrawn_at=NOW, level=1), {**HEAD, WITHDRAWN: {"head"}}, [], 1, False),
        (alert(level=1, **APPEALED), HEAD, [TO_SUPERVISOR], 1, True),
        # Appealed against before its first report, which is still due.
        (alert(**APPEALED), {}, [TO_SUPERVISOR, FIRST], 1, True),
        (alert(level=1, **APPEALED), HEAD_AND_SUPERVISOR, [Entry(RUNG, 1, ("supervisor",))], 2, True),
        (
            alert(level=1, **DECIDED),
            HEAD_AND_SUPERVISOR,
            [Entry(DECISION, 0, ("head", "supervisor", "office"))],
            1,
            True,
        ),
        (alert(level=1, **DECIDED, withdrawn_at=NOW), HEAD, [Entry(DECISION, 0, ("head", "office"))], 1, False),
        # A person who has left the directory cannot be notified.
        (alert(withdrawn_at=NOW, level=1), {RUNG: {"gone", "head"}}, [WITHDRAWAL], 1, False),
    ],
)
def test_the_next_entries(of: Alert, notified: Notified, entries: list[Entry], level: int, escalates: bool) -> None:
    assert next_entries(of, notified, DIRECTORY, NOW) == (tuple(entries), level, escalates)


moments: st.SearchStrategy[datetime | None] = st.sampled_from((None, NOW))


@given(st.sampled_from(Rung), moments, moments, moments, moments, moments)
def test_escalation_ends_and_no_person_gets_an_entry_twice(
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
    notified: dict[EntryKind, set[str]] = {}
    added: set[tuple[EntryKind, int, str]] = set()
    escalates, runs = True, 0
    while escalates:
        runs += 1
        assert runs < 10
        found = next_entries(of, notified, DIRECTORY, NOW + timedelta(days=runs))
        for entry in found.entries:
            for person in entry.people:
                assert (entry.kind, entry.level, person) not in added
                added.add((entry.kind, entry.level, person))
                notified.setdefault(entry.kind, set()).add(person)
        of, escalates = of._replace(level=found.level), found.escalates
    if of.is_unattended:
        assert "director" in notified[EntryKind.RUNG], "it has escalated to the highest role"
