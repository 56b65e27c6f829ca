"""Reading rule files, and the rules that onedoor comes with."""

from functools import cache, lru_cache
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncConnection

from services.monitor.core.rules import RuleFile, Rules, RuleSet, rule_set
from services.runtime.store import documents
from services.runtime.yaml_file import read_yaml

SHIPPED = Path(__file__).with_name("rules.yaml")


def read(file: Path) -> RuleFile:
    """A rule file. Raises `services.runtime.yaml_file.InvalidFile`, and `OSError`."""
    return read_yaml(RuleFile, file.read_bytes())


@cache
def shipped() -> Rules:
    """The rules that onedoor comes with: edition 0."""
    return Rules(0, rule_set(read(SHIPPED)))


@lru_cache(maxsize=8)
def edition(number: int, body: str) -> Rules:
    """The rules of an edition as it is kept. Raises `ValueError` for one that cannot be read."""
    return Rules(number, RuleSet.model_validate_json(body))


async def in_force(connection: AsyncConnection) -> Rules:
    """The rules in force, for whoever is no batch. Raises `ValueError` for ones that cannot be read."""
    found = await documents.in_force(connection)
    return edition(*found) if found is not None else shipped()
