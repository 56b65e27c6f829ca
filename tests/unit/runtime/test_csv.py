"""Cells of CSV files that a spreadsheet program must not evaluate."""

import pytest

from services.runtime.http.bodies.csv import Cell, escape_formula


@pytest.mark.parametrize(
    "begin",
    [
        *("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r", "\n", "\0", " =", "\u3000＝", "\0="),
        *("\ufe66", "\ufe62", "\ufe63", "\ufe6b", "\u2212", "\u200b=", "\ufeff=", "\u202e@", "\u00ad+"),
    ],
)
def test_a_text_that_begins_like_a_formula_is_escaped(begin: str) -> None:
    assert escape_formula(f"{begin}1+1") == f"'{begin}1+1"


@pytest.mark.parametrize("cell", ["", "税务局", "a=b", " a", "1-2", "'=1", -5, 0, None])
def test_any_other_cell_stays_as_it_is(cell: Cell) -> None:
    assert escape_formula(cell) == cell
