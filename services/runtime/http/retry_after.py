"""How long an HTTP server asks its clients to wait. Only the standard library is needed here."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

LONGEST_S = 3600.0
"""The longest wait that is heeded, in machine seconds: a server that names a day by mistake is asked again before."""

_STATUSES = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)


def retry_after_s(status: int, headers: Mapping[str, str]) -> float:
    """Machine seconds for which an answer 429 or 503 asks not to be asked again (RFC 9110, section 10.2.3).

    0 for other answers, and where the header is missing or has no meaning. A date counts from the answer's own date,
    so that a wrong clock of the server does no harm. ``headers`` must not distinguish upper and lower case.
    """
    written = headers.get("Retry-After", "").strip()
    if status not in _STATUSES or not written:
        return 0.0
    if written.isascii() and written.isdecimal():
        return min(float(written), LONGEST_S)
    until = _moment(written)
    if until is None:
        return 0.0
    now = _moment(headers.get("Date", "")) or datetime.now(UTC)
    return min(max((until - now).total_seconds(), 0.0), LONGEST_S)


def _moment(written: str) -> datetime | None:
    """A date of HTTP (RFC 9110, section 5.6.7); None where there is none."""
    try:
        at = parsedate_to_datetime(written)
    except (ValueError, OverflowError):
        return None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)
