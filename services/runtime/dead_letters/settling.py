"""Operators settle dead letters: they replay, drop or correct them. What cannot be settled stays parked, with why."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.bilingual import Bilingual
from contracts.rights.actor import Actor
from services.runtime.dead_letters.content import STATUSES, as_utf8
from services.runtime.dead_letters.corrections import (
    Corrected,
    Correction,
    CorrectReply,
    NotCorrectable,
    corrected_record,
)
from services.runtime.security.access_record import AccessEntry
from services.runtime.store import dead_letters
from services.runtime.store.cases import state_of
from services.runtime.store.dead_letters import EXTERNAL, ParkedLetter

LETTERS_AT_ONCE = 1000
"""Number of letters of one case that are settled at once at most."""

ABSENT = Bilingual(
    "does not exist here; check its number: each service numbers its own", "不存在；请核对编号，各服务自行编号"
)
"""Why a letter cannot be settled, as the rest of a sentence that begins with it."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Letters by their numbers, or all parked ones of a case."""

    numbers: Sequence[int] = ()
    case_id: str | None = None


MakeEntry = Callable[..., AccessEntry]
"""Makes the entry of the record of access, of the case and of what else is named."""


@dataclass(frozen=True, slots=True)
class Settler:
    """The person who settles letters. ``make_entry``: for an act that is not on record by its request."""

    actor: Actor | None
    make_entry: MakeEntry | None = None

    def entry_of(self, letters: Sequence[ParkedLetter], settled: Sequence[int], how: str) -> AccessEntry | None:
        """The entry for letters that are settled at once."""
        if self.make_entry is None:
            return None
        cases = {letter.case_id for letter in letters if letter.number in settled}
        case_id = cases.pop() if len(cases) == 1 else None
        return self.make_entry(case_id=case_id or None, letters=", ".join(map(str, settled)), settled=how)


@dataclass(frozen=True, slots=True)
class Settled:
    """The numbers of the letters that were settled, and why each of the others stays as it is."""

    numbers: tuple[int, ...]
    refused: tuple[tuple[int, Bilingual], ...]
    more: bool = False
    """Whether the case may have more letters."""


async def replay(database: AsyncEngine, wanted: Wanted, settler: Settler, reason: str | None = None) -> Settled:
    """Replay letters in the order in which they were parked."""
    found, missing = await _find(database, wanted)
    obstacles = {letter.number: why for letter in found if (why := obstacle(letter)) is not None}
    good = tuple(letter.number for letter in found if letter.number not in obstacles)
    await dead_letters.replay(database, good, settler.actor, reason, settler.entry_of(found, good, "replayed"))
    return _settled(wanted, found, good, {**missing, **obstacles})


async def drop(database: AsyncEngine, wanted: Wanted, settler: Settler, reason: str | None) -> Settled:
    """Drop letters. They remain on record, with the person and the reason if there are any."""
    found, missing = await _find(database, wanted)
    good = tuple(letter.number for letter in found if letter.status == "parked")
    settled = {letter.number: is_settled(letter) for letter in found if letter.status != "parked"}
    await dead_letters.drop(database, good, settler.actor, reason, settler.entry_of(found, good, "dropped"))
    return _settled(wanted, found, good, {**missing, **settled})


async def correct(
    database: AsyncEngine,
    number: int,
    correction: Correction,
    correct_reply: CorrectReply | None,
    make_entry: MakeEntry | None = None,
) -> Corrected:
    """Publish a corrected record in place of a letter. Raises `NotCorrectable`."""
    found = await dead_letters.letters(database, status=None, number=number)
    if not found:
        raise NotCorrectable(*ABSENT)
    (letter,) = found
    if letter.status != "parked":
        raise NotCorrectable(*is_settled(letter))
    state = await state_of(database, letter.case_id)
    made = corrected_record(letter, correction, correct_reply, state)
    if not await dead_letters.correct(
        database,
        number,
        made.case_id,
        made.topic,
        made.event,
        actor=correction.actor,
        reason=correction.reason,
        entry=make_entry(case_id=made.case_id, letter=number, settled="corrected") if make_entry else None,
    ):
        raise NotCorrectable("has been settled meanwhile; nothing is left to do", "期间已处理，无须再操作")
    return made


def obstacle(letter: ParkedLetter) -> Bilingual | None:
    """Why this letter cannot be replayed; None if it can."""
    if letter.status != "parked":
        return is_settled(letter)
    if letter.topic == EXTERNAL:
        return Bilingual(
            "is an answer of a department's system: correct it, or drop it if the department repeats it without fault",
            "是部门系统的答复：请更正；部门会无误地重发时，请丢弃",
        )
    if not letter.case_id:
        return Bilingual(
            "names no case, so it has no place in any order: correct its producer, then drop it",
            "未写明办件，无法确定次序：请先更正其来源，再丢弃",
        )
    if letter.value is None:
        return Bilingual("is empty: drop it", "内容为空：请丢弃")
    if as_utf8(letter.value) is None or b"\0" in letter.value:
        return Bilingual(
            "is not text in UTF-8, so not a message of a service: drop it",
            "不是 UTF-8 文字，因而不是服务的消息：请丢弃",
        )
    return None


def is_settled(letter: ParkedLetter) -> Bilingual:
    """That nothing is left to do about a letter."""
    return Bilingual(
        f"has been {letter.status} already; nothing is left to do", f"{STATUSES[letter.status]}，无须再操作"
    )


async def _find(database: AsyncEngine, wanted: Wanted) -> tuple[list[ParkedLetter], dict[int, Bilingual]]:
    """The letters, and each number that does not exist."""
    if wanted.case_id is not None:
        return await dead_letters.letters(database, case_id=wanted.case_id, limit=LETTERS_AT_ONCE), {}
    found: list[ParkedLetter] = []
    missing: dict[int, Bilingual] = {}
    for number in sorted(set(wanted.numbers)):
        letters = await dead_letters.letters(database, status=None, number=number)
        found += letters
        if not letters:
            missing[number] = ABSENT
    return found, missing


def _settled(
    wanted: Wanted, found: Sequence[ParkedLetter], good: tuple[int, ...], refused: dict[int, Bilingual]
) -> Settled:
    more = wanted.case_id is not None and len(found) == LETTERS_AT_ONCE
    return Settled(good, tuple(refused.items()), more)
