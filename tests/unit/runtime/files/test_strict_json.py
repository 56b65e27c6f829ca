"""JSON in which a name stands once."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.runtime.files.strict_json import InvalidJson, parse_json

values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@given(values, st.sampled_from((None, 1)))
def test_any_json_is_read(value: Any, indent: int | None) -> None:
    text = json.dumps(value, indent=indent)
    assert parse_json(text) == parse_json(text.encode()) == parse_json(b"\xef\xbb\xbf" + text.encode()) == value


@pytest.mark.parametrize(
    ("text", "path", "lines"),
    [
        ('{"a": 1, "a": 2}', ("a",), (1, 1)),
        ('{"a": 1,\n "b": [{"c": "x, {", "d": 1},\n {"c": 1,\n "\\u0063": 2}]}', ("b", 1, "c"), (3, 4)),
        ('[{}, {"a": {"b": [1, 2], "b": {}}}]', (1, "a", "b"), (1, 1)),
        ('{"a": "\\"a\\": 1",\n\n"a": [[], ["a", "a"]]}', ("a",), (1, 3)),
    ],
)
def test_a_name_that_stands_twice_is_refused_with_both_lines(
    text: str, path: tuple[int | str, ...], lines: tuple[int, int]
) -> None:
    with pytest.raises(InvalidJson) as refused:
        parse_json(text)
    assert refused.value.path == path
    assert refused.value.en == f"stands twice, in line {lines[0]} and in line {lines[1]}; keep one of them"
    assert f"第 {lines[0]} 行和第 {lines[1]} 行" in refused.value.zh


@given(st.dictionaries(st.text(max_size=4), values, min_size=1, max_size=4), st.data())
def test_a_doubled_name_is_found_wherever_it_stands(content: dict[str, Any], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(content)))
    pairs = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in content.items()]
    pairs.insert(data.draw(st.integers(0, len(pairs))), f"{json.dumps(name)}: 1")
    with pytest.raises(InvalidJson) as refused:
        parse_json(f'[0, {{"list": [1, {{{",".join(pairs)}}}]}}]')
    assert refused.value.path == (1, "list", 1, name)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "line 1, column 1"),
        ('{"a":\n 1,}', "line 2, column "),
        ("[NaN]", "can be read here"),
        ('["\\ud800"]', "can be read here"),
        ("[" * 100_000, "can be read here"),
        ("1" * 5000, "can be read here"),
        (b'{"a": "\xff"}', "in UTF-8"),
        ("{}".encode("utf-16"), "in UTF-8"),
    ],
)
def test_what_is_no_json_is_refused_without_its_values(content: str | bytes, reason: str) -> None:
    with pytest.raises(InvalidJson) as refused:
        parse_json(content)
    assert reason in refused.value.en and refused.value.zh and refused.value.path is None
