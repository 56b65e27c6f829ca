"""Reading rule files, and the rules that onedoor comes with."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import yaml

from services.monitor.rules import FaultyRules, RuleFile, Rules, RuleSet, rule_file, rule_set

SHIPPED = Path(__file__).with_name("rules.yaml")


def read(file: Path) -> RuleFile:
    """A rule file. Raises `FaultyRules`, which tells each fault with its line, and `OSError`."""
    try:
        text = file.read_text(encoding="utf-8")
        node = yaml.compose(text, yaml.SafeLoader)
        content = yaml.safe_load(text)
    except yaml.MarkedYAMLError as fault:
        line = fault.problem_mark.line + 1 if fault.problem_mark else 1
        raise FaultyRules(f"line {line}: {fault.problem}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as fault:
        raise FaultyRules(f"line 1: not YAML: {fault}") from None
    return rule_file(content, dict(_lines(node, ())))


def _lines(node: yaml.Node | None, path: tuple[int | str, ...]) -> Iterator[tuple[tuple[int | str, ...], int]]:
    """Where each entry stands. An entry of a mapping stands where its name does."""
    match node:
        case None:
            return
        case yaml.MappingNode():
            yield path, node.start_mark.line + 1
            for name, value in node.value:
                yield from _lines(value, (*path, name.value))
                yield (*path, name.value), name.start_mark.line + 1
        case yaml.SequenceNode():
            yield path, node.start_mark.line + 1
            for place, value in enumerate(node.value):
                yield from _lines(value, (*path, place))
        case _:
            yield path, node.start_mark.line + 1


@cache
def shipped() -> Rules:
    """The rules that onedoor comes with: edition 0."""
    return Rules(0, rule_set(read(SHIPPED)))


def edition(number: int, body: str) -> Rules:
    """The rules of an edition as it is kept. Raises `ValueError` for one that cannot be read."""
    return Rules(number, RuleSet.model_validate_json(body))
