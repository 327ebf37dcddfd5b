"""`gridcircle db`: look after the database."""

from __future__ import annotations

import typer

from api.commands.console import errors_for_people, show, stages
from api.commands.options import JsonOption

database_app = typer.Typer(help="Look after the database.", no_args_is_help=True)


@database_app.command()
def upgrade(*, as_json: JsonOption = False) -> None:
    """Bring the tables to the newest version; also done by every start of the service."""
    with errors_for_people(as_json=as_json):
        from data.city_import import database_status
        from data.database import open_database
        from data.settings import get_settings

        with stages() as progress, open_database(get_settings(), progress=progress) as database:
            revision = database_status(database)["revision"]
        show({"revision": revision}, text=f"The tables are at {revision}.", as_json=as_json)


@database_app.command()
def status(*, as_json: JsonOption = False) -> None:
    """Say which database is used and what it holds."""
    with errors_for_people(as_json=as_json):
        from data.city_import import database_status
        from data.database import open_database
        from data.settings import get_settings

        with open_database(get_settings()) as database:
            state = database_status(database)
        text = "\n".join(f"{name}: {value}" for name, value in state.items())
        show(state, text=text, as_json=as_json)
