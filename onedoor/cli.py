"""The ``onedoor`` command. Each command is thin and imports what it needs itself, so that help is quick."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from services.operator.calendar import app as calendar
from services.operator.dead_letters import app as dead_letters
from services.operator.directory import app as directory
from services.operator.journal import app as journal
from services.operator.rules import app as rules

app = typer.Typer(
    help="onedoor: one door to the departments.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
)
app.add_typer(calendar, name="calendar")
app.add_typer(dead_letters, name="dead-letters")
app.add_typer(directory, name="directory")
app.add_typer(journal, name="journal")
app.add_typer(rules, name="rules")


def _service_name(name: str) -> str:
    from services.registry import services

    if name not in services():
        raise typer.BadParameter(f"{name!r} is no service: {', '.join(services())}")
    return name


def _replicas(values: list[str]) -> dict[str, int]:
    replicas: dict[str, int] = {}
    for value in values:
        name, _, count = value.partition("=")
        if not count.isdigit() or not 1 <= int(count) <= 64:
            raise typer.BadParameter(f"{value!r}: say SERVICE=COUNT, with a count from 1 to 64")
        replicas[_service_name(name)] = int(count)
    return replicas


def _broker_count(count: int) -> int:
    if count not in (1, 3):
        raise typer.BadParameter(f"{count}: say 1, or 3, of which one may be lost; of two, none may")
    return count


@app.command()
def up(
    folder: Annotated[Path, typer.Option(help="Where the data, logs and addresses are kept.")] = Path("data"),
    replicas: Annotated[list[str], typer.Option(help="Processes of a service: monitor=2.")] = [],  # noqa: B006 - typer copies it
    brokers: Annotated[
        int, typer.Option(callback=_broker_count, help="Nodes of Kafka, 1 or 3. Of three, any one may be lost.")
    ] = 1,
    sandboxes: Annotated[bool, typer.Option(help="Start stand-ins for the departments' own systems.")] = True,
    plain: Annotated[bool, typer.Option(help="Lines of text only, as when the output is no terminal.")] = False,
) -> None:
    """Run everything on this machine, for real: wall clock, durable data, each service kept alive."""
    from deploy.local.up import run
    from deploy.local.wiring import Options

    raise typer.Exit(run(folder, Options(replicas=_replicas(replicas), brokers=brokers, sandboxes=sandboxes), plain))


@app.command()
def serve(
    service: Annotated[
        str, typer.Argument(callback=_service_name, help="intake, routing, monitor, or the system of a department.")
    ],
) -> None:
    """Run one service against the Kafka and the database that its settings name (ONEDOOR_*)."""
    import os

    from services.load import load
    from services.registry import departments
    from services.runtime.configuration import WrongSetting, read
    from services.runtime.process import run
    from services.runtime.settings import Settings

    os.environ.setdefault("ONEDOOR_SERVICE", service)
    if service in departments():  # it reads the topics of its own system only
        os.environ.setdefault("ONEDOOR_SYSTEMS", service)
    with _plain_faults():
        settings = read(Settings)
        if service in departments() and service not in settings.systems:
            raise WrongSetting(f"ONEDOOR_SYSTEMS = {','.join(settings.systems)!r}: must name {service} too")
        run(load(service), settings)


@app.command()
def migrate(
    services: Annotated[list[str], typer.Argument(help="Which; all if none is named.")] = [],  # noqa: B006 - typer copies it
    database: Annotated[
        str,
        typer.Option(envvar="ONEDOOR_DATABASE", show_envvar=True, help="Address; {service} in it stands for the name."),
    ] = "",
) -> None:
    """Bring the databases of services up to date. Safe to repeat, and to run from several places at once."""
    from services import registry
    from services.load import load
    from services.runtime.store.tables import migrate as bring_up_to_date

    names = [_service_name(name) for name in services] or list(registry.services())
    if not database:
        raise typer.BadParameter(
            "is not set: postgresql+asyncpg://user:password@host/name", param_hint="ONEDOOR_DATABASE"
        )
    if len(names) > 1 and "{service}" not in database:
        raise typer.BadParameter("each service has its own: put {service} in it", param_hint="ONEDOOR_DATABASE")
    for name in names:
        bring_up_to_date(name, load(name).migrations, database.replace("{service}", name))
        typer.echo(f"{name}: up to date")


@app.command()
def sandbox(system: Annotated[str, typer.Argument(help="The system of a department that has a sandbox.")]) -> None:
    """Simulate a department's own system, by the settings ONEDOOR_SANDBOX_*."""
    from services.registry import department, sandboxes

    declared = department(system).sandbox if system in sandboxes() else None
    if declared is None:
        raise typer.BadParameter(f"{system!r} has no sandbox; these have: {', '.join(sandboxes())}")
    import asyncio

    import uvloop

    from services.departments.sdk.declaration import resolve
    from services.runtime.configuration import read

    with _plain_faults(), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(resolve(declared.serve)(read(resolve(declared.settings))))


