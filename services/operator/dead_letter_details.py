"""Hands dead letters back or drops them, and formats them for an operator."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rich.table import Table
from rich.text import Text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.runtime.store import dead_letters
from services.runtime.store.dead_letters import ParkedLetter

LETTERS_AT_ONCE = 1000
"""Most letters of one case that one command settles."""

EXTERNAL = "external"
"""The topic of a letter that holds an answer of the external system."""

PERSONAL = "This may contain personal data: do not copy it anywhere."

_ROW_BYTES = 16


@dataclass(frozen=True, slots=True)
class Settled:
    """The result of a command. ``refused`` has a line for each letter that stays as it is."""

    numbers: tuple[int, ...]
    refused: tuple[str, ...]
    more: bool = False
    """Whether the case may have more letters."""


async def hand_back(database: AsyncEngine, numbers: Sequence[int], case_id: str | None) -> Settled:
    """Hand letters back to their topics, in the order in which they were parked. Others stay parked."""
    found, missing, more = await _wanted(database, numbers, case_id)
    obstacles = {letter.number: why for letter in found if (why := obstacle(letter)) is not None}
    good = tuple(letter.number for letter in found if letter.number not in obstacles)
    await dead_letters.replay(database, good)
    return Settled(good, (*missing, *(f"letter {number} {why}" for number, why in obstacles.items())), more)


async def drop(database: AsyncEngine, numbers: Sequence[int], case_id: str | None) -> Settled:
    """Drop letters. They remain on record."""
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
        of_case = await dead_letters.letters(database, case_id=case_id, limit=LETTERS_AT_ONCE)
        return (
            of_case,
            [] if of_case else [f"case {case_id} has no parked letter here"],
            len(of_case) == LETTERS_AT_ONCE,
        )
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
        return "is an answer of a department's system: the call is repeated by itself, so drop the letter"
    if not letter.case_id:
        return "names no case, so it has no place in any order: correct its producer, then drop it"
    if letter.value is None:
        return "is empty: drop it"
    if _text(letter.value) is None or b"\0" in letter.value:
        return "is not text in UTF-8, so not a message of a service: drop it"
    return None


def table(rows: Iterable[tuple[str, ParkedLetter]]) -> Table:
    """A table of letters with the names of their services."""
    result = Table("service", "letter", "parked at", "status", "case", "topic", "origin", "reason")
    for service, letter in rows:
        texts = (letter.case_id or "unknown", letter.topic, letter.origin, letter.reason)
        result.add_row(
            service,
            str(letter.number),
            f"{letter.parked_at:%Y-%m-%d %H:%M:%S}Z",
            _status(letter),
            *(Text(clean(one)) for one in texts),
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
    """The content as lines: JSON indented, other text as it is, everything else byte by byte."""
    if raw is None:
        yield "  (none)"
        return
    text = _text(raw)
    if text is not None:
        try:
            document = json.loads(text)
            indented = json.dumps(document, indent=2, ensure_ascii=False)
        except (ValueError, RecursionError):
            document, indented = None, ""
        if isinstance(document, dict | list):
            yield from (f"  {clean(line)}" for line in indented.splitlines())
            return
        if text and text.isprintable():
            yield f"  {text}"
            return
    yield from hexdump(raw)


def hexdump(raw: bytes) -> Iterator[str]:
    """Sixteen bytes a line: offset, bytes, and the printable ASCII characters."""
    yield f"  {len(raw)} bytes"
    for offset in range(0, len(raw), _ROW_BYTES):
        row = raw[offset : offset + _ROW_BYTES]
        shown = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in row)
        yield f"  {offset:08x}  {row.hex(' '):<{3 * _ROW_BYTES}} {shown}"


def clean(text: str) -> str:
    """Escape control characters, since a letter's content may come from anywhere and the terminal executes them."""
    return "".join(one if one.isprintable() else f"\\u{ord(one):04x}" for one in text)


def _text(raw: bytes) -> str | None:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return None
