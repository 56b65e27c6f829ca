"""The same seed gives the same run, and every run has each kind of fault."""

from tests.chaos.faults.kills import KillProcesses
from tests.chaos.faults.schedule import KILLS, KILLS_PER_FAULT, draw_faults

KINDS = {
    *("kills", "power cut", "wipe", "outage", "replicas", "paused process"),
    *("reread topics", "republished records", "connections", "disk", "clock"),
    "bad file",
    "bad row",
}


def test_a_seed_gives_one_run() -> None:
    assert [one.name for one in draw_faults(5, 30)] == [one.name for one in draw_faults(5, 30)]
    assert [one.name for one in draw_faults(5, 30)] != [one.name for one in draw_faults(6, 30)]


def test_a_short_run_has_each_kind_once() -> None:
    assert sorted(one.kind for one in draw_faults(5, 3)) == sorted(KINDS)


def test_a_full_run_has_all_kills_and_lasts_half_an_hour() -> None:
    for seed in range(20):
        faults = draw_faults(seed, 30)
        assert {one.kind for one in faults} == KINDS
        assert sum(isinstance(one, KillProcesses) for one in faults) * KILLS_PER_FAULT == KILLS
        assert {"kafka down for 300 s", "postgres down for 300 s"} <= {one.name for one in faults}
        assert 25 < sum(one.seconds for one in faults) / 60 < 35


def test_a_run_can_be_restricted_to_single_faults() -> None:
    assert [one.name for one in draw_faults(5, 3, ("tax down",))] == ["tax down for 10 s"]
    assert {one.kind for one in draw_faults(5, 3, ("disk",))} == {"disk"}
