"""Commands print to people in English and Chinese, and end with a reason when they fail. Cheap to import."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from contracts.bilingual import both
from services.files import file_fault

UNCHANGED = ("nothing has changed", "没有任何变更")
"""The end of a command that would have changed something, in both languages."""


class WrongOption(typer.BadParameter):
    """An option or an argument that cannot be used. The message has both languages, and what to write instead."""

    def format_message(self) -> str:
        """The message after the name of the option."""
        name = self.param_hint or (self.param.get_error_hint() if self.param is not None else "")
        return f"{name}: {self.message}" if name else self.message


def wrong_option(en: str, zh: str, option: str | None = None) -> WrongOption:
    """The error for an option or an argument that cannot be used, with what to write instead."""
    return WrongOption(both(en, zh), param_hint=option)


def stop(en: str, zh: str) -> typer.Exit:
    """Print the reason for which a command ends. Returns the exception to raise."""
    return end(both(en, zh))


def end(reason: str) -> typer.Exit:
    """The same for a reason that has both languages already."""
    typer.echo(reason, err=True)
    return typer.Exit(1)


def print_remark(en: str, zh: str) -> None:
    """Print a remark beside the result of a command."""
    typer.echo(both(en, zh), err=True)


def print_result(en: str, zh: str) -> None:
    """Print a result that is for people, and not for another program."""
    typer.echo(both(en, zh))


@contextmanager
def file_errors() -> Iterator[None]:
    """End the command with one line if a file cannot be read or written."""
    try:
        yield
    except OSError as error:
        raise WrongOption(file_fault(error)) from None
