"""Checks an export of a journal (``onedoor journal export``). Needs Python 3.10 and the package ``cryptography``.

    python verify_journal.py EXPORT [--key PUBLIC_KEY]

Finds any byte that was changed, and any entry that was removed, added or moved. The public key (64 hexadecimal digits)
has to come from a source that you trust. Without it the program uses the key in the file, which is no proof: a forged
file contains the key of the forger. This program stands alone: print it with ``onedoor journal verifier``.
"""

import hashlib
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

FORMAT = "onedoor journal 1"


class Broken(Exception):
    """The export was changed after it was written; the message names the place."""


def verify(lines: Iterable[str], key: str | None = None) -> dict[str, int]:
    """Check an export, line by line: how many blocks, entries and signed days. Raises Broken."""
    lines = iter(lines)
    head = _line(next(lines, ""), 1)
    if tuple(head) != ("format", "region", "key") or head["format"] != FORMAT or not isinstance(head["region"], str):
        raise Broken("line 1: this is no export of a journal")
    if key is not None and head.get("key") != key.lower():
        raise Broken("line 1: the export names another key than the one that is trusted")
    try:
        public = Ed25519PublicKey.from_public_bytes(_bytes(head["key"]))
    except (TypeError, ValueError):
        raise Broken("line 1: no public key of 64 hexadecimal digits") from None
    last: dict[str, Any] | None = None
    first, entries, days = 0, 0, 0
    since_root: list[dict[str, Any]] = []
    for place, text in enumerate(lines, 2):
        content = _line(text, place)
        if tuple(content) == ("block",):
            last = _block(content["block"], last, head["region"], place)
            first = first or last["number"]
            since_root.append(last)
            entries += len(last["entries"])
        elif tuple(content) == ("root",):
            _root(content["root"], since_root, head["region"], public, place)
            since_root = []
            days += 1
        else:
            raise Broken(f"line {place}: neither a block nor a root")
    if len({block["day"] for block in since_root}) > 1:
        # A day is signed as soon as it is over, so at most one day is unsigned.
        raise Broken(f"the last {len(since_root)} blocks are of several days, and none of them is signed")
    found = {"first": first, "last": last["number"] if last else 0, "entries": entries, "days": days}
    return {**found, "unsigned": len(since_root)}


def _line(text: str, place: int) -> dict[str, Any]:
    try:
        content = json.loads(text)
        if not isinstance(content, dict) or _canonical(content) != text.rstrip("\n").encode():
            raise ValueError
    except (TypeError, ValueError):
        raise Broken(f"line {place}: not as it was written") from None
    return content


def _block(block: Any, before: dict[str, Any] | None, region: str, place: int) -> dict[str, Any]:
    try:
        number, day, previous, entries = (block[name] for name in ("number", "day", "previous", "entries"))
        own = hashlib.sha256(FORMAT.encode())
        own.update(_canonical([region, number, day, previous, len(entries)]))
        for entry in entries:
            own.update(hashlib.sha256(entry.encode()).digest())
        found = own.hexdigest()
        if found != block["hash"] or tuple(block) != ("number", "day", "previous", "hash", "entries"):
            raise Broken(f"line {place}: block {number} was changed")
        if type(number) is not int or type(entries) is not list or any(type(entry) is not str for entry in entries):
            raise Broken(f"line {place}: block {number} was changed")
        if before is None and (number == 1) != (previous == "0" * 64):
            raise Broken(f"line {place}: block {number} is not where it was")
        if before is not None and (number, previous) != (before["number"] + 1, before["hash"]):
            raise Broken(f"line {place}: block {number} does not follow on block {before['number']}")
        if before is not None and day < before["day"]:
            raise Broken(f"line {place}: block {number} is of an earlier day than the one before")
    except (AttributeError, KeyError, TypeError):
        raise Broken(f"line {place}: this is no block") from None
    return dict(block)


def _root(root: Any, blocks: list[dict[str, Any]], region: str, public: Ed25519PublicKey, place: int) -> None:
    try:
        content = [region, root["day"], root["first"], root["last"], root["entries"], root["hash"]]
        public.verify(_bytes(root["signature"]), FORMAT.encode() + _canonical(content))
        if tuple(root) != ("day", "first", "last", "entries", "hash", "signature"):
            raise Broken(f"line {place}: the root was changed")
    except InvalidSignature:
        raise Broken(f"line {place}: the signature is of another key or another day") from None
    except (KeyError, TypeError, ValueError):
        raise Broken(f"line {place}: this is no root") from None
    days = {block["day"] for block in blocks}
    if (
        days != {root["day"]}
        or (blocks[0]["number"], blocks[-1]["number"]) != (root["first"], root["last"])
        or blocks[-1]["hash"] != root["hash"]
        or sum(len(block["entries"]) for block in blocks) != root["entries"]
    ):
        raise Broken(f"line {place}: the signature belongs to other blocks than those before it")


def _bytes(text: str) -> bytes:
    """The bytes of lower-case hexadecimal digits. Raises ValueError."""
    found = bytes.fromhex(text)
    if found.hex() != text:
        raise ValueError
    return found


def _canonical(content: Any) -> bytes:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def main(arguments: Sequence[str]) -> int:
    """Check the export that is named; 0 if it is sound, 1 if it is broken, 2 if it cannot be read."""
    key: str | None = None
    if "--key" in arguments[:-1]:
        place = arguments.index("--key")
        key = arguments[place + 1]
        arguments = [*arguments[:place], *arguments[place + 2 :]]
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        with Path(arguments[0]).open(encoding="utf-8", newline="\n") as lines:
            found = verify(lines, key)
    except Broken as broken:
        print(f"BROKEN: {broken}")
        return 1
    except (OSError, UnicodeDecodeError) as error:
        print(f"{arguments[0]}: {error}", file=sys.stderr)
        return 2
    print(f"sound: {found['entries']} entries, blocks {found['first']} to {found['last']}, {found['days']} days signed")
    if found["first"] > 1:
        print(f"the blocks before number {found['first']} are not in this file")
    if found["unsigned"]:
        print(f"NOT PROVEN: the last {found['unsigned']} blocks are of a day that is not signed yet")
    if key is None:
        print("the key is the one that the file names: compare it with one from a source that you trust")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
