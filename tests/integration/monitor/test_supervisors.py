"""The lists of due and overdue commitments, on a real PostgreSQL."""

import asyncio
import csv
import io
from collections import Counter
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sqlalchemy import text

from contracts.messages.alerts import AlertAppealed, AppealDecided, Rung
from contracts.messages.cases import CaseAccepted, CaseExtended, CaseSuspended, StepState, SuspensionKind
from contracts.messages.commitments import CommitmentKey
from contracts.messages.side_timers import SideTimer, SideTimersReported
from contracts.working_time import working_days_between
from services.monitor.store.lists import query_limits
from tests.integration.monitor.desk import BEGINS, RULES, Desk, keys, number, opened
from tests.support.monitor_histories import accepted, at, decided, delivered, done, limits, plan, report, reported

SHENZHEN, NANNING = "440305", "450103"
COMMERCE, MARKET = "Commerce", "Market office"
MOST = 1000
INSTANT = timedelta(microseconds=1)
LISTS = ("/due", "/due/counts", "/overdue", "/overdue/counts")


@pytest.fixture
async def desk(database_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    async with opened(database_url, tmp_path) as desk:
        yield desk


def begun(region: str = SHENZHEN, case: int = 5, step: int = 1, moment: datetime = BEGINS) -> CaseAccepted:
    """An acceptance with these committed limits, in working days; the statutory ones are much later."""
    of = business(whole=limits(case, case + 20), licence=limits(step, step + 20))
    return of.accepted(moment).model_copy(update={"region": region})


async def test_what_is_due_is_counted_in_working_days_of_its_region(desk: Desk) -> None:
    await desk.process_messages(number(1), begun(SHENZHEN), BUSINESS.delivered("licence", BEGINS))
    await desk.process_messages(number(2), begun(NANNING), BUSINESS.delivered("licence", BEGINS))

    async def due(days: int) -> list[tuple[str, str, int]]:
        page = await desk.get("/due", days=days)
        return [(row["case_id"], row["commitment"], row["working_days_left"]) for row in page["commitments"]]

    licences = [(number(1), "step/licence", 1), (number(2), "step/licence", 1)]
    assert await due(0) == []
    assert await due(1) == await due(4) == licences
    # Guangxi is off on Wednesday: five of its working days end a day later, and are five all the same.
    cases = [(number(1), "case", 5), (number(2), "case", 5)]
    assert await due(5) == licences + cases
    (first,) = (await desk.get("/due", days=5, region="45", kind="case"))["commitments"]
    assert first == {
        "case_id": number(2),
        "commitment": "case",
        "owner": COMMERCE,
        "matter": "start-business",
        "region": NANNING,
        "opened_at": "2026-03-02T02:00:00Z",
        "committed_due": "2026-03-10T09:30:00Z",
        "statutory_due": first["statutory_due"],
        "provisional": False,
        "working_days_left": 5,
        "rungs": [],
    }
    await desk.pass_to(at("2026-03-06 10:00"))
    assert [row[:2] for row in await due(1)] == [(number(1), "case")]
    (warned,) = (await desk.get("/due", days=1))["commitments"]
    assert warned["rungs"] == ["warning"]
    await desk.pass_to(at("2026-03-09 17:30"))
    assert await due(0) == [(number(1), "case", 0)], "what ends this minute is not overdue"
    await desk.pass_to(at("2026-03-09 17:30") + INSTANT)
    assert await due(0) == []


async def test_a_paused_or_answered_commitment_is_not_due(desk: Desk) -> None:
    for n in range(1, 5):
        await desk.process_messages(number(n), begun(), BUSINESS.delivered("licence", BEGINS))
    hold = CaseSuspended(
        suspension="hold",
        kind=SuspensionKind.HOLD,
        reason="a flood",
        since=BEGINS,
        recorded_at=BEGINS,
        change_id="hold.1",
    )
    await desk.process_messages(number(1), hold)
    await desk.process_messages(number(2), BUSINESS.done("licence", BEGINS))
    await desk.process_messages(number(3), BUSINESS.decided(BEGINS))
    found = keys((await desk.get("/due", days=20))["commitments"])
    assert found == [(number(4), "step/licence"), (number(2), "case"), (number(4), "case")]


async def test_a_case_behind_a_dead_letter_is_still_due(desk: Desk) -> None:
    await desk.process_messages(number(1), begun(), BUSINESS.delivered("licence", BEGINS))
    async with desk.process.database.begin() as connection:
        await connection.execute(text("UPDATE cases SET timer_at = NULL, retry_at = now()"))
        await connection.execute(
            text(
                "INSERT INTO dead_letters (case_id, letter_id, blocking, reason, topic, origin)"
                " VALUES (:case, gen_random_uuid(), TRUE, 'a fault', 't', 'o')"
            ),
            {"case": number(1)},
        )
    assert len((await desk.get("/due"))["commitments"]) == 2


def side_clocks(random: Random, region: str, moment: datetime, hours: int) -> SideTimersReported:
    """Intake's report of side timers: some of them have ended by then."""
    clocks = tuple(
        SideTimer(
            commitment=key,
            owner=COMMERCE,
            started_at=moment,
            ended_at=moment + timedelta(hours=hours) if random.random() < hours / 300 else None,
        )
        for key in ("acceptance", "notice", "delivery", "complaint/1", "consultation/1")
    )
    return SideTimersReported(change_id=f"clocks-{hours}", matter="start-business", region=region, timers=clocks)


def messages_of(random: Random, moment: datetime) -> list[tuple[datetime, Any]]:
    """The messages of a case that begins then: some are suspended, some extended, some answered, some late."""
    region = random.choice((SHENZHEN, NANNING, "450200", "110101"))
    published: list[tuple[datetime, Any]] = [
        (moment, begun(region, random.randint(0, 12), random.randint(0, 6), moment)),
    ]
    if random.random() < 0.9:
        published.append((moment, BUSINESS.delivered("licence", moment)))
    if random.random() < 0.3:
        since = moment + timedelta(hours=random.randint(1, 100))
        until = since + timedelta(days=random.randint(1, 9)) if random.random() < 0.5 else None
        kind, change = random.choice((SuspensionKind.HOLD, SuspensionKind.CORRECTION)), f"{random.getrandbits(40)}.1"
        published.append(
            (
                since,
                CaseSuspended(
                    suspension="s", kind=kind, reason="r", since=since, until=until, recorded_at=since, change_id=change
                ),
            )
        )
    if random.random() < 0.2:
        then = moment + timedelta(days=2)
        published.append(
            (
                then,
                CaseExtended(
                    days=10, reason="r", notified_at=then, recorded_at=then, change_id=f"{random.getrandbits(40)}"
                ),
            )
        )
    if random.random() < 0.5:
        answered_at = moment + timedelta(days=random.randint(0, 12))
        published.append((answered_at, BUSINESS.done("licence", answered_at)))
    if random.random() < 0.3:
        decided_at = moment + timedelta(days=random.randint(1, 20))
        published.append((decided_at, BUSINESS.decided(decided_at)))
    if random.random() < 0.4:
        published += [
            (moment + timedelta(hours=hours), side_clocks(random, region, moment, hours)) for hours in (0, 90, 200)
        ]
    for day in range(2, 20, 3):
        asked_at = moment + timedelta(days=day)
        published.append((asked_at, BUSINESS.reported(report("licence", StepState.DELIVERED, moment))))
    return published


async def naively_due(desk: Desk, days: int) -> set[tuple[str, CommitmentKey, int]]:
    """The same by going through all states."""
    now = desk.clock.now()
    found = set()
    for case_id, state in (await desk.states()).items():
        for tracked in state.commitments:
            if tracked.due is None or tracked.due.pause or state.ended_at(tracked) or tracked.due.committed_due < now:
                continue
            terms = RULES.terms(state.region or "")
            left = working_days_between(now, tracked.due.committed_due, terms.calendar, terms.hours)
            if left <= days:
                found.add((case_id, tracked.key, left))
    return found


@pytest.mark.parametrize("seed", range(3))
async def test_the_list_of_due_equals_a_pass_over_all_cases(desk: Desk, seed: int) -> None:
    random = Random(seed)
    published = [
        (moment, n, message)
        for n in range(120)
        for moment, message in messages_of(random, BEGINS + timedelta(hours=random.randint(0, 400)))
    ]
    published.sort(key=lambda one: one[:2])
    for look in range(8):
        now = BEGINS + timedelta(hours=60 * look + random.randint(0, 59))
        while published and published[0][0] <= now:
            moment, n, message = published.pop(0)
            await desk.pass_to(moment)
            await desk.process_messages(number(n), message)
        await desk.pass_to(now)
        for days in (0, 1, 3, 8, 366):
            rows = await desk.walk("/due", days=days, limit=random.randint(3, 40))
            found = [(row["case_id"], row["commitment"], row["working_days_left"]) for row in rows]
            assert len(set(found)) == len(found)
            assert set(found) == await naively_due(desk, days)
            order = [(row["committed_due"], row["case_id"], row["commitment"]) for row in rows]
            assert order == sorted(order)
            for by, column in (("owner", "owner"), ("region", "region"), ("item", "matter")):
                counted = await desk.get("/due/counts", days=days, by=by)
                counts = {one["name"]: one["commitments"] for one in counted["counts"]}
                assert counts == Counter(row[column] for row in rows)
                assert counted["total"] == len(rows)
                ranks = [one["commitments"] for one in counted["counts"]]
                assert ranks == sorted(ranks, reverse=True)
        overdue = await desk.walk("/overdue", limit=random.randint(3, 40))
        states = await desk.states()
        for case_id, commitment in keys(overdue):
            tracked = states[case_id].commitment(commitment)
            assert tracked is not None and states[case_id].ended_at(tracked) is None
        assert Counter(keys(overdue)) == Counter({*await standing(desk)})
        counted = await desk.get("/overdue/counts", by="region")
        assert {one["name"]: one["commitments"] for one in counted["counts"]} == Counter(
            row["region"] for row in overdue
        )
        for by in ("yellow", "red"):
            assert sum(one[by] for one in counted["counts"]) == sum(row["rung"] == by for row in overdue)


async def standing(desk: Desk) -> set[tuple[str, str]]:
    """The commitments with a standing card or a lasting platform issue."""
    cards = await desk.rows(
        "SELECT case_id, commitment FROM alerts"
        " WHERE rung <> 'warning' AND withdrawn_at IS NULL AND ended_at IS NULL"
        " UNION SELECT case_id, commitment FROM platform_issues WHERE settled_at IS NULL"
    )
    return {(case_id, commitment) for case_id, commitment in cards}


async def overdue_cases(desk: Desk) -> None:
    """One with a red card and one with a yellow one, for case and step; and one that was never delivered."""
    for n, moment in ((1, BEGINS), (2, at("2026-03-30 10:00")), (3, at("2026-03-30 10:00"))):
        await desk.pass_to(moment)
        await desk.process_messages(number(n), begun(NANNING if n == 1 else SHENZHEN, moment=moment))
        if n < 3:
            await desk.process_messages(number(n), BUSINESS.delivered("licence", moment))
    now = at("2026-04-14 10:00")
    await desk.pass_to(now)
    await desk.process_messages(number(1), BUSINESS.reported(report("licence", StepState.DELIVERED, BEGINS)))
    await desk.process_messages(
        number(2), BUSINESS.reported(report("licence", StepState.DELIVERED, at("2026-03-30 10:00")))
    )
    await desk.process_messages(
        number(3), BUSINESS.reported(report("licence", StepState.REQUESTED, at("2026-03-30 10:00")))
    )


async def test_an_overdue_commitment_is_listed_once_with_its_highest_card(desk: Desk) -> None:
    await overdue_cases(desk)
    rows = (await desk.get("/overdue"))["commitments"]
    assert [(row["case_id"], row["commitment"], row["rung"]) for row in rows] == [
        (number(1), "step/licence", "red"),
        (number(1), "case", "red"),
        (number(2), "step/licence", "yellow"),
        (number(2), "case", "yellow"),
        (number(3), "step/licence", None),
    ]
    assert [row["issues"] for row in rows] == [[], [], [], [], ["undelivered"]]
    licence = rows[2]
    assert licence["committed_due"] == "2026-03-31T09:30:00Z"
    # Tomb-Sweeping Day, a Sunday, gives Monday the sixth off.
    assert licence["working_days_over"] == 9
    assert keys((await desk.get("/overdue", rung="yellow"))["commitments"]) == keys(rows[2:4])
    assert keys((await desk.get("/overdue", region="45"))["commitments"]) == keys(rows[:2])
    assert keys((await desk.get("/overdue", owner=MARKET))["commitments"]) == keys([rows[0], rows[2], rows[4]])
    assert keys((await desk.get("/overdue", kind="case"))["commitments"]) == keys([rows[1], rows[3]])
    assert (await desk.get("/overdue", item="another"))["commitments"] == []
    counted = await desk.get("/overdue/counts")
    assert counted == {
        "total": 5,
        "counts": [
            {"name": MARKET, "commitments": 3, "yellow": 1, "red": 1, "oversight": 0, "platform": 1},
            {"name": COMMERCE, "commitments": 2, "yellow": 1, "red": 1, "oversight": 0, "platform": 0},
        ],
    }
    assert (await desk.get("/overdue/counts", limit=1))["total"] == 5
    await desk.process_messages(number(3), BUSINESS.delivered("licence", desk.clock.now()))
    assert number(3) not in {case_id for case_id, _ in keys((await desk.get("/overdue"))["commitments"])}


async def test_a_withdrawn_or_answered_commitment_is_not_overdue(desk: Desk) -> None:
    await overdue_cases(desk)
    async with desk.process.database.begin() as connection:
        await connection.execute(
            text("UPDATE alerts SET withdrawn_at = now() WHERE case_id = :case AND rung = 'red'"), {"case": number(1)}
        )
        await connection.execute(text("UPDATE alerts SET ended_at = now() WHERE case_id = :case"), {"case": number(2)})
    rows = (await desk.get("/overdue"))["commitments"]
    assert [(*key, row["rung"]) for key, row in zip(keys(rows), rows, strict=True)] == [
        (number(1), "step/licence", "yellow"),
        (number(1), "case", "yellow"),
        (number(3), "step/licence", None),
    ]


async def test_a_file_has_the_same_rows_and_no_formula(desk: Desk) -> None:
    formula = '=HYPERLINK("http://evil";"税务局")'
    for n, owner in enumerate((formula, "+1", "-1", "@x", '税务局, "一"\n二')):
        whole = business(whole=limits(1, 5)).model_copy(update={"lead_department": owner})
        await desk.process_messages(number(n), whole.accepted(BEGINS))
    answer = await desk.http.get("/due", params={"form": "csv", "kind": "case"})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="due.csv"'
    assert answer.content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))
    assert [row["owner"] for row in rows] == [f"'{formula}", "'+1", "'-1", "'@x", '税务局, "一"\n二']
    assert {(row["opened_at"], row["committed_due"], row["working_days_left"]) for row in rows} == {
        ("2026-03-02 10:00:00", "2026-03-03 17:30:00", "1")
    }
    only = await desk.http.get("/due", params={"form": "csv", "owner": formula})
    assert len(only.content.splitlines()) == 2
    await desk.pass_to(at("2026-03-05 10:00"))
    for n in range(5):
        await desk.process_messages(number(n), BUSINESS.reported())
    late = await desk.http.get("/overdue", params={"form": "csv"})
    found = list(csv.DictReader(io.StringIO(late.content.decode("utf-8-sig"), newline="")))
    page = (await desk.get("/overdue"))["commitments"]
    assert [(row["case_id"], row["commitment"]) for row in found] == keys(page)
    assert {row["working_days_over"] for row in found} == {"2"}
    empty = await desk.http.get("/overdue", params={"form": "csv", "item": "another"})
    assert empty.content.decode("utf-8-sig").startswith("case_id,commitment,owner")


