"""The list of overdue commitments, on a real PostgreSQL."""

from contracts.messages.cases import StepState
from tests.support.messages import MONDAY, at, report
from tests.support.monitor_histories import BUSINESS, REPORTED_OPEN
from tests.support.monitor_process import NANNING, SHENZHEN, MonitorProcess, begun, keys, number

COMMERCE, MARKET = "Commerce", "Market office"
LATER = at("2026-03-30 10:00")


async def overdue_cases(monitor: MonitorProcess) -> None:
    """One with a red card and one with a yellow one, for case and step; and one that was never delivered."""
    for n, moment in ((1, MONDAY), (2, LATER), (3, LATER)):
        await monitor.pass_to(moment)
        await monitor.process_messages(number(n), begun(NANNING if n == 1 else SHENZHEN, moment=moment))
        if n < 3:
            await monitor.process_messages(number(n), BUSINESS.delivered("licence", moment))
    now = at("2026-04-14 10:00")
    await monitor.pass_to(now)
    await monitor.process_messages(number(1), REPORTED_OPEN)
    await monitor.process_messages(number(2), BUSINESS.reported(report("licence", StepState.DELIVERED, LATER)))
    await monitor.process_messages(number(3), BUSINESS.reported(report("licence", StepState.REQUESTED, LATER)))


async def test_an_overdue_commitment_is_listed_once_with_its_highest_card(monitor: MonitorProcess) -> None:
    await overdue_cases(monitor)
    rows = await monitor.commitments("/overdue")
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
    assert keys(await monitor.commitments("/overdue", rung="yellow")) == keys(rows[2:4])
    assert keys(await monitor.commitments("/overdue", rung="platform")) == keys(rows[4:])
    assert (await monitor.get("/overdue/counts", rung="platform"))["total"] == 1
    assert keys(await monitor.commitments("/overdue", region="45")) == keys(rows[:2])
    assert keys(await monitor.commitments("/overdue", owner=MARKET)) == keys([rows[0], rows[2], rows[4]])
    assert keys(await monitor.commitments("/overdue", kind="case")) == keys([rows[1], rows[3]])
    assert await monitor.commitments("/overdue", item="another") == []
    counted = await monitor.get("/overdue/counts")
    assert counted == {
        "total": 5,
        "counts": [
            {"name": MARKET, "commitments": 3, "yellow": 1, "red": 1, "oversight": 0, "platform": 1},
            {"name": COMMERCE, "commitments": 2, "yellow": 1, "red": 1, "oversight": 0, "platform": 0},
        ],
    }
    assert (await monitor.get("/overdue/counts", limit=1))["total"] == 5
    await monitor.process_messages(number(3), BUSINESS.delivered("licence", monitor.clock.now()))
    assert number(3) not in {case_id for case_id, _ in keys(await monitor.commitments("/overdue"))}


async def test_a_withdrawn_or_answered_commitment_is_not_overdue(monitor: MonitorProcess) -> None:
    await overdue_cases(monitor)
    await monitor.execute(
        "UPDATE alerts SET withdrawn_at = now() WHERE case_id = :case AND rung = 'red'", case=number(1)
    )
    await monitor.execute("UPDATE alerts SET ended_at = now() WHERE case_id = :case", case=number(2))
    rows = await monitor.commitments("/overdue")
    assert [(*key, row["rung"]) for key, row in zip(keys(rows), rows, strict=True)] == [
        (number(1), "step/licence", "yellow"),
        (number(1), "case", "yellow"),
        (number(3), "step/licence", None),
    ]
