"""Reading rule files, and the rules that onedoor comes with."""

from functools import cache
from pathlib import Path

from services.monitor.rules import RuleFile, Rules, RuleSet, rule_set
from services.monitor.written import parsed

SHIPPED = Path(__file__).with_name("rules.yaml")


def read(file: Path) -> RuleFile:
    """A rule file. Raises `services.monitor.written.FaultyFile`, and `OSError`."""
    return parsed(RuleFile, file.read_bytes())


@cache
def shipped() -> Rules:
    """The rules that onedoor comes with: edition 0."""
    return Rules(0, rule_set(read(SHIPPED)))


def edition(number: int, body: str) -> Rules:
    """The rules of an edition as it is kept. Raises `ValueError` for one that cannot be read."""
    return Rules(number, RuleSet.model_validate_json(body))
