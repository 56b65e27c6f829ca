"""Documents that people write: with the line of each fault, in any usual encoding, each name once."""

import json
import re
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, ValidationError

from contracts.messages.plans import Limit
from contracts.working_time.notices import Notice
from services.intake.catalogue.load import SAMPLE, load_catalogue, sample_catalogue
from services.intake.core.catalogue.models import Catalogue
from services.monitor.core.notifications.directory_file import DirectoryFile
from services.monitor.core.rules import RuleFile
from services.monitor.store import rule_store
from services.monitor.store.notifications import directory_store
from services.runtime.fault_text import faults_of
from services.runtime.files.document import check_document, load_document, read_document
from services.runtime.files.encoding import InvalidFile
from tests.support.monitor_histories import rule_text


class Entry(BaseModel):
    days: Annotated[int, Field(ge=1, strict=True)]


class Entries(BaseModel):
    entries: Annotated[tuple[Entry, ...], Field(min_length=1)]


@pytest.mark.parametrize("codec", ["utf-8-sig", "gb18030", "utf-16"])
def test_every_document_is_read_in_any_usual_encoding(codec: str, tmp_path: Path) -> None:
    def rewritten(file: Path) -> bytes:
        return file.read_text(encoding="utf-8").encode(codec)

    assert rule_store.read(rewritten(rule_store.SHIPPED)) == rule_store.shipped().rule_set.rules
    directory = directory_store.read(rewritten(directory_store.SAMPLE))
    assert directory == directory_store.read(directory_store.SAMPLE.read_bytes())
    catalogue = tmp_path / "own.yaml"
    catalogue.write_bytes(rewritten(SAMPLE))
    assert load_catalogue(catalogue) == sample_catalogue()


def test_a_rung_that_stands_twice_is_refused_with_both_lines() -> None:
    text = rule_text(("red: {limit: statutory}\n", "red: {limit: statutory}\n      yellow: {days_over: 30}\n"))
    lines = [number for number, line in enumerate(text.splitlines(), 1) if line.strip().startswith("yellow:")][:2]
    with pytest.raises(InvalidFile) as refused:
        rule_store.read(text)
    assert str(refused.value) == (
        f"line {lines[1]}: yellow stands in line {lines[0]} already; keep one of them"
        f" / 第 {lines[1]} 行：yellow 已出现于第 {lines[0]} 行，请只保留一处"
    )


@pytest.mark.parametrize(
    "text",
    ["a: 1\nb: 2\na: 3", '{"a": 1,\n\t"b": 2,\n\t"a": 3}', "- a: 1\n  b: 2\n  'a': 3", "x: {a: 1,\nb: 2,\na: 3}"],
)
def test_a_name_that_stands_twice_in_one_place_is_refused(text: str) -> None:
    with pytest.raises(InvalidFile, match=r"^line 3: a stands in line 1 already"):
        load_document(text)


@pytest.mark.parametrize(
    "entry",
    [
        *("!!int abc", "!!int ''", "!!float x", "!!bool maybe", "!!omap x", "!!set x", "&a {<<: *a}"),
        *("1" * 5000, r'"\U00110000"', r'"\Uffffffff"', r'"\ud800"', r'"\0"'),
        # Deeper than Python calls functions. From a thousand on, it only takes the parser longer to come so far.
        "[" * 900,
    ],
)
def test_an_entry_that_breaks_the_parser_is_refused_with_what_to_do(entry: str) -> None:
    with pytest.raises(InvalidFile, match=r"^line \d: .* / 第 \d 行："):
        load_document(f"first: 1\na: {entry}\n")


def test_a_rare_character_may_be_written_as_json_writes_it() -> None:
    assert load_document(json.dumps({"name": "𠀋", "𠀋": ["a", "𪚥"]})) == {"name": "𠀋", "𠀋": ["a", "𪚥"]}


@pytest.mark.parametrize("name", ["~", "1", "true", "1.5", "[a, b]", "{a: 1}", "!x y", "=", "*e", '""', "2026-03-02"])
@pytest.mark.parametrize("value", ["1", "&v {a: *v}", "&v [*v]", "!x y", "!!set {a}", "!!binary QQ==", ".nan"])
def test_an_unusual_name_or_value_is_a_fault_with_its_line(name: str, value: str) -> None:
    for text in (
        f"entries: &e\n  - days: 1\n    ? {name}\n    : {value}\n",
        f"? entries\n: - days: {value}\n    x: 1\n",
    ):
        with pytest.raises(InvalidFile, match=r"^line \d: "):
            read_document(Entries, text)


@given(st.text(alphabet=st.sampled_from("ab: -?[]{},&*!|>'\"%@`#~<\n\t1.\\0u"), max_size=40))
def test_any_text_is_a_document_or_refused(text: str) -> None:
    with suppress(InvalidFile):
        read_document(Entries, text)


