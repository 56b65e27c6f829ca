"""The fields of departments' answers, in one form: the same number is the same text however it is padded or typed.

Every adapter declares the fields of its department's answers with these types. The answers themselves have them too.
"""

from collections.abc import Callable
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from contracts.text import is_blank, line, number, paragraphs, visible


def _in(form: Callable[[str], str]) -> BeforeValidator:
    return BeforeValidator(lambda value: form(value) if isinstance(value, str) else value)


def _none_as_empty(value: object) -> object:
    return "" if value is None else value


def _none_if_blank(value: object) -> object:
    return None if isinstance(value, str) and is_blank(value) else value


NUMBER_FORM = _in(number)
"""Puts a field into the form of a number before it is checked: for codes and digits."""

Number = Annotated[str, Field(max_length=200), AfterValidator(visible), NUMBER_FORM]
"""A number under which the department or the platform knows something; not blank."""

Line = Annotated[str, Field(max_length=200), AfterValidator(visible), _in(line)]
"""A name on one line; not blank."""

DocumentNumber = Annotated[Line | None, BeforeValidator(_none_if_blank)]
"""The number of an official document as the department writes it; None where it is blank."""

Paragraphs = Annotated[str, Field(max_length=2000), _in(paragraphs), BeforeValidator(_none_as_empty)]
"""An opinion; it may be blank or missing."""

Explanation = Annotated[str, Field(max_length=2000), AfterValidator(visible), _in(paragraphs)]
"""A reason; not blank."""
