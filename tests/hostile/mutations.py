"""Bad records made from real ones, the same for the same seed.

There are three sorts. A *broken* record must be parked by every consumer. An *odd* record may be processed or parked,
so it is about a case that does not exist. A *forged* record is well formed and untrue, and about a targeted case.
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

UNREAD_TOPIC = "onedoor.alerts"
"""The topic without consumers."""


@dataclass(frozen=True, slots=True)
class Record:
    """A record in Kafka, or to be published. ``kind`` is empty for a real one."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    kind: str = ""
    must_be_parked: bool = False


BIG_NUMBER = "9" * 4000
"""Digits of a number that JSON allows and few programs can read."""

ODD_VALUES: Sequence[Json] = (
    *(None, True, False, 0, -1, 2**31, 2**63, 2**64, 10**300, 0.1, -0.0, 1e308, "", " ", "\n", "0", "-1", "null"),
    *([], {}, [[]], [None], {"": None}, ["x"] * 1000, "x" * 201, "x" * 100_000, "😀" * 200, "\u202e\u200b\ufeff", "Ａ"),
    *("../../../../etc/passwd", "'; DROP TABLE cases; --", "%s%n", "${jndi:ldap://x}", "\x1b[2J", "\x7f\x01"),
    *("1899-12-31T23:59:59Z", "2300-01-01T00:00:01Z", "9999-12-31T23:59:59Z", "0000-00-00T00:00:00Z"),
    *("2026-02-30T00:00:00Z", "2026-03-02T10:00:00", "2026-03-02T24:00:00+25:00", "10000-01-01T00:00:00Z", 1e18),
    *("approved ", "APPROVED", "onedoor.case.accepted.v2", "00000000-0000-0000-0000-000000000000"),
)
"""Replacements of any value."""

RAW_VALUES = (
    *(b"NaN", b"Infinity", b"-Infinity", b"1e400", b"-1e400", b"0x10", b"01", b"1.", b".1", b"+1", b"1e", b"--1"),
    *(b'"\\ud800"', b'"\\udc00\\ud800"', b'"\\u12"', b'"\\x00"', b'"\xff\xfe"', b'"\xc0\x80"', b'"\xed\xa0\x80"'),
    *(b"undefined", b"'x'", b"[1,]", b"{,}", b'"', b"/**/1", b'"a\tb"', b'"a\x00b"'),
)
"""Replacements of any value that are not JSON."""

NULS = (b'"\\u0000"', b'"a\\u0000b"')
"""Valid JSON whose text PostgreSQL cannot store."""


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
"""Invalid values of the attributes of an event."""

SUBJECT = re.compile(rb'"subject": "([^"]*)"')
"""Finds the case number in a value that is no longer JSON."""

ROUNDS_PER_HUGE_RECORD = 9
"""Rounds of all other kinds between two huge records, which would fill the disk."""


