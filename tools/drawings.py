"""The diagrams in the documentation, drawn from the tables that the code itself goes by.

They are Mermaid, which most viewers of Markdown draw. Each stands between two markers: see `redraw`.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from pathlib import Path

from contracts.envelope import Message
from contracts.registry import REGISTRY
from services.departments.sdk.core import handle as task
from services.intake.core import handle as intake
from services.routing.core import handle as routing
from services.routing.core import steps

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "architecture.md"

Move = tuple[str | None, str, str]
"""From a state (None: from nothing) by a message, or by nothing in particular, to a state."""

_MARKED = re.compile(r"<!-- drawn: (?P<name>[a-z-]+) -->\n.*?<!-- end -->", re.DOTALL)


class UnknownDrawing(Exception):
    """The document has a place for a drawing that nobody draws, or none for one that somebody does."""


def write(document: Path = DOCUMENT) -> None:
    """Draw all diagrams anew in their places. Raises UnknownDrawing."""
    document.write_text(redraw(document.read_text(encoding="utf-8")), encoding="utf-8")


def redraw(text: str) -> str:
    """The text with each drawing put anew between ``<!-- drawn: NAME -->`` and ``<!-- end -->``."""
    places = {match["name"] for match in _MARKED.finditer(text)}
    if wrong := places ^ DRAWINGS.keys():
        raise UnknownDrawing(f"places and drawings differ: {', '.join(sorted(wrong))}")
    return _MARKED.sub(
        lambda match: f"<!-- drawn: {match['name']} -->\n```mermaid\n{DRAWINGS[match['name']]()}```\n<!-- end -->", text
    )


def case_in_routing() -> str:
    """A case, as routing knows it."""
    return _states(
        (_value(before), message.__name__, after.value)
        for (before, message), targets in routing.MOVES.items()
        for after in targets
    )


def step_in_routing() -> str:
    """A step of a case. The first state is that of a step of which nothing is known yet."""
    moves: list[Move] = [(None, "", steps.StepCourse.model_fields["state"].default.value)]
    moves += [(before.value, "", after.value) for before, targets in steps.MOVES.items() for after in targets]
    return _states(moves)


def task_at_a_department() -> str:
    """A task, as the department's service knows it."""
    moves: list[Move] = [(None, "TaskRequested", task.Task.model_fields["state"].default.value)]
    moves += [
        (before.value, answer.__name__, after.value)
        for before, answers in task.MOVES.items()
        for answer, after in answers.items()
    ]
    return _states(moves)


def case_at_intake() -> str:
    """A case, as intake knows it."""
    return _states((_value(before), message.__name__, after.value) for (before, message), after in intake.MOVES.items())


def flows() -> str:
    """Who says which message on which topic, and who hears it."""
    lines = ["flowchart LR"]
    said: defaultdict[tuple[str, str], list[type[Message]]] = defaultdict(list)
    heard: defaultdict[tuple[str, str], list[type[Message]]] = defaultdict(list)
    on_topic: defaultdict[str, list[type[Message]]] = defaultdict(list)
    for message, route in REGISTRY.items():
        topic = REGISTRY[message].topic
        on_topic[topic].append(message)
        said[route.producer, topic].append(message)
        for hearer in route.consumers:
            heard[topic, hearer].append(message)
    places = {topic: f"topic{number}" for number, topic in enumerate(on_topic)}
    lines += [f'    says_{sayer}(["{sayer}"])' for sayer in dict.fromkeys(sayer for sayer, _ in said)]
    lines += [f'    {places[topic]}[("{topic}")]' for topic in on_topic]
    lines += [f'    hears_{hearer}(["{hearer}"])' for hearer in dict.fromkeys(hearer for _, hearer in heard)]
    lines += [
        f'    says_{sayer} -->|"{_names(messages)}"| {places[topic]}' for (sayer, topic), messages in said.items()
    ]
    for (topic, hearer), messages in heard.items():
        label = "" if messages == on_topic[topic] else f'|"{_names(messages)}"|'
        lines.append(f"    {places[topic]} -->{label} hears_{hearer}")
    return "\n".join(lines) + "\n"


DRAWINGS: Mapping[str, Callable[[], str]] = {
    "case-in-routing": case_in_routing,
    "step-in-routing": step_in_routing,
    "task-at-a-department": task_at_a_department,
    "case-at-intake": case_at_intake,
    "flows": flows,
}
"""Name of a place in the document -> what draws it."""


def _states(moves: Iterable[Move]) -> str:
    """A state diagram, one arrow a pair of states, labelled with all that leads from the one to the other."""
    labels: defaultdict[tuple[str | None, str], list[str]] = defaultdict(list)
    for before, message, after in moves:
        labels[before, after].append(message)
    lines = ["stateDiagram-v2", "    direction LR"]
    for (before, after), messages in sorted(labels.items(), key=lambda arrow: (arrow[0][0] or "", arrow[0][1])):
        words = "<br/>".join(sorted(filter(None, messages)))
        lines.append(f"    {before or '[*]'} --> {after}" + (f": {words}" if words else ""))
    states = {after for _, after in labels}
    left = {before for before, after in labels if before != after}
    lines += [f"    {state} --> [*]" for state in sorted(states - left)]
    return "\n".join(lines) + "\n"


def _value(state: StrEnum | None) -> str | None:
    return state.value if state is not None else None


def _names(messages: Iterable[type[Message]]) -> str:
    return "<br/>".join(message.__name__ for message in messages)
