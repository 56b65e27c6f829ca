"""Sentences in both languages."""

import re

_CHINESE = re.compile(r"[\u4e00-\u9fff]")
_ENGLISH = re.compile(r"[A-Za-z]{2,}")


def in_both(text: str) -> bool:
    """Whether a text has words of both languages."""
    return bool(_CHINESE.search(text) and _ENGLISH.search(text))


def in_english_only(text: str) -> bool:
    """Whether a text is several English words, without any Chinese."""
    return bool(re.search(r"[A-Za-z]{2,},?\s+[A-Za-z]{2,}", text)) and not _CHINESE.search(text)
