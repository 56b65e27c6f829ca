"""Checks an export of a journal (``onedoor journal export``). Needs Python 3.10 and the package ``cryptography``.

It finds any byte that was changed, and any entry, block or day that was removed, added or moved between the first and
the last of the file. The file cannot prove by itself whose key signed it, nor that nothing is missing before its
first line and after its last: --key, --since, --until and --root hold it against knowledge from elsewhere.

Exit status: 0 sound; 1 broken; 2 the check was not possible; 3 not proven, with the reason and the remedy.
This program stands alone: print it with ``onedoor journal verifier``.
"""

import argparse
import codecs
import hashlib
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

FORMAT = "onedoor journal 3"

SOUND, BROKEN, UNREADABLE, NOT_PROVEN = 0, 1, 2, 3
"""Exit statuses."""


def _both(en: str, zh: str) -> str:
    """A sentence in both languages. This program imports nothing of onedoor."""
    return f"{en} / {zh}"


class Converted(Exception):
    """The file was converted after it was written, so that it cannot be checked; the message says what to do."""


class Broken(Exception):
    """The export is not as it was written, or contradicts what was published; the message names the place."""

    def __init__(self, en: str, zh: str, line: int | None = None) -> None:
        place, place_zh = (f"line {line}: ", f"第 {line} 行：") if line is not None else ("", "")
        super().__init__(_both(f"{place}{en}", f"{place_zh}{zh}"))
        self.en, self.zh = en, zh


@dataclass
class Export:
    """An export in which everything fits together, as far as it was read."""

    region: str
    key: Ed25519PublicKey
    first: int | None = None
    """The number of the first block; of the next one in a file that begins with days without blocks."""
    last: int = 0
    last_hash: str = ""
    entries: int = 0
    first_day: date | None = None
    last_day: date | None = None
    """The last day that is closed by a root."""
    days: int = 0
    """Days closed by a root."""
    one_person: int = 0
    """Blocks of times in which one person was enough to change rules, directory and calendar."""
    open_day: list[dict[str, Any]] = field(default_factory=list)
    """The blocks after the last root."""
    roots: dict[date, str] = field(default_factory=dict)
    """The hash of the root of each day. A day without blocks has that of the day before."""


def verify(lines: Iterable[str], key: str | None = None) -> Export:
    """Read an export and check that everything in it fits together. Raises Broken."""
    lines = iter(lines)
    export = _head(_line(next(lines, ""), 1), key)
    for place, text in enumerate(lines, 2):
        content = _line(text, place)
        if tuple(content) == ("block",):
            _block(export, content["block"], place)
        elif tuple(content) == ("root",):
            _root(export, content["root"], place)
        else:
            raise Broken("neither a block nor a root", "既不是区块，也不是日根", place)
    return export


