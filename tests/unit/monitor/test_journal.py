"""The journal's chain, and the program that checks an export by itself: every change is found."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.monitor.journal import verify as verifier
from services.monitor.journal.blocks import (
    Block,
    JournalEntry,
    Root,
    chain_entries,
    day_of,
    export_head,
    export_lines,
    signing_key,
)
from services.monitor.journal.verify import Broken, verify

KEY = signing_key("k" * 32)
PUBLIC = KEY.public_key().public_bytes_raw().hex()
REGION = "450103"
NOON = datetime(2026, 3, 2, 4, tzinfo=UTC)


def blocks(days: int = 3, a_day: int = 3, entries: int = 2) -> list[Block]:
    heads: dict[str, tuple[int, bytes]] = {}
    found: list[Block] = []
    for day in range(days):
        for batch in range(a_day):
            at = NOON + timedelta(days=day, minutes=batch)
            chained = [
                JournalEntry(at, REGION, f'{{"day": {day}, "batch": {batch}, "原因": "{n}"}}') for n in range(entries)
            ]
            found += chain_entries(chained, heads)
    return found


def roots(of: list[Block], days: int) -> list[tuple[Root, bytes]]:
    found = []
    for day in sorted({block.day for block in of})[:days]:
        own = [block for block in of if block.day == day]
        entries = sum(len(block.entries) for block in own)
        root = Root(REGION, day, own[0].number, own[-1].number, entries, own[-1].hash)
        found.append((root, KEY.sign(root.signed)))
    return found


def lines_of(key: str, chain: list[Block], of: list[tuple[Root, bytes]]) -> list[str]:
    return [export_head(REGION, key), *export_lines(chain, of)]


def export(signed: int = 3) -> list[str]:
    chain = blocks()
    return lines_of(PUBLIC, chain, roots(chain, signed))


def test_a_sound_export_is_verified_and_counted() -> None:
    assert verify(export(), PUBLIC) == {"first": 1, "last": 9, "entries": 18, "days": 3, "unsigned": 0}
    assert verify(export(signed=2), PUBLIC) == {"first": 1, "last": 9, "entries": 18, "days": 2, "unsigned": 3}


def test_a_day_ends_at_midnight_in_china() -> None:
    assert [day_of(datetime(2026, 3, 2, hour, 59, tzinfo=UTC)).day for hour in (15, 16)] == [2, 3]


def test_each_region_and_day_has_a_block_of_its_own() -> None:
    chained = [JournalEntry(NOON + timedelta(days=day), region, "x") for day in range(2) for region in ("1", "2", "1")]
    found = chain_entries(chained, {})
    assert [(block.region, block.number, len(block.entries)) for block in found] == [
        ("1", 1, 2),
        ("2", 1, 1),
        ("1", 2, 2),
        ("2", 2, 1),
    ]
    assert found[2].previous == found[0].hash


@given(st.data())
def test_any_byte_changed_is_found(data: st.DataObject) -> None:
    text = "\n".join(export()).encode()
    place = data.draw(st.integers(0, len(text) - 1))
    changed = bytearray(text)
    changed[place] = data.draw(st.integers(0, 255).filter(lambda byte: byte != text[place]))
    try:
        lines = changed.decode().split("\n")
    except UnicodeDecodeError:
        return  # it cannot even be read
    with pytest.raises(Broken):
        verify(lines, PUBLIC)


@given(st.data())
def test_any_line_removed_repeated_or_swapped_is_found(data: st.DataObject) -> None:
    lines = export()
    # Blocks after the last root are not signed yet, and a shorter export that ends with a root is an export.
    place = data.draw(st.integers(0, len(lines) - 2))
    other = data.draw(st.integers(0, len(lines) - 1).filter(lambda other: other != place))
    removed = [*lines[:place], *lines[place + 1 :]]
    repeated = [*lines[: place + 1], *lines[place:]]
    swapped = [*lines]
    swapped[place], swapped[other] = swapped[other], swapped[place]
    for broken in (removed, repeated, swapped):
        with pytest.raises(Broken):
            verify(broken, PUBLIC)


@given(st.data())
def test_any_entry_removed_added_or_moved_is_found_even_with_new_hashes(data: st.DataObject) -> None:
    """A forger who computes new hashes needs the key for the root of the day."""
    chain = blocks()
    place = data.draw(st.integers(0, len(chain) - 1))
    entries = list(chain[place].entries)
    forged = data.draw(st.sampled_from([entries[:1], entries[::-1], [*entries, "more"], ["other", *entries[1:]]]))
    heads: dict[str, tuple[int, bytes]] = {}
    rewritten = []
    for number, block in enumerate(chain):
        own = tuple(forged) if number == place else block.entries
        previous = heads.get(REGION, (0, bytes(32)))[1]
        made = Block(REGION, block.number, block.day, previous, own)
        heads[REGION] = made.number, made.hash
        rewritten.append(made)
    lines = lines_of(PUBLIC, rewritten, roots(chain, 3))
    with pytest.raises(Broken):
        verify(lines, PUBLIC)


def test_a_root_of_another_key_is_found_with_the_trusted_key_only() -> None:
    chain, forger = blocks(), signing_key("f" * 32)
    forged = [(root, forger.sign(root.signed)) for root, _ in roots(chain, 3)]
    own = forger.public_key().public_bytes_raw().hex()
    lines = lines_of(own, chain, forged)
    assert verify(lines)["days"] == 3
    with pytest.raises(Broken, match="another key"):
        verify(lines, PUBLIC)
    with pytest.raises(Broken, match="signature"):
        verify(lines_of(PUBLIC, chain, forged), PUBLIC)


def test_an_export_may_begin_with_any_day() -> None:
    chain = blocks()
    lines = lines_of(PUBLIC, chain[3:], roots(chain, 3))
    found = verify(lines, PUBLIC)
    assert (found["days"], found["first"]) == (2, 4), "the result names its first block"


def test_signed_days_cannot_be_passed_off_as_not_signed_yet() -> None:
    for kept in (0, 1):
        lines = [line for line in export() if '"root"' not in line]
        lines[4:4] = [line for line in export() if '"root"' in line][:kept]
        with pytest.raises(Broken, match="of several days, and none of them is signed"):
            verify(lines, PUBLIC)


@pytest.mark.parametrize(
    ("line", "change"),
    [
        (0, lambda head: head | {"more": 1}),
        (1, lambda line: {"block": line["block"] | {"entries": dict.fromkeys(line["block"]["entries"], "forged")}}),
        (1, lambda line: {"block": line["block"] | {"more": 1}}),
        (1, lambda line: {"block": dict(reversed(line["block"].items()))}),
        (4, lambda line: {"root": line["root"] | {"signature": line["root"]["signature"].upper()}}),
        (4, lambda line: {"root": line["root"] | {"more": 1}}),
    ],
)
def test_another_representation_of_the_same_json_is_refused(line: int, change: Any) -> None:
    lines = export()
    lines[line] = json.dumps(change(json.loads(lines[line])), ensure_ascii=False, separators=(",", ":"))
    with pytest.raises(Broken, match=f"line {line + 1}: "):
        verify(lines, PUBLIC)


@pytest.mark.parametrize("lines", [[], [""], ["{}"], ["[]"], ["7"], ['{"format":"onedoor journal 1"}'], ["\x00"]])
def test_another_file_is_refused(lines: list[str]) -> None:
    with pytest.raises(Broken, match="line 1"):
        verify(lines)


def test_the_verifier_runs_by_itself(tmp_path: Path) -> None:
    program, file = tmp_path / "verify_journal.py", tmp_path / "export.jsonl"
    program.write_text(Path(verifier.__file__).read_text(encoding="utf-8"), encoding="utf-8")

    def run(*lines: str) -> "subprocess.CompletedProcess[str]":
        file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        command = [sys.executable, "-I", str(program), str(file), "--key", PUBLIC]
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)

    sound = run(*export())
    assert (sound.returncode, sound.stdout) == (0, "sound: 18 entries, blocks 1 to 9, 3 days signed\n")
    head, first, *rest = export()
    content = json.loads(first)
    content["block"]["entries"][0] = content["block"]["entries"][0].replace("0", "1", 1)
    forged = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    broken = run(head, forged, *rest)
    assert (broken.returncode, broken.stdout) == (1, "BROKEN: line 2: block 1 was changed\n")
