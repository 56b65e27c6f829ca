"""Signing keys over years, without a gap."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.identity.core.keys import (
    PUBLISHED_BEFORE,
    SIGNS_FOR,
    TOKENS_END_AFTER,
    Rotation,
    SigningKey,
    rotation,
    signing_key,
)

START = datetime(2026, 1, 1, tzinfo=UTC)


def test_the_first_key_signs_at_once() -> None:
    assert rotation([], START) == Rotation(START, ())


def test_a_key_is_published_a_day_before_it_signs_and_stays_until_its_tokens_have_ended() -> None:
    old = SigningKey("old", START)
    almost = START + SIGNS_FOR - PUBLISHED_BEFORE - timedelta(seconds=1)
    assert rotation([old], almost) == Rotation(None, ())
    due = START + SIGNS_FOR - PUBLISHED_BEFORE
    assert rotation([old], due) == Rotation(START + SIGNS_FOR, ())
    new = SigningKey("new", START + SIGNS_FOR)
    assert signing_key([old, new], due) == old
    assert signing_key([old, new], new.signs_from) == new
    assert rotation([old, new], new.signs_from + TOKENS_END_AFTER - timedelta(seconds=1)).remove == ()
    assert rotation([old, new], new.signs_from + TOKENS_END_AFTER).remove == ("old",)


@given(st.lists(st.integers(1, 40 * 24), min_size=1, max_size=60))
def test_there_is_always_a_key_that_signs_and_every_verifier_knows(pauses_h: list[int]) -> None:
    """Whatever the pauses between two looks, also those of a process that did not run."""
    keys: list[SigningKey] = []
    made_at: dict[str, datetime] = {}
    now = START
    for number, pause_h in enumerate(pauses_h):
        due = rotation(keys, now)
        if due.make_from is not None:
            keys.append(SigningKey(str(number), due.make_from))
            made_at[str(number)] = now
        keys = [key for key in keys if key.key_id not in due.remove]
        signing = signing_key(keys, now)
        assert signing is not None
        assert signing.signs_from == START or made_at[signing.key_id] <= signing.signs_from - PUBLISHED_BEFORE
        assert len(keys) <= 3
        now += timedelta(hours=pause_h)
