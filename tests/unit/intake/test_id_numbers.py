"""Numbers of persons and organisations."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.intake.core.id_numbers import is_citizen_number, is_credit_code
from tests.support.persons import citizen_numbers, credit_codes


def test_the_worked_example_of_the_standard() -> None:
    assert is_citizen_number("11010519491231002X")  # GB 11643-1999, appendix A


@given(citizen_numbers)
def test_a_generated_citizen_number_is_one(number: str) -> None:
    assert is_citizen_number(number)


@given(citizen_numbers, st.integers(0, 17), st.sampled_from("0123456789"))
def test_a_wrong_digit_of_a_citizen_number_is_found(number: str, place: int, digit: str) -> None:
    wrong = number[:place] + digit + number[place + 1 :]
    assert is_citizen_number(wrong) == (wrong == number)


@pytest.mark.parametrize(
    "number",
    [
        "",
        "11010519491231002x",
        "110105194912310020",
        "110105194913310020",  # month 13
        "110105202302290017",  # 29 February of a common year
        "01010519491231002X",
        "１１０１０５１９４９１２３１００２X",
        "110105491231002",
    ],
)
def test_no_citizen_number(number: str) -> None:
    assert not is_citizen_number(number)


@given(credit_codes)
def test_a_generated_credit_code_is_one(code: str) -> None:
    assert is_credit_code(code)


@given(credit_codes, st.integers(8, 17), st.sampled_from("0123456789ABCDEFGHJKLMNPQRTUWXY"))
def test_a_wrong_character_of_a_credit_code_is_found(code: str, place: int, character: str) -> None:
    wrong = code[:place] + character + code[place + 1 :]
    assert is_credit_code(wrong) == (wrong == code)


@pytest.mark.parametrize("code", ["", "91350100M000100Y44", "91350100I000100Y43", "91350100m000100y43"])
def test_no_credit_code(code: str) -> None:
    assert not is_credit_code(code)


def test_the_worked_example_of_the_credit_code() -> None:
    assert is_credit_code("91350100M000100Y43")  # GB 32100-2015, appendix
