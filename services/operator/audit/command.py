"""Runs ``onedoor audit`` for the command line."""

import asyncio
from pathlib import Path

import asyncpg
import typer
from rich.console import Console

from services.operator.audit.report import show, write
from services.operator.audit.run import AuditOptions, audit
from services.operator.audit.settings import AuditSettings
from services.operator.audit.targets import targets
from services.operator.databases import Unreachable, WrongChoice
from services.operator.options import DatabaseOptions
from services.runtime.configuration import read

BROKEN = 1
"""Exit status when an invariant is broken."""
NOT_DONE = 2
"""Exit status when a setting is wrong or a service's database cannot be read: the invariants were not examined."""

PIPED_WIDTH = 120

_AWAY = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError)
"""A database goes away while it is read, or has other tables than expected."""


def run(options: DatabaseOptions, replay: str, lost_after_s: float, json: Path | None) -> int:
    """Examine, print and write; gives the exit status. Raises `WrongSetting`."""
    try:
        databases = targets(options, read(AuditSettings))
        # Progress goes to stderr, so that it does not mix with the result.
        console = Console(stderr=True, highlight=False)
        report = asyncio.run(audit(databases, AuditOptions(_number(replay), lost_after_s), console))
    except (WrongChoice, Unreachable) as reason:
        typer.echo(str(reason), err=True)
        return NOT_DONE
    except _AWAY as reason:
        typer.echo(_what_to_do(reason), err=True)
        return NOT_DONE
    except ExceptionGroup as group:
        away, others = group.split(_AWAY)
        if away is None or others is not None:
            raise
        typer.echo(_what_to_do(_first(away)), err=True)
        return NOT_DONE
    console = Console(highlight=False)
    console.width = console.width if console.is_terminal else PIPED_WIDTH
    show(report, console)
    if json is not None:
        try:
            write(report, json)
        except OSError as reason:
            typer.echo(f"the result cannot be written: {reason}", err=True)
            return NOT_DONE
    return BROKEN if report.broken else 0


def _what_to_do(error: Exception) -> str:
    return f"{str(error) or type(error).__name__}. Is every database running, and up to date ('onedoor migrate')?"


def _first(group: ExceptionGroup[Exception]) -> Exception:
    """The first single error of a group."""
    error = group.exceptions[0]
    return _first(error) if isinstance(error, ExceptionGroup) else error


def _number(replay: str) -> int | None:
    if replay == "all":
        return None
    if not replay.isdecimal():
        raise WrongChoice(f"--replay {replay}: give a number of cases, or all")
    return int(replay)
