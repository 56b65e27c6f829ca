"""The text of a file in any usual encoding.

The decoders are tried in one strict order: a byte order mark, UTF-16 without one, UTF-8, GB18030. Detection by
statistics (charset-normalizer) takes most short Chinese files for Korean or for Big5, since a few characters are no
statistics.
"""

import codecs
from collections.abc import Sequence
from typing import NamedTuple

from contracts.bilingual import both

UTF_8, UTF_16, GB18030 = "UTF-8", "UTF-16", "GB18030"

_MARKS = (
    (codecs.BOM_UTF8, "utf-8", UTF_8),
    (codecs.BOM_UTF16_LE, "utf-16-le", UTF_16),
    (codecs.BOM_UTF16_BE, "utf-16-be", UTF_16),
)

_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
"""How the files of spreadsheet programs begin: .xlsx and other zipped ones, and .xls."""

_COMMON_SHARE = 2 / 3
"""Share of the characters beyond ASCII that must be common Chinese ones in a text in GB18030. Almost any bytes can be
decoded as GB18030, but what is no Chinese becomes rare characters."""


class InvalidFile(ValueError):
    """A file that cannot be used. The message has a line for each fault, which begins with the line of the file."""


class Recognised(NamedTuple):
    """The text of a file, and the encoding in which it was written."""

    text: str
    encoding: str

    @property
    def note(self) -> str | None:
        """The remark on how the file was read; None for a file in the usual form."""
        return reading_note([self.encoding], [self.encoding]) if self.encoding != UTF_8 else None


def read_text(content: bytes) -> Recognised:
    """The text of a file. Raises `InvalidFile`."""
    found = _decode(content)
    if "\0" in found.text:
        raise invalid(_line(found.text, found.text.index("\0")), *_NO_TEXT)
    return found


def reading_note(en: Sequence[str], zh: Sequence[str]) -> str:
    """A report that a file was read in another way than as usual."""
    return both(f"read as {', '.join(en)}", f"按 {'、'.join(zh)} 读取")


def invalid(line: int, en: str, zh: str) -> InvalidFile:
    """The error for one fault of a file, in the line with this number."""
    return InvalidFile(both(f"line {line}: {en}", f"第 {line} 行：{zh}"))


_NO_TEXT = (
    "this is no text; save the file as CSV UTF-8 or as plain text in UTF-8",
    "文件不是文本，请另存为 CSV UTF-8 或 UTF-8 纯文本",
)
_WORKBOOK = (
    "this is a workbook of a spreadsheet program; save the sheet as 'CSV UTF-8'",
    "这是电子表格工作簿，请将工作表另存为“CSV UTF-8（逗号分隔）”",
)
_UNKNOWN = (
    "the text is neither UTF-8 nor GB18030 nor UTF-16; save the file in UTF-8",
    "文字编码不是 UTF-8、GB18030 或 UTF-16，请将文件另存为 UTF-8",
)


def _decode(content: bytes) -> Recognised:
    for mark, codec, name in _MARKS:
        if content.startswith(mark):
            return _strictly(content, len(mark), codec, name)
    if content.startswith(_WORKBOOKS):
        raise invalid(1, *_WORKBOOK)
    if (utf_16 := _utf_16_without_mark(content)) is not None:
        return _strictly(content, 0, utf_16, UTF_16)
    try:
        return Recognised(content.decode(), UTF_8)
    except UnicodeDecodeError as error:
        text = _chinese(content)
        if text is None:
            raise invalid(content[: error.start].count(b"\n") + 1, *_UNKNOWN) from None
        return Recognised(text, GB18030)


def _strictly(content: bytes, start: int, codec: str, name: str) -> Recognised:
    """The text after a byte order mark, which leaves no doubt about the encoding."""
    try:
        return Recognised(content[start:].decode(codec), name)
    except UnicodeDecodeError as error:
        line = content[start : start + error.start].decode(codec, "ignore").count("\n") + 1
        raise invalid(
            line,
            f"the text is not {name} throughout; save the file in UTF-8",
            f"文字编码并非全部为 {name}，请将文件另存为 UTF-8",
        ) from None


def _utf_16_without_mark(content: bytes) -> str | None:
    """The codec of UTF-16 whose first line has ASCII characters: every second byte of these is zero."""
    head = content[:512]
    even, odd = head[::2].count(0), head[1::2].count(0)
    if not even and not odd:
        return None
    return "utf-16-le" if odd > 2 * even else "utf-16-be" if even > 2 * odd else None


def _chinese(content: bytes) -> str | None:
    """The text as GB18030; None where that cannot be meant."""
    try:
        text = content.decode("gb18030")
    except UnicodeDecodeError:
        return None
    beyond_ascii = [character for character in text if not character.isascii()]
    common = sum(map(_is_common, beyond_ascii))
    return text if common >= _COMMON_SHARE * len(beyond_ascii) else None


def _is_common(character: str) -> bool:
    """Whether it is a Chinese character or sign of GB 2312."""
    try:
        row = character.encode("gb2312")[0]
    except UnicodeEncodeError:
        return False
    return row in (0xA1, 0xA3) or row >= 0xB0


def _line(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1
