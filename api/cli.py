"""The command line: `gridcircle`."""

from __future__ import annotations

import typer

from api.commands.accounts import accounts_app
from api.commands.audit import audit
from api.commands.catchments import catchments
from api.commands.coverage import coverage
from api.commands.database import database_app
from api.commands.demo import demo
from api.commands.design import design
from api.commands.imports import import_app
from api.commands.sample import sample
from api.commands.serve import serve
from api.commands.version import version

app = typer.Typer(
    name="gridcircle",
    help="Community grids and walking service circles (社区网格与服务圈).",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
    rich_markup_mode=None,
)
app.command()(audit)
app.command()(catchments)
app.command()(coverage)
app.command()(design)
app.add_typer(import_app, name="import")
app.command()(serve)
app.command()(demo)
app.command()(sample)
app.add_typer(database_app, name="db")
app.add_typer(accounts_app, name="accounts")
app.command()(version)


def main() -> None:
    """Run the command line; the entry point of the package."""
    app()
