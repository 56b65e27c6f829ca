"""Text as people type and paste it: a number is understood as it was meant, and a deceiving line is refused."""

import unicodedata
from collections.abc import Sequence
from typing import Annotated

from fastapi import Path
from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from contracts.envelope import CaseId, Code
from contracts.text import TURNS_LINE, is_invisible, line, number, visible

NUMBER_GROUPS, SECRET_GROUPS = (4, 4, 4, 1), (5, 5, 5, 5)
"""The groups of a case number, and of the secret with which its applicant follows it."""

LOST = "\ufffd"
"""The replacement character: programs put it where they cannot decode what they have received."""

_DIGITS_MEANT = str.maketrans("ILO", "110")
"""Letters that case numbers and secrets do not have, because people take digits for them (Crockford's base 32)."""

_X_MEANT = str.maketrans(dict.fromkeys("\u00d7\u0425\u03a7", "X"))
"""The sign of multiplication, and the Russian and the Greek letter that look like an X."""

_SEPARATORS = frozenset("\u2212'\u2019._\u00b7")
"""Besides hyphens: minus, the apostrophe by which spreadsheet programs mark a text, and dots."""


def typed_code(text: str) -> str:
    """A number or code as it was meant: in half width and capitals, without white space and invisible characters."""
    if _is_code(text):
        return text.upper()
    plain = unicodedata.normalize("NFKC", text)
    return "".join(c for c in plain if not c.isspace() and not is_invisible(c)).upper()


def typed_groups(text: str, sizes: Sequence[int]) -> str:
    """A case number or a secret as it was meant, in groups of these sizes with hyphens between them.

    All that is no letter or digit of ASCII stands between the groups or around them. A text of another length stays as
    it is.
    """
    characters = "".join(c for c in typed_code(text) if c.isascii() and c.isalnum()).translate(_DIGITS_MEANT)
    if len(characters) != sum(sizes):
        return text
    ends = [sum(sizes[: at + 1]) for at in range(len(sizes))]
    return "-".join(characters[end - size : end] for end, size in zip(ends, sizes, strict=True))


def typed_case_number(text: object) -> object:
    """A case number as it was meant: hyphens may be missing or others, letters small, ``O`` typed for zero."""
    return typed_groups(text, NUMBER_GROUPS) if isinstance(text, str) else text


def typed_id_number(text: object) -> object:
    """A number that identifies a person or an organisation, as it was meant: hyphens are left out."""
    if not isinstance(text, str):
        return text
    code = typed_code(text).translate(_X_MEANT)
    if _is_code(code):
        return code
    plain = "".join(c for c in code if not (unicodedata.category(c) == "Pd" or c in _SEPARATORS))
    return plain if _is_code(plain) else code


def _is_code(text: str) -> bool:
    return text.isascii() and text.isalnum()


def readable(text: str) -> str:
    """The text, if a person sees what is stored. Raises `PydanticCustomError`."""
    if not TURNS_LINE.isdisjoint(text):
        reason = "contains an invisible character that turns the direction of the text; type it again"
        raise PydanticCustomError("turned_text", reason, {"zh": "含有会改变文字方向的不可见字符，请重新键入"})
    if LOST in text:
        reason = "contains a character that was lost on its way (U+FFFD); send it in UTF-8, or type it again"
        zh = "含有传输中丢失的字符（U+FFFD），请以 UTF-8 发送或重新键入"
        raise PydanticCustomError("lost_text", reason, {"zh": zh})
    return visible(text)


SingleLine = Annotated[
    str,
    Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$"),
    AfterValidator(readable),
    AfterValidator(line),
]
"""Text on one line that a person can read, in one form: without control characters, invisible ones and line breaks."""


def typed_reference(text: object) -> object:
    """A number under which another system, or a department, knows something: the same number is the same text."""
    return number(text) if isinstance(text, str) else text


TypedReference = Annotated[SingleLine, BeforeValidator(typed_reference)]
"""The number of a case in another system."""

TypedCode = Annotated[Code, BeforeValidator(typed_reference)]
"""A short identifier, also where it was typed in full width."""

TypedCaseNumber = Annotated[CaseId, BeforeValidator(typed_case_number)]
"""A case number as it was meant."""

CaseNumberPath = Annotated[TypedCaseNumber, Path()]
"""The case number in the path, as it was meant."""
