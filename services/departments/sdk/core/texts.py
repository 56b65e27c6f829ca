"""The fields of departments' answers, in one form: the same number is the same text however it is padded or typed.

Every adapter declares the fields of its department's answers with these types. The answers themselves have them too.
"""

import re
from collections.abc import Callable
from typing import Annotated

from pydantic import BeforeValidator, Field

from contracts.faults import fault
from contracts.text import SHAPELESS, line, number, paragraphs, visible

_NOTHING = ("null", "none", "nil", "undefined", "nan", "n/a", "无", "暂无", "空")
"""Words that systems and clerks write where there is nothing."""

_LONGEST_WORD = max(map(len, _NOTHING))

_filler = re.compile(rf"[\W_{''.join(SHAPELESS)}]*|(?i:{'|'.join(_NOTHING)})").fullmatch
"""Matches a text that only fills its field: nothing visible, signs alone, or a word for nothing."""


def _in(form: Callable[[str], str | None]) -> BeforeValidator:
    """Puts a text into its form before its length is checked."""

    def formed(value: object) -> object:
        return form(value) if isinstance(value, str) else value

    return BeforeValidator(formed)


def _is_filler(text: str) -> bool:
    """Whether a text in the form of a line only fills its field."""
    return _filler(number(text) if len(text) <= _LONGEST_WORD else text) is not None


def _full_number(text: str) -> str:
    text = number(text)
    if _filler(text):
        visible(text)  # raises for a blank one
        raise fault("has a word or sign for nothing in place of a number", "填的是“无”一类字样，不是编号")
    if "\ufffd" in text:
        raise fault("has a character that was lost on its way (U+FFFD)", "含有传输中丢失的字符（U+FFFD）")
    return text


def _number_or_none(text: str) -> str | None:
    text = number(text)
    return None if _filler(text) else text


def _line_or_none(text: str) -> str | None:
    text = line(text)
    return None if _is_filler(text) else text


def _visible_line(text: str) -> str:
    return visible(line(text))


def _visible_paragraphs(text: str) -> str:
    return visible(paragraphs(text))


def _opinion(value: object) -> object:
    return paragraphs(value) if isinstance(value, str) else "" if value is None else value


NUMBER_FORM = _in(number)
"""Puts a field into the form of a number before it is checked: for codes and digits."""

NONE_IF_NOTHING = _in(_number_or_none)
"""Does so as well, and takes a field that is only filled for one that is missing: for fields that have nothing yet."""

Number = Annotated[str, Field(max_length=200), _in(_full_number)]
"""A number under which the department or the platform knows something; not blank, no word for nothing, and whole."""

Line = Annotated[str, Field(max_length=200), _in(_visible_line)]
"""A name on one line; not blank."""

DocumentNumber = Annotated[Annotated[str, Field(max_length=200)] | None, _in(_line_or_none)]
"""The number of an official document as the department writes it; None where it is blank or a word for nothing."""

Paragraphs = Annotated[str, Field(max_length=2000), BeforeValidator(_opinion)]
"""An opinion; it may be blank or missing."""

Explanation = Annotated[str, Field(max_length=2000), _in(_visible_paragraphs)]
"""A reason; not blank."""
