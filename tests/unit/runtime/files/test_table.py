"""Tables as spreadsheet programs and other systems write them."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.runtime.files.encoding import InvalidFile
from services.runtime.files.table import Table, is_shortened

COLUMNS = ("case_id", "start")


def rows(content: str | bytes) -> list[tuple[int, dict[str, str]]]:
    table = Table(content if isinstance(content, bytes) else content.encode(), COLUMNS)
    return [(row.line, dict(row.cells)) for row in table.rows()]


ROW = {"case_id": "a,b", "start": "2023-01-05", "note": "税务局"}


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ('case_id,start,note\n"a,b",2023-01-05,税务局\n', None),
        ("case_id;start;note\na,b;2023-01-05;税务局\n", "read as UTF-8, semicolons / 按 UTF-8、分号 读取"),
        ("case_id\tstart\tnote\na,b\t2023-01-05\t税务局\n", "read as UTF-8, tabs / 按 UTF-8、制表符 读取"),
        ("case_id|start|note\r\na,b|2023-01-05|税务局\r\n", "read as UTF-8, bars / 按 UTF-8、竖线 读取"),
        ("sep=;\ncase_id;start;note\na,b;2023-01-05;税务局\n", "read as UTF-8, semicolons / 按 UTF-8、分号 读取"),
        (
            " Case_ID ;ＳＴＡＲＴ;note\n a,b ;2023-01-05;税务局;;\n;;\n",
            "read as UTF-8, semicolons / 按 UTF-8、分号 读取",
        ),
    ],
)
@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_separators_encodings_and_spelling_are_recognised(text: str, note: str | None, codec: str) -> None:
    table = Table(text.encode(codec), COLUMNS)
    assert [row.cells for row in table.rows()] == [ROW]
    assert not any(row.excess for row in table.rows())
    if codec.startswith("utf-8"):
        assert table.note == note
    elif codec == "gb18030":
        assert table.note is not None and "GB18030" in table.note


@pytest.mark.parametrize(
    "content",
    [
        "\ufeffcase_id,start,部门\na,1,税务局\n".encode("gb18030"),
        "\ufeff\ufeffcase_id,start,部门\na,1,税务局\n".encode(),
        "case_id\u200b,\u200estart,部门\n\u202da\u202c,1\ufeff,税务局\n".encode(),
        "case_id,start,部门\r\na,1,税务局\r\n\x1a".encode(),
        "case_id,start,部门\ra,1,税务局\r".encode(),
    ],
)
def test_characters_that_nobody_sees_belong_to_no_cell(content: bytes) -> None:
    assert rows(content) == [(2, {"case_id": "a", "start": "1", "部门": "税务局"})]


def test_the_line_of_a_row_is_its_first_one() -> None:
    assert [line for line, _ in rows('case_id,start\n"a\nb",1\n\n,,\nc,2\n')] == [2, 6]
    assert [line for line, _ in rows("sep=;\ncase_id;start\na;1\n")] == [3]


def test_a_row_with_too_many_cells_is_marked_and_one_with_too_few_is_filled() -> None:
    table = Table(b"case_id,start\na,1,x\nb\n", COLUMNS)
    assert [(row.excess, row.cells["start"]) for row in table.rows()] == [(True, "1"), (False, "")]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "line 1: the file is empty"),
        ("case_id,begin\n", "line 1: there is no column start; the columns are case_id, begin"),
        ("\ncase_id,start,x,x\n", "line 2: the column x is there twice"),
        ("case_id,,start\n", "line 1: column 2 has no name"),
        ("<html><table><tr><td>case_id</td></tr></table>", "line 1: this is a web page or XML"),
        ('\ufeff<?xml version="1.0"?><Workbook>', "line 1: this is a web page or XML"),
        ('case_id,start\na,1\n"b,2\n', "line 3: the row cannot be read; check its quotation marks"),
    ],
)
def test_another_table_is_refused_in_both_languages(text: str, fault: str) -> None:
    with pytest.raises(InvalidFile) as refused:
        rows(text)
    english, chinese = str(refused.value).split(" / ")
    assert english.startswith(fault) and chinese.startswith("第 ")


@pytest.mark.parametrize(
    ("cell", "content"),
    [
        ('"=""0044"""', "0044"),
        ('="0044"', "0044"),
        ('"=""0044\t"""', "0044"),
        ("0044\t", "0044"),
        ('"=""a""""b"""', 'a"b'),
        ("=1+1", "=1+1"),
        ('"=""a""&""b"""', '="a"&"b"'),
    ],
)
def test_a_text_in_a_formula_is_that_text(cell: str, content: str) -> None:
    ((_, cells),) = rows(f"case_id,start\n{cell},1\n")
    assert cells["case_id"] == content


@pytest.mark.parametrize("number", ["4.40306E+17", "4E+17", "1.1e+05"])
def test_a_shortened_number_is_known(number: str) -> None:
    assert is_shortened(number)
    assert not is_shortened(f"A{number}") and not is_shortened("219E01BE")


@given(st.binary(max_size=60))
def test_any_bytes_are_a_table_or_refused(content: bytes) -> None:
    for start in (b"", b"case_id,start\n"):
        with suppress(InvalidFile):
            rows(start + content)