def unproven(
    export: Export, key: str | None, since: date | None = None, until: date | None = None, root: str | None = None
) -> list[str]:
    """The reasons for which an export without faults proves nothing yet, each with the remedy; none if it is sound.

    ``key`` is the trusted one, ``since`` and ``until`` are the days from and to which the export has to reach, ``root``
    is the hash of the root of the day ``until``, as it was published. Raises Broken if the export contradicts them.
    """
    if export.first_day is None or export.first is None:
        return [
            _both(
                "it has no block and no root. Request an export of the days that you need.",
                "其中没有区块和日根。请索取所需日期的导出。",
            )
        ]
    reasons = []
    open_day = date.fromisoformat(export.open_day[0]["day"]) if export.open_day else None
    ends = open_day or export.last_day
    if (since is not None and ends is not None and since > ends) or (until is not None and until < export.first_day):
        reasons.append(
            _both(
                f"it is of the days from {export.first_day} to {ends}, and has none of those that are asked for. "
                "Request an export of these, or give --since and --until as its days are.",
                f"其日期为 {export.first_day} 至 {ends}，不含所问的日子。"
                "请索取所问日子的导出，或按文件的日期给出 --since 和 --until。",
            )
        )
        until = None if until is None else max(until, export.first_day)
    if key is None:
        reasons.append(
            _both(
                "it names the key by itself, and a forged file names the key of the forger. Give --key with the public "
                "key from a source that you trust ('onedoor journal key' prints it where the journal is written).",
                "公钥由文件自己写明，伪造的文件也能写明伪造者的公钥。请用 --key 给出可信来源的公钥"
                "（在日志所在处由 onedoor journal key 打印）。",
            )
        )
    if since is not None and export.first_day > since and export.first > 1:
        raise Broken(
            f"it begins with {export.first_day} and not with {since}: days were removed at its beginning",
            f"始于 {export.first_day}，而不是 {since}：开头的日子被删除",
        )
    if since is None and export.first > 1:
        reasons.append(
            _both(
                f"the blocks before number {export.first} are not in it. If you need the days from {export.first_day} "
                f"on only, give --since {export.first_day}; else request an export from the beginning.",
                f"缺少 {export.first} 号之前的区块。只需 {export.first_day} 以后的日子时，请用 --since "
                f"{export.first_day}；否则请索取从头开始的导出。",
            )
        )
    if root is not None and until is not None and export.roots.get(until, root) != root:
        raise Broken(
            f"the root of {until} is another one than {root}, which was published: the day was rewritten, or it is "
            "another journal",
            f"{until} 的日根与所公布的 {root} 不同：该日被改写，或是另一份日志",
        )
    if until is None:
        closed = f"after {export.last_day}" if export.last_day else "at its end"
        reasons.append(
            _both(
                f"a file from which days {closed} were removed looks the same. Give --until with the day to which it "
                "has to reach, and --root with the root of that day if it was published.",
                "末尾被删去若干日子的文件看起来相同。请用 --until 给出应到的日期；"
                "该日的日根已公布时，再用 --root 给出。",
            )
        )
    if until is not None and (export.last_day is None or export.last_day < until):
        if open_day != until:
            raise Broken(
                f"it ends with {ends} and not with {until}: days were removed at its end",
                f"止于 {ends}，而不是 {until}：末尾的日子被删除",
            )
        reasons.append(
            _both(
                f"{until} has no root: the day was not over when the file was written, or the root was removed. Export "
                "it again when the day is over; without a root then, the journal itself was changed.",
                f"{until} 没有日根：导出时该日尚未结束，或日根被删除。请在该日结束后重新导出；"
                "届时仍没有，则日志本身被改动。",
            )
        )
    return reasons


def _head(head: dict[str, Any], key: str | None) -> Export:
    if tuple(head) != ("format", "region", "key") or head["format"] != FORMAT or not isinstance(head["region"], str):
        raise Broken("this is no export of a journal", "这不是日志的导出", 1)
    if key is not None and head["key"] != key:
        raise Broken("the export names another key than the one that is trusted", "文件写明的公钥与可信公钥不同", 1)
    try:
        return Export(head["region"], Ed25519PublicKey.from_public_bytes(_bytes(head["key"])))
    except (TypeError, ValueError):
        raise Broken("no public key of 64 hexadecimal digits", "没有 64 位十六进制的公钥", 1) from None


def _line(text: str, place: int) -> dict[str, Any]:
    try:
        content = json.loads(text)
        if not isinstance(content, dict) or _canonical(content) != text.rstrip("\n").encode():
            raise ValueError
    except (RecursionError, TypeError, ValueError):
        raise _changed(place) from None
    return content


def _changed(place: int) -> Broken:
    return Broken("not as it was written, byte for byte", "与写入时不是逐字节相同", place)


