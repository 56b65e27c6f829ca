"""The journal's chain, and the program that checks an export by itself: every change is found."""

import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from services.runtime.journal import verify as verifier
from services.runtime.journal.blocks import (
    FORMAT,
    Block,
    JournalEntry,
    Root,
    canonical,
    chain_entries,
    day_of,
    export_head,
    export_lines,
    signing_key,
)
from services.runtime.journal.verify import BROKEN, Broken, main, unproven, verify

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


def signed(chain: list[Block], key: Ed25519PrivateKey = KEY) -> list[tuple[Block, bytes]]:
    return [(block, key.sign(block.signed)) for block in chain]


def roots(chain: list[Block], days: int, key: Ed25519PrivateKey = KEY) -> list[tuple[Root, bytes]]:
    """The roots of so many days, from the first day of this chain on; also of days without blocks."""
    found = []
    last = 0
    for day in (chain[0].day + timedelta(days=n) for n in range(days)):
        own = [block for block in chain if block.day == day]
        first, last = last + 1, own[-1].number if own else last
        entries = sum(len(block.entries) for block in own)
        root = Root(REGION, day, first, last, entries, chain[last - 1].hash)
        found.append((root, key.sign(root.signed)))
    return found


def lines_of(chain: list[tuple[Block, bytes]], of: list[tuple[Root, bytes]], key: str = PUBLIC) -> list[str]:
    return [export_head(REGION, key), *export_lines(chain, of)]


def export(closed: int = 3) -> list[str]:
    """An export of three days with three blocks each, of which so many days are closed."""
    chain = blocks()
    return lines_of(signed(chain), roots(chain, closed))


def with_roots(wanted: bool, lines: list[str]) -> list[str]:
    return [line for line in lines if ('{"root"' in line) is wanted]


def judged(lines: list[str], key: str | None = PUBLIC, **against: Any) -> list[str]:
    """The reasons for which these lines prove nothing; none if they are sound."""
    return unproven(verify(lines, key), key, **against)


FIRST, LAST = date(2026, 3, 2), date(2026, 3, 4)


def test_a_sound_export_is_verified_and_counted() -> None:
    found = verify(export(), PUBLIC)
    assert (found.first, found.last, found.entries, found.days) == (1, 9, 18, 3)
    assert (found.first_day, found.last_day, found.open_day) == (FIRST, LAST, [])
    assert judged(export(), until=LAST) == judged(export(), until=LAST, root=blocks()[-1].hash.hex()) == []


def test_the_day_that_is_not_over_is_told_apart() -> None:
    found = verify(export(closed=2), PUBLIC)
    assert (found.days, found.last_day, len(found.open_day)) == (2, LAST - timedelta(days=1), 3)
    assert judged(export(closed=2), until=LAST - timedelta(days=1)) == []


@pytest.mark.parametrize(
    ("lines", "against", "reason"),
    [
        (export()[:1], {"until": LAST}, "no block and no root"),
        (export()[:1], {"root": "0" * 64}, "no block and no root"),
        (export(), {}, "days after 2026-03-04 were removed looks the same"),
        (export()[:5], {}, "days after 2026-03-02 were removed looks the same"),
        (export()[:-1], {}, "days after 2026-03-03 were removed looks the same"),
        (export()[:-1], {"until": LAST}, "2026-03-04 has no root"),
        (export()[:3], {}, "days at its end were removed looks the same"),
        (export()[:3], {"until": FIRST}, "2026-03-02 has no root"),
        (export(), {"key": None, "until": LAST}, "a forged file names the key of the forger"),
        ([export()[0], *export()[5:]], {"until": LAST}, "the blocks before number 4 are not in it"),
    ],
)
def test_an_export_that_may_lack_something_is_not_proven(
    lines: list[str], against: dict[str, Any], reason: str
) -> None:
    (found,) = judged(lines, **against)
    assert reason in found


