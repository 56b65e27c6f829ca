"""The circuit breaker and the limit of dead letters."""

from services.runtime.jobs.circuit_breaker import CircuitBreaker
from services.runtime.kafka.consumer import DeadLetterLimit


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
    breaker.succeeded()
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


def test_dead_letters_of_the_last_minute_count() -> None:
    limit = DeadLetterLimit(a_minute=10)
    assert not limit.exceeded(10, now=0.0)
    assert limit.exceeded(1, now=59.0)
    assert not limit.exceeded(5, now=61.0)
