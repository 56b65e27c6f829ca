"""The output of a long run: a terminal, or a file or pipe in its place."""

import os
import sys

from rich.console import Console


class OutputClosed(Exception):
    """The reader of the output is gone: ``head`` has its lines, or a person left the pager."""


class Terminal(Console):
    """Raises `OutputClosed` once when its output has been closed. What is printed after that is dropped."""

    def __init__(self, *, plain: bool) -> None:
        super().__init__(force_terminal=False if plain else None, highlight=False)

    def on_broken_pipe(self) -> None:
        """Part of rich's interface."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
        raise OutputClosed
