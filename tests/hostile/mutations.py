"""Bad records made from real ones, the same for the same seed.

Each is one of three sorts. *Broken*: no reader may take it, whatever case it names. *Odd*: a reader may take it or
park it, so it names only a case that is made up. *Forged*: well formed and untrue, about a case given up to that.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from random import Random
from typing import Any
from uuid import UUID

from contracts.registry import MAX_RECORD_BYTES

Json = Any
Headers = tuple[tuple[str, bytes], ...]

NOTHING_HEARD = "onedoor.alerts"
"""The topic that nobody reads."""


@dataclass(frozen=True, slots=True)
class Record:
    """A record as it lies, or is to lie, in Kafka. ``kind`` is empty for a real one."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    kind: str = ""
    must_be_parked: bool = False


BIG = "9" * 4000
"""Digits of a number that is allowed in JSON and that few programs like."""

ODD_VALUES: Sequence[Json] = (
    *(None, True, False, 0, -1, 2**31, 2**63, 2**64, 10**300, 0.1, -0.0, 1e308, "", " ", "\n", "0", "-1", "null"),
    *([], {}, [[]], [None], {"": None}, ["x"] * 1000, "x" * 201, "x" * 100_000, "😀" * 200, "\u202e\u200b\ufeff", "Ａ"),
    *("../../../../etc/passwd", "'; DROP TABLE cases; --", "%s%n", "${jndi:ldap://x}", "\x1b[2J", "\x7f\x01"),
    *("1899-12-31T23:59:59Z", "2300-01-01T00:00:01Z", "9999-12-31T23:59:59Z", "0000-00-00T00:00:00Z"),
    *("2026-02-30T00:00:00Z", "2026-03-02T10:00:00", "2026-03-02T24:00:00+25:00", "10000-01-01T00:00:00Z", 1e18),
    *("approved ", "APPROVED", "onedoor.case.accepted.v2", "00000000-0000-0000-0000-000000000000"),
)
"""Put in place of any value at all."""

RAW_VALUES = (
    *(b"NaN", b"Infinity", b"-Infinity", b"1e400", b"-1e400", b"0x10", b"01", b"1.", b".1", b"+1", b"1e", b"--1"),
    *(b'"\\ud800"', b'"\\udc00\\ud800"', b'"\\u12"', b'"\\x00"', b'"\xff\xfe"', b'"\xc0\x80"', b'"\xed\xa0\x80"'),
    *(b"undefined", b"'x'", b"[1,]", b"{,}", b'"', b"/**/1", b'"a\tb"', b'"a\x00b"'),
)
"""The same, where they are no JSON."""

NULS = (b'"\\u0000"', b'"a\\u0000b"')
"""JSON, and text that PostgreSQL cannot hold."""


MADE_UP_TYPES: Sequence[Json] = (
    *("", "x", "onedoor.case.eaten.v1", "onedoor.timer.fired.v1", "onedoor.intake.accept-case.v1", None, 7, [], {}),
)

WRONG_ATTRIBUTES: Mapping[str, Sequence[Json]] = {
    "id": (None, 7, "x", [], "1.1"),
    "source": (None, 7, "", [], "x" * 201),
    "time": (None, "x", [], {"a": 1}, "9999-12-31T23:59:59Z", "2026-03-02T10:00:00", 1e300),
    "subject": (None, 7, "x", [], "k7q2-9mxf-4tba-3", "../K7Q2-9MXF-4TBA-3", "K7Q2-9MXF-4TBA-3\n"),
    "specversion": (None, 7, 1.0, "1.1", []),
    "datacontenttype": (None, 7, "application/xml", []),
    "data": (None, 7, "x", [], True),
}
"""What an attribute of an event cannot be."""

SUBJECT = re.compile(rb'"subject": "([^"]*)"')
"""Found so in what is no JSON any more."""

RARE = 9
"""So many rounds of all kinds pass before the next of those that fill a disk."""


