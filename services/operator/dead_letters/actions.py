"""Lists, shows, replays, corrects and drops dead letters."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeAlias

import typer
from rich.console import Console
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.bilingual import Bilingual, both
from contracts.rights.table import Act
from services.departments.sdk.corrections import correct_reply
from services.files import limited_content
from services.operator.databases import Unreachable, WrongChoice, chosen, on, on_service
from services.operator.dead_letters.text import detail, table
from services.operator.login.actor import calling, put_on_record
from services.operator.options import DatabaseOptions
from services.operator.output import end, file_errors, print_remark, print_result, wrong_option
from services.runtime.dead_letters import settling
from services.runtime.dead_letters.corrections import Correction, NotCorrectable, parse_edit
from services.runtime.dead_letters.settling import ABSENT, Settled, Settler, Wanted
from services.runtime.security.access_record import Outcome
from services.runtime.store import dead_letters
from services.runtime.store.dead_letters import ParkedLetter

PIPED_WIDTH = 400
"""Columns of a table that goes into a file or another program."""


Settle: TypeAlias = Callable[[AsyncEngine, Wanted, Settler], Awaitable[Settled]]
"""Replays or drops letters."""


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
    """Print everything about one letter: its content with what may be personal data masked, or as it is.

    Who sees it as it is needs the right to, and is on record before it is printed.
    """
    caller = calling(options, service, Act.READ_DEAD_LETTER) if raw else None
    found = on_service(service, options, lambda engine: dead_letters.letters(engine, status=None, number=number))
    if not found:
        raise end(_about(number, ABSENT))
    if caller is not None:
        put_on_record(service, options, caller.entry(Outcome.GIVEN, case_id=found[0].case_id or None, number=number))
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
    wanted, settler = Wanted(numbers or (), case_id), Settler(caller.actor, caller.entry)
    settled = on_service(service, options, lambda engine: work(engine, wanted, settler))
    typer.echo(f"{both(*done)}: {', '.join(map(str, settled.numbers)) or both('none', '没有')}")
    for number, why in settled.refused:
        typer.echo(_about(number, why), err=True)
    if case_id is not None and not settled.numbers and not settled.refused:
        nothing = both(
            f"case {case_id} has no parked letter here; check its number, and --service",
            f"办件 {case_id} 在此没有待处理的死信；请核对办件编号和 --service",
        )
        typer.echo(nothing, err=True)
        return True
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
    try:
        correction = Correction([parse_edit(one) for one in sets], content, reason, caller.actor)
        work = partial(settling.correct, make_entry=caller.entry)
        made = on_service(service, options, lambda engine: work(engine, number, correction, correct_reply))
    except NotCorrectable as refused:
        raise end(_about(number, Bilingual(refused.en, refused.zh))) from None
    typer.echo(f"{both('corrected', '已更正')}: {number}")
    print_result(
        f"the service processes it on {made.topic}; see the case's other letters: list --case {made.case_id}",
        f"服务将从 {made.topic} 处理；该办件的其他死信见 list --case {made.case_id}",
    )


def _about(number: int, what: Bilingual) -> str:
    return both(f"letter {number} {what.en}", f"死信 {number}：{what.zh}")