def _block(export: Export, block: Any, place: int) -> None:
    names = ("number", "day", "previous", "hash", "entries", "four_eyes", "signature")
    four_eyes = type(None) if isinstance(block, dict) and block.get("four_eyes") is None else bool
    if not _has(block, names, entries=list, four_eyes=four_eyes) or any(
        type(entry) is not str for entry in block["entries"]
    ):
        raise Broken("this is no block", "这不是区块", place)
    number, day = block["number"], _day(block["day"], place)
    own = hashlib.sha256(FORMAT.encode())
    content = [export.region, number, block["day"], block["previous"], len(block["entries"]), block["four_eyes"]]
    own.update(_canonical(content))
    for entry in block["entries"]:
        own.update(hashlib.sha256(entry.encode()).digest())
    if own.hexdigest() != block["hash"]:
        raise Broken(f"block {number} was changed", f"区块 {number} 被改动", place)
    if not _is_signed(export, [block["hash"]], block["signature"]):
        raise Broken(
            f"the signature of block {number} is of another key or another block",
            f"区块 {number} 的签名属于另一公钥或另一区块",
            place,
        )
    if export.first is None:
        if (number == 1) != (block["previous"] == "0" * 64):
            raise Broken(f"block {number} is not where it was", f"区块 {number} 不在原来的位置", place)
        export.first, export.first_day = number, day
    elif (number, block["previous"]) != (export.last + 1, export.last_hash):
        raise Broken(
            f"block {number} does not follow on block {export.last}",
            f"区块 {number} 与区块 {export.last} 不相接",
            place,
        )
    _check_day(export, day, place)
    export.last, export.last_hash = number, block["hash"]
    export.entries += len(block["entries"])
    export.one_person += block["four_eyes"] is False
    export.open_day.append(block)


def _root(export: Export, root: Any, place: int) -> None:
    if not _has(root, ("day", "first", "last", "entries", "hash", "signature"), entries=int, first=int, last=int):
        raise Broken("this is no root", "这不是日根", place)
    day, blocks = _day(root["day"], place), export.open_day
    content = [export.region, root["day"], root["first"], root["last"], root["entries"], root["hash"]]
    if not _is_signed(export, content, root["signature"]):
        raise Broken(
            "the signature of the root is of another key or another day", "日根的签名属于另一公钥或另一日", place
        )
    if export.first is None:  # the file begins with a day without blocks
        export.first, export.first_day = root["first"], day
        export.last, export.last_hash = root["last"], root["hash"]
    _check_day(export, day, place)
    if (
        (blocks[0]["number"] if blocks else export.last + 1) != root["first"]
        or (export.last, export.last_hash) != (root["last"], root["hash"])
        or sum(len(block["entries"]) for block in blocks) != root["entries"]
    ):
        raise Broken("the root belongs to other blocks than those before it", "日根不属于它前面的区块", place)
    export.last_day, export.open_day = day, []
    export.days += 1
    export.roots[day] = root["hash"]


def _check_day(export: Export, day: date, place: int) -> None:
    """Every day has a root, so that the next block or root is of the day after the last root."""
    if export.open_day:
        expected = date.fromisoformat(export.open_day[0]["day"])
    else:
        expected = export.last_day + timedelta(days=1) if export.last_day is not None else day
    if day != expected:
        raise Broken(
            f"it is of {day}, and {expected} is not closed: its root or whole days were removed",
            f"属于 {day}，而 {expected} 尚未封闭：其日根或整日被删除",
            place,
        )


def _has(content: Any, names: tuple[str, ...], **types: type) -> bool:
    """Whether this is an object with exactly these fields: numbers, lists and text as they are written."""
    types = {"number": int, **types}
    return (
        isinstance(content, dict)
        and tuple(content) == names
        and all(type(content[name]) is types.get(name, str) for name in names)
    )


def _day(text: str, place: int) -> date:
    try:
        day = date.fromisoformat(text)
        if day.isoformat() == text and day < date.max:
            return day
    except ValueError:
        pass
    raise Broken(f"{text[:40]!r} is no day such as 2026-03-02", "不是日期，例如 2026-03-02", place)


def _is_signed(export: Export, content: list[Any], signature: str) -> bool:
    try:
        export.key.verify(_bytes(signature), FORMAT.encode() + _canonical(content))
    except (InvalidSignature, ValueError):
        return False
    return True


def _bytes(text: str) -> bytes:
    """The bytes of lower-case hexadecimal digits. Raises ValueError."""
    found = bytes.fromhex(text)
    if found.hex() != text:
        raise ValueError
    return found


