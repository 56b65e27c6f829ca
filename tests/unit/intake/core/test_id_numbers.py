"""Numbers of persons and organisations."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum.cn import ric, uscc

from services.intake.core.id_numbers import is_citizen_number, is_credit_code
from tests.support.persons import citizen_numbers, credit_codes


def test_the_example_of_gb_11643_is_a_citizen_number() -> None:
    assert is_citizen_number("11010519491231002X")  # GB 11643-1999, appendix A


@given(citizen_numbers)
def test_a_generated_citizen_number_is_valid(number: str) -> None:
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
        "110105 19491231002X",
        "110105194912310020",
        "110105194913310020",  # month 13
        "110105202302290017",  # 29 February of a common year
        "01010519491231002X",
        "１１０１０５１９４９１２３１００２X",
        "110105491231002",
    ],
)
def test_other_text_is_no_citizen_number(number: str) -> None:
    assert not is_citizen_number(number)


@pytest.mark.parametrize("number", ["11010519491231002x", "１１０１０５１９４９１２３１００２X"])
def test_stdnum_accepts_other_ways_of_writing_a_citizen_number(number: str) -> None:
    assert ric.is_valid(number) and not is_citizen_number(number)


@pytest.mark.parametrize(
    "number",
    [
        "11011119500101001X",  # Fangshan, a county since 1986; the number was assigned later than the birth
        "810000198001010014",  # a resident of Hong Kong
        "910000198001010018",  # a foreign permanent resident
    ],
)
def test_stdnum_refuses_citizen_numbers_whose_county_did_not_exist_at_birth(number: str) -> None:
    assert is_citizen_number(number) and not ric.is_valid(number)


@given(credit_codes)
def test_a_generated_credit_code_is_valid(code: str) -> None:
    assert is_credit_code(code) and uscc.is_valid(code)


@given(credit_codes, st.integers(8, 17), st.sampled_from("0123456789ABCDEFGHJKLMNPQRTUWXY"))
def test_a_wrong_character_of_a_credit_code_is_found(code: str, place: int, character: str) -> None:
    wrong = code[:place] + character + code[place + 1 :]
    assert is_credit_code(wrong) == (wrong == code)


@pytest.mark.parametrize("code", ["", "91350100M000100Y44", "91350100I000100Y43", "91350100m000100y43"])
def test_other_text_is_no_credit_code(code: str) -> None:
    assert not is_credit_code(code)


def test_the_example_of_gb_32100_is_a_credit_code() -> None:
    assert is_credit_code("91350100M000100Y43")  # GB 32100-2015, appendix


@pytest.mark.parametrize("code", ["N2110105MA0000001H", "A1110105MA00000011"])
def test_stdnum_refuses_credit_codes_of_registering_authorities_with_a_letter(code: str) -> None:
    assert is_credit_code(code) and not uscc.is_valid(code)
