"""Words and figures of the pages of operators, in one language."""

from collections.abc import Mapping
from datetime import datetime

from babel.support import NullTranslations

from contracts.bilingual import Bilingual, Language
from contracts.messages.processes import Reason
from contracts.zone import CHINA
from services.runtime.http.operating.judgement import Condition, Kind, Trouble
from services.runtime.http.pages.formats import NOTHING
from services.runtime.http.pages.languages import N_

CONDITIONS: Mapping[Condition, tuple[str, str]] = {
    Condition.SILENT: ("platform", N_("No report")),
    Condition.NOT_READY: ("platform", N_("Not ready")),
    Condition.IMPAIRED: ("warning", N_("Impaired")),
    Condition.UNKNOWN: ("stopped", N_("Not known")),
    Condition.READY: ("on_time", N_("In order")),
}
"""The mark and the word of each condition."""

CALM = frozenset({Kind.LETTERS, Kind.DISK})
"""Troubles that are not urgent."""

_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86_400

_UNIT = 1000


class Shown:
    """The content of pages in one language, as of ``now`` by the clock of the machine."""

    def __init__(self, language: Language, texts: NullTranslations, now: datetime) -> None:
        self.language = language
        self.now = now
        self._texts = texts

    def said(self, text: Bilingual | Reason) -> str:
        """A text in this language."""
        return text.zh if self.language == "zh" else text.en

    def reason(self, text: str) -> str:
        """The reason of a dead letter in this language, where it was written in both."""
        en, between, zh = text.rpartition(" / ")
        if not between or not any("\u4e00" <= character <= "\u9fff" for character in zh):
            return text
        return zh if self.language == "zh" else en

    def condition(self, condition: Condition) -> tuple[str, str]:
        """The mark and the word of a condition."""
        mark, word = CONDITIONS[condition]
        return mark, self._texts.gettext(word)

    def tone(self, troubles: tuple[Trouble, ...]) -> str:
        """The tone of the answer to the reader's question."""
        if not troubles:
            return "calm"
        return "" if all(one.kind in CALM for one in troubles) else "fault"

    def seconds(self, seconds: float | None) -> str:
        """A length of time, with one unit: 12 s, 3 min, 5 h, 2 d."""
        if seconds is None:
            return NOTHING
        for unit, text in ((_DAY_S, N_("%(n)s d")), (_HOUR_S, N_("%(n)s h")), (_MINUTE_S, N_("%(n)s min"))):
            if seconds >= 2 * unit:
                return self._filled(text, int(seconds // unit))
        return self._filled(N_("%(n)s s"), int(seconds))

    def ago(self, at: datetime) -> str:
        """How long ago a moment was."""
        return self.seconds(max(0.0, (self.now - at).total_seconds()))

    def moment(self, at: datetime | None) -> str:
        """A moment of the machine in China, to the second; of another day with its date."""
        if at is None:
            return NOTHING
        local, today = at.astimezone(CHINA), self.now.astimezone(CHINA).date()
        return f"{local:%H:%M:%S}" if local.date() == today else f"{local:%Y-%m-%d %H:%M:%S}"

    def size(self, size: int | None) -> str:
        """A number of bytes: 734 MB."""
        if size is None:
            return NOTHING
        amount, units = float(size), ["B", "kB", "MB", "GB", "TB", "PB"]
        while amount >= _UNIT and len(units) > 1:
            amount, units = amount / _UNIT, units[1:]
        return f"{amount:.3g} {units[0]}"

    def _filled(self, text: str, number: int) -> str:
        filled: str = self._texts.gettext(text) % {"n": f"{number:,}"}
        return filled
