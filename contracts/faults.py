"""Faults that people read, in English and in Chinese."""

from collections.abc import Iterable
from typing import NamedTuple

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from contracts.bilingual import both

Path = tuple[int | str, ...]
"""Where an entry stands in a document or a request: the names and places that lead to it from the top."""


class Fault(NamedTuple):
    """A fault: its place, and its description in both languages."""

    path: Path
    en: str
    zh: str


def fault(en: str, zh: str) -> PydanticCustomError:
    """The error to raise for a fault, in a validator or elsewhere. It is a `ValueError`."""
    return PydanticCustomError("fault", "{en}", {"en": en, "zh": zh})


def located(title: str, faults: Iterable[Fault]) -> ValidationError:
    """The error for several faults, to raise in the validator of the model in which their paths begin."""
    details = [InitErrorDetails(type=fault(one.en, one.zh), loc=one.path, input=None) for one in faults]
    return ValidationError.from_exception_data(title, details)


def texts_of(error: ValueError) -> tuple[str, str]:
    """The text of a `fault` in each language; of another error, its own text for both."""
    if isinstance(error, PydanticCustomError) and error.context and "zh" in error.context:
        return error.message(), str(error.context["zh"])
    return str(error), str(error)


def both_of(error: ValueError) -> str:
    """The text of a `fault` in both languages; of another error, its own text."""
    en, zh = texts_of(error)
    return both(en, zh) if en != zh else en