@app.command()
def demo(
    cases: Annotated[int, typer.Option(min=1, max=20_000, help="How many cases.")] = 200,
    json: Annotated[Path | None, typer.Option(help="Write the result to this file as well.")] = None,
    stay: Annotated[bool, typer.Option(help="Keep everything running at the end, until Ctrl-C.")] = False,
    plain: Annotated[bool, typer.Option(help="Lines of text only, as when the output is no terminal.")] = False,
) -> None:
    """Watch cases go from application to decision, in fast time."""
    from onedoor.demo import run

    raise typer.Exit(run(cases, json, stay, plain))


@app.command()
def replay(
    file: Annotated[Path, typer.Argument(help="CSV: case_id, startdate, deadline, enddate, department, channel.")],
    json: Annotated[Path | None, typer.Option(help="Write the result to this file as well.")] = None,
    limit_days: Annotated[
        int | None, typer.Option(min=0, max=3650, help="Compute every deadline: so many working days.")
    ] = None,
    zone: Annotated[str, typer.Option(help="Time zone of moments that name none.")] = "Asia/Shanghai",
    ladder: Annotated[
        Path | None, typer.Option(help="Write which rungs would have fired, and when, to this CSV file.")
    ] = None,
    rules: Annotated[
        Path | None, typer.Option(help="A rule file to judge by, in place of the rules that onedoor comes with.")
    ] = None,
    plain: Annotated[bool, typer.Option(help="Lines of text only, as when the output is no terminal.")] = False,
) -> None:
    """Take another system's cases through the whole platform, in their own time."""
    from onedoor.replay.command import ReplayOptions, run

    raise typer.Exit(run(file, ReplayOptions(json, ladder, limit_days, rules), zone, plain))


@app.command()
def audit(
    folder: Annotated[
        Path | None, typer.Option(help="Folder of an 'onedoor up'; before the address, and 'data' without one.")
    ] = None,
    database: Annotated[
        str,
        typer.Option(envvar="ONEDOOR_DATABASE", show_envvar=True, help="Address; {service} in it stands for the name."),
    ] = "",
    replay: Annotated[str, typer.Option(help="Cases whose messages are folded anew: a number, or all.")] = "1000",
    patience: Annotated[
        float, typer.Option(min=0, max=3600, help="Seconds after which what was said and not heard counts as lost.")
    ] = 60,
    json: Annotated[Path | None, typer.Option(help="Write the result to this file as well.")] = None,
) -> None:
    """Examine every promise in the databases and the departments' books; exit status 1 if one is broken."""
    from services.operator.audit.command import run

    with _plain_faults():
        raise typer.Exit(run(folder, database, replay, patience, json))


@contextmanager
def _plain_faults() -> Iterator[None]:
    """A wrong setting ends the command with what a person needs to know, and no more."""
    from services.runtime.configuration import wrong_setting

    try:
        yield
    except Exception as failure:
        if wrong := wrong_setting(failure):
            typer.echo(str(wrong), err=True)
            raise typer.Exit(2) from None
        raise


def main(arguments: list[str] | None = None) -> None:
    """Run the command line, ``sys.argv`` unless arguments are given."""
    try:
        app(arguments)
    except Exception as failure:
        from services.registry import DepartmentError

        if isinstance(failure, DepartmentError):
            raise SystemExit(str(failure)) from None
        raise


if __name__ == "__main__":
    main()
