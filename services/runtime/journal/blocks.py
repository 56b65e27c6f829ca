"""A journal: blocks of entries, each block bound to the one before it by its hash. Pure.

There are several chains: of decisions one for each region, of access one for each service. A block holds the entries of
a stretch of time, byte for byte, and is signed as it is written: it can be rewritten only with the key. At the end of
each day, also of one without blocks, the hash of the last block is signed with the day as its root. A day whose root
another party has cannot be rewritten even with the key. (Ed25519: RFC 8032; SHA-256: FIPS 180-4.)

`services.runtime.journal.verify` checks an export without this module: the two must agree.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from contracts.zone import CHINA

FORMAT = "onedoor journal 3"

NO_PREVIOUS = bytes(32)
"""Stands for the hash of the block before the first."""


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """An entry of a journal: when it was committed, in which chain it is, and its JSON."""

    at: datetime
    chain: str
    event: str


@dataclass(frozen=True, slots=True)
class Block:
    """A link of a chain. Numbers count from 1.

    ``four_eyes``: whether each change of rules, directory and calendar needed two people in that stretch of time; None
    in a chain that is not of decisions.
    """

    chain: str
    number: int
    day: date
    previous: bytes
    entries: tuple[str, ...]
    four_eyes: bool | None = None

    @property
    def hash(self) -> bytes:
        """Binds the entries, their order, the place in the chain and all earlier blocks."""
        own = sha256(FORMAT.encode())
        place = [self.chain, self.number, self.day.isoformat(), self.previous.hex(), len(self.entries)]
        own.update(canonical([*place, self.four_eyes]))
        for entry in self.entries:
            own.update(sha256(entry.encode()).digest())
        return own.digest()

    @property
    def signed(self) -> bytes:
        """The bytes that the signature covers: the hash, which binds everything else."""
        return FORMAT.encode() + canonical([self.hash.hex()])


@dataclass(frozen=True, slots=True)
class Root:
    """The end of a day in a chain, to be signed: its blocks, and the hash of the last one.

    A day without blocks has the hash of the last block before it; ``first`` is then ``last`` + 1.
    """

    chain: str
    day: date
    first: int
    last: int
    entries: int
    """Of all blocks of the day."""
    hash: bytes

    @property
    def signed(self) -> bytes:
        """The bytes that the signature covers."""
        content = [self.chain, self.day.isoformat(), self.first, self.last, self.entries, self.hash.hex()]
        return FORMAT.encode() + canonical(content)


def canonical(content: Any) -> bytes:
    """The JSON of this content, with one representation only."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def day_of(at: datetime) -> date:
    """The day of the journal to which a moment belongs."""
    return at.astimezone(CHINA).date()


def chain_entries(
    entries: Iterable[JournalEntry], heads: dict[str, tuple[int, bytes]], *, four_eyes: bool | None = None
) -> list[Block]:
    """The next blocks: one for each chain and day, with the entries in their order.

    ``four_eyes`` is that of `Block`. ``heads`` has the number and hash of each chain's last block, and is updated.
    """
    grouped: dict[tuple[date, str], list[str]] = {}
    for entry in entries:
        grouped.setdefault((day_of(entry.at), entry.chain), []).append(entry.event)
    blocks = []
    for day, chain in sorted(grouped):
        number, previous = heads.get(chain, (0, NO_PREVIOUS))
        block = Block(chain, number + 1, day, previous, tuple(grouped[day, chain]), four_eyes)
        heads[chain] = block.number, block.hash
        blocks.append(block)
    return blocks


def signing_key(secret: str) -> Ed25519PrivateKey:
    """The key that signs roots, derived from the installation's secret key."""
    return Ed25519PrivateKey.from_private_bytes(sha256(b"onedoor journal/" + secret.encode()).digest())


def export_head(chain: str, key: str) -> str:
    """The first line of an export. Its field ``region`` names the chain, whatever the chain is of."""
    return canonical({"format": FORMAT, "region": chain, "key": key}).decode()


def export_lines(blocks: Sequence[tuple[Block, bytes]], roots: Sequence[tuple[Root, bytes]]) -> Iterable[str]:
    """The lines of an export for these blocks and roots with their signatures: each day's blocks, then its root."""
    lines = [((block.day, False, block.number), _block_line(block, signature)) for block, signature in blocks]
    lines += [((root.day, True, root.last), _root_line(root, signature)) for root, signature in roots]
    return [line for _, line in sorted(lines)]


def _block_line(block: Block, signature: bytes) -> str:
    content = {
        "number": block.number,
        "day": block.day.isoformat(),
        "previous": block.previous.hex(),
        "hash": block.hash.hex(),
        "entries": block.entries,
        "four_eyes": block.four_eyes,
        "signature": signature.hex(),
    }
    return canonical({"block": content}).decode()


def _root_line(root: Root, signature: bytes) -> str:
    content = {
        "day": root.day.isoformat(),
        "first": root.first,
        "last": root.last,
        "entries": root.entries,
        "hash": root.hash.hex(),
        "signature": signature.hex(),
    }
    return canonical({"root": content}).decode()
