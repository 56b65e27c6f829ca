"""Dead letters as text for an operator: a table of many, every detail of one."""

import json
from collections.abc import Iterable, Iterator

from rich.table import Table
from rich.text import Text

from services.runtime.store.dead_letters import ParkedLetter

_ROW_BYTES = 16


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
    """The content as lines: JSON indented, other text as it is, anything else as a hex dump."""
    if raw is None:
        yield "  (none)"
        return
    text = as_utf8(raw)
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


def as_utf8(raw: bytes) -> str | None:
    """The text of these bytes, or None if they are not UTF-8."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return None