async def test_a_long_file_is_complete(desk: Desk) -> None:
    for n in range(700):
        await desk.process_messages(number(n), begun(), BUSINESS.delivered("licence", BEGINS))
    answer = await desk.http.get("/due", params={"form": "csv"})
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert len({(row["case_id"], row["commitment"]) for row in rows}) == len(rows) == 1400
    few = await desk.http.get("/due", params={"form": "csv", "limit": 10})
    assert len(few.content.splitlines()) == 11


async def test_wrong_requests_and_strangers(desk: Desk) -> None:
    for path in (
        "/due?days=367", "/due?days=-1", "/due?region=4", "/due?region=45x", "/due?kind=none", "/due?after=x",
        "/due?after=0~2026-13-40T99:00:00.000000Z~0000-0000-0001-1~case", "/due?form=xls", "/due?limit=0",
        "/due?colour=red", "/due?owner=%00", "/due/counts?by=colour", "/overdue?rung=warning", "/overdue?days=5",
        "/overdue/counts?limit=1001",
    ):  # fmt: skip
        answer = await desk.http.get(path)
        assert (path, answer.status_code) == (path, 422)
        assert answer.headers["content-type"] == "application/problem+json"
    async with desk.client(host="192.0.2.7") as stranger:
        assert {(await stranger.get(path)).status_code for path in (*LISTS, "/stream")} == {403}