class BadRecordMaker:
    """Makes bad records from real ones.

    ``originals``: records as they were published, some of them about ``targeted``. ``untouched``: numbers of cases that
    must not change. ``targeted``: numbers of cases about which forged records lie.
    """

    def __init__(
        self, seed: int, originals: Sequence[Record], untouched: Sequence[str], targeted: Sequence[str]
    ) -> None:
        self._random = Random(seed)
        self._originals = [record for record in originals if _texts(json.loads(record.value or b"")["data"])]
        self._topics = sorted({record.topic for record in originals} | {UNREAD_TOPIC})
        self._untouched = untouched
        self._targeted = set(targeted)
        self._of_targeted = [record for record in originals if record.key and record.key.decode() in self._targeted]
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
        kinds = [*usual * ROUNDS_PER_HUGE_RECORD, "huge"]
        for number in range(count):
            yield self._kinds[kinds[number % len(kinds)]]()

    # Broken: every consumer of the topic must park them.

    def _make_truncated(self) -> Record:
        original, value = self._pick()
        return self._broken("truncated", original, value[: self._random.randrange(len(value))])

    def _make_not_text(self) -> Record:
        original, value = self._pick()
        place = self._random.randrange(2, len(value))
        return self._broken("not_text", original, value[:place] + b"\xff\xfe" + value[place:])

    def _make_random_bytes(self) -> Record:
        original, _ = self._pick()
        return self._broken("random_bytes", original, b"\x00" + self._random.randbytes(self._random.randrange(4000)))

    def _make_empty(self) -> Record:
        original, _ = self._pick()
        key = self._random.choice([None, b"", original.key, self._random.randbytes(5)])
        value = self._random.choice([None, b"", b" "] if key is not None else [b"", b" "])
        return Record(original.topic, key, value, (), "empty", original.topic != UNREAD_TOPIC)

    def _make_other_json(self) -> Record:
        original, _ = self._pick()
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
        return self._broken("other_json", original, b" " * self._random.randrange(200) + self._random.choice(values))

    def _make_no_json_inside(self) -> Record:
        original, value = self._pick()
        return self._broken("no_json_inside", original, self._spliced(value, self._random.choice(RAW_VALUES)))

    def _make_nul(self) -> Record:
        original, value = self._pick(fresh=True)
        return self._broken("nul", original, self._spliced(value, self._random.choice(NULS)), key=self._key_of(value))

    def _make_huge(self) -> Record:
        original, value = self._pick()
        document = json.loads(value)
        document["data"]["more"] = "x" * (MAX_RECORD_BYTES + self._random.randrange(MAX_RECORD_BYTES))
        return self._broken("huge", original, json.dumps(document).encode())

    def _make_deep(self) -> Record:
        original, value = self._pick()
        depth = self._random.choice((300, 5000, 60_000))
        opened, closed = self._random.choice(((b"[", b"]"), (b'{"a":', b"}")))
        middle = opened * depth + b"1" + closed * (depth if self._random.random() < 0.5 else 0)
        return self._broken("deep", original, self._spliced(value, middle[:MAX_RECORD_BYTES]))

    def _make_wrong_key(self) -> Record:
        original, value = self._pick()
        other = self._random.choice(self._untouched).encode()
        key = self._random.choice([None, b"", b"x", other[::-1], other.lower(), other + b" ", b"\xff" * 8, b"\x00"])
        return self._broken("wrong_key", original, value, key=key)

    def _make_wrong_topic(self) -> Record:
        original, value = self._pick()
        topic = self._random.choice([topic for topic in self._topics if topic not in (original.topic, UNREAD_TOPIC)])
        return self._broken("wrong_topic", Record(topic, original.key, original.value), self._renewed(value))

    def _make_unknown_type(self) -> Record:
        original, value = self._pick()
        document = json.loads(value)
        version = document["type"].removesuffix("1")
        document["type"] = self._random.choice(
            (*MADE_UP_TYPES, f"{version}0", f"{version}2", f"{version}1.0", f"{version}")
        )
        return self._broken("unknown_type", original, json.dumps(document).encode())

    def _make_lacking(self) -> Record:
        original, value = self._pick()
        document = json.loads(value)
        del document[self._random.choice(["id", "source", "type", "subject", "time", "data"])]
        return self._broken("lacking", original, json.dumps(document).encode())

    def _make_wrong_attribute(self) -> Record:
        original, value = self._pick()
        document = json.loads(value)
        name = self._random.choice(sorted(WRONG_ATTRIBUTES))
        document[name] = self._random.choice(WRONG_ATTRIBUTES[name])
        return self._broken("wrong_attribute", original, json.dumps(document).encode())

    # Odd: about cases that do not exist, so that processing them harms nobody.

    def _make_bit_flips(self) -> Record:
        original, value = self._pick(fresh=True)
        key = self._key_of(value)
        flipped = bytearray(value)
        for _ in range(self._random.choice((1, 1, 3, 30))):
            flipped[self._random.randrange(len(flipped))] ^= 1 << self._random.randrange(8)
        return self._odd("bit_flips", original, bytes(flipped), key)

    def _make_other_values(self) -> Record:
        original, value = self._pick(fresh=True)
        document = json.loads(value)
        for _ in range(self._random.choice((1, 1, 2, 5))):
            holder, place = self._random.choice(list(_places(document["data"])))
            holder[place] = deepcopy(self._random.choice(ODD_VALUES))
        return self._odd("other_values", original, json.dumps(document).encode())

    def _make_large_numbers(self) -> Record:
        original, value = self._pick(fresh=True)
        document = json.loads(value)
        numbers = [(holder, place) for holder, place in _places(document["data"]) if type(holder[place]) is int]
        if not numbers:
            return self._odd("large_numbers", original, self._spliced(value, BIG_NUMBER.encode()))
        for holder, place in numbers:
            holder[place] = "here"
        return self._odd(
            "large_numbers", original, json.dumps(document).encode().replace(b'"here"', BIG_NUMBER.encode())
        )

    def _make_extra_and_twice(self) -> Record:
        original, value = self._pick(fresh=True)
        document = json.loads(value)
        for holder in [document, document["data"], *(h for h, _ in _places(document["data"]) if type(h) is dict)]:
            holder["more\u0001"] = {"of": ["it"]}
        twice = json.dumps(document)[:-1] + f',"subject":"{document["subject"]}","specversion":"1.0"}}'
        return self._odd("extra_and_twice", original, twice.encode())

    def _make_made_up_case(self) -> Record:
        original, value = self._pick(fresh=True)
        return self._odd("made_up_case", original, value)

    def _make_longest(self) -> Record:
        """All texts as long as allowed."""
        original, value = self._pick(fresh=True)
        document = json.loads(value)
        for holder, place in _places(document["data"]):
            if isinstance(holder[place], str) and " " in holder[place]:
                holder[place] = self._random.choice(("字", "😀", "\u202e", "\\", '"', "\n", "'", "/", "\x01")) * 200
        return self._odd("longest", original, json.dumps(document).encode())

    def _make_long_ago(self) -> Record:
        """Cases that were accepted long ago and are years late."""
        accepted = [record for record in self._originals if b'"onedoor.case.accepted.v1"' in (record.value or b"")]
        original = self._random.choice(accepted)
        document = json.loads(self._fresh(original.value or b""))
        document["data"]["accepted_at"] = f"{self._random.randrange(1900, 2026)}-03-02T09:00:00Z"
        document["data"]["plan"]["lead_department"] = self._random.choice(("\\u0000", "\x01", "'", "😀" * 200))
        return self._odd("long_ago", original, json.dumps(document).encode(), document["subject"].encode())

    def _make_odd_headers(self) -> Record:
        original, value = self._pick(fresh=True)
        names = ("content-type", "", "x" * 5000, "ключ", "ce_type", "\x00")
        contents = (b"", b"\xff\xfe", b"x" * 50_000, b"application/cloudevents+json; charset=utf-16", b"\x00")
        headers = tuple((self._random.choice(names), self._random.choice(contents)) for _ in range(5))
        return Record(original.topic, self._key_of(value), value, headers, "odd_headers")

    # Forged: well formed and untrue, about a targeted case.

    def _make_forged(self) -> Record:
        original = self._random.choice(self._of_targeted)
        document = json.loads(self._renewed(original.value or b""))
        other = json.loads(self._random.choice(self._of_targeted).value or b"")
        for name in set(document["data"]) & set(other["data"]) - {"task_id"}:
            if self._random.random() < 0.5:
                document["data"][name] = other["data"][name]
        return self._odd("forged", original, json.dumps(document).encode(), original.key)

    def _make_repeated(self) -> Record:
        """A real record again, which its case has processed."""
        original = self._random.choice(self._originals)
        return Record(original.topic, original.key, original.value, original.headers, "repeated")

    def _pick(self, *, fresh: bool = False) -> tuple[Record, bytes]:
        """A real record and its value with a new id; ``fresh``: about a case that does not exist."""
        original = self._random.choice(self._originals)
        value = original.value or b""
        return original, self._fresh(value) if fresh else self._renewed(value)

    def _fresh(self, value: bytes) -> bytes:
        before = json.loads(value)["subject"]
        return self._renewed(value).replace(before.encode(), self._number().encode())

    def _renewed(self, value: bytes) -> bytes:
        document = json.loads(value)
        document["id"] = str(UUID(int=self._random.getrandbits(128)))
        return json.dumps(document, ensure_ascii=False).encode()

    def _number(self) -> str:
        """The number of a case that does not exist: no real one begins with U."""
        random = "".join(self._random.choices("0123456789ABCDEFGHJKMNPQRSTVWXYZ", k=12))
        return f"U{random[1:4]}-{random[4:8]}-{random[8:]}-{random[0]}"

    def _key_of(self, value: bytes) -> bytes:
        found = SUBJECT.search(value)
        return found[1] if found else b""

    def _spliced(self, value: bytes, instead: bytes) -> bytes:
        """The value with these bytes in place of one random text of its data."""
        document = json.loads(value)
        holder, place = self._random.choice(_texts(document["data"]))
        holder[place] = "instead-of-this"
        return json.dumps(document, ensure_ascii=False).encode().replace(b'"instead-of-this"', instead)

    def _broken(self, kind: str, original: Record, value: bytes, key: bytes | bool | None = True) -> Record:
        chosen = original.key if isinstance(key, bool) else key
        return Record(original.topic, chosen, value, (), kind, original.topic != UNREAD_TOPIC)

    def _odd(self, kind: str, original: Record, value: bytes, key: bytes | None = None) -> Record:
        return Record(original.topic, self._key_of(value) if key is None else key, value, (), kind)


def _texts(part: Json) -> list[tuple[Any, Any]]:
    """The places that hold text."""
    return [(holder, place) for holder, place in _places(part) if isinstance(holder[place], str)]


def _places(part: Json) -> Iterator[tuple[Any, Any]]:
    """Every place of a document: its container, and the key or index there."""
    places = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
    for place, content in list(places):
        yield part, place
        yield from _places(content)
