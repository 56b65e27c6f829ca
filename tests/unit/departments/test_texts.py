"""Text from departments has one form, however it was padded or typed."""

import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from contracts.text import is_blank, line, number, paragraphs
from services.departments.sdk.core.texts import DocumentNumber, Explanation, Line, Number


@pytest.mark.parametrize(
    "written", ["N1", "N1  ", " N1", "\tN1\r\n", "N1\u3000", "Ｎ１", "\ufeffN1", "N\u200b1", "N1\u202c", "N1\x00"]
)
def test_a_number_is_one_however_it_is_written(written: str) -> None:
    assert number(written) == "N1"


def test_a_number_keeps_what_tells_it_from_others() -> None:
    assert number("税受〔2026〕 1号") == "税受〔2026〕 1号"
    assert number("税受（2026）1号") == "税受(2026)1号"
    assert len({number(each) for each in ("N1", "n1", "N 1", "N-1", "N01")}) == 5


def test_a_name_keeps_its_punctuation() -> None:
    assert line(" 粤（2026）广州市不动产权第１号\u3000") == "粤（2026）广州市不动产权第１号"
    assert line("听\u202e证\n会") == "听证 会"
    assert line("e\u0301") == "\u00e9"


def test_an_opinion_keeps_its_lines() -> None:
    assert paragraphs("同意。\r\n\t另：补交\x00材料\u202e \n") == "同意。\n\t另：补交材料"


@given(st.text(), st.sampled_from([number, line, paragraphs]))
def test_the_form_of_a_form_is_itself(text: str, form: Callable[[str], str]) -> None:
    once = form(text)
    assert form(once) == once
    assert not once or not (once[0].isspace() or once[-1].isspace())
    assert not [c for c in once if unicodedata.category(c) == "Cc" and c not in "\n\t"]


@given(st.text("1号〔〕（）  \u3000\n\u200b"))
def test_the_short_way_leads_to_the_same_form(text: str) -> None:
    assert number(text) == number(f"{text}\u202c")
    assert line(text) == line(f"{text}\u202c")
    assert paragraphs(text) == paragraphs(f"{text}\x00")


def test_a_usual_character_has_the_same_form_on_the_short_way() -> None:
    for character in map(chr, (*range(0xD800), *range(0xE000, 0x1_0000))):
        # The invisible character is dropped, and makes each form look at every character.
        assert number(character) == number(f"{character}\u200b")
        assert line(character) == line(f"{character}\u200b")
        assert paragraphs(character) == paragraphs(f"{character}\x00")
        assert (
            not is_blank(character)
            or unicodedata.category(character)[0] in "CZM"
            or character in "\u115f\u1160\u2800\u3164\uffa0"
        )


@pytest.mark.parametrize("blank", ["", " ", "\u3000\u200b", "\u2800"])
def test_a_blank_document_is_none_and_a_blank_number_name_or_reason_is_invalid(blank: str) -> None:
    assert TypeAdapter(DocumentNumber).validate_python(blank) is None
    for required in (Number, Line, Explanation):
        with pytest.raises(ValidationError, match="blank"):
            TypeAdapter(required).validate_python(blank)


def test_padding_does_not_count_for_the_longest_number() -> None:
    assert TypeAdapter(Number).validate_python("N" * 200 + " " * 100) == "N" * 200
    with pytest.raises(ValidationError, match="200"):
        TypeAdapter(Number).validate_python("N" * 201)


def test_a_rare_character_of_a_name_is_visible() -> None:
    assert not is_blank("\ue83c"), "many systems keep rare characters in the private use area"
