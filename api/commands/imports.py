"""`gridcircle import`: files into the database, each with a dry run, a report and a reject file."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.commands.console import EXIT_REJECTED, errors_for_people, say, show, stages, warn
from api.commands.options import ActorOption, DatumOption, DryRunOption, JsonOption

if TYPE_CHECKING:
    from data.database import Database
    from data.importers.report import ImportReport

import_app = typer.Typer(help="Bring files into the database.", no_args_is_help=True)

FileArgument = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="File to read.")]
RejectsOption = Annotated[
    Path | None,
    typer.Option(
        "--rejects", dir_okay=False, help="CSV for rejected rows (default FILE.rejects.csv)."
    ),
]
CrsOption = Annotated[
    str | None,
    typer.Option("--crs", help="CRS of a file that does not say, for example EPSG:4548."),
]
Progress = Callable[[str, float], None]


@import_app.command("osm")
def import_osm_command(
    file: Annotated[
        Path | None,
        typer.Argument(exists=True, dir_okay=False, help="OpenStreetMap .osm or .osm.pbf."),
    ] = None,
    place: Annotated[
        str | None,
        typer.Option(
            "--place",
            help="Download a place by name, or west,south,east,north, instead (needs internet).",
        ),
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="Name of the city.")] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Delete rows of earlier maps that this one lacks.")
    ] = False,
    rejects: RejectsOption = None,
    dry_run: DryRunOption = False,
    actor: ActorOption = "local",
    as_json: JsonOption = False,
) -> None:
    """Import a map: walking network, buildings, compounds, areas, base map, premises."""
    with errors_for_people(as_json=as_json):
        from data.errors import SourceFileError
        from data.importers.osm_load import import_osm

        if (file is None) == (place is None):
            raise SourceFileError("Give either a file or --place, not both.")
        with downloaded(place) if place else nullcontext(file or Path()) as path:
            run = lambda database, progress: import_osm(  # noqa: E731
                database,
                path,
                actor=actor,
                name=name or place,
                replace=replace,
                dry_run=dry_run,
                progress=progress,
            )
            _run(run, file or Path(f"{place}.osm"), rejects, as_json=as_json)


@import_app.command("layer")
def import_layer_command(
    file: FileArgument,
    layer: Annotated[
        str,
        typer.Option(
            "--as",
            help="areas, compounds, buildings, stations, grids, gates, patrol_points or premises.",
        ),
    ],
    crs: CrsOption = None,
    file_layer: Annotated[
        str | None, typer.Option("--layer", help="Layer inside the file; the first by default.")
    ] = None,
    rejects: RejectsOption = None,
    dry_run: DryRunOption = False,
    actor: ActorOption = "local",
    as_json: JsonOption = False,
) -> None:
    """Import a vector file: GeoPackage, Shapefile (also GBK), GeoJSON, KML and others."""
    with errors_for_people(as_json=as_json):
        from data.importers.layers import import_layer

        run = lambda database, progress: import_layer(  # noqa: E731
            database,
            file,
            layer,
            actor=actor,
            crs=crs,
            file_layer=file_layer,
            dry_run=dry_run,
            progress=progress,
        )
        _run(run, file, rejects, as_json=as_json)


@import_app.command("grids")
def import_grids_command(
    file: FileArgument,
    name: Annotated[
        str | None, typer.Option("--name", help="Name of the plan (default: the file's).")
    ] = None,
    publish: Annotated[
        bool, typer.Option("--publish", help="Publish it at once; without, it is a draft.")
    ] = False,
    tolerance: Annotated[
        float,
        typer.Option(
            "--tolerance", min=0.0, max=50.0, help="Close gaps and overlaps up to so many metres."
        ),
    ] = 2.0,
    crs: CrsOption = None,
    file_layer: Annotated[
        str | None, typer.Option("--layer", help="Layer inside the file; the first by default.")
    ] = None,
    rejects: RejectsOption = None,
    dry_run: DryRunOption = False,
    actor: ActorOption = "local",
    as_json: JsonOption = False,
) -> None:
    """Make a plan from a file of grids, repaired into a partition of every community."""
    with errors_for_people(as_json=as_json):
        from data.importers.grids import import_grids

        run = lambda database, progress: import_grids(  # noqa: E731
            database,
            file,
            actor=actor,
            name=name,
            publish=publish,
            tolerance_m=tolerance,
            crs=crs,
            file_layer=file_layer,
            dry_run=dry_run,
            progress=progress,
        )
        _run(run, file, rejects, as_json=as_json)


@import_app.command("stations")
def import_stations_command(
    file: FileArgument,
    datum: DatumOption = "wgs84",
    crs: CrsOption = None,
    rejects: RejectsOption = None,
    dry_run: DryRunOption = False,
    actor: ActorOption = "local",
    as_json: JsonOption = False,
) -> None:
    """Import a station ledger (CSV, XLSX) or a vector file of stations."""
    with errors_for_people(as_json=as_json):
        from data.importers.stations import import_stations

        run = lambda database, progress: import_stations(  # noqa: E731
            database, file, actor=actor, datum=datum, crs=crs, dry_run=dry_run, progress=progress
        )
        _run(run, file, rejects, as_json=as_json)


@import_app.command("households")
def import_households_command(
    file: FileArgument,
    datum: DatumOption = "wgs84",
    rejects: RejectsOption = None,
    dry_run: DryRunOption = False,
    actor: ActorOption = "local",
    as_json: JsonOption = False,
) -> None:
    """Import a building ledger: households, people, floors and units, joined by code or place."""
    with errors_for_people(as_json=as_json):
        from data.importers.households import import_households

        run = lambda database, progress: import_households(  # noqa: E731
            database, file, actor=actor, datum=datum, dry_run=dry_run, progress=progress
        )
        _run(run, file, rejects, as_json=as_json)


@contextmanager
def downloaded(place: str) -> Iterator[Path]:
    """Download a place by name, or a box as west,south,east,north, and give it as a file."""
    from data.importers.osm_place import read_place

    numbers = place.split(",")
    wanted: str | tuple[float, float, float, float] = place
    if len(numbers) == 4 and all(
        n.strip().lstrip("+-").replace(".", "").isdigit() for n in numbers
    ):
        west, south, east, north = (float(n) for n in numbers)
        wanted = (west, south, east, north)
    with tempfile.TemporaryDirectory(prefix="gridcircle-place-") as folder:
        name = "".join(c if c.isalnum() else "-" for c in place) or "place"
        path = Path(folder) / f"{name}.osm.pbf"
        with stages() as progress:
            read_place(wanted, keep=path, parts=("network",), progress=progress)
        yield path


def _run(
    run: Callable[[Database, Progress], ImportReport],
    file: Path,
    rejects: Path | None,
    *,
    as_json: bool,
) -> None:
    from data.database import open_database
    from data.settings import get_settings

    with stages() as progress, open_database(get_settings(), progress=progress) as database:
        report = run(database, progress)
    report_import(report)
    if report.rejected:
        where = rejects or file.with_name(f"{file.name}.rejects.csv")
        report.write_rejects(where)
        say(f"  {len(report.rejected)} faults are listed in {where}")
    show(report.to_dict(), text=describe_import(report), as_json=as_json)
    if report.rejected:
        raise typer.Exit(EXIT_REJECTED)


def report_import(report: ImportReport) -> None:
    """Print the warnings of an import and the columns it left out."""
    for warning in report.warnings:
        warn(f"{report.file}: {warning}")
    for column in report.left_out_columns:
        say(f"  {report.file}: column {column.name!r} was left out: {column.reason}")


def describe_import(report: ImportReport) -> str:
    """One line for people: what an import did."""
    done = (
        f"{report.inserted:,} new, {report.updated:,} changed, {report.unchanged:,} as they were"
        + (f", {report.deleted:,} deleted" if report.deleted else "")
        + (f", {len(report.rejected):,} faults" if report.rejected else "")
    )
    kept = " (dry run: nothing was kept)" if report.dry_run else ""
    same = "" if report.changed or report.dry_run else "; nothing changed"
    return f"{report.kind} from {report.file}: {report.read:,} read, {done}{same}{kept}"
