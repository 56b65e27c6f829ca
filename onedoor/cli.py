"""Declares the commands of ``onedoor``. Each imports the code behind it when it runs, so that help is quick."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated

import typer

from onedoor.command_line import CommandLine
from services.operator.calendar.command import app as calendar
from services.operator.dead_letters.command import app as dead_letters
from services.operator.documents.directory import app as directory
from services.operator.documents.rules import app as rules
from services.operator.figures.command import app as figures
from services.operator.journal.command import app as journal
from services.operator.login.command import add_commands as add_login
from services.operator.options import Database, DatabaseOptions, Folder, process_name, service_name
from services.operator.output import print_result, stop, wrong_option
from services.operator.people.command import app as people
from services.operator.record.command import app as record
from services.operator.times.command import app as times
from services.operator.walls.command import app as walls
from services.registry import DepartmentError

app = typer.Typer(
    cls=CommandLine,
    help="onedoor: one door to the departments. Run its services, and operate them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
)
app.add_typer(calendar, name="calendar")
app.add_typer(dead_letters, name="dead-letters")
app.add_typer(directory, name="directory")
app.add_typer(figures, name="figures")
app.add_typer(journal, name="journal")
app.add_typer(record, name="record")
app.add_typer(people, name="people")
app.add_typer(rules, name="rules")
app.add_typer(times, name="times")
app.add_typer(walls, name="wall")
add_login(app)

MAX_REPLICAS = 64


def _replicas(values: list[str]) -> dict[str, int]:
    replicas: dict[str, int] = {}
    for value in values:
        name, _, count = value.partition("=")
        if not count.isdecimal() or not 1 <= int(count) <= MAX_REPLICAS:
            en = f"{value!r}: write SERVICE=COUNT, with a count from 1 to {MAX_REPLICAS}"
            raise wrong_option(en, f"请填写 服务=数量，数量为 1 至 {MAX_REPLICAS}", "--replicas")
        service_name(name)
        replicas[name] = int(count)
    return replicas


def _broker_count(count: int) -> int:
    if count not in (1, 3):
        raise wrong_option(f"{count}: choose 1, or 3, of which any one may be lost", "请填写 1 或 3（可失去其中任一）")
    return count


Json = Annotated[Path | None, typer.Option(help="File to write the result to as well, as JSON.")]
Plain = Annotated[bool, typer.Option(help="Print plain lines, as when the output is not a terminal.")]


@app.command()
def up(
    folder: Annotated[Path, typer.Option(help="Folder that keeps data, logs and addresses.")] = Path("data"),
    replicas: Annotated[
        list[str], typer.Option(help="Number of processes of a service, SERVICE=COUNT: monitor=2.")
    ] = [],  # noqa: B006 - typer copies it
    brokers: Annotated[
        int, typer.Option(callback=_broker_count, help="Number of Kafka nodes, 1 or 3. Of three, any one may be lost.")
    ] = 1,
    sandboxes: Annotated[bool, typer.Option(help="Start sandboxes in place of the departments' own systems.")] = True,
    plain: Plain = False,
) -> None:
    """Run the whole platform on this machine, with the system clock and durable data, until Ctrl-C."""
    from deploy.local.up import run
    from deploy.local.wiring import Options

    options = Options(replicas=_replicas(replicas), brokers=brokers, sandboxes=sandboxes, issuer=True)
    raise typer.Exit(run(folder, options, plain))


@app.command()
def serve(
    service: Annotated[
        str,
        typer.Argument(
            callback=process_name,
            help="Name of the service: intake, routing, monitor, the system of a department; identity, the issuer; or "
            "front, the one address.",
        ),
    ],
) -> None:
    """Run one service with any Kafka and PostgreSQL, as the settings ONEDOOR_* name them."""
    from services import start

    with _exit_on_wrong_setting():
        start.serve(service)


@app.command()
def migrate(
    services: Annotated[
        list[str], typer.Argument(help="Services to migrate; without a name, all but identity and front.")
    ] = [],  # noqa: B006 - typer copies it
    database: Database = "",
) -> None:
    """Bring the databases of services up to date. It may be repeated, and run in several places at once."""
    import asyncpg
    from sqlalchemy.exc import DBAPIError

    from services import start
    from services.operator.databases import unreachable

    for name in services:
        process_name(name)
    with _exit_on_wrong_setting():
        try:
            for name in start.migrate(services, database):
                print_result(f"{name}: up to date", "已是最新")
        except (OSError, asyncpg.PostgresError, DBAPIError) as error:
            reason = unreachable(database, error)
            raise stop(reason.en, reason.zh) from None


@app.command()
def sandbox(system: Annotated[str, typer.Argument(help="System of a department that has a sandbox.")]) -> None:
    """Run the sandbox of a department, as the settings ONEDOOR_SANDBOX_* describe it."""
    from services import start

    with _exit_on_wrong_setting():
        start.sandbox(system)


@app.command()
def demo(
    cases: Annotated[int, typer.Option(min=1, max=20_000, help="Number of cases.")] = 200,
    json: Json = None,
    stay: Annotated[bool, typer.Option(help="Keep everything running at the end, until Ctrl-C.")] = False,
    plain: Plain = False,
) -> None:
    """Run the whole platform in a temporary folder, and show some hundred cases under a fast clock."""
    from onedoor.demo import run

    raise typer.Exit(run(cases, json, stay, plain))


@app.command()
def replay(
    file: Annotated[
        Path,
        typer.Argument(help="CSV file with the columns case_id, startdate, deadline, enddate, department, channel."),
    ],
    json: Json = None,
    limit_days: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=3650,
            help="Number of working days from which every deadline is computed, instead of the column deadline.",
        ),
    ] = None,
    zone: Annotated[
        str, typer.Option(help="Time zone of moments without one, a name of the IANA database.")
    ] = "Asia/Shanghai",
    ladder: Annotated[
        Path | None, typer.Option(help="CSV file to write the rungs to that would have fired, and when.")
    ] = None,
    rules: Annotated[
        Path | None, typer.Option(help="Rule file to apply instead of the rules that onedoor comes with.")
    ] = None,
    plain: Plain = False,
) -> None:
    """Run the recorded cases of another system through the whole platform, and count those that were late."""
    from onedoor.replay.command import ReplayOptions, run

    raise typer.Exit(run(file, ReplayOptions(json, ladder, limit_days, rules), zone, plain))


@app.command()
def audit(
    folder: Folder = None,
    database: Database = "",
    replay: Annotated[str, typer.Option(help="Number of cases whose messages are replayed, or 'all'.")] = "1000",
    lost_after: Annotated[
        float, typer.Option(min=0, max=3600, help="Seconds after which an unprocessed message counts as lost.")
    ] = 60,
    json: Json = None,
) -> None:
    """Check every promise in the databases and the departments' ledgers. Exit status 1: at least one is broken."""
    from services.operator.audit.command import run

    with _exit_on_wrong_setting():
        raise typer.Exit(run(DatabaseOptions(database, folder), replay, lost_after, json))


@contextmanager
def _exit_on_wrong_setting() -> Iterator[None]:
    """Print a wrong setting without a traceback, and exit with status 2."""
    from services.runtime.configuration import wrong_setting

    try:
        yield
    except Exception as failure:
        if wrong := wrong_setting(failure):
            typer.echo(str(wrong), err=True)
            raise typer.Exit(2) from None
        raise


def main(arguments: list[str] | None = None) -> None:
    """Run the command line, with ``sys.argv`` unless arguments are given.

    A character that the terminal cannot show is printed as a question mark.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        app(arguments)
    except DepartmentError as failure:
        raise SystemExit(str(failure)) from None


if __name__ == "__main__":
    main()
