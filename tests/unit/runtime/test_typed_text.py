"""Numbers as people type them, and lines that would deceive a reader."""

import pytest
from pydantic import TypeAdapter, ValidationError

from contracts.messages.fields import Article, Reason
from services.runtime.http.bodies.typed_text import (
    SECRET_GROUPS,
    SingleLine,
    typed_case_number,
    typed_groups,
    typed_id_number,
)

LINE, REASON = TypeAdapter(SingleLine), TypeAdapter(Reason)


@pytest.mark.parametrize(
    "typed",
    [
        "K7Q2-9MXF-4TBA-3",
        "k7q2-9mxf-4tba-3",
        "K7Q29MXF4TBA3",
        " K7Q2 9MXF 4TBA 3 ",
        "K7Q2–9MXF—4TBA‐3",
        "Ｋ７Ｑ２－９ＭＸＦ－４ＴＢＡ－３",
        "\u202dK7Q2-9MXF-4TBA-3\u202c",
        "K7Q2\u200b-9MXF-\u00a04TBA-3\ufeff",
        "K7Q2−9MXF−4TBA−3",
        "K7Q2.9MXF_4TBA/3",
        "K7Q2ー9MXFー4TBAー3",
        "K7Q2─9MXF一4TBA·3",
        "编号：K7Q2-9MXF-4TBA-3。",
        '"K7Q2-9MXF-4TBA-3"',
    ],
)
def test_a_case_number_is_understood(typed: str) -> None:
    assert typed_case_number(typed) == "K7Q2-9MXF-4TBA-3"


def test_letters_that_look_like_digits_are_taken_for_them() -> None:
    assert typed_case_number("OIL0-0000-0000-o") == "0110-0000-0000-0"
    assert typed_groups("o1234 56789-abcde fghjk", SECRET_GROUPS) == "01234-56789-ABCDE-FGHJK"


@pytest.mark.parametrize("other", ["", "K7Q2", "K7Q2-9MXF-4TBA-33", "编号"])
def test_a_text_of_another_length_stays_as_it_is(other: str) -> None:
    assert typed_case_number(other) == other


@pytest.mark.parametrize(
    "typed",
    [
        "11010519491231002x",
        "１１０１０５１９４９１２３１００２Ｘ",
        "110105 19491231 002X",
        "\u202d11010519491231002X\u202c",
        "110105-19491231-002X",
        "110105−19491231·002x",
        "11010519491231002×",
        "11010519491231002Х",
        "'11010519491231002X",
    ],
)
def test_an_identity_number_is_understood(typed: str) -> None:
    assert typed_id_number(typed) == "11010519491231002X"


@pytest.mark.parametrize("number", ["1234567890(A)", "士字第1-2号", "军字第（2020）1号"])
def test_a_number_with_signs_of_its_own_keeps_them(number: str) -> None:
    assert typed_id_number(number) == number.translate(str.maketrans("（）", "()"))


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("张\u200b三\ufeff", "张三"),
        ("张\u2028三\x85", "张 三"),
        ("张\u00ad三\u2063", "张三"),
        ("A\x9b31m", "A31m"),
        ("Rene\u0301", "Ren\u00e9"),
        ("张  三", "张 三"),
    ],
)
def test_a_name_is_kept_without_what_nobody_sees(typed: str, name: str) -> None:
    assert LINE.validate_python(typed) == name


@pytest.mark.parametrize("blank", ["\u200b", "\u3164", "\u2800", "\u202e \u2066"])
def test_a_reason_that_nobody_can_read_is_refused(blank: str) -> None:
    with pytest.raises(ValidationError) as refused:
        REASON.validate_python(blank)
    assert refused.value.errors()[0]["ctx"]["zh"]


def test_a_reason_is_kept_without_characters_that_hide_it() -> None:
    assert REASON.validate_python("延期\u202e由理\x1b[31m\n\n第二段 ") == "延期由理[31m\n\n第二段"
    assert TypeAdapter(Article).validate_python("第四十五条\u202e\n") == "第四十五条"


@pytest.mark.parametrize(
    "name",
    [
        *("张三", "阿卜杜拉·买买提", "O'Brien 王", "ئابدۇللا", "张\u200d三"),
        "\U0002b7fc",
        "\U00031350",  # newer than Python's data
        "葛\U000e0100",  # in the form that a selector names
        "\ue863",  # in the private use area
    ],
)
def test_a_name_that_can_be_read_stays_as_it_is(name: str) -> None:
    assert LINE.validate_python(name) == name


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("\u200b", "blank_text"),
        ("\u3000\u00a0", "blank_text"),
        ("\u3164", "blank_text"),
        ("张\u202e三", "turned_text"),
        ("\u2066张三\u2069", "turned_text"),
        ("张\ufffd", "lost_text"),
    ],
)
def test_a_name_that_deceives_is_refused_with_the_reason_in_both_languages(name: str, kind: str) -> None:
    with pytest.raises(ValidationError) as refused:
        LINE.validate_python(name)
    (fault,) = refused.value.errors()
    assert fault["type"] == kind
    assert fault["ctx"]["zh"]
