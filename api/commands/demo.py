"""`gridcircle demo`: a city loaded and served with one command."""

from __future__ import annotations

import hashlib
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.commands.console import Stages, errors_for_people, say, stages
from api.commands.imports import describe_import, downloaded, report_import
from api.commands.serve import HostOption, PortOption, run_service

if TYPE_CHECKING:
    from data.city_import import CitySources

SAMPLE_SEED = 20260101


def demo(
    extract: Annotated[
        Path | None,
        typer.Option(
            "--extract", exists=True, dir_okay=False, help="OpenStreetMap file of a real city."
        ),
    ] = None,
    stations: Annotated[
        Path | None,
        typer.Option("--stations", exists=True, dir_okay=False, help="Its stations."),
    ] = None,
    place: Annotated[
        str | None,
        typer.Option("--place", help="Download a real city by name (needs internet)."),
    ] = None,
    size: Annotated[
        str, typer.Option("--size", help="Size of the sample city: county or prefecture.")
    ] = "county",
    host: HostOption = None,
    port: PortOption = None,
    load_only: Annotated[bool, typer.Option("--load-only", help="Load the city and stop.")] = False,
) -> None:
    """Load a city and start the service: the made-up sample, or a real one.

    Safe to run again: what is loaded already stays as it is. Each city has a database of its own
    below the home folder, unless DATABASE_URL names one.
    """
    with errors_for_people(), ExitStack() as stack:
        from data.city_import import import_city
        from data.database import open_database
        from data.errors import SourceFileError
        from data.settings import Settings

        if extract is not None and place is not None:
            raise SourceFileError("Give either an extract or a place, not both.")
        given = {"host": host, "port": port}
        settings = Settings.load(**{k: v for k, v in given.items() if v is not None})
        if place is not None:
            which = f"place-{_digest(place.encode())}"
            extract = stack.enter_context(downloaded(place))
        elif extract is not None:
            which = f"extract-{_digest(str(extract.resolve()).encode())}"
        else:
            which = f"sample-{size}"
        folder = settings.home / "demo" / which
        with stages() as progress:
            sources = _sources(extract, stations, place, size, folder / "files", progress)
            if sources.is_sample:
                # Another version draws another town, which gets a database of its own.
                folder = folder / _digest(sources.osm.read_bytes())
            settings = settings.model_copy(update={"home": folder})
            with open_database(settings, progress=progress) as database:
                reports = import_city(database, sources, actor="demo", progress=progress)
        for report in reports:
            report_import(report)
            say(f"  {describe_import(report)}")
            if report.rejected:
                where = settings.home / f"{report.kind}.rejects.csv"
                report.write_rejects(where)
                say(f"  rejected rows are listed in {where}")
        if not load_only:
            run_service(settings)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]


def _sources(
    extract: Path | None,
    stations: Path | None,
    place: str | None,
    size: str,
    folder: Path,
    progress: Stages,
) -> CitySources:
    from data.city_import import CitySources
    from data.sample import write_sample

    if extract is not None:
        return CitySources(extract, stations=stations, name=place)
    files = write_sample(folder, size=size, seed=SAMPLE_SEED, progress=progress)
    return CitySources(
        files.osm,
        areas=files.areas,
        compounds=files.compounds,
        grids=files.grids,
        households=files.buildings,
        stations=stations or files.stations,
        name=f"{files.name} {files.name_en}",
        is_sample=True,
    )