class Forger:
    """Makes bad records from real ones.

    ``real``: records as they were said. ``neighbours``: numbers of cases that nothing may happen to. ``victims``:
    numbers of cases that may be lied about, which ``real`` speaks of.
    """

    def __init__(self, seed: int, real: Sequence[Record], neighbours: Sequence[str], victims: Sequence[str]) -> None:
        self._random = Random(seed)
        self._real = [record for record in real if _words(json.loads(record.value or b"")["data"])]
        self._topics = sorted({record.topic for record in real} | {NOTHING_HEARD})
        self._neighbours = neighbours
        self._victims = set(victims)
        self._of_victims = [record for record in real if record.key and record.key.decode() in self._victims]
        self._made = 0
        self._kinds: Mapping[str, Callable[[], Record]] = {
            name.removeprefix("_make_"): getattr(self, name) for name in dir(self) if name.startswith("_make_")
        }

    @property
    def kinds(self) -> Sequence[str]:
        """The names of all kinds of bad record."""
        return sorted(self._kinds)

    def records(self, count: int) -> Iterator[Record]:
        """So many bad records, of all kinds in turn."""
        usual = [kind for kind in self.kinds if kind != "huge"]
        kinds = [*usual * RARE, "huge"]
        for number in range(count):
            yield self._kinds[kinds[number % len(kinds)]]()

    # Broken: to be parked by whoever reads the topic, whatever it says.

    def _make_truncated(self) -> Record:
        one, value = self._any()
        return self._broken("truncated", one, value[: self._random.randrange(len(value))])

    def _make_not_text(self) -> Record:
        one, value = self._any()
        place = self._random.randrange(2, len(value))
        return self._broken("not_text", one, value[:place] + b"\xff\xfe" + value[place:])

    def _make_random_bytes(self) -> Record:
        one, _ = self._any()
        return self._broken("random_bytes", one, b"\x00" + self._random.randbytes(self._random.randrange(4000)))

    def _make_empty(self) -> Record:
        one, _ = self._any()
        key = self._random.choice([None, b"", one.key, self._random.randbytes(5)])
        value = self._random.choice([None, b"", b" "] if key is not None else [b"", b" "])
        return Record(one.topic, key, value, (), "empty", one.topic != NOTHING_HEARD)

    def _make_other_json(self) -> Record:
        one, _ = self._any()
        values = (
            b"null",
            b"[]",
            b"{}",
            b"0",
            b'""',
            b"[{}]",
            b"true",
            b'{"type":1}',
            b'{"type":"onedoor.timer.fired.v1"}',
        )
        return self._broken("other_json", one, b" " * self._random.randrange(200) + self._random.choice(values))

    def _make_no_json_inside(self) -> Record:
        one, value = self._any()
        return self._broken("no_json_inside", one, self._spliced(value, self._random.choice(RAW_VALUES)))

    def _make_nul(self) -> Record:
        one, value = self._any(fresh=True)
        return self._broken("nul", one, self._spliced(value, self._random.choice(NULS)), key=self._key_of(value))

    def _make_huge(self) -> Record:
        one, value = self._any()
        document = json.loads(value)
        document["data"]["more"] = "x" * (MAX_RECORD_BYTES + self._random.randrange(MAX_RECORD_BYTES))
        return self._broken("huge", one, json.dumps(document).encode())

    def _make_deep(self) -> Record:
        one, value = self._any()
        depth = self._random.choice((300, 5000, 60_000))
        opened, closed = self._random.choice(((b"[", b"]"), (b'{"a":', b"}")))
        middle = opened * depth + b"1" + closed * (depth if self._random.random() < 0.5 else 0)
        return self._broken("deep", one, self._spliced(value, middle[:MAX_RECORD_BYTES]))

    def _make_wrong_key(self) -> Record:
        one, value = self._any()
        other = self._random.choice(self._neighbours).encode()
        key = self._random.choice([None, b"", b"x", other[::-1], other.lower(), other + b" ", b"\xff" * 8, b"\x00"])
        return self._broken("wrong_key", one, value, key=key)

    def _make_wrong_topic(self) -> Record:
        one, value = self._any()
        topic = self._random.choice([topic for topic in self._topics if topic not in (one.topic, NOTHING_HEARD)])
        return self._broken("wrong_topic", Record(topic, one.key, one.value), self._renewed(value))

    def _make_unknown_type(self) -> Record:
        one, value = self._any()
        document = json.loads(value)
        version = document["type"].removesuffix("1")
        document["type"] = self._random.choice(
            (*MADE_UP_TYPES, f"{version}0", f"{version}2", f"{version}1.0", f"{version}")
        )
        return self._broken("unknown_type", one, json.dumps(document).encode())

    def _make_lacking(self) -> Record:
        one, value = self._any()
        document = json.loads(value)
        del document[self._random.choice(["id", "source", "type", "subject", "time", "data"])]
        return self._broken("lacking", one, json.dumps(document).encode())

    def _make_wrong_attribute(self) -> Record:
        one, value = self._any()
        document = json.loads(value)
        name = self._random.choice(sorted(WRONG_ATTRIBUTES))
        document[name] = self._random.choice(WRONG_ATTRIBUTES[name])
        return self._broken("wrong_attribute", one, json.dumps(document).encode())

    # Odd: about cases that are made up, so that whoever takes it harms nobody.

    def _make_bit_flips(self) -> Record:
        one, value = self._any(fresh=True)
        key = self._key_of(value)
        flipped = bytearray(value)
        for _ in range(self._random.choice((1, 1, 3, 30))):
            flipped[self._random.randrange(len(flipped))] ^= 1 << self._random.randrange(8)
        return self._odd("bit_flips", one, bytes(flipped), key)

    def _make_other_values(self) -> Record:
        one, value = self._any(fresh=True)
        document = json.loads(value)
        for _ in range(self._random.choice((1, 1, 2, 5))):
            holder, place = self._random.choice(list(_places(document["data"])))
            holder[place] = deepcopy(self._random.choice(ODD_VALUES))
        return self._odd("other_values", one, json.dumps(document).encode())

    def _make_large_numbers(self) -> Record:
        one, value = self._any(fresh=True)
        document = json.loads(value)
        numbers = [(holder, place) for holder, place in _places(document["data"]) if type(holder[place]) is int]
        if not numbers:
            return self._odd("large_numbers", one, self._spliced(value, BIG.encode()))
        for holder, place in numbers:
            holder[place] = "here"
        return self._odd("large_numbers", one, json.dumps(document).encode().replace(b'"here"', BIG.encode()))

    def _make_extra_and_twice(self) -> Record:
        one, value = self._any(fresh=True)
        document = json.loads(value)
        for holder in [document, document["data"], *(h for h, _ in _places(document["data"]) if type(h) is dict)]:
            holder["more\u0001"] = {"of": ["it"]}
        twice = json.dumps(document)[:-1] + f',"subject":"{document["subject"]}","specversion":"1.0"}}'
        return self._odd("extra_and_twice", one, twice.encode())

    def _make_made_up_case(self) -> Record:
        one, value = self._any(fresh=True)
        return self._odd("made_up_case", one, value)

    def _make_longest(self) -> Record:
        """Everything as long as it may be, on a made-up case."""
        one, value = self._any(fresh=True)
        document = json.loads(value)
        for holder, place in _places(document["data"]):
            if isinstance(holder[place], str) and " " in holder[place]:
                holder[place] = self._random.choice(("字", "😀", "\u202e", "\\", '"', "\n", "'", "/", "\x01")) * 200
        return self._odd("longest", one, json.dumps(document).encode())

    def _make_long_ago(self) -> Record:
        """Cases that were accepted long ago and are late by years, one after the other."""
        accepted = [record for record in self._real if b'"onedoor.case.accepted.v1"' in (record.value or b"")]
        one = self._random.choice(accepted)
        document = json.loads(self._fresh(one.value or b""))
        document["data"]["accepted_at"] = f"{self._random.randrange(1900, 2026)}-03-02T09:00:00Z"
        document["data"]["plan"]["lead_department"] = self._random.choice(("\\u0000", "\x01", "'", "😀" * 200))
        return self._odd("long_ago", one, json.dumps(document).encode(), document["subject"].encode())

    def _make_odd_headers(self) -> Record:
        one, value = self._any(fresh=True)
        names = ("content-type", "", "x" * 5000, "ключ", "ce_type", "\x00")
        contents = (b"", b"\xff\xfe", b"x" * 50_000, b"application/cloudevents+json; charset=utf-16", b"\x00")
        headers = tuple((self._random.choice(names), self._random.choice(contents)) for _ in range(5))
        return Record(one.topic, self._key_of(value), value, headers, "odd_headers")

    # Forged: well formed, and lies about a victim.

    def _make_forged(self) -> Record:
        one = self._random.choice(self._of_victims)
        document = json.loads(self._renewed(one.value or b""))
        other = json.loads(self._random.choice(self._of_victims).value or b"")
        for name in set(document["data"]) & set(other["data"]) - {"task_id"}:
            if self._random.random() < 0.5:
                document["data"][name] = other["data"][name]
        return self._odd("forged", one, json.dumps(document).encode(), one.key)

    def _make_said_again(self) -> Record:
        """A real record as it was: its case has heard it."""
        one = self._random.choice(self._real)
        return Record(one.topic, one.key, one.value, one.headers, "said_again")

    def _any(self, *, fresh: bool = False) -> tuple[Record, bytes]:
        """A real record of any case, and its content under a new id; ``fresh``: as if it were about another case."""
        one = self._random.choice(self._real)
        value = one.value or b""
        return one, self._fresh(value) if fresh else self._renewed(value)

    def _fresh(self, value: bytes) -> bytes:
        before = json.loads(value)["subject"]
        return self._renewed(value).replace(before.encode(), self._number().encode())

    def _renewed(self, value: bytes) -> bytes:
        document = json.loads(value)
        document["id"] = str(UUID(int=self._random.getrandbits(128)))
        return json.dumps(document, ensure_ascii=False).encode()

    def _number(self) -> str:
        """The number of a case that there is not: none of ours begins with the letter U."""
        letters = "".join(self._random.choices("0123456789ABCDEFGHJKMNPQRSTVWXYZ", k=12))
        return f"U{letters[1:4]}-{letters[4:8]}-{letters[8:]}-{letters[0]}"

    def _key_of(self, value: bytes) -> bytes:
        found = SUBJECT.search(value)
        return found[1] if found else b""

    def _spliced(self, value: bytes, instead: bytes) -> bytes:
        """The value with these bytes in place of one that a department, a person or a clock has written."""
        document = json.loads(value)
        holder, place = self._random.choice(_words(document["data"]))
        holder[place] = "instead-of-this"
        return json.dumps(document, ensure_ascii=False).encode().replace(b'"instead-of-this"', instead)

    def _broken(self, kind: str, one: Record, value: bytes, key: bytes | bool | None = True) -> Record:
        chosen = one.key if isinstance(key, bool) else key
        return Record(one.topic, chosen, value, (), kind, one.topic != NOTHING_HEARD)

    def _odd(self, kind: str, one: Record, value: bytes, key: bytes | None = None) -> Record:
        return Record(one.topic, self._key_of(value) if key is None else key, value, (), kind)


def _words(part: Json) -> list[tuple[Any, Any]]:
    """The places that hold text."""
    return [(holder, place) for holder, place in _places(part) if isinstance(holder[place], str)]


def _places(part: Json) -> Iterator[tuple[Any, Any]]:
    """Every place in a document that holds something: its holder, and the key or index there."""
    places = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
    for place, content in list(places):
        yield part, place
        yield from _places(content)
