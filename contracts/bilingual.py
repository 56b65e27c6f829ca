"""Text in English and Chinese for people. Cheap to import."""

from typing import Literal, NamedTuple

Language = Literal["zh", "en"]
"""The languages that people read."""


def both(en: str, zh: str) -> str:
    """A sentence in both languages, on one line."""
    return f"{en} / {zh}"


class Bilingual(NamedTuple):
    """A text in both languages."""

    en: str
    zh: str


class BilingualError(Exception):
    """An error that a person reads: what is wrong, where, and what to do, in both languages."""

    def __init__(self, en: str, zh: str) -> None:
        super().__init__(both(en, zh))
        self.en, self.zh = en, zh