async def test_queries_are_limited_in_number_and_time(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    await desk.process_messages(number(1), begun(), BUSINESS.delivered("licence", BEGINS))
    monkeypatch.setattr(query_limits, "WAIT_S", 0.05)
    assert (await desk.get("/due"))["commitments"]
    async with desk.process.database.connect() as other:
        await other.execute(text("LOCK TABLE cases IN ACCESS EXCLUSIVE MODE"))
        asked = [asyncio.create_task(desk.http.get("/due")) for _ in range(query_limits.QUERIES + 1)]
        (first,), waiting = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
        assert (first.result().status_code, first.result().headers["retry-after"]) == (503, "5")
        await other.rollback()
        assert {(await one).status_code for one in waiting} == {200}
    monkeypatch.setattr(query_limits, "STATEMENT_S", 0.1)
    async with desk.process.database.connect() as other:
        await other.execute(text("LOCK TABLE cases IN ACCESS EXCLUSIVE MODE"))
        slow = await desk.http.get("/due")
        assert (slow.status_code, slow.json()["type"]) == (503, "urn:onedoor:problem:too-much")
        file = await desk.http.get("/due", params={"form": "csv"})
        assert file.status_code == 503
        await other.rollback()


async def test_a_query_is_read_only(desk: Desk) -> None:
    async with query_limits.LimitedQueries(desk.process.database).query() as connection:
        assert await connection.scalar(text("SHOW transaction_read_only")) == "on"
        assert await connection.scalar(text("SHOW statement_timeout")) == f"{query_limits.STATEMENT_S:.0f}s"
    assert await desk.rows("SHOW transaction_read_only") == [("off",)]


async def test_a_limit_that_has_moved_since_its_card_was_overturned_is_due_again(desk: Desk) -> None:
    await desk.process_messages(
        number(1), begun(), BUSINESS.delivered("licence", BEGINS), BUSINESS.done("licence", BEGINS)
    )
    late = at("2026-03-10 10:00")
    await desk.pass_to(late)
    await desk.process_messages(number(1), BUSINESS.reported())
    assert keys((await desk.get("/overdue"))["commitments"]) == [(number(1), "case")]
    published = {"commitment": "case", "rung": Rung.YELLOW, "occurrence": 1, "by": "li", "reason": "停电"}
    await desk.process_messages(number(1), AlertAppealed(**published, appealed_at=late))
    await desk.process_messages(number(1), AppealDecided(**published | {"by": "wang"}, upheld=True, decided_at=late))
    assert (await desk.get("/overdue"))["commitments"] == []
    await desk.process_messages(
        number(1), CaseExtended(days=10, reason="r", notified_at=late, recorded_at=late, change_id="more")
    )
    assert keys((await desk.get("/due", days=9))["commitments"]) == [(number(1), "case")]
    await desk.pass_to(at("2026-03-20 10:00"))  # the second warning has fired
    (due,) = (await desk.get("/due", days=9))["commitments"]
    assert (due["working_days_left"], due["rungs"]) == (1, ["warning"])
