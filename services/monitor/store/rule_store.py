"""The rules that deadlines follow, as a versioned document and as files that people write."""

from functools import cache, lru_cache, partial
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.bilingual import both
from contracts.core import Core
from contracts.messages.documents import AlmanacPublished
from services.monitor.core.handle import handle
from services.monitor.core.rules import RuleFile, Rules, RuleSet, rule_set
from services.monitor.core.state import MonitoredCase
from services.runtime.files.document import read_document
from services.runtime.store import documents
from services.runtime.store.documents import VersionedDocument

SHIPPED = Path(__file__).with_name("rules.yaml")


def read(content: bytes | str) -> RuleFile:
    """The content of a rule file. Raises `services.runtime.files.encoding.InvalidFile`."""
    return read_document(RuleFile, content)


@cache
def shipped() -> Rules:
    """The rules that onedoor ships with, under the number 0."""
    return Rules(0, rule_set(read(SHIPPED.read_bytes())))


def core_for(number: int, content: RuleSet) -> Core[MonitoredCase]:
    """The core that applies this version of the rules. Raises `ValueError` for rules that it cannot apply."""
    return partial(handle, Rules(number, content))


RULES = VersionedDocument("rules", RuleSet, shipped=lambda: shipped().rule_set, core_for=core_for)


def summary(before: RuleSet | None, after: RuleSet) -> str:
    """The changes of a version in one line, for its history."""
    known = {notice.version for notice in before.notices} if before is not None else set()
    changed = [notice.version for notice in after.notices if notice.version not in known]
    if before is None or before.rules != after.rules:
        changed.append(f"rules {after.rules.version}")
    if before is None or before.almanac.published != after.almanac.published:
        changed.append(after.almanac.published.version)
    return ", ".join(changed) or both("notices removed", "已移除通知")


@lru_cache(maxsize=8)
def parse(number: int, body: str) -> Rules:
    """The rules of a stored version. Raises `services.runtime.store.documents.UnusableVersion`."""
    return Rules(number, RULES.parse(number, body))


async def version(connection: AsyncConnection, number: int) -> Rules | None:
    """The rules of a version, 0 for those that onedoor ships with; None if there is no such version.

    Raises `services.runtime.store.documents.UnusableVersion`.
    """
    if number == 0:
        return shipped()
    found = await documents.body(connection, RULES.kind, number)
    return parse(number, found) if found is not None else None


async def in_force(connection: AsyncConnection) -> Rules:
    """The rules in force. Raises `services.runtime.store.documents.UnusableVersion`."""
    found = await documents.in_force(connection, RULES.kind)
    return parse(found.number, found.body) if found is not None else shipped()


async def almanac_in_force(connection: AsyncConnection) -> AlmanacPublished | None:
    """The almanac of the rules in force, as other services follow it; None before monitor's first start.

    Raises `services.runtime.store.documents.UnusableVersion`.
    """
    found = await documents.in_force(connection, RULES.kind)
    return _almanac(found.number, found.body) if found is not None else None


@lru_cache(maxsize=1)
def _almanac(number: int, body: str) -> AlmanacPublished:
    return AlmanacPublished(almanac=parse(number, body).rule_set.almanac)
