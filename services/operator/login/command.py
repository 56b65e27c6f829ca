"""Declares ``onedoor login``, ``onedoor logout`` and ``onedoor whoami``."""

import typer

from services.operator.options import DatabaseOptions, Folder, Issuer


def add_commands(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(login)
    app.command()(logout)
    app.command()(whoami)


def login(issuer: Issuer = "", folder: Folder = None) -> None:
    """Log in by a browser, on this or another device. Commands that change something then act in your name.

    A program has its access token in ONEDOOR_TOKEN instead.
    """
    import time

    from services.operator.login.actions import log_in
    from services.operator.login.tokens import issuer_of

    log_in(issuer_of(DatabaseOptions("", folder, issuer)), time.sleep)


def logout(issuer: Issuer = "", folder: Folder = None) -> None:
    """End your login, here and at the issuer."""
    from services.operator.login.actions import log_out
    from services.operator.login.tokens import issuer_of

    log_out(issuer_of(DatabaseOptions("", folder, issuer)))


def whoami(issuer: Issuer = "", folder: Folder = None) -> None:
    """Print the person in whose name commands act, and the issuer."""
    from services.operator.login.actions import print_person
    from services.operator.login.tokens import issuer_of

    print_person(issuer_of(DatabaseOptions("", folder, issuer)))
