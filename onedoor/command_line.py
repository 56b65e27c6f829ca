"""The errors of a command line in English and Chinese: those of onedoor, and those that typer finds itself."""

import sys
from collections.abc import Mapping
from typing import Any

import typer
from typer.core import TyperGroup

from contracts.bilingual import both
from services.operator.output import WrongOption

_CHINESE: Mapping[str, str] = {
    "NoSuchOption": "没有这个选项，请核对写法",
    "MissingParameter": "缺少必填的参数或选项，请补充",
    "BadParameter": "取值不符合要求，请更正",
    "BadOptionUsage": "该选项的取值个数不对，请更正",
    "BadArgumentUsage": "该参数的取值个数不对，请更正",
}
"""The Chinese of the errors that typer finds, by their classes, which it does not export."""

_ALLOWED = {" is not one of ": "须为 {} 之一", " does not match the formats ": "格式须为 {}"}
"""The Chinese of typer's messages that end with what is allowed, by the words before it."""

_OTHER = "命令写法有误，请核对命令和参数"


class CommandLine(TyperGroup):
    """Prints each error on lines of its own, whole, so that it can be copied and searched for."""

    def main(self, *arguments: Any, **options: Any) -> Any:
        """Run the command and exit."""
        try:
            status = super().main(*arguments, **{**options, "standalone_mode": False})
        except typer.TyperException as error:
            _print(error)
            status = error.exit_code
        except typer.Abort:
            typer.echo(
                both("ended without an answer; --yes does not ask", "未得到答复，已结束；--yes 可免确认"), err=True
            )
            status = 1
        sys.exit(status)


def _print(error: typer.TyperException) -> None:
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":  # the help has been printed
        return
    typer.echo(_text(error), err=True)
    if context is not None:
        usage = f"'{context.command_path} --help'"
        typer.echo(both(f"{usage} shows how the command is used", f"用法见 {usage}"), err=True)


def _text(error: typer.TyperException) -> str:
    if isinstance(error, WrongOption):
        return error.format_message()
    if isinstance(error, typer.BadParameter) and error.param is not None and error.__cause__ is not None:
        from pydantic import ValidationError

        from services.runtime.fault_text import faults_of

        if isinstance(error.__cause__, ValidationError):
            faults = "; ".join(both(one.en, _translated(one.en) or one.zh) for one in faults_of(error.__cause__))
            return f"{error.param.get_error_hint()}: {faults}"
    return both(" ".join(error.format_message().split()), _CHINESE.get(type(error).__name__, _OTHER))


def _translated(message: str) -> str | None:
    for words, zh in _ALLOWED.items():
        _, found, allowed = message.partition(words)
        if found:
            return zh.format(allowed.rstrip("."))
    return None