def _canonical(content: Any) -> bytes:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def _lines(file: Path) -> Iterator[str]:
    with file.open("rb") as lines:
        for place, line in enumerate(lines, 1):
            if place == 1 and (line.startswith(codecs.BOM_UTF8) or line.endswith(b"\r\n")):
                raise Converted(
                    _both(
                        "the file was converted on its way, such as by an editor or a transfer in text mode: it has a "
                        "byte order mark, or CR LF at the ends of its lines. Fetch it again in binary mode.",
                        "文件在传送中被转换（如经编辑器或文本模式传输）：带有 BOM，或行尾为 CR LF。"
                        "请以二进制模式重新获取。",
                    )
                )
            try:
                yield line.decode()
            except UnicodeDecodeError:
                raise _changed(place) from None


def _hexadecimal(text: str) -> str:
    found = text.strip().lower()
    if len(found) != 64 or found.strip("0123456789abcdef"):
        raise argparse.ArgumentTypeError(_both("64 hexadecimal digits are needed", "须为 64 位十六进制数字"))
    return found


def _argument_day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        reason = _both(f"{text!r} is no day such as 2026-03-02", "须为日期，例如 2026-03-02")
        raise argparse.ArgumentTypeError(reason) from None


def main(arguments: Sequence[str]) -> int:
    """Check the export that is named; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("export", type=Path)
    parser.add_argument("--key", type=_hexadecimal, help="the public key, from a source that you trust")
    parser.add_argument("--since", type=_argument_day, help="the day from which it has to reach; else from block 1")
    parser.add_argument("--until", type=_argument_day, help="the day to which it has to reach")
    parser.add_argument("--root", type=_hexadecimal, help="the root of the day --until, as it was published")
    wanted = parser.parse_args(arguments)
    if wanted.root is not None and wanted.until is None:
        parser.error(
            _both(
                "--root is compared with the root of one day: give that day as well, with --until. It was published "
                "together with the root",
                "--root 与某一日的日根比较：请用 --until 一并给出该日，它与日根一同公布",
            )
        )
    try:
        export = verify(_lines(wanted.export), wanted.key)
        reasons = unproven(export, wanted.key, wanted.since, wanted.until, wanted.root)
    except Broken as broken:
        print(f"BROKEN: {broken}")
        return BROKEN
    except Converted as converted:
        print(f"{wanted.export}: {converted}", file=sys.stderr)
        return UNREADABLE
    except OSError as error:
        reason = f"it cannot be read ({error.strerror or error}); check its name and permissions"
        print(f"{wanted.export}: {_both(reason, '无法读取，请核对名称和权限')}", file=sys.stderr)
        return UNREADABLE
    blocks = f"blocks {export.first} to {export.last}" if export.entries else "no blocks"
    days = f"{export.first_day} to {export.last_day}" if export.last_day else "no day closed"
    found = f"{export.entries} entries, {blocks}, {days}"
    found_zh = f"{export.entries} 条记录"
    if export.one_person:
        print(
            _both(
                f"When {export.one_person} of its blocks were written, one person was enough to change the rules, the "
                "directory or the calendar.",
                f"其中 {export.one_person} 个区块写入时，变更规则、人员名录或日历只须一人。",
            )
        )
    for reason in reasons:
        print(f"NOT PROVEN: {reason}")
    if reasons:
        print(_both(f"Nothing in the file contradicts itself: {found}.", f"文件本身没有矛盾：{found_zh}。"))
        return NOT_PROVEN
    print(_both(f"sound: {found}.", f"完好：{found_zh}。"))
    if export.open_day:
        day, count = export.open_day[0]["day"], len(export.open_day)
        print(
            _both(
                f"{day} is not closed yet: its {count} blocks are signed, and later ones may be missing.",
                f"{day} 尚未封闭：其 {count} 个区块均已签名，之后的可能缺少。",
            )
        )
    return SOUND


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]
    sys.exit(main(sys.argv[1:]))
