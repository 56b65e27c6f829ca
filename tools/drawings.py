"""The diagrams in the documentation, drawn from the tables by which the code works.

They are Mermaid, which most viewers of Markdown draw. Each stands between two markers: see `redraw`.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from contracts.envelope import Message
from contracts.moves import Moves, label
from contracts.registry import REGISTRY
from services.departments.sdk.core import task as department_task
from services.intake.core import confirmation, extension, side_timers, suspension
from services.intake.core import lifecycle as intake_lifecycle
from services.monitor.core import doubts, holds
from services.monitor.core import lifecycle as monitor_lifecycle
from services.monitor.core.alerts import appeals
from services.monitor.core.alerts import lifecycle as alert_lifecycle
from services.routing.core import lifecycle as routing_lifecycle
from services.routing.core import steps

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "architecture.md"

_MARKED = re.compile(r"<!-- drawn: (?P<name>[a-z-]+) -->\n.*?<!-- end -->", re.DOTALL)


class UnknownDrawing(Exception):
    """A marker in the document names no drawing, or a drawing has no marker."""


def write(document: Path = DOCUMENT) -> None:
    """Draw all diagrams of the document anew. Raises UnknownDrawing."""
    document.write_text(redraw(document.read_text(encoding="utf-8")), encoding="utf-8")


def redraw(text: str) -> str:
    """The text with each drawing put anew between ``<!-- drawn: NAME -->`` and ``<!-- end -->``."""
    markers = {match["name"] for match in _MARKED.finditer(text)}
    if wrong := markers ^ DRAWINGS.keys():
        raise UnknownDrawing(f"markers and drawings differ: {', '.join(sorted(wrong))}")
    return _MARKED.sub(
        lambda match: f"<!-- drawn: {match['name']} -->\n```mermaid\n{DRAWINGS[match['name']]()}```\n<!-- end -->", text
    )


def flows() -> str:
    """Which service publishes which message to which topic, and which service consumes it."""
    published: defaultdict[tuple[str, str], list[type[Message]]] = defaultdict(list)
    consumed: defaultdict[tuple[str, str], list[type[Message]]] = defaultdict(list)
    on_topic: defaultdict[str, list[type[Message]]] = defaultdict(list)
    for message, route in REGISTRY.items():
        on_topic[route.topic].append(message)
        published[route.producer, route.topic].append(message)
        for consumer in route.consumers:
            consumed[route.topic, consumer].append(message)
    nodes = {topic: f"topic{number}" for number, topic in enumerate(on_topic)}
    producers = dict.fromkeys(producer for producer, _ in published)
    consumers = dict.fromkeys(consumer for _, consumer in consumed)
    lines = ["flowchart LR"]
    lines += [f'    from_{producer}(["{producer}"])' for producer in producers]
    lines += [f'    {nodes[topic]}[("{topic}")]' for topic in on_topic]
    lines += [f'    to_{consumer}(["{consumer}"])' for consumer in consumers]
    for (producer, topic), messages in published.items():
        lines.append(f'    from_{producer} -->|"{_names(messages)}"| {nodes[topic]}')
    for (topic, consumer), messages in consumed.items():
        part = "" if messages == on_topic[topic] else f'|"{_names(messages)}"|'
        lines.append(f"    {nodes[topic]} -->{part} to_{consumer}")
    return "\n".join(lines) + "\n"


def states(moves: Moves[Any]) -> str:
    """A state diagram, one arrow for each pair of states, with all triggers that lead from the one to the other."""
    labels: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for (before, trigger), after in moves.items():
        labels["[*]" if before is None else before.value, after.value].append(label(trigger))
    lines = ["stateDiagram-v2", "    direction LR"]
    lines += [f"    {before} --> {after}: {'<br/>'.join(triggers)}" for (before, after), triggers in labels.items()]
    left = {before for before, _ in labels}
    lines += [f"    {after} --> [*]" for after in dict.fromkeys(after for _, after in labels) if after not in left]
    return "\n".join(lines) + "\n"


TABLES: Mapping[str, Moves[Any]] = {
    "intake-lifecycle": intake_lifecycle.MOVES,
    "intake-suspension": suspension.MOVES,
    "intake-extension": extension.MOVES,
    "intake-side-timers": side_timers.MOVES,
    "intake-confirmation": confirmation.MOVES,
    "routing-lifecycle": routing_lifecycle.MOVES,
    "routing-steps": steps.MOVES,
    "monitor-commitment": monitor_lifecycle.MOVES,
    "monitor-alert": alert_lifecycle.MOVES,
    "monitor-appeal": appeals.MOVES,
    "monitor-hold": holds.MOVES,
    "monitor-doubt": doubts.MOVES,
    "department-task": department_task.MOVES,
}
"""Name of a marker in the document -> the table of moves that is drawn there."""

DRAWINGS: Mapping[str, Callable[[], str]] = {name: partial(states, moves) for name, moves in TABLES.items()} | {
    "flows": flows
}
"""Name of a marker in the document -> the function that draws its diagram."""


def _names(messages: Iterable[type[Message]]) -> str:
    return "<br/>".join(message.__name__ for message in messages)