def test_the_same_name_in_two_places_is_no_fault() -> None:
    assert load_document("a: {a: 1}\nb: {a: 2}") == {"a": {"a": 1}, "b": {"a": 2}}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("version：1", "half-width colon"),
        ("a: [", "check indentation, colons and quotation marks"),
        ("", "there are no fields"),
    ],
)
def test_what_is_no_document_is_refused_with_what_to_write(text: str, fault: str) -> None:
    with pytest.raises(InvalidFile, match=f"^line 1: .*{fault}.* / 第 1 行："):
        load_document(text)


def test_a_fault_of_an_entry_is_not_followed_by_one_of_the_list() -> None:
    with pytest.raises(InvalidFile) as refused:
        read_document(Entries, "entries:\n  - {days: 0}\n")
    assert str(refused.value) == "line 2: entries[1].days: must be 1 or more / 不得小于 1"
    with pytest.raises(InvalidFile, match=r"^line 1: entries: has 0 entries; at least 1"):
        read_document(Entries, "entries: []\n")


@pytest.mark.parametrize("value", ["true", '"5"', "5.5"])
def test_a_number_is_a_number(value: str) -> None:
    with pytest.raises(InvalidFile, match="whole number"):
        read_document(Limit, f"working_days: {value}")


RULES = rule_store.SHIPPED.read_text(encoding="utf-8")
DIRECTORY = directory_store.SAMPLE.read_text(encoding="utf-8")
CATALOGUE = SAMPLE.read_text(encoding="utf-8")
NOTICE = '{"year": 2026, "region": "CN-45", "days": [\n{"name": "节", "date": "2026-04-20", "isOffDay": true}]}'


@pytest.mark.parametrize(
    ("read", "text", "name", "misspelt"),
    [
        (rule_store.read, RULES, "working_days", "workng_days"),
        (rule_store.read, RULES, "days_over", "day_over"),
        (rule_store.read, RULES, "kinds", "kind"),
        (rule_store.read, RULES, "sessions", "session"),
        (rule_store.read, RULES, "suspends", "suspend"),
        (directory_store.read, DIRECTORY, "people", "peoples"),
        (directory_store.read, DIRECTORY, "deputy", "deputi"),
        (partial(read_document, Catalogue), CATALOGUE, "statutory", "statutary"),
        (partial(read_document, Catalogue), CATALOGUE, "legal_basis", "legal_bases"),
        (partial(read_document, Catalogue), CATALOGUE, "after", "afters"),
        (partial(read_document, Notice), NOTICE, "region", "regoin"),
        (partial(read_document, Notice), NOTICE, "isOffDay", "isOfDay"),
    ],
)
def test_a_misspelt_field_is_refused_with_its_line_and_the_right_name(
    read: Callable[[str], object], text: str, name: str, misspelt: str
) -> None:
    spoilt = re.sub(rf"\b{name}\b(?=\"?:)", misspelt, text, count=1)
    (line,) = [number for number, content in enumerate(spoilt.splitlines(), 1) if misspelt in content][:1]
    with pytest.raises(InvalidFile) as refused:
        read(spoilt)
    faults = [fault for fault in str(refused.value).splitlines() if "no such field" in fault]
    assert len(faults) == 1 and faults[0].startswith(f"line {line}: "), refused.value
    assert faults[0].endswith(f"{misspelt}: there is no such field; write {name} / 没有此项，应为 {name}")


def test_a_second_unit_that_is_misspelt_is_refused_too() -> None:
    with pytest.raises(InvalidFile, match=r"committed\.month: there is no such field; write months"):
        rule_store.read(rule_text(("{working_days: 5}", "{working_days: 5, month: 1}")))


def test_a_field_that_resembles_none_is_refused_with_all_that_there_are() -> None:
    with pytest.raises(
        InvalidFile, match=r"line 3: entries\[2\]\.colour: there is no such field; there are days / 没有此项"
    ):
        read_document(Entries, "entries:\n  - {days: 1}\n  - {days: 1, colour: red}\n")


def test_a_notice_may_name_its_schema() -> None:
    named = NOTICE.replace("{", '{"$schema": "https://example.org/schema.json", "$id": "x", ', 1)
    assert read_document(Notice, named) == read_document(Notice, NOTICE)


def test_values_are_not_repeated() -> None:
    with pytest.raises(ValidationError) as refused:
        Limit.model_validate({"working_days": "secret", "months": "secret"})
    assert not any("secret" in fault.en + fault.zh for fault in faults_of(refused.value))


MULTIPLYING = "\n".join(
    ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
)
"""Each list has the one before it ten times: a million million texts, if they were ever written out."""


@pytest.mark.timeout(10)
@pytest.mark.parametrize("model", [DirectoryFile, RuleFile, Catalogue, Notice])
@pytest.mark.parametrize(
    "field", ["people: *a11", "hours: *a11", "items: [{code: *a11, name: *a11}]", "days: [{name: *a11, date: *a11}]"]
)
def test_references_that_multiply_are_refused_at_once(model: type[BaseModel], field: str) -> None:
    loaded = load_document(f"{MULTIPLYING}\n{field}\n")
    with pytest.raises(InvalidFile):
        check_document(model, loaded, ("code", "name", "date"))
