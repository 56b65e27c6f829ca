"""The journal of monitor's decisions: blocks of entries, each block bound to the one before it by its hash. Pure.

There is a chain for each region. A block holds what monitor said in some stretch of time, word for word. At the end of
a day the hash of its last block is signed. So whoever does not have the key can rewrite nothing up to the last signed
day, and whoever has it nothing up to the last root that somebody else has kept. (Ed25519: RFC 8032; SHA-256: FIPS
180-4.)

`verify_journal` checks an export by itself, without this module: the two must agree.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from hashlib import sha256
from typing import Any
from zoneinfo import ZoneInfo

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ZONE = ZoneInfo("Asia/Shanghai")
"""Whose midnight ends a day of the journal."""

FORMAT = "onedoor journal 1"

NOTHING = bytes(32)
"""Stands for the block before the first."""


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """Something that monitor has said: when, of which region, and its words."""

    at: datetime
    region: str
    event: str


@dataclass(frozen=True, slots=True)
class Block:
    """A link of a region's chain. Numbers count from 1."""

    region: str
    number: int
    day: date
    previous: bytes
    entries: tuple[str, ...]

    @property
    def hash(self) -> bytes:
        """Binds the entries, their order, the place in the chain and all blocks before."""
        own = sha256(FORMAT.encode())
        own.update(canonical([self.region, self.number, self.day.isoformat(), self.previous.hex(), len(self.entries)]))
        for entry in self.entries:
            own.update(sha256(entry.encode()).digest())
        return own.digest()


@dataclass(frozen=True, slots=True)
class Root:
    """The end of a day in a region: the hash of its last block, to be signed."""

    region: str
    day: date
    first: int
    last: int
    entries: int
    """Of all blocks of the day."""
    hash: bytes

    @property
    def signed(self) -> bytes:
        """What the signature is of."""
        content = [self.region, self.day.isoformat(), self.first, self.last, self.entries, self.hash.hex()]
        return FORMAT.encode() + canonical(content)


def canonical(content: Any) -> bytes:
    """JSON in one way only."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def day_of(at: datetime) -> date:
    """The day of the journal that a moment belongs to."""
    return at.astimezone(ZONE).date()


def chained(said: Iterable[JournalEntry], heads: dict[str, tuple[int, bytes]]) -> list[Block]:
    """The blocks that come next: one for each region and day, with what was said in its order.

    ``heads`` has the number and hash of each region's last block, and is brought up to date.
    """
    grouped: dict[tuple[date, str], list[str]] = {}
    for one in said:
        grouped.setdefault((day_of(one.at), one.region), []).append(one.event)
    blocks = []
    for day, region in sorted(grouped):
        number, previous = heads.get(region, (0, NOTHING))
        block = Block(region, number + 1, day, previous, tuple(grouped[day, region]))
        heads[region] = block.number, block.hash
        blocks.append(block)
    return blocks


def signing_key(secret: str) -> Ed25519PrivateKey:
    """The key that signs roots, which follows from the installation's secret key."""
    return Ed25519PrivateKey.from_private_bytes(sha256(b"onedoor journal/" + secret.encode()).digest())


def export_head(region: str, key: str) -> str:
    """The first line of an export."""
    return canonical({"format": FORMAT, "region": region, "key": key}).decode()


def exported(blocks: Sequence[Block], roots: Sequence[tuple[Root, bytes]]) -> Iterable[str]:
    """The further lines of an export: the blocks in order, each day followed by its root."""
    ends = {root.last: (root, signature) for root, signature in roots}
    for block in blocks:
        content = {
            "number": block.number,
            "day": block.day.isoformat(),
            "previous": block.previous.hex(),
            "hash": block.hash.hex(),
            "entries": block.entries,
        }
        yield canonical({"block": content}).decode()
        if block.number in ends:
            root, signature = ends[block.number]
            sealed = {
                "day": root.day.isoformat(),
                "first": root.first,
                "last": root.last,
                "entries": root.entries,
                "hash": root.hash.hex(),
                "signature": signature.hex(),
            }
            yield canonical({"root": sealed}).decode()
