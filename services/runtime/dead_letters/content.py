"""The content of dead letters for people to read: as it is, or without what may be personal data. Pure."""

import json
import re
from collections.abc import Collection, Iterator
from typing import Any

from stdnum.iso7064 import mod_11_2

from contracts.bilingual import Bilingual, both
from services.runtime.store.dead_letters import ParkedLetter

_ROW_BYTES = 16

_SHOWN = frozenset({
    *("specversion", "id", "source", "type", "subject", "time", "datacontenttype", "causationid"),
    *("task_id", "step", "item", "department", "system", "region", "reference", "outcome", "state", "kind"),
    *("commitment", "rung", "occurrence", "change_id", "channel", "matter", "since", "until"),
})  # fmt: skip
"""Fields of messages that never have personal data, besides moments (``..._at``)."""

_NAMES = frozenset({"reference", "department"})
"""Those among them that may have letters of any script. An operator finds the case at the department by the number of
the department, which has a digit, and the plan names the department."""

_CODE = re.compile(r"[A-Za-z0-9._:/+-]{1,200}")
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{5,15}(Z|[+-][0-9:]{2,6})?")
_CITIZEN = re.compile(r"(?<![0-9])[1-9][0-9]{5}(?:19|20)[0-9]{9}[0-9Xx](?![0-9])")
"""The form of a citizen number (GB 11643): a region, a date of birth, a serial number, a check character. Numbers of
cases have it too, with the day of the application."""
_MOBILE = re.compile(r"(?<![0-9])1[3-9][0-9]{9}(?![0-9])")
_FIRST_CASES = "2020"
"""A year before it in such a number is of a birth."""
_FIELD_NAME = re.compile(r"[A-Za-z_$][A-Za-z0-9_$.-]{0,63}")

STATUSES = {"parked": "待处理", "replayed": "已重放", "corrected": "已更正", "dropped": "已丢弃"}
"""The statuses of letters, and the Chinese of each."""


def status_of(letter: ParkedLetter) -> Bilingual:
    """The status of a letter, in words."""
    if letter.status == "parked" and letter.blocking:
        return Bilingual("parked, its case waits", "待处理，办件在等待")
    return Bilingual(letter.status, STATUSES.get(letter.status, letter.status))


def lines_of(letter: ParkedLetter, *, raw: bool) -> tuple[list[str], list[str]]:
    """Key and value of a letter, line by line: as they are, or masked."""
    shown = content if raw else masked_content
    key = content(letter.key) if letter.key == letter.case_id.encode() else shown(letter.key)
    return list(key), list(shown(letter.value))


def content(raw: bytes | None) -> Iterator[str]:
    """The content as lines: JSON indented, other text as it is, anything else as a hex dump."""
    if raw is None:
        yield "  (none)"
        return
    text = as_utf8(raw)
    if text is not None:
        try:
            document = json.loads(text)
            indented = json.dumps(document, indent=2, ensure_ascii=False)
        except (ValueError, RecursionError):
            document, indented = None, ""
        if isinstance(document, dict | list):
            yield from (f"  {clean(line)}" for line in indented.splitlines())
            return
        if text and text.isprintable():
            yield f"  {text}"
            return
    yield from hexdump(raw)


def masked_content(raw: bytes | None) -> Iterator[str]:
    """The content without what may be personal data: fields of messages that never have any, and of others the size."""
    if raw is None:
        yield "  (none)"
        return
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict | list):
        reason = both("not shown: they may be personal data. --raw shows them", "可能含个人信息，未显示；--raw 可显示")
        yield f"  {len(raw)} bytes, {reason}"
        return
    is_ours = isinstance(document, dict) and ("specversion" in document or "task_id" in document)
    masked = _masked(document, shown=_SHOWN if is_ours else frozenset())
    yield from (f"  {clean(line)}" for line in json.dumps(masked, indent=2, ensure_ascii=False).splitlines())
    masking = both(
        "Values that may be personal data are masked. --raw shows them", "可能含个人信息的值已遮盖；--raw 可显示"
    )
    yield f"  {masking}"


def _masked(node: Any, name: str = "", *, shown: Collection[str]) -> Any:
    if isinstance(node, dict):
        return {_masked_name(key, at): _masked(value, key, shown=shown) for at, (key, value) in enumerate(node.items())}
    if isinstance(node, list):
        return [_masked(value, name, shown=shown) for value in node]
    if node is None or isinstance(node, bool) or (shown and _is_shown(node, name, shown)):
        return node
    return f"({len(node)} characters)" if isinstance(node, str) else "(a number)"


def _masked_name(name: str, at: int) -> str:
    """The name of a field. A record that is none of ours may have persons or their numbers in the place of names."""
    return name if _FIELD_NAME.fullmatch(name) else f"(name {at + 1}, {len(name)} characters)"


def _is_shown(value: Any, name: str, shown: Collection[str]) -> bool:
    """Whether the value of this field is what a message has there: an invalid one may have anything."""
    if name.endswith("_at"):
        return isinstance(value, str) and _MOMENT.fullmatch(value) is not None
    if name not in shown or _names_a_person(str(value)):
        return False
    if not isinstance(value, str) or _CODE.fullmatch(value) is not None:
        return True
    return name in _NAMES and any(c.isdigit() for c in value) is (name == "reference")


def _names_a_person(value: str) -> bool:
    """Whether the value has the number of a citizen or of a mobile telephone, wherever a department has put it."""
    numbers: list[str] = _CITIZEN.findall(value)
    is_citizen = any(one[6:10] < _FIRST_CASES or mod_11_2.is_valid(one.upper()) for one in numbers)
    return is_citizen or _MOBILE.search(value) is not None


def hexdump(raw: bytes) -> Iterator[str]:
    """Sixteen bytes a line: offset, bytes, and the printable ASCII characters."""
    yield f"  {len(raw)} bytes"
    for offset in range(0, len(raw), _ROW_BYTES):
        row = raw[offset : offset + _ROW_BYTES]
        shown = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in row)
        yield f"  {offset:08x}  {row.hex(' '):<{3 * _ROW_BYTES}} {shown}"


def clean(text: str) -> str:
    """Escape control characters, since a letter's content may come from anywhere and the terminal executes them."""
    return "".join(one if one.isprintable() else f"\\u{ord(one):04x}" for one in text)


def as_utf8(raw: bytes) -> str | None:
    """The text of these bytes, or None if they are not UTF-8."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return None
