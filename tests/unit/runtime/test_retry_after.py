"""How long a server asks to wait, as it may say it."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from multidict import CIMultiDict

from services.runtime.http.retry_after import LONGEST_S, retry_after_s

NOW = "Fri, 27 Nov 2026 08:00:00 GMT"


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("120", 120.0),
        (" 0 ", 0.0),
        ("86400", LONGEST_S),
        ("9" * 5000, LONGEST_S),
        ("Fri, 27 Nov 2026 08:02:00 GMT", 120.0),
        ("Friday, 27-Nov-26 08:02:00 GMT", 120.0),
        ("Fri Nov 27 08:02:00 2026", 120.0),
        ("Fri, 27 Nov 2026 16:02:00 +0800", 120.0),
        ("Fri, 27 Nov 2026 07:00:00 GMT", 0.0),
        ("Fri, 27 Nov 2099 08:00:00 GMT", LONGEST_S),
        ("-5", 0.0),
        ("1.5", 0.0),
        ("１２", 0.0),
        ("soon", 0.0),
        ("", 0.0),
        ("Fri, 99 Nov 2026 08:00:00 GMT", 0.0),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_seconds_and_dates_are_understood_and_bounded(status: int, written: str, seconds: float) -> None:
    assert retry_after_s(status, {"Retry-After": written, "Date": NOW}) == seconds


@pytest.mark.parametrize("date", ["", "yesterday"])
def test_without_a_date_of_the_answer_the_clock_of_this_machine_counts(date: str) -> None:
    until = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    assert 90 < retry_after_s(503, {"Retry-After": until, "Date": date}) <= 100


@pytest.mark.parametrize("status", [200, 301, 413, 500, 502])
def test_other_answers_name_no_wait(status: int) -> None:
    assert retry_after_s(status, {"Retry-After": "120"}) == 0.0


def test_an_answer_without_the_header_names_no_wait() -> None:
    assert retry_after_s(503, {}) == 0.0


def test_the_name_of_the_header_may_be_written_small() -> None:
    assert retry_after_s(429, CIMultiDict({"retry-after": "5"})) == 5.0
