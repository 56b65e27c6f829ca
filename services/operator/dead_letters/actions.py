"""Lists, shows, replays, corrects and drops dead letters."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import typer
from rich.console import Console
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.bilingual import both
from contracts.rights.table import Act
from services.files import limited_content
from services.operator.databases import Unreachable, WrongChoice, chosen, on, on_service
from services.operator.dead_letters.corrections import Corrected, NotCorrectable, corrected_record, parse_edit
from services.operator.dead_letters.text import STATUS_ZH, as_utf8, detail, table
from services.operator.login.actor import Caller, calling
from services.operator.options import DatabaseOptions
from services.operator.output import end, file_errors, print_remark, print_result, wrong_option
from services.runtime.security.access_record import AccessEntry
from services.runtime.store import dead_letters
from services.runtime.store.cases import state_of
from services.runtime.store.dead_letters import EXTERNAL, ParkedLetter

LETTERS_AT_ONCE = 1000
"""Number of letters of one case that one command settles at most."""

PIPED_WIDTH = 400
"""Columns of a table that goes into a file or another program."""


@dataclass(frozen=True, slots=True)
class Settled:
    """The result of a command. ``refused`` has a line for each letter that stays as it is."""

    numbers: tuple[int, ...]
    refused: tuple[str, ...]
    more: bool = False
    """Whether the case may have more letters."""


Settle: TypeAlias = Callable[[AsyncEngine, Sequence[int], str | None, Caller], Awaitable[Settled]]


def list_letters(
    service: str | None, options: DatabaseOptions, case_id: str | None, status: str | None, limit: int
) -> bool:
    """Print the letters of one service, or of all. Returns whether a database could not be read."""
    try:
        databases = chosen(service, options)
    except WrongChoice as wrong:
        raise wrong_option(wrong.en, wrong.zh) from None
    found: list[tuple[str, ParkedLetter]] = []
    failed = False
    for name, address in databases.items():
        try:
            rows = on(address, lambda engine: dead_letters.letters(engine, status=status, case_id=case_id, limit=limit))
        except Unreachable as failure:
            typer.echo(str(failure), err=True)
            failed = True
            continue
        found += [(name, row) for row in rows]
        if len(rows) == limit:
            print_remark(
                f"{name or 'this service'} may have more than {limit}: raise --limit",
                f"可能多于 {limit} 封：请加大 --limit",
            )
    if found:
        console = Console()
        console.width = console.width if console.is_terminal else PIPED_WIDTH
        console.print(table(found))
    elif not failed:
        print_result("none", "没有")
    return failed


def show_letter(number: int, service: str | None, options: DatabaseOptions, *, raw: bool) -> None:
    """Print everything about one letter: its content with what may be personal data masked, or as it is."""
    found = on_service(service, options, lambda engine: dead_letters.letters(engine, status=None, number=number))
    if not found:
        raise end(_about(number, ABSENT))
    if raw:
        print_remark(
            "This may contain personal data: do not copy it anywhere.", "以下可能含有个人信息：请勿复制到他处。"
        )
    for line in detail(found[0], raw=raw):
        typer.echo(line)


def settle(
    done: tuple[str, str],
    work: Settle,
    numbers: list[int] | None,
    case_id: str | None,
    service: str | None,
    options: DatabaseOptions,
) -> bool:
    """Replay or drop letters, and print what was ``done``. Returns whether some stay as they are."""
    if bool(numbers) == bool(case_id):
        raise wrong_option(
            "name either numbers of letters or a --case", "请填写死信编号，或用 --case 指定办件，二者选一"
        )
    caller = calling(options, service, Act.SETTLE_DEAD_LETTER)
    settled = on_service(service, options, lambda engine: work(engine, numbers or [], case_id, caller))
    typer.echo(f"{both(*done)}: {', '.join(map(str, settled.numbers)) or both('none', '没有')}")
    for line in settled.refused:
        typer.echo(line, err=True)
    if settled.more:
        print_remark("the case may have more: run the same command again", "该办件可能还有死信：请再次运行同一命令")
    return bool(settled.refused)


def correct_letter(
    number: int,
    service: str | None,
    options: DatabaseOptions,
    sets: Sequence[str],
    file: Path | None,
    *,
    reason: str,
) -> None:
    """Publish a corrected record in place of one letter, and print what holds now."""
    with file_errors():
        content = limited_content(file) if file is not None else None
    caller = calling(options, service, Act.SETTLE_DEAD_LETTER)

    async def work(database: AsyncEngine) -> Corrected:
        found = await dead_letters.letters(database, status=None, number=number)
        if not found:
            raise NotCorrectable(*ABSENT)
        (letter,) = found
        if letter.status != "parked":
            raise NotCorrectable(*_settled(letter))
        state = await state_of(database, letter.case_id)
        made = corrected_record(letter, [parse_edit(one) for one in sets], content, caller.actor, reason, state)
        if not await dead_letters.correct(
            database,
            number,
            made.case_id,
            made.topic,
            made.event,
            actor=caller.actor,
            reason=reason,
            entry=caller.entry(case_id=made.case_id, letter=number, settled="corrected"),
        ):
            raise NotCorrectable("has been settled meanwhile; nothing is left to do", "期间已处理，无须再操作")
        return made

    try:
        made = on_service(service, options, work)
    except NotCorrectable as refused:
        raise end(_about(number, (refused.en, refused.zh))) from None
    typer.echo(f"{both('corrected', '已更正')}: {number}")
    print_result(
        f"the service processes it on {made.topic}; see the case's other letters: list --case {made.case_id}",
        f"服务将从 {made.topic} 处理；该办件的其他死信见 list --case {made.case_id}",
    )


async def replay(database: AsyncEngine, numbers: Sequence[int], case_id: str | None, caller: Caller) -> Settled:
    """Replay letters in the order in which they were parked. Those that cannot be replayed stay parked."""
    found, missing, more = await _wanted(database, numbers, case_id)
    obstacles = {letter.number: why for letter in found if (why := obstacle(letter)) is not None}
    good = tuple(letter.number for letter in found if letter.number not in obstacles)
    await dead_letters.replay(database, good, caller.actor, _entry(caller, found, good, "replayed"))
    return Settled(good, (*missing, *(_about(number, why) for number, why in obstacles.items())), more)


async def drop(
    database: AsyncEngine, numbers: Sequence[int], case_id: str | None, caller: Caller, *, reason: str | None
) -> Settled:
    """Drop letters. They remain on record, with the person and the reason if there are any."""
    found, missing, more = await _wanted(database, numbers, case_id)
    good = tuple(letter.number for letter in found if letter.status == "parked")
    settled = tuple(_about(one.number, _settled(one)) for one in found if one.status != "parked")
    await dead_letters.drop(database, good, caller.actor, reason, _entry(caller, found, good, "dropped"))
    return Settled(good, (*missing, *settled), more)


def _entry(caller: Caller, letters: Sequence[ParkedLetter], settled: Sequence[int], how: str) -> AccessEntry:
    """The entry of the record of access for letters that were settled at once."""
    cases = {letter.case_id for letter in letters if letter.number in settled}
    case_id = cases.pop() if len(cases) == 1 else None
    return caller.entry(case_id=case_id or None, letters=", ".join(map(str, settled)), settled=how)


async def _wanted(
    database: AsyncEngine, numbers: Sequence[int], case_id: str | None
) -> tuple[list[ParkedLetter], list[str], bool]:
    """The letters, a line for each number that does not exist, and whether the case may have more."""
    if case_id is not None:
        of_case = await dead_letters.letters(database, case_id=case_id, limit=LETTERS_AT_ONCE)
        nothing = both(
            f"case {case_id} has no parked letter here; check its number, and --service",
            f"办件 {case_id} 在此没有待处理的死信；请核对办件编号和 --service",
        )
        missing = [] if of_case else [nothing]
        return of_case, missing, len(of_case) == LETTERS_AT_ONCE
    found, missing = [], []
    for number in sorted(set(numbers)):
        letters = await dead_letters.letters(database, status=None, number=number)
        found += letters
        missing += [] if letters else [_about(number, ABSENT)]
    return found, missing, False


def obstacle(letter: ParkedLetter) -> tuple[str, str] | None:
    """Why this letter cannot be replayed, in each language; None if it can."""
    if letter.status != "parked":
        return _settled(letter)
    if letter.topic == EXTERNAL:
        return (
            "is an answer of a department's system: correct it, or drop it if the department repeats it without fault",
            "是部门系统的答复：请更正；部门会无误地重发时，请丢弃",
        )
    if not letter.case_id:
        return (
            "names no case, so it has no place in any order: correct its producer, then drop it",
            "未写明办件，无法确定次序：请先更正其来源，再丢弃",
        )
    if letter.value is None:
        return "is empty: drop it", "内容为空：请丢弃"
    if as_utf8(letter.value) is None or b"\0" in letter.value:
        return (
            "is not text in UTF-8, so not a message of a service: drop it",
            "不是 UTF-8 文字，因而不是服务的消息：请丢弃",
        )
    return None


ABSENT = (
    "does not exist here; check its number, and --service, since each service numbers its own",
    "不存在；请核对编号和 --service，各服务自行编号",
)


def _settled(letter: ParkedLetter) -> tuple[str, str]:
    return f"has been {letter.status} already; nothing is left to do", f"{STATUS_ZH[letter.status]}，无须再操作"


def _about(number: int, what: tuple[str, str]) -> str:
    return both(f"letter {number} {what[0]}", f"死信 {number}：{what[1]}")
