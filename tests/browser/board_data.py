"""The figures of a city in 2026, made up: eighteen departments in eight counties, over thirteen months."""

from datetime import date, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

from contracts.messages.alerts import Rung
from services.monitor.core.board.facts import CommitmentFacts
from services.monitor.store.board import counting
from services.runtime.store.database import transaction
from tests.support.monitor_process import MonitorProcess, alert_raised

NOW = datetime(2026, 5, 7, 10, 24, tzinfo=ZoneInfo("Asia/Shanghai"))

DEPARTMENTS = {
    # Cases a month, part that is late, mean days, overdue now.
    "自然资源局": (39, 0.05, 4, 21),
    "住房城乡建设局": (15, 0.04, 8, 11),
    "生态环境局": (6, 0.03, 12, 4),
    "市场监督管理局": (81, 0.01, 1, 3),
    "发展和改革局": (8, 0.02, 4, 2),
    "交通运输局": (9, 0.01, 2, 2),
    "卫生健康局": (11, 0.01, 3, 2),
    "林业局": (3, 0.02, 7, 1),
    "文化广电旅游局": (4, 0.02, 5, 1),
    "水利局": (3, 0.01, 9, 1),
    "农业农村局": (6, 0.01, 4, 1),
    "税务局": (98, 0.008, 1, 1),
    "应急管理局": (4, 0.009, 5, 0),
    "民政局": (20, 0.001, 0, 0),
    "人力资源和社会保障局": (60, 0.004, 1, 0),
    "公安局": (70, 0.0, 0, 0),
    "教育局": (12, 0.0, 2, 0),
    "司法局": (5, 0.0, 1, 0),
}

COUNTIES = ("450900", "450902", "450903", "450921", "450922", "450923", "450924", "450981")

ITEMS = ("building-permit", "land-transfer", "start-business")

WORST = "自然资源局"


async def fill(monitor: MonitorProcess) -> None:
    """Write the facts of all commitments, count them, and raise the cards of those that are overdue."""
    facts = list(_closed(Random(4))) + list(_open(Random(5)))
    async with transaction(monitor.process.database) as connection:
        await counting.write_facts(connection, [], facts)
    monitor.clock.set(NOW, 0)
    overdue = [one for one in facts if one.ended_on is None and one.due_on < NOW.date()]
    for place, one in enumerate(overdue):
        rung = Rung.RED if place % 4 == 1 else Rung.YELLOW
        await monitor.publish((place, alert_raised(NOW, rung, one.owner, one.region)))


def _fact(number: int, owner: str, region: str, opened: date, due: date, **more: object) -> CommitmentFacts:
    empty: dict[str, object] = dict.fromkeys(CommitmentFacts._fields)
    own = {
        "case_id": f"{number // 10_000:04}-{number % 10_000:04}-0000-1",
        "commitment": "case",
        "kind": "case",
        "owner": owner,
        "region": region,
        "matter": ITEMS[number % len(ITEMS)],
        "opened_on": opened,
        "due_on": due,
        "paused": False,
    }
    return CommitmentFacts(**{**empty, **own, **more})  # type: ignore[arg-type]


def _closed(random: Random) -> "list[CommitmentFacts]":
    found: list[CommitmentFacts] = []
    for owner, (a_month, late, days, _) in DEPARTMENTS.items():
        for month in range(13):
            first = date(2025 + (month + 3) // 12, (month + 3) % 12 + 1, 1)
            for _number in range(a_month + month % 3):
                opened = first + timedelta(days=random.randrange(20))
                is_late = random.random() < late * (2 - month / 13)
                used = 0 if random.random() < 0.6 and days < 3 and not is_late else days + 5 * is_late
                events = ("yellow_cards",) if is_late else None
                found.append(
                    _fact(
                        len(found),
                        owner,
                        random.choice(COUNTIES[: 6 if owner == "林业局" else 8]),
                        opened,
                        opened + timedelta(days=days + 2),
                        ended_on=opened + timedelta(days=used),
                        on_time=not is_late,
                        days_used=used,
                        days_committed=days + 2,
                        days_statutory=2 * days + 5,
                        events=events,
                        event_days=(opened + timedelta(days=days + 3),) if events else None,
                    )
                )
    return found


def _open(random: Random) -> "list[CommitmentFacts]":
    found: list[CommitmentFacts] = []
    today = NOW.date()
    for owner, (a_month, _, days, overdue) in DEPARTMENTS.items():
        for number in range(overdue + 2 + a_month // 8):
            due = today - timedelta(days=1 + number % 9) if number < overdue else today + timedelta(days=number % 7)
            found.append(
                _fact(
                    50_000 + 1000 * len(found) + number,
                    owner,
                    random.choice(COUNTIES),
                    due - timedelta(days=days + 2),
                    due,
                    events=("appeals",) if number == 0 and overdue > 3 else None,
                    event_days=(date(2026, 5, 4),) if number == 0 and overdue > 3 else None,
                )
            )
    return found
