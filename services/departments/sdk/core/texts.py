"""The fields of departments' answers, in one form: the same number is the same text however it is padded or typed.

Every adapter declares the fields of its department's answers with these types. The answers themselves have them too.
"""

from collections.abc import Callable
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from contracts.faults import fault
from contracts.text import is_blank, line, number, paragraphs, visible


def _in(form: Callable[[str], str]) -> BeforeValidator:
    return BeforeValidator(lambda value: form(value) if isinstance(value, str) else value)


def _none_as_empty(value: object) -> object:
    return "" if value is None else value


_NOTHING = frozenset({"null", "none", "nil", "undefined", "nan", "n/a", "无", "暂无", "空"})
"""Words that systems and clerks write where there is nothing."""


def _is_nothing(text: str) -> bool:
    """Whether a text only fills its field: blank, signs alone, or a word for nothing."""
    has_sense = text[:1].isalnum() or any(c.isalnum() for c in text)
    return not has_sense or number(text).casefold() in _NOTHING or is_blank(text)


def _something(text: str) -> str:
    if _is_nothing(visible(text)):
        raise fault("has a word or sign for nothing in place of a number", "填的是“无”一类字样，不是编号")
    if "\ufffd" in text:
        raise fault("has a character that was lost on its way (U+FFFD)", "含有传输中丢失的字符（U+FFFD）")
    return text


def _none_if_nothing(value: object) -> object:
    return None if isinstance(value, str) and _is_nothing(value) else value


NONE_IF_NOTHING = BeforeValidator(_none_if_nothing)
"""Takes a field that is only filled for one that is missing: for fields that have nothing yet."""

NUMBER_FORM = _in(number)
"""Puts a field into the form of a number before it is checked: for codes and digits."""

Number = Annotated[str, Field(max_length=200), AfterValidator(_something), NUMBER_FORM]
"""A number under which the department or the platform knows something; not blank, no word for nothing, and whole."""

Line = Annotated[str, Field(max_length=200), AfterValidator(visible), _in(line)]
"""A name on one line; not blank."""

DocumentNumber = Annotated[Line | None, NONE_IF_NOTHING]
"""The number of an official document as the department writes it; None where it is blank or a word for nothing."""

Paragraphs = Annotated[str, Field(max_length=2000), _in(paragraphs), BeforeValidator(_none_as_empty)]
"""An opinion; it may be blank or missing."""

Explanation = Annotated[str, Field(max_length=2000), AfterValidator(visible), _in(paragraphs)]
"""A reason; not blank."""
