"""When a signing key is made, signs, and is published.

A key is published a day before it signs, so that every verifier knows it by then, and stays published until the last
token that it signed has ended.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

SIGNS_FOR = timedelta(days=30)
PUBLISHED_BEFORE = timedelta(days=1)
TOKENS_END_AFTER = timedelta(hours=1)
"""The longest life of a signed token, with a margin for clocks that differ."""


class SigningKey(NamedTuple):
    """The times of a key."""

    key_id: str
    signs_from: datetime


class Rotation(NamedTuple):
    """What has to be done now. ``make_from``: a key has to be made, and signs from then on."""

    make_from: datetime | None
    remove: tuple[str, ...]


def signing_key(keys: Sequence[SigningKey], now: datetime) -> SigningKey | None:
    """The key that signs now: of those that may, the newest."""
    return max((key for key in keys if key.signs_from <= now), key=lambda key: key.signs_from, default=None)


def rotation(keys: Sequence[SigningKey], now: datetime) -> Rotation:
    """The changes that these keys need now."""
    newest = max((key.signs_from for key in keys), default=None)
    if newest is None:
        make_from: datetime | None = now
    elif newest + SIGNS_FOR - PUBLISHED_BEFORE <= now:
        make_from = max(newest + SIGNS_FOR, now + PUBLISHED_BEFORE)
    else:
        make_from = None
    signing = signing_key(keys, now)
    if signing is None or signing.signs_from + TOKENS_END_AFTER > now:
        return Rotation(make_from, ())
    return Rotation(make_from, tuple(key.key_id for key in keys if key.signs_from < signing.signs_from))
