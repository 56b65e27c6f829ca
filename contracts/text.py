"""Text in one form, so that the same number or name is the same text, however it was typed, pasted or padded."""

import re
import unicodedata

from pydantic_core import PydanticCustomError

TURNS_LINE = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that turn the direction of the text after them (Unicode, UAX 9): what is shown is not what is stored."""

SHAPELESS = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters and symbols without a shape."""

_IDEOGRAPHS = range(0x2_0000, 0x4_0000)
"""Planes 2 and 3 of Unicode are for ideographs only. Rare names have new ones, which Python does not know yet."""

_JOINERS = frozenset("\u200c\u200d")
"""Invisible characters that some scripts need."""

_COMMON = "!-~\u3001\u3002\u3008-\u3011\u3014\u3015\u4e00-\u9fff"
"""ASCII without the space, Chinese characters of the first block, and their brackets: the same in every form."""

_SIGNS = "\u2014\u2018\u2019\u201c\u201d\u2026\uff01\uff08\uff09\uff0c\uff1a\uff1b\uff1f"
"""Other Chinese punctuation, which only the canonical form (NFC) leaves as it is."""

_seen = re.compile(f"[{_COMMON}]").search
_is_plain_number = re.compile(f"(?:[{_COMMON}]+(?: [{_COMMON}]+)*)?").fullmatch
_is_plain_line = re.compile(f"(?:[{_COMMON}{_SIGNS}]+(?: [{_COMMON}{_SIGNS}]+)*)?").fullmatch
_are_plain_paragraphs = re.compile(f"[{_COMMON}{_SIGNS} \n\t]*").fullmatch


def is_invisible(character: str) -> bool:
    """Whether this is a format or control character: a mark of direction, a joiner, a space of no width."""
    return unicodedata.category(character) in ("Cf", "Cc")


def is_blank(text: str) -> bool:
    """Whether a text has no visible character."""
    return _seen(text) is None and all(c in SHAPELESS or _is_unseen(c) for c in text)


def visible(text: str) -> str:
    """The text. Raises `PydanticCustomError`, a `ValueError`, where it is blank."""
    if is_blank(text):
        raise PydanticCustomError("blank_text", "has no visible character", {"zh": "没有可见的文字"})
    return text


def number(text: str) -> str:
    """A number in compatibility form (NFKC, UAX 15): half width, no invisible characters, single spaces within it."""
    if _is_plain_number(text):
        return text
    return _on_one_line(unicodedata.normalize("NFKC", "".join(c for c in text if c.isspace() or not is_invisible(c))))


def line(text: str) -> str:
    """A name on one line in canonical form (NFC). Its punctuation stays as it is: （2026） is not (2026) in a name."""
    if _is_plain_line(text):
        return text
    kept = "".join(c for c in text if c.isspace() or c in _JOINERS or not is_invisible(c))
    return _on_one_line(unicodedata.normalize("NFC", kept))


def paragraphs(text: str) -> str:
    """A text of several lines in canonical form (NFC), without control characters and those that turn a line round."""
    if _are_plain_paragraphs(text):
        return text.strip()
    kept = "".join(c for c in text.replace("\r\n", "\n") if c in "\n\t" or not (c in TURNS_LINE or _is_control(c)))
    return unicodedata.normalize("NFC", kept).strip()


def _is_unseen(character: str) -> bool:
    category = unicodedata.category(character)
    # Many systems keep rare characters of names in the private use area (Co).
    return category[0] in "CZM" and category != "Co" and ord(character) not in _IDEOGRAPHS


def _is_control(character: str) -> bool:
    return unicodedata.category(character) == "Cc"


def _on_one_line(text: str) -> str:
    return " ".join(text.split())
