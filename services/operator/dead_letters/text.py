"""Dead letters as text for an operator: a table of many, every detail of one."""

from collections.abc import Iterable, Iterator

from rich.table import Table
from rich.text import Text

from contracts.bilingual import both
from contracts.rights.actor import Actor
from services.runtime.dead_letters.content import clean, lines_of, status_of
from services.runtime.store.dead_letters import ParkedLetter


def table(rows: Iterable[tuple[str, ParkedLetter]]) -> Table:
    """A table of letters with the names of their services."""
    result = Table("service", "letter", "parked at", "status", "case", "topic", "origin", "reason")
    for service, letter in rows:
        texts = (letter.case_id or "unknown", letter.topic, letter.origin, letter.reason)
        result.add_row(
            service,
            str(letter.number),
            f"{letter.parked_at:%Y-%m-%d %H:%M:%S}Z",
            both(*status_of(letter)),
            *(Text(clean(one)) for one in texts),
        )
    return result


def detail(letter: ParkedLetter, *, raw: bool) -> Iterator[str]:
    """Everything about one letter, line by line; its content as it is, or masked."""
    yield f"letter   {letter.number}"
    yield f"status   {both(*status_of(letter))}"
    yield f"parked   {letter.parked_at.isoformat()}"
    yield f"case     {letter.case_id or 'unknown'}"
    yield f"topic    {clean(letter.topic)}"
    yield f"origin   {clean(letter.origin)}"
    yield f"reason   {clean(letter.reason)}"
    if letter.settled_at is not None:
        yield f"settled  {letter.settled_at.isoformat()}"
    if letter.settled_by or letter.settled_reason:
        by = str(Actor(letter.settled_by, letter.settled_on_behalf_of)) if letter.settled_by else "unknown"
        yield f"by       {clean(by)}: {clean(letter.settled_reason or 'without a reason')}"
    key, value = lines_of(letter, raw=raw)
    yield "key"
    yield from key
    yield "value"
    yield from value
