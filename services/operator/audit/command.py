"""Runs ``onedoor audit`` for the command line."""

import asyncio
from pathlib import Path

import asyncpg
import typer
from rich.console import Console

from contracts.bilingual import both
from services.files import file_fault
from services.operator.audit.report import show, write
from services.operator.audit.run import AuditOptions, audit
from services.operator.audit.settings import AuditSettings
from services.operator.audit.targets import targets
from services.operator.databases import Unreachable, WrongChoice, why_unusable
from services.operator.options import DatabaseOptions
from services.operator.output import print_remark
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
        _print_away(reason)
        return NOT_DONE
    except ExceptionGroup as group:
        away, others = group.split(_AWAY)
        if away is None or others is not None:
            raise
        _print_away(_first(away))
        return NOT_DONE
    console = Console(highlight=False)
    console.width = console.width if console.is_terminal else PIPED_WIDTH
    show(report, console)
    if json is not None:
        try:
            write(report, json)
        except OSError as reason:
            typer.echo(f"{both('the result cannot be written', '结果无法写入')}: {file_fault(reason)}", err=True)
            return NOT_DONE
    return BROKEN if report.broken else 0


def _print_away(error: Exception) -> None:
    en, zh = why_unusable(error)
    print_remark(
        f"a database cannot be read any more: {en}; then audit again", f"有数据库无法继续读取：{zh}；然后重新审计"
    )


def _first(group: ExceptionGroup[Exception]) -> Exception:
    """The first single error of a group."""
    error = group.exceptions[0]
    return _first(error) if isinstance(error, ExceptionGroup) else error


def _number(replay: str) -> int | None:
    if replay == "all":
        return None
    if not (replay.isascii() and replay.isdecimal()):
        raise WrongChoice(f"--replay {replay}: give a number of cases, or all", "请填写办件数，或 all")
    return int(replay)
