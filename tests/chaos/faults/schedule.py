"""The faults of a run and their order, drawn at random from a seed. The same seed gives the same run."""

from collections.abc import Callable
from datetime import timedelta
from random import Random

from tests.chaos.faults.bad_connections import BAD_MODES, BadConnections, ClockSteps
from tests.chaos.faults.bad_files import BadFiles
from tests.chaos.faults.bad_rows import BadRows
from tests.chaos.faults.fault import Fault
from tests.chaos.faults.kills import ChangedReplicas, KillProcesses, PausedProcess, PowerCut
from tests.chaos.faults.outages import DEPARTMENTS, DEPENDENCIES, DepartmentOutage, DiskFull, EngineOutage, WipedKafka
from tests.chaos.faults.repeated_records import RepublishedRecords, RereadTopics
from tests.chaos.progress import SERVICES
from tests.chaos.testbed import ENGINES

FULL_MINUTES = 30.0
"""Length of a run that has everything."""

OUTAGE_S = 300.0
"""Seconds of an outage in a full run."""

KILLS = 200
"""Processes killed in a full run."""

KILLS_PER_FAULT = 20

FULL_LENGTH_SHARE = 1 / 3
"""A run shorter than this share of a full one has each kind of fault briefly."""

SHORT_OUTAGE_S = 10.0

FaultMaker = Callable[[], Fault]


def fault_makers(random: Random, minutes: float) -> dict[str, list[FaultMaker]]:
    """Functions that make all possible faults, by kind."""
    share = min(1.0, minutes / FULL_MINUTES)
    long = share >= FULL_LENGTH_SHARE
    outage_s = OUTAGE_S * share if long else SHORT_OUTAGE_S
    hold_s = 15.0 if long else 8.0
    kills = KILLS_PER_FAULT if long else 8
    bursts = max(1, round(KILLS * share / KILLS_PER_FAULT))

    def outage(name: str) -> Fault:
        return DepartmentOutage(name, outage_s) if name in DEPARTMENTS else EngineOutage(name, outage_s)

    return {
        "kills": [lambda: KillProcesses(random, kills) for _ in range(bursts)],
        "power cut": [PowerCut],
        "wipe": [WipedKafka],
        "outage": [lambda name=name: outage(name) for name in DEPENDENCIES],  # type: ignore[misc]
        "replicas": [lambda name=name: ChangedReplicas(name, hold_s) for name in SERVICES],  # type: ignore[misc]
        "paused process": [lambda name=name: PausedProcess(name) for name in SERVICES],  # type: ignore[misc]
        "reread topics": [lambda name=name: RereadTopics(name) for name in SERVICES],  # type: ignore[misc]
        "republished records": [
            lambda: RepublishedRecords(random),
            lambda: RepublishedRecords(random, later=timedelta(days=1)),
        ],
        "connections": [
            lambda proxy=proxy, mode=mode: BadConnections(proxy, mode, hold_s)  # type: ignore[misc]
            for proxy in DEPENDENCIES
            for mode in BAD_MODES
        ],
        "disk": [lambda name=name: DiskFull(name, hold_s) for name in ENGINES],  # type: ignore[misc]
        "clock": [ClockSteps],
        "bad file": [lambda: BadFiles(hold_s)],
        "bad row": [lambda: BadRows(hold_s)],
    }


def draw_faults(seed: int, minutes: float, only: tuple[str, ...] = ()) -> list[Fault]:
    """The faults of a run: each kind once, all kills, in a full run both engine outages; more while there is time.

    ``only`` holds kinds or beginnings of fault names: the run has exactly the matching faults, once each.
    """
    random = Random(seed)
    makers = fault_makers(random, minutes)
    if only:
        faults = [make() for of_kind in makers.values() for make in of_kind]
        return [one for one in faults if one.kind in only or any(one.name.startswith(name) for name in only)]
    further = makers["kills"][1:]
    del makers["kills"][1:]
    if minutes >= FULL_MINUTES:
        further += makers["outage"][: len(ENGINES)]
        del makers["outage"][: len(ENGINES)]
    for of_kind in makers.values():
        random.shuffle(of_kind)
    chosen = [of_kind.pop()() for of_kind in makers.values()] + [make() for make in further]
    left_s = minutes * 60 - sum(fault.seconds for fault in chosen)
    rest = [make() for of_kind in makers.values() for make in of_kind]
    random.shuffle(rest)
    for fault in rest:
        if fault.seconds <= left_s:
            left_s -= fault.seconds
            chosen.append(fault)
    random.shuffle(chosen)
    return chosen
