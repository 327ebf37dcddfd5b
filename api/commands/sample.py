"""`gridcircle sample`: write the made-up sample city as ordinary files."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from api.commands.console import errors_for_people, show, stages
from api.commands.options import JsonOption


def sample(
    folder: Annotated[Path, typer.Argument(help="Folder to write into; made when missing.")],
    size: Annotated[
        str, typer.Option("--size", help="county (10 communities) or prefecture (293).")
    ] = "county",
    seed: Annotated[
        int, typer.Option("--seed", help="The same seed writes the same bytes.")
    ] = 20260101,
    as_json: JsonOption = False,
) -> None:
    """Write a made-up city: an OSM file, areas, grids, building and station ledgers."""
    with errors_for_people(as_json=as_json):
        from data.sample import write_sample

        with stages() as progress:
            files = write_sample(folder, size=size, seed=seed, progress=progress)
        show(asdict(files), text=files.describe(), as_json=as_json)
