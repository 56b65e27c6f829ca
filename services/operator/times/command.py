"""Declares ``onedoor times``: list the doubtful times of departments, and settle which moment counts."""

from typing import Annotated

import typer

from services.operator.options import Folder, Issuer

app = typer.Typer(
    help="List times that departments reported and that cannot be true, and settle which moment counts.",
    no_args_is_help=True,
)

Monitor = Annotated[
    str,
    typer.Option(
        envvar="ONEDOOR_MONITOR",
        show_envvar=True,
        help="Address of monitor, such as https://monitor.example; else that of the folder.",
    ),
]


@app.command("list")
def list_(
    monitor: Monitor = "",
    issuer: Issuer = "",
    folder: Folder = None,
    resolved: Annotated[bool, typer.Option(help="Also those that are no longer in doubt.")] = False,
) -> None:
    """List doubtful times, newest first, with the moment that counts meanwhile."""
    from services.operator.times.actions import list_times
    from services.operator.times.monitor_api import monitor_api

    list_times(monitor_api(monitor, folder, issuer), resolved=resolved)


@app.command()
def settle(
    case: Annotated[str, typer.Argument(help="Number of the case.")],
    step: Annotated[str, typer.Argument(help="Step of the case.")],
    field: Annotated[str, typer.Argument(help="The time that is in doubt: delivered_at, decided_at, since or until.")],
    counts_at: Annotated[str, typer.Argument(help="The moment that counts, with its zone: 2026-03-02T15:30:00+08:00.")],
    reason: Annotated[str, typer.Option(help="The reason. It goes on record in the journal.")],
    procedure: Annotated[str, typer.Option(help="The special procedure, if it is one of its times.")] = "",
    monitor: Monitor = "",
    issuer: Issuer = "",
    folder: Folder = None,
) -> None:
    """Settle which moment counts for a doubtful time."""
    from services.operator.times.actions import settle_time
    from services.operator.times.monitor_api import monitor_api

    settlement = {"step": step, "field": field, "counts_at": counts_at, "reason": reason}
    settle_time(
        monitor_api(monitor, folder, issuer), case, settlement | ({"procedure": procedure} if procedure else {})
    )
