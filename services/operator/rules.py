"""``onedoor rules``: the calendars, hours and ladders by which monitor holds commitments, and what follows from new
ones."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from services.operator.monitor_commands import Database, Folder, Yes, read_file, stop

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from sqlalchemy.ext.asyncio import AsyncEngine

    from contracts.values import Value
    from contracts.working_time.notices import Notice
    from services.monitor.core.rules import RuleFile, RuleSet
    from services.runtime.store.documents import Edition, Progress

T = TypeVar("T")

app = typer.Typer(
    help="The calendars, hours and ladders in force, and what other ones would change.", no_args_is_help=True
)

File = Annotated[Path | None, typer.Argument(help="A rule file; without one, the rules in force stay.")]
Calendars = Annotated[Path, typer.Option(help="Folder of the notices of holidays in force.")]

CALENDARS = Path("data") / "calendars"
LISTED = 20
LOOK_S = 0.5


@app.command("list")
def list_(database: Database = "", folder: Folder = None) -> None:
    """List the last documents, the newest first, and how far open cases follow."""
    for one in _on(database, folder, _progress):
        typer.echo(_line(one))


@app.command()
def show(database: Database = "", folder: Folder = None) -> None:
    """Print the rules in force, as a rule file that can be changed and applied."""
    from services.monitor.store import rule_store

    found = _on(database, folder, _in_force)
    if found is None:
        typer.echo(rule_store.SHIPPED.read_text(encoding="utf-8"), nl=False)
        return
    from services.operator.rule_changes import written

    typer.echo(written(rule_store.edition(*found).rule_set), nl=False)


@app.command()
def check(file: Annotated[Path, typer.Argument(help="A rule file.")]) -> None:
    """Say what is wrong with a rule file, line by line."""
    found = _read(file)
    typer.echo(f"{file}: rules {found.version}, nothing wrong")


@app.command()
def apply(
    file: File = None,
    calendars: Calendars = CALENDARS,
    database: Database = "",
    folder: Folder = None,
    yes: Yes = False,
    wait: Annotated[bool, typer.Option(help="Wait until every open case follows.")] = True,
) -> None:
    """Show what changes, ask, and put it in force; every open deadline is reckoned anew in the background."""
    from contracts.working_time.notices import InvalidNotice
    from services.monitor.core.rules import Rules, rule_set
    from services.operator.calendar_folder import notices
    from services.operator.rule_changes import differences, summary

    written = _read(file) if file is not None else None
    number, before = _said(database, folder)
    try:
        after = rule_set(written or before.rules, notices(calendars))
        Rules(0, after)
    except InvalidNotice as fault:
        raise stop(f"{fault}\nnothing has changed") from None
    lines = differences(before, after)
    for line in lines:
        typer.echo(line)
    if not lines and before == after:
        _put_in_force(database, folder, number, before, after, wait=False)
        return
    if not yes and not typer.confirm(f"Put this in force: {summary(before, after)}?"):
        raise stop("nothing has changed")
    _put_in_force(database, folder, number, before, after, wait=wait)


def in_force_here(database: str, folder: Path | None) -> "tuple[int, RuleSet] | None":
    """The edition in force at monitor, and what it says; None if there is no monitor here."""
    from services.operator.databases import WrongChoice, chosen

    try:
        chosen("monitor", database, folder)
    except WrongChoice as wrong:
        if database or folder is not None:
            raise typer.BadParameter(str(wrong)) from None
        return None
    return _said(database, folder)


def follow_notices(
    database: str, folder: Path | None, known: "tuple[int, RuleSet]", notices: "Sequence[Notice]"
) -> None:
    """Put these notices in force at monitor, in place of those that were."""
    from services.monitor.core.rules import rule_set

    number, before = known
    _put_in_force(database, folder, number, before, rule_set(before.rules, notices), wait=False)


def _said(database: str, folder: Path | None) -> "tuple[int, RuleSet]":
    """The number of the edition in force, and what it says."""
    from services.monitor.store import rule_store

    known = _on(database, folder, _in_force)
    return (
        (known.number, rule_store.edition(*known).rule_set) if known is not None else (0, rule_store.shipped().rule_set)
    )


def _put_in_force(
    database: str, folder: Path | None, known: int, before: "RuleSet", after: "RuleSet", *, wait: bool
) -> None:
    """Put it in force, unless another edition than the one ``known`` is by now."""
    from services.operator.rule_changes import summary

    said = summary(before, after)
    number = _on(database, folder, lambda engine: _put(engine, after, said, known))
    # What intake tells an applicant at once has to agree with what monitor holds.
    _on(database, folder, lambda engine: _put(engine, after.almanac, said), "intake")
    typer.echo(f"edition {number} is in force" if number is not None else "in force already; nothing changes")
    if number is not None and wait:
        _follow(database, folder, number)
    elif number is not None:
        typer.echo("'onedoor rules list' tells how far the open deadlines follow")


def _follow(database: str, folder: Path | None, number: int) -> None:
    """Show how far the open cases have come, until all follow."""
    import time

    from rich.progress import Progress as Bar

    with Bar(transient=True) as bar:
        task = bar.add_task("reckoning anew", total=None)
        while True:
            newest, *_ = known = _on(database, folder, _progress)
            if newest.number > number:
                typer.echo(f"edition {newest.number} is in force by now: {newest.summary}")
                return
            one = next(p for p in known if p.number == number)
            bar.update(task, completed=one.looked_at, total=max(one.cases, one.looked_at) or None)
            if one.done_at is not None:
                break
            time.sleep(LOOK_S)
    typer.echo(_line(one))


def _line(one: "Progress") -> str:
    state = "waiting for monitor" if one.began_at is None else f"{one.looked_at:,} cases gone through"
    if one.done_at is not None and one.began_at is not None:
        state = f"followed by all {one.looked_at:,} cases after {(one.done_at - one.began_at).total_seconds():.1f} s"
    return f"{one.number:>4}  {one.made_at:%Y-%m-%d %H:%M}  {one.summary}  {state}, {one.moved:,} changed"


async def _in_force(engine: "AsyncEngine") -> "Edition | None":
    from services.runtime.store import documents

    async with engine.connect() as connection:
        return await documents.in_force(connection)


async def _progress(engine: "AsyncEngine") -> "list[Progress]":
    from services.runtime.store import documents

    async with engine.connect() as connection:
        return await documents.progress(connection, LISTED)


async def _put(engine: "AsyncEngine", said: "Value", summary: str, after: int | None = None) -> int | None:
    from services.runtime.store import documents

    try:
        async with engine.begin() as connection:
            return await documents.put(connection, said.model_dump(mode="json", by_alias=True), summary, after=after)
    except documents.Outrun:
        raise stop("somebody else has put other rules in force meanwhile: look at what changes once more") from None


def _on(
    database: str, folder: Path | None, work: "Callable[[AsyncEngine], Awaitable[T]]", service: str = "monitor"
) -> T:
    """Do it on monitor's database, or on another service's."""
    from services.operator.databases import PLACE, Unreachable, WrongChoice, chosen, on

    if database and folder is None and PLACE not in database:
        raise typer.BadParameter(f"intake and monitor each have their own: put {PLACE} in it", param_hint="--database")
    try:
        return on(chosen(service, database, folder)[service], work)
    except WrongChoice as wrong:
        raise typer.BadParameter(str(wrong)) from None
    except Unreachable as away:
        raise stop(str(away)) from None


def _read(file: Path) -> "RuleFile":
    from services.monitor.store import rule_store

    return read_file(file, rule_store.read)
