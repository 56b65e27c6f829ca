"""The circuit breaker and the limits of dead letters."""

from services.runtime.jobs.circuit_breaker import CircuitBreaker
from services.runtime.kafka.limits import FEWEST, LATEST, DeadLetterLimits


def test_the_breaker_opens_after_several_failures_in_a_row_and_then_permits_one_trial() -> None:
    breaker = CircuitBreaker(failures=3, first_s=1.0, longest_s=60.0)
    for _ in range(2):
        breaker.failed(now=0.0)
    assert breaker.permits(10, now=0.0) == 10
    breaker.failed(now=0.0)
    assert breaker.open
    assert breaker.permits(10, now=0.9) == 0
    assert breaker.permits(10, now=1.0) == 1
    breaker.failed(now=1.0)
    assert breaker.permits(10, now=2.9) == 0, "each failed trial doubles the wait"
    assert breaker.permits(10, now=3.0) == 1
    breaker.succeeded(now=3.0)
    assert breaker.permits(10, now=3.0) == 10
    assert not breaker.open


def test_the_breaker_never_waits_longer_than_its_longest_wait() -> None:
    breaker = CircuitBreaker(failures=1, first_s=1.0, longest_s=60.0)
    for hour in range(1000):
        breaker.failed(now=hour * 3600.0)
    assert breaker.permits(1, now=999 * 3600.0 + 59.0) == 0
    assert breaker.permits(1, now=999 * 3600.0 + 60.0) == 1


def test_calls_that_were_under_way_when_it_opened_do_not_lengthen_the_wait() -> None:
    breaker = CircuitBreaker(failures=5, first_s=1.0, longest_s=60.0)
    for _ in range(500):
        breaker.failed(now=0.0)
    assert breaker.permits(10, now=1.0) == 1


def test_a_system_that_asks_to_wait_is_left_alone_for_so_long_and_then_tried_once() -> None:
    breaker = CircuitBreaker()
    breaker.hold(now=100.0, seconds=60.0)
    breaker.hold(now=101.0, seconds=1.0)  # another answer, to a call that was under way
    breaker.succeeded(now=102.0)  # so was this one
    assert breaker.open
    assert breaker.permits(10, now=159.9) == 0
    assert breaker.held(now=159.9) and not breaker.held(now=160.0)
    assert breaker.permits(10, now=160.0) == 1
    breaker.succeeded(now=160.1)
    assert breaker.permits(10, now=160.1) == 10


def test_dead_letters_of_a_topic_within_the_last_minute_count() -> None:
    limits = DeadLetterLimits(a_minute=10, share=1.0)
    assert limits.exceeded("tax", 10, 10, now=0.0) is None
    assert limits.exceeded("land", 10, 10, now=1.0) is None, "each topic counts by itself"
    assert "11 dead letters within a minute" in str(limits.exceeded("tax", 1, 1, now=59.0))
    assert limits.exceeded("tax", 5, 5, now=61.0) is None


def test_a_large_share_of_few_records_counts_however_slowly_they_come() -> None:
    limits = DeadLetterLimits(a_minute=1000, share=0.5)
    day = 86_400.0
    found = [limits.exceeded("tax", 1, 1, now=n * day) for n in range(FEWEST)]
    assert found[:-1] == [None] * (FEWEST - 1)
    assert f"{FEWEST} of its latest {FEWEST} records" in str(found[-1])


def test_a_small_share_of_many_records_does_not_count() -> None:
    limits = DeadLetterLimits(a_minute=1000, share=0.5)
    assert all(limits.exceeded("tax", 10, 4, now=n * 60.0) is None for n in range(1000))
    assert not any(limits.exceeded("tax", 10, 9, now=n * 60.0) for n in range(1000, 1005)), "the good ones are recent"
    assert any(limits.exceeded("tax", 10, 9, now=n * 60.0) for n in range(1005, 1060)), "and then they are not"


def test_a_topic_that_has_been_well_for_long_is_forgotten() -> None:
    limits = DeadLetterLimits(a_minute=1000, share=0.5)
    assert not limits.suspects
    limits.exceeded("tax", 1, 1, now=0.0)
    assert limits.suspects and limits.counts("tax") and not limits.counts("land")
    limits.exceeded("tax", LATEST, 0, now=10.0)
    assert limits.counts("tax"), "its letter is less than a minute old"
    limits.exceeded("tax", 1, 0, now=61.0)
    assert not limits.suspects
