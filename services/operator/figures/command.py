"""Declares ``onedoor figures``: count the figures of the board anew."""

import typer

from services.operator.options import Database, DatabaseOptions, Folder, Issuer

app = typer.Typer(help="Count the figures of the board anew.", no_args_is_help=True)


@app.callback()
def commands() -> None:
    """Count the figures of the board anew."""


@app.command()
def recount(issuer: Issuer = "", database: Database = "", folder: Folder = None) -> None:
    """Count all figures anew from the facts of the commitments. Monitor may run meanwhile."""
    from services.operator.figures.recount import recount_figures

    recount_figures(DatabaseOptions(database, folder, issuer))
