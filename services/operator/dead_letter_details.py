"""Dead letters as an operator sees them, and which of them can be handed back."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rich.table import Table
from rich.text import Text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.runtime.store import dead_letters
from services.runtime.store.dead_letters import ParkedLetter

AT_ONCE = 1000
"""Most letters of one case that are taken at a time."""

EXTERNAL = "external"
"""The topic of a letter that holds what the outside world said."""

PERSONAL = "This may hold personal data: look, and do not copy it anywhere."

_ROW_BYTES = 16


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of the letters that were asked for. ``refused``: a line for each that stays as it is."""

    numbers: tuple[int, ...]
    refused: tuple[str, ...]
    more: bool = False
    """The case may have more letters than were taken."""


async def hand_back(database: AsyncEngine, numbers: Sequence[int], case_id: str | None) -> Settled:
    """Hand letters back to their topics, in the order in which they were parked; those that cannot be stay parked."""
    found, missing, more = await _wanted(database, numbers, case_id)
    obstacles = {letter.number: why for letter in found if (why := obstacle(letter)) is not None}
    good = tuple(letter.number for letter in found if letter.number not in obstacles)
    await dead_letters.replay(database, good)
    return Settled(good, (*missing, *(f"letter {number} {why}" for number, why in obstacles.items())), more)


async def set_aside(database: AsyncEngine, numbers: Sequence[int], case_id: str | None) -> Settled:
    """Drop letters for good. They remain on record."""
    found, missing, more = await _wanted(database, numbers, case_id)
    good = tuple(letter.number for letter in found if letter.status == "parked")
    settled = tuple(f"letter {one.number} has been {one.status} already" for one in found if one.status != "parked")
    await dead_letters.drop(database, good)
    return Settled(good, (*missing, *settled), more)


async def _wanted(
    database: AsyncEngine, numbers: Sequence[int], case_id: str | None
) -> tuple[list[ParkedLetter], list[str], bool]:
    """The letters, a line for each number that does not exist, and whether the case may have more."""
    if case_id is not None:
        of_case = await dead_letters.letters(database, case_id=case_id, limit=AT_ONCE)
        return of_case, [] if of_case else [f"case {case_id} has no parked letter here"], len(of_case) == AT_ONCE
    found, missing = [], []
    for number in sorted(set(numbers)):
        letters = await dead_letters.letters(database, status=None, number=number)
        found += letters
        missing += [] if letters else [f"letter {number} does not exist here"]
    return found, missing, False


def obstacle(letter: ParkedLetter) -> str | None:
    """Why this letter cannot be handed back; None if it can."""
    if letter.status != "parked":
        return f"has been {letter.status} already"
    if letter.topic == EXTERNAL:
        return "is what a department's system said: the question is put again by itself, so drop the letter"
    if not letter.case_id:
        return "names no case, so it has no place in any order: mend its sender, then drop it"
    if letter.value is None:
        return "is empty: drop it"
    if _text(letter.value) is None or b"\0" in letter.value:
        return "is not text in UTF-8, so no message of ours: drop it"
    return None


def table(rows: Iterable[tuple[str, ParkedLetter]]) -> Table:
    """Letters with the name of their service, a line each."""
    result = Table("service", "letter", "parked at", "status", "case", "topic", "origin", "reason")
    for service, letter in rows:
        words = (letter.case_id or "unknown", letter.topic, letter.origin, letter.reason)
        result.add_row(
            service,
            str(letter.number),
            f"{letter.parked_at:%Y-%m-%d %H:%M:%S}Z",
            _status(letter),
            *(Text(clean(w)) for w in words),
        )
    return result


def detail(letter: ParkedLetter) -> Iterator[str]:
    """Everything about one letter, line by line."""
    yield f"letter   {letter.number}"
    yield f"status   {_status(letter)}"
    yield f"parked   {letter.parked_at.isoformat()}"
    yield f"case     {letter.case_id or 'unknown'}"
    yield f"topic    {clean(letter.topic)}"
    yield f"origin   {clean(letter.origin)}"
    yield f"reason   {clean(letter.reason)}"
    yield "key"
    yield from content(letter.key)
    yield "value"
    yield from content(letter.value)


def _status(letter: ParkedLetter) -> str:
    return "parked, its case waits" if letter.status == "parked" and letter.blocking else letter.status


def content(raw: bytes | None) -> Iterator[str]:
    """JSON indented, other words on one line as they are, all else byte by byte."""
    if raw is None:
        yield "  (none)"
        return
    words = _text(raw)
    if words is not None:
        try:
            document = json.loads(words)
            indented = json.dumps(document, indent=2, ensure_ascii=False)
        except (ValueError, RecursionError):
            document, indented = None, ""
        if isinstance(document, dict | list):
            yield from (f"  {clean(line)}" for line in indented.splitlines())
            return
        if words.isprintable() and words:
            yield f"  {words}"
            return
    yield from hexdump(raw)


def hexdump(raw: bytes) -> Iterator[str]:
    """Sixteen bytes a line: place, bytes, and what of them is ASCII."""
    yield f"  {len(raw)} bytes"
    for place in range(0, len(raw), _ROW_BYTES):
        row = raw[place : place + _ROW_BYTES]
        shown = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in row)
        yield f"  {place:08x}  {row.hex(' '):<{3 * _ROW_BYTES}} {shown}"


def clean(words: str) -> str:
    """The words without characters that a terminal would obey: a letter's content comes from anywhere."""
    return "".join(one if one.isprintable() else f"\\u{ord(one):04x}" for one in words)


def _text(raw: bytes) -> str | None:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return None
