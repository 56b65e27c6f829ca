"""Case numbers and tracking secrets."""

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from contracts.envelope import CaseId
from services.intake.core.case_numbers import (
    fingerprint,
    is_tracking_secret,
    is_valid,
    number_for_key,
    number_for_reference,
    number_from,
    tracking_secret,
)
from services.intake.settings import IntakeSettings

SECONDS_A_YEAR = 365.2425 * 86_400

KEY = b"a secret key of thirty-two bytes"
ENTROPY = st.binary(min_size=8, max_size=32)
CONTRACT = TypeAdapter(CaseId)


@given(ENTROPY)
def test_a_number_is_valid_and_matches_the_contract(entropy: bytes) -> None:
    number = number_from(entropy)
    assert is_valid(number)
    assert CONTRACT.validate_python(number) == number
    assert number_from(entropy) == number


@given(ENTROPY, st.integers(0, 15), st.sampled_from("0123456789ABCDEFGHJKMNPQRSTVWXYZ"))
def test_a_wrong_character_is_found(entropy: bytes, place: int, other: str) -> None:
    number = number_from(entropy)
    wrong = number[:place] + other + number[place + 1 :]
    assert is_valid(wrong) == (wrong == number)


@pytest.mark.parametrize(
    ("entropy", "number"),
    [(bytes(8), "0000-0000-0000-Q"), (b"\xff" * 8, "ZZZZ-ZZZZ-ZZZZ-6")],
)
def test_first_and_last_number(entropy: bytes, number: str) -> None:
    assert number_from(entropy) == number


@pytest.mark.parametrize("number", ["", "0000-0000-0000", "000000000000-1", "0000-0000-0000-1\n", "OOOO-0000-0000-1"])
def test_text_of_another_shape_is_no_number(number: str) -> None:
    assert not is_valid(number)


def test_too_little_entropy_is_refused() -> None:
    with pytest.raises(ValueError, match="60 bits"):
        number_from(b"short")


def test_numbers_of_keys_and_references_differ_by_secret_key_and_purpose() -> None:
    numbers = {
        number_for_key(KEY, "one"),
        number_for_key(KEY, "two"),
        number_for_key(KEY[::-1], "one"),
        number_for_reference(KEY, "one"),
    }
    assert len(numbers) == 4
    assert number_for_key(KEY, "one") == number_for_key(KEY, "one")


def test_a_tracking_secret_belongs_to_one_number() -> None:
    number, other = number_from(bytes(8)), number_from(b"\xff" * 8)
    secret = tracking_secret(KEY, number)
    assert len(secret.replace("-", "")) == 20
    assert is_tracking_secret(KEY, number, secret)
    assert not is_tracking_secret(KEY, other, secret)
    assert not is_tracking_secret(KEY, number, "")
    assert not is_tracking_secret(KEY, number, "查询码")


def test_a_fingerprint_does_not_show_its_content() -> None:
    assert fingerprint(KEY, "content") != fingerprint(KEY[::-1], "content")
    assert fingerprint(KEY, "content") != fingerprint(KEY, "other content")


def test_the_years_of_guessing_are_those_that_the_documents_name() -> None:
    characters = tracking_secret(KEY, number_from(bytes(8))).replace("-", "")
    guesses = 32 ** len(characters) / 2
    a_second = IntakeSettings.model_fields["tracking_a_minute"].default / 60
    years = guesses / a_second / SECONDS_A_YEAR
    document = (Path(__file__).parents[4] / "docs" / "http.md").read_text(encoding="utf-8")
    for many, named in ((1, 21), (10_000 * 4, 16)):
        assert math.floor(math.log10(years / many)) == named
        assert f"10^{named} years" in document
