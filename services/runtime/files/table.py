"""Tables: CSV files as spreadsheet programs and other systems write them.

Commas, semicolons, tabs or bars between the cells are recognised by the names of the columns in the first row.
"""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from io import StringIO
from typing import NamedTuple
from unicodedata import normalize

from contracts.bilingual import both
from contracts.faults import texts_of
from services.runtime.files.encoding import UTF_8, InvalidFile, invalid, read_text, reading_note

_SEPARATORS = {",": ("commas", "逗号"), ";": ("semicolons", "分号"), "\t": ("tabs", "制表符"), "|": ("bars", "竖线")}

_DECLARATION = "sep="
"""A first line with which Excel lets a file name its separator."""

_INVISIBLE = re.compile("[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]")
"""Characters that are copied along with the content of a cell and belong to none."""

_WEB_PAGE = re.compile(r"\s*<(!doctype|html|head|meta|style|table|\?xml)\b", re.IGNORECASE)
"""How web pages and XML begin, which many systems export under names that end in .xls."""

_AS_TEXT = re.compile(r'="((?:[^"]|"")*)"')
"""A formula by which other systems keep Excel from taking a number for one: ``="00123"``."""

_SHORTENED = re.compile(r"[0-9](\.[0-9]+)?[Ee]\+[0-9]{2}")
"""A long number as Excel shows it: ``4.40306E+17``. Its last digits are lost."""


class Row(NamedTuple):
    """A row: the number of its first line in the file, and its cells by column, without the spaces around them.

    ``excess``: it has more cells than the table has columns.
    """

    line: int
    cells: Mapping[str, str]
    excess: bool


class Table:
    """A table. ``note`` is what to report about the file; None if it is as files should be."""

    def __init__(self, content: bytes, columns: Sequence[str]) -> None:
        """``columns``: the columns that it must have. Raises `InvalidFile`, in both languages."""
        text, encoding = read_text(content)
        text = _INVISIBLE.sub("", text).rstrip("\x1a")
        if _WEB_PAGE.match(text):
            raise invalid(
                1,
                "this is a web page or XML, whatever its name; open it as a spreadsheet, and save it as 'CSV UTF-8'",
                "这是网页或 XML（不论文件名），请用电子表格软件打开，另存为“CSV UTF-8（逗号分隔）”",
            )
        text, separator, skipped = _declared(text)
        if separator is None:
            separator = max(_SEPARATORS, key=lambda one: _fit(text, one, columns))
        self.note = _note(encoding, separator)
        self._lines = _Lines(text, separator, skipped)
        header = next(iter(self._lines), None)
        if header is None:
            raise invalid(1, "the file is empty", "文件为空")
        self.columns = _names(header.cells, columns)
        _check(header.line, self.columns, columns)

    def rows(self) -> Iterator[Row]:
        """The rows that have a cell with content. Raises `InvalidFile` where a quotation mark is not closed."""
        for line, cells in self._lines:
            filled = [_content(cell) for cell in cells] + [""] * (len(self.columns) - len(cells))
            found = dict(zip(self.columns, filled, strict=False))
            yield Row(line, found, any(filled[len(self.columns) :]))


class _Line(NamedTuple):
    line: int
    cells: Sequence[str]


class _Lines:
    """The rows with content, each with the number of its first line."""

    def __init__(self, text: str, separator: str, skipped: int) -> None:
        self._reader = csv.reader(StringIO(text, newline=""), delimiter=separator, strict=True)
        self._skipped = skipped

    def __iter__(self) -> Iterator[_Line]:
        while True:
            line = self._reader.line_num + self._skipped + 1
            try:
                cells = next(self._reader)
            except StopIteration:
                return
            except csv.Error:
                raise invalid(
                    line,
                    "the row cannot be read; check its quotation marks, and write one within a cell twice",
                    "该行无法读取，请检查引号；单元格内的引号须写两次",
                ) from None
            if any(cell.strip() for cell in cells):
                yield _Line(line, cells)


def _declared(text: str) -> tuple[str, str | None, int]:
    """The text without a first line that declares the separator, the separator, and how many lines were left out."""
    first, end, rest = text.partition("\n")
    declared = first.strip(' "\r').removeprefix(_DECLARATION)
    if first.strip(' "').startswith(_DECLARATION) and len(declared) == 1 and end:
        return rest, declared, 1
    if first.strip(' "').startswith(_DECLARATION) and "\t" in first:
        return rest, "\t", 1
    return text, None, 0


def _fit(text: str, separator: str, columns: Sequence[str]) -> tuple[int, int]:
    """How many of the columns the first row has with this separator, and how many cells."""
    try:
        header = next(iter(_Lines(text, separator, 0)), None)
    except InvalidFile:
        return 0, 0
    cells = header.cells if header is not None else ()
    return len({_plain(cell) for cell in cells} & set(columns)), len(cells)


def _names(cells: Sequence[str], columns: Sequence[str]) -> tuple[str, ...]:
    """The names of the columns: the known ones as they are spelt there, others as the file has them."""
    names = [plain if (plain := _plain(cell)) in columns else cell.strip() for cell in cells]
    while names and not names[-1]:
        names.pop()
    return tuple(names)


def _plain(name: str) -> str:
    return normalize("NFKC", name).strip().casefold()


def _check(line: int, found: Sequence[str], columns: Sequence[str]) -> None:
    if missing := [name for name in columns if name not in found]:
        has = ", ".join(found)
        raise invalid(
            line,
            f"there is no column {', '.join(missing)}; the columns are {has}; name them in the first row",
            f"缺少列 {'、'.join(missing)}；现有列为 {has}；请在首行写明列名",
        )
    for at, name in enumerate(found):
        if not name:
            raise invalid(line, f"column {at + 1} has no name; give it one", f"第 {at + 1} 列没有列名，请补充")
        if name in found[:at]:
            raise invalid(line, f"the column {name} is there twice; keep one", f"列 {name} 重复，请只保留一列")


def _content(cell: str) -> str:
    """The cell without the spaces around it, and without the formula around a text."""
    text = cell.strip()
    return found[1].replace('""', '"').strip() if (found := _AS_TEXT.fullmatch(text)) else text


def is_shortened(number: str) -> bool:
    """Whether a spreadsheet program has shortened this number, so that it is another one, or none."""
    return _SHORTENED.fullmatch(number) is not None


def _note(encoding: str, separator: str) -> str | None:
    if (encoding, separator) == (UTF_8, ","):
        return None
    en, zh = _SEPARATORS.get(separator, (repr(separator), separator))
    return reading_note([encoding, en], [encoding, zh])


class InCell(ValueError):
    """A fault in the cell of one column, in both languages."""

    def __init__(self, column: str, en: str, zh: str) -> None:
        super().__init__(f"{column}: {en}")
        self.column, self.en, self.zh = column, en, zh


def in_cell(column: str, error: ValueError) -> InCell:
    """This fault, with the column of the cell."""
    return InCell(column, *texts_of(error))


def cell_fault(line: int, error: ValueError) -> str:
    """A fault of a row in both languages, with the line and, if it is known, the column."""
    if isinstance(error, InCell):
        return both(f"line {line}, {error.column}: {error.en}", f"第 {line} 行 {error.column}：{error.zh}")
    en, zh = texts_of(error)
    return both(f"line {line}: {en}", f"第 {line} 行：{zh}")
