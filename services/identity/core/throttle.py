"""How attempts to guess are slowed down, and why no colleague is locked out by another's attempts.

Each attempt counts before it is examined, so that many at once gain nothing. After a few free ones each must wait
longer than the one before, five minutes at most: a lock that ends by itself. A browser in which somebody has logged in
before has a count of its own (OWASP, "Device Cookies"), so attempts from elsewhere do not slow it down; nor do they a
passkey, which cannot be guessed.
"""

from datetime import datetime, timedelta
from typing import NamedTuple

LONGEST_WAIT = timedelta(minutes=5)
LONGEST_WAIT_AFTER = 9
"""Attempts beyond the free ones after which the wait is the longest."""

ONE_FORGOTTEN_AFTER = timedelta(minutes=10)
"""One attempt less counts after each of these. That is slower than the longest wait lets attempts through."""

ACCOUNT_FREE = 5
"""Attempts on one account, or from one known browser, that need not wait."""

ADDRESS_FREE = 30
"""Attempts from one address of a client. A whole office may have one address."""

CODES_FREE = 5
"""Attempts of one person to type the code of a device, or from one address to use a link of enrolment."""


class Attempts(NamedTuple):
    """The attempts so far that have failed, or that are being examined."""

    number: int
    latest_at: datetime


def opens_at(attempts: Attempts, free: int) -> datetime | None:
    """From when the next attempt is allowed; None if it is at once."""
    if attempts.number < free:
        return None
    return attempts.latest_at + min(timedelta(seconds=2 ** (attempts.number - free)), LONGEST_WAIT)


def counted(attempts: Attempts, free: int, now: datetime) -> Attempts:
    """The count with one more attempt. It does not grow beyond the longest wait, so that it falls soon after the last
    attempt."""
    forgotten = max(now - attempts.latest_at, timedelta()) // ONE_FORGOTTEN_AFTER
    most = free + LONGEST_WAIT_AFTER
    return Attempts(min(max(attempts.number - forgotten, 0) + 1, most), now)