@pytest.mark.parametrize(
    ("lines", "against", "reason"),
    [
        (export()[:5], {"until": LAST}, "ends with 2026-03-02 and not with 2026-03-04"),
        (export()[:5], {"until": LAST, "root": blocks()[-1].hash.hex()}, "ends with 2026-03-02 and not with"),
        (export(), {"until": LAST, "root": "0" * 64}, "the root of 2026-03-04 is another one than 000"),
        (export(), {"until": FIRST, "root": blocks()[-1].hash.hex()}, "the root of 2026-03-02 is another one"),
        ([export()[0], *export()[5:]], {"since": FIRST, "until": LAST}, "begins with 2026-03-03 and not with"),
    ],
)
def test_an_export_that_lacks_what_was_published_is_broken(
    lines: list[str], against: dict[str, Any], reason: str
) -> None:
    with pytest.raises(Broken, match=reason):
        judged(lines, **against)


@pytest.mark.parametrize(
    ("lines", "against"),
    [
        (export(), {"since": date(2026, 4, 1), "until": LAST, "root": blocks()[-1].hash.hex()}),
        (export(), {"since": date(2026, 3, 5), "until": LAST}),
        (export(), {"until": date(2026, 3, 1)}),
        (export(closed=2), {"since": date(2026, 3, 5), "until": date(2026, 3, 3)}),
        (export()[:3], {"until": date(2026, 3, 1)}),
    ],
)
def test_an_export_of_other_days_than_those_asked_for_proves_nothing(lines: list[str], against: dict[str, Any]) -> None:
    assert "has none of those that are asked for" in judged(lines, **against)[0]
    assert judged(export(), since=LAST, until=LAST) == []


def test_every_reason_says_what_to_do() -> None:
    lines = [export()[0], *export()[5:-1]]
    assert len(judged(lines, None)) == 3
    assert all(any(word in reason for word in ("Give --", "give --")) for reason in judged(lines, None))


def test_a_day_without_blocks_is_closed_too() -> None:
    chain = [block for block in blocks(days=6) if block.day.day in (2, 5)]
    chain = chain_again(chain)
    lines = lines_of(signed(chain), roots(chain, 6))
    found = verify(lines, PUBLIC)
    assert (found.days, found.last_day) == (6, date(2026, 3, 7))
    assert judged(lines, until=date(2026, 3, 7)) == []
    assert judged(lines, until=date(2026, 3, 7), root=chain[-1].hash.hex()) == []
    # The day after the last block has the root of that block's day: a file that ends with the latter lacks it.
    with pytest.raises(Broken, match="ends with 2026-03-05 and not with 2026-03-06"):
        judged(lines[:-2], until=date(2026, 3, 6), root=chain[-1].hash.hex())
    begins_empty = [lines[0], *lines[5:]]
    assert '"root"' in begins_empty[1]
    assert judged(begins_empty, since=date(2026, 3, 3), until=date(2026, 3, 7)) == []
    assert "before number 4 are not in it" in judged(begins_empty, until=date(2026, 3, 7))[0]
    for place in range(4, len(lines) - 1):
        if '"root"' in lines[place]:
            with pytest.raises(Broken, match="is not closed"):
                verify([*lines[:place], *lines[place + 1 :]], PUBLIC)


def test_a_day_ends_at_midnight_in_china() -> None:
    assert [day_of(datetime(2026, 3, 2, hour, 59, tzinfo=UTC)).day for hour in (15, 16)] == [2, 3]


