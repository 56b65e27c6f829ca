"""The same seed makes the same run, and every kind of fault is in it."""

from tests.chaos.kills import Kills
from tests.chaos.schedule import KILLS, KILLS_AT_ONCE, drawn

KINDS = {
    *("kills", "power cut", "wipe", "absence", "replicas", "zombie"),
    *("read again", "said again", "connections", "disk", "clock"),
}


def test_a_seed_makes_one_run() -> None:
    assert [one.name for one in drawn(5, 30)] == [one.name for one in drawn(5, 30)]
    assert [one.name for one in drawn(5, 30)] != [one.name for one in drawn(6, 30)]


def test_a_short_run_has_each_kind_once() -> None:
    assert sorted(one.kind for one in drawn(5, 3)) == sorted(KINDS)


def test_a_full_run_kills_as_often_as_promised_and_keeps_its_time() -> None:
    for seed in range(20):
        faults = drawn(seed, 30)
        assert {one.kind for one in faults} == KINDS
        assert sum(isinstance(one, Kills) for one in faults) * KILLS_AT_ONCE == KILLS
        assert {"kafka away for 300 s", "postgres away for 300 s"} <= {one.name for one in faults}
        assert 25 < sum(one.seconds for one in faults) / 60 < 35


def test_single_faults_can_be_asked_for() -> None:
    assert [one.name for one in drawn(5, 3, ("tax away",))] == ["tax away for 10 s"]
    assert {one.kind for one in drawn(5, 3, ("disk",))} == {"disk"}
