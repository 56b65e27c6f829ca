"""The names of departments, items and steps, as people read them. Pure."""

from collections.abc import Callable, Mapping

from contracts.bilingual import Language
from contracts.messages.commitments import STEP_PREFIX, CommitmentKey
from contracts.messages.documents import CatalogueName, NamesPublished

NOTHING = NamesPublished(departments=(), items=())
"""Before intake has published a catalogue, everything is called by its code."""


MOST_OFFERED = 200


class Names:
    """The names of one catalogue. What it lacks, such as an item of an older one, keeps its code for a name."""

    def __init__(self, published: NamesPublished) -> None:
        self._departments = _by_key(published.departments)
        self._matters = _by_key((*published.items, *published.bundles))
        self._codes: dict[str, list[str]] = {}
        for code, entry in self._matters.items():
            for name in {entry.zh, entry.en} - {None}:
                self._codes.setdefault(str(name), []).append(code)
        self._steps = {(one.key, step): item for one in published.bundles for step, item in one.steps.items()}

    def department(self, name: str, language: Language) -> str:
        """A department in one language; messages have it in both."""
        return _text(self._departments.get(name), language) or name

    def matter(self, code: str, language: Language) -> str:
        """An item or a bundle."""
        return _text(self._matters.get(code), language) or code

    def step(self, key: CommitmentKey, matter: str, language: Language) -> str | None:
        """The step of a case about this matter; None for another commitment, and for a step without a name."""
        return _text(self._item_of(key, matter), language)

    def matter_in_both(self, code: str) -> str | None:
        """An item or a bundle in both languages, as messages have it; None without a name."""
        return _both(self._matters.get(code))

    def step_in_both(self, key: CommitmentKey, matter: str) -> str | None:
        """The step of a case in both languages; None as for `step`."""
        return _both(self._item_of(key, matter))

    def code_of(self, text: str) -> str:
        """The code of the item or the bundle with this name; the text itself if none has it, or several have."""
        codes = self._codes.get(text.strip(), ())
        return codes[0] if len(codes) == 1 else text

    def offered(self, language: Language) -> list[str]:
        """The names of all items and bundles, to choose from; none where there are more than anybody looks through."""
        if len(self._matters) > MOST_OFFERED:
            return []
        return [self.matter(code, language) for code in self._matters]

    def _item_of(self, key: CommitmentKey, matter: str) -> CatalogueName | None:
        """The item of a step: that of the bundle, or the item that a case without a bundle is about."""
        if not key.startswith(STEP_PREFIX):
            return None
        step = key.removeprefix(STEP_PREFIX)
        return self._matters.get(self._steps.get((matter, step), step))


class NamesInForce:
    """The names by the document in force, prepared once for each document."""

    def __init__(self, document: Callable[[], NamesPublished | None]) -> None:
        self._document = document
        self._published: NamesPublished = NOTHING
        self._names = CODES

    def __call__(self) -> Names:
        """The names by the document in force now."""
        published = self._document() or NOTHING
        if published is not self._published:
            self._published, self._names = published, Names(published)
        return self._names


def _by_key(entries: tuple[CatalogueName, ...]) -> Mapping[str, CatalogueName]:
    return {entry.key: entry for entry in entries}


def _text(entry: CatalogueName | None, language: Language) -> str | None:
    if entry is None:
        return None
    return entry.zh if language == "zh" else entry.en or entry.zh


def _both(entry: CatalogueName | None) -> str | None:
    if entry is None:
        return None
    return f"{entry.en} ({entry.zh})" if entry.en is not None else entry.zh


CODES = Names(NOTHING)
"""Everything by its code."""
