"""Which faults happen, in which order: drawn from a seed, to fill so many minutes. The same seed, the same run."""

from collections.abc import Callable
from datetime import timedelta
from random import Random

from tests.chaos.bad_connections import SPOILT, ClockSteps, Spoilt
from tests.chaos.fault import Fault
from tests.chaos.kills import Kills, PowerCut, Scaled, Zombie
from tests.chaos.outages import ABSENT, DEPARTMENTS, DepartmentAway, DiskFull, EngineAway, Wiped
from tests.chaos.progress import SERVICES
from tests.chaos.repeated_records import ReadAgain, SaidAgain
from tests.chaos.testbed import ENGINES

FULL_MINUTES = 30.0
"""A run this long does everything."""

AWAY_S = 300.0
"""How long engines and departments are away in a full run."""

KILLS = 200
"""How many processes are killed in a full run."""

KILLS_AT_ONCE = 20

LONG_SHARE = 1 / 3
"""A run of less than this share of a full one shows each kind briefly."""

SHORT_S = 10.0

Make = Callable[[], Fault]


def kinds(random: Random, minutes: float) -> dict[str, list[Make]]:
    """All that can go wrong, by kind."""
    share = min(1.0, minutes / FULL_MINUTES)
    long = share >= LONG_SHARE
    away_s = AWAY_S * share if long else SHORT_S
    hold_s = 15.0 if long else 8.0
    kills = KILLS_AT_ONCE if long else 8
    bursts = max(1, round(KILLS * share / KILLS_AT_ONCE))

    def away(name: str) -> Fault:
        return DepartmentAway(name, away_s) if name in DEPARTMENTS else EngineAway(name, away_s)

    return {
        "kills": [lambda: Kills(random, kills) for _ in range(bursts)],
        "power cut": [PowerCut],
        "wipe": [Wiped],
        "absence": [lambda name=name: away(name) for name in ABSENT],  # type: ignore[misc]
        "replicas": [lambda name=name: Scaled(name, hold_s) for name in SERVICES],  # type: ignore[misc]
        "zombie": [lambda name=name: Zombie(name) for name in SERVICES],  # type: ignore[misc]
        "read again": [lambda name=name: ReadAgain(name) for name in SERVICES],  # type: ignore[misc]
        "said again": [lambda: SaidAgain(random), lambda: SaidAgain(random, later=timedelta(days=1))],
        "connections": [
            lambda link=link, manner=manner: Spoilt(link, manner, hold_s)  # type: ignore[misc]
            for link in ABSENT
            for manner in SPOILT
        ],
        "disk": [lambda name=name: DiskFull(name, hold_s) for name in ENGINES],  # type: ignore[misc]
        "clock": [ClockSteps],
    }


def drawn(seed: int, minutes: float, only: tuple[str, ...] = ()) -> list[Fault]:
    """The faults of a run: each kind once, all the kills, in a full run both engines away; more while there is time.

    ``only`` names kinds, or begins the names of single faults, and nothing else happens: all of those, once each.
    """
    random = Random(seed)
    possible = kinds(random, minutes)
    if only:
        faults = [make() for makes in possible.values() for make in makes]
        return [one for one in faults if one.kind in only or any(one.name.startswith(name) for name in only)]
    further = possible["kills"][1:]
    del possible["kills"][1:]
    if minutes >= FULL_MINUTES:
        further += possible["absence"][: len(ENGINES)]
        del possible["absence"][: len(ENGINES)]
    for makes in possible.values():
        random.shuffle(makes)
    chosen = [makes.pop()() for makes in possible.values()] + [make() for make in further]
    left = minutes * 60 - sum(fault.seconds for fault in chosen)
    rest = [make() for makes in possible.values() for make in makes]
    random.shuffle(rest)
    for fault in rest:
        if fault.seconds <= left:
            left -= fault.seconds
            chosen.append(fault)
    random.shuffle(chosen)
    return chosen