def test_each_region_and_day_has_a_block_of_its_own() -> None:
    chained = [JournalEntry(NOON + timedelta(days=day), region, "x") for day in range(2) for region in ("1", "2", "1")]
    found = chain_entries(chained, {})
    assert [(block.chain, block.number, len(block.entries)) for block in found] == [
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


def chain_again(chain: list[Block]) -> list[Block]:
    """These blocks with numbers and hashes computed anew."""
    found: list[Block] = []
    for number, block in enumerate(chain, 1):
        found.append(Block(REGION, number, block.day, found[-1].hash if found else bytes(32), block.entries))
    return found


@given(st.data())
def test_any_entry_removed_added_or_moved_is_found_even_with_new_hashes(data: st.DataObject) -> None:
    """A forger who computes new hashes needs the key for each block, also for those of today."""
    chain = blocks()
    place = data.draw(st.integers(0, len(chain) - 1))
    entries = list(chain[place].entries)
    forged = data.draw(st.sampled_from([entries[:1], entries[::-1], [*entries, "more"], ["other", *entries[1:]]]))
    rewritten = chain_again([*chain[:place], replace(chain[place], entries=tuple(forged)), *chain[place + 1 :]])
    signatures = [signature for _, signature in signed(chain)]
    closed = data.draw(st.integers(2, 3))
    with pytest.raises(Broken, match="the signature of block"):
        verify(lines_of(list(zip(rewritten, signatures, strict=True)), roots(chain, closed)), PUBLIC)


def test_a_chain_replaced_by_one_day_needs_the_key() -> None:
    forger, chain = signing_key("f" * 32), chain_again(blocks()[-1:])
    own = forger.public_key().public_bytes_raw().hex()
    for closed in (0, 1):
        forged = lines_of(signed(chain, forger), roots(chain, closed, forger), own)
        with pytest.raises(Broken, match="another key"):
            verify(forged, PUBLIC)
        with pytest.raises(Broken, match="signature of block 1"):
            verify([export_head(REGION, PUBLIC), *forged[1:]], PUBLIC)
        (reason,) = unproven(verify(forged), None, until=LAST) if closed else [None]
        assert reason is None or "the key of the forger" in reason


def test_a_root_of_another_key_is_found() -> None:
    chain = blocks()
    forged = roots(chain, 3, signing_key("f" * 32))
    with pytest.raises(Broken, match="the signature of the root"):
        verify(lines_of(signed(chain), forged), PUBLIC)


def test_an_export_may_begin_with_any_day() -> None:
    chain = blocks()
    lines = lines_of(signed(chain)[3:], roots(chain, 3)[1:])
    found = verify(lines, PUBLIC)
    assert (found.days, found.first) == (2, 4), "the result names its first block"
    assert judged(lines, since=date(2026, 3, 3), until=LAST) == []


def test_closed_days_cannot_be_passed_off_as_open() -> None:
    for kept in (0, 1):
        lines = with_roots(False, export())
        lines[4:4] = with_roots(True, export())[:kept]
        with pytest.raises(Broken, match="is not closed: its root or whole days were removed"):
            verify(lines, PUBLIC)


def test_an_export_says_how_many_blocks_are_of_times_in_which_one_person_was_enough(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entry = JournalEntry(NOON, REGION, "{}")
    heads: dict[str, tuple[int, bytes]] = {}
    chain = [*chain_entries([entry], heads, four_eyes=False), *chain_entries([entry], heads)]
    lines = [export_head(REGION, PUBLIC), *export_lines([(one, KEY.sign(one.signed)) for one in chain], [])]
    file = tmp_path / "export.jsonl"
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    main([str(file)])
    said = "When 1 of its blocks were written, one person was enough"
    assert said in capsys.readouterr().out
    file.write_text("".join(f"{line}\n" for line in lines).replace('"four_eyes":false', '"four_eyes":true'))
    assert main([str(file)]) == BROKEN
    assert "block 1 was changed" in capsys.readouterr().out


@pytest.mark.parametrize("day", ["2026-02-30", "20260302", "9999-12-31", "x" * 1000, "", 7, None, ["2026-03-02"], {}])
@pytest.mark.parametrize("line", [1, 4])
def test_a_malformed_day_is_a_fault(day: Any, line: int) -> None:
    """Not even the owner of the key can write one."""
    lines = export()
    ((name, content),) = json.loads(lines[line]).items()
    content["day"] = day
    if name == "block":
        own = hashlib.sha256(FORMAT.encode())
        own.update(canonical([REGION, content["number"], day, content["previous"], len(content["entries"]), None]))
        for entry in content["entries"]:
            own.update(hashlib.sha256(entry.encode()).digest())
        content["hash"] = own.hexdigest()
        to_sign = [content["hash"]]
    else:
        to_sign = [REGION, *(content[field] for field in ("day", "first", "last", "entries", "hash"))]
    content["signature"] = KEY.sign(FORMAT.encode() + canonical(to_sign)).hex()
    lines[line] = canonical({name: content}).decode()
    with pytest.raises(Broken, match=f"line {line + 1}: ") as found:
        verify(lines, PUBLIC)
    assert len(str(found.value)) < 200


@pytest.mark.parametrize("text", ["[" * 100_000, "1" * 10_000, '{"block":' * 50_000, '"\\ud800"', "NaN", "true"])
def test_a_line_that_breaks_parsers_is_a_fault(text: str) -> None:
    with pytest.raises(Broken, match="line 2: not as it was written"):
        verify([export()[0], text], PUBLIC)


@pytest.mark.parametrize(
    ("line", "change"),
    [
        (0, lambda head: head | {"more": 1}),
        (1, lambda line: {"block": line["block"] | {"signature": line["block"]["signature"].upper()}}),
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


@pytest.mark.parametrize("lines", [[], [""], ["{}"], ["[]"], ["7"], ['{"format":"onedoor journal 2"}'], ["\x00"]])
def test_another_file_is_refused(lines: list[str]) -> None:
    with pytest.raises(Broken, match="line 1"):
        verify(lines)


def test_the_verifier_runs_by_itself(tmp_path: Path) -> None:
    program, file = tmp_path / "verify_journal.py", tmp_path / "export.jsonl"
    program.write_text(Path(verifier.__file__).read_text(encoding="utf-8"), encoding="utf-8")

    def run(lines: list[str], *options: str) -> "subprocess.CompletedProcess[str]":
        file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        command = [sys.executable, "-I", str(program), str(file), *options]
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)

    sound = run(export(), "--key", PUBLIC.upper(), "--until", "2026-03-04")
    assert (sound.returncode, sound.stdout) == (
        0,
        "sound: 18 entries, blocks 1 to 9, 2026-03-02 to 2026-03-04. / 完好：18 条记录。\n",
    )
    content = json.loads(export()[1])
    content["block"]["entries"][0] = content["block"]["entries"][0].replace("0", "1", 1)
    forged = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    broken = run([export()[0], forged, *export()[2:]])
    assert (broken.returncode, broken.stdout) == (
        1,
        "BROKEN: line 2: block 1 was changed / 第 2 行：区块 1 被改动\n",
    )
    unproved = run(export()[:1], "--key", PUBLIC)
    assert unproved.returncode == 3 and unproved.stdout.startswith("NOT PROVEN: it has no block and no root.")
    alone = run(export(), "--key", PUBLIC, "--root", blocks()[-1].hash.hex())
    assert alone.returncode == 2 and "give that day as well, with --until" in alone.stderr, "it is compared with no day"
    for options in (("--until", "2026-13-45"), ("--root", "abc"), ("--key",), ("--other",)):
        refused = run(export(), *options)
        assert refused.returncode == 2 and "Traceback" not in refused.stderr, refused.stderr


def test_a_file_that_is_no_text_is_broken_and_a_missing_one_cannot_be_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "export.jsonl"
    file.write_bytes(f"{export()[0]}\n".encode() + b"\xff\xfe\n")
    assert verifier.main([str(file)]) == 1
    assert "line 2: not as it was written" in capsys.readouterr().out
    assert verifier.main([str(tmp_path / "missing.jsonl")]) == 2


@pytest.mark.parametrize(("before", "end"), [(b"\xef\xbb\xbf", b"\n"), (b"", b"\r\n"), (b"\xef\xbb\xbf", b"\r\n")])
def test_a_file_that_was_converted_on_its_way_accuses_nobody(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], before: bytes, end: bytes
) -> None:
    file = tmp_path / "journal.jsonl"
    file.write_bytes(before + b"".join(line.encode() + end for line in export()))
    assert verifier.main([str(file)]) == 2
    shown = capsys.readouterr()
    assert "BROKEN" not in shown.out and "binary mode" in shown.err
