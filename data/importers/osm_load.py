"""An OpenStreetMap city into the database: layers, base map, barriers and network at once."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import geopandas as gpd
import numpy as np
import pandas as pd
import psycopg
import shapely
from sqlalchemy import Connection, text

from data.barriers import NEVER_DRAWN_ZOOM, OPENING
from data.database import Database
from data.errors import ConflictError
from data.importers.keep import note_import
from data.importers.osm import SAMPLE_ATTRIBUTION, OsmCity, read_osm
from data.importers.osm_barriers import WALL
from data.importers.osm_problems import REMEDY, count_by_reason
from data.importers.report import ImportReport, Reject, UpsertCounts
from data.importers.upsert import upsert
from data.location import locate
from data.network_store import store_network
from geo.network import WalkNetwork, build_network

Progress = Callable[[str, float], None]

SOURCE = "openstreetmap"
"""What ``source`` of every row from OpenStreetMap says, whatever the file."""

_LAYERS = ("areas", "compounds", "gates", "buildings", "entrances", "premises")
"""Written in this order: each names only rows of those before it."""
_LINKS_TO_AREAS = (
    ("areas", "parent_id"),
    ("compounds", "community_id"),
    ("grids", "community_id"),
)
_MAY_BE_SILENT: dict[str, tuple[tuple[str, ...], ...]] = {
    "areas": (("parent_code",),),
    "gates": (("compound_code",),),
    "buildings": (
        ("floors", "floors_source"),
        ("units",),
        ("households", "households_source"),
    ),
}
"""Columns in which an empty cell says nothing: what a ledger, an estimate or the location of rows
put there stays."""


def import_osm(
    database: Database,
    path: Path | str,
    *,
    actor: str,
    name: str | None = None,
    is_sample: bool = False,
    admin_levels: Mapping[int, str] | None = None,
    replace: bool = False,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> ImportReport:
    """Read an OpenStreetMap file and write all of it, or nothing.

    Parameters
    ----------
    database : Database
    path : Path or str
    actor : str
        Who does this, for the history.
    name : str, optional
        Name of the city; default is what the database has, then the highest area of the map.
    is_sample : bool
        Whether the city is made up.
    admin_levels : mapping of int to str, optional
        As for `read_osm`.
    replace : bool
        Also delete rows of earlier OpenStreetMap imports that this file does not hold.
    dry_run : bool
        Do everything, report, and keep nothing.
    progress : callable, optional
        Told stage and share done.

    Returns
    -------
    ImportReport
        What could not be used is among its rejected rows, with the OpenStreetMap id.

    Raises
    ------
    SourceFileError
        If the file cannot be read.
    NetworkError
        If it holds nothing to walk on.
    ConflictError
        If a made-up city would be mixed with a real one.
    """

    def report(stage: str, share: float) -> None:
        if progress is not None:
            progress(stage, share)

    path = Path(path)
    city = read_osm(
        path, admin_levels=admin_levels, progress=lambda stage, share: report(stage, share / 2)
    )
    report("Building the walking network", 0.5)
    network = build_network(city.ways, source=city.name)
    with database.transaction(actor) as connection:
        kept = connection.begin_nested()
        done = load_osm(
            connection,
            city,
            network,
            name=name,
            is_sample=is_sample,
            replace=replace,
            progress=lambda stage, share: report(stage, 0.6 + share * 0.4),
        )
        if dry_run:
            kept.rollback()
            done.dry_run = True
        else:
            note_import(connection, done, path, actor=actor)
    report("Imported", 1.0)
    return done


def load_osm(
    connection: Connection,
    city: OsmCity,
    network: WalkNetwork,
    *,
    name: str | None = None,
    is_sample: bool = False,
    replace: bool = False,
    progress: Progress | None = None,
) -> ImportReport:
    """Write a city in the caller's transaction and make its network the current one.

    Rows that another source has written since (a ledger, say) are left as they are. Floors,
    units and households are written only where the map has them, and households never over
    surveyed ones. Importing the same city again changes nothing.

    Parameters
    ----------
    connection : Connection
        Inside `Database.transaction`.
    city : OsmCity
    network : WalkNetwork
        Built from ``city.ways``.
    name, is_sample, replace, progress
        As for `import_osm`.
    """

    def tell(stage: str, share: float) -> None:
        if progress is not None:
            progress(stage, share)

    report = ImportReport(kind="osm", file=city.name)
    _note_problems(report, city)
    _set_city(connection, city, name=name, is_sample=is_sample)
    for i, table in enumerate(_LAYERS):
        tell(f"Writing {table}", i / 10)
        _write_layer(connection, table, getattr(city, table), report)
    for table in reversed(_LAYERS):
        _leave_behind(connection, table, getattr(city, table), report, replace=replace)
    tell("Writing the base map", 0.6)
    base = _base_rows(city)
    report.read += len(base)
    report.count(_replace_base(connection, base))
    tell("Storing the walking network", 0.7)
    store_network(connection, network)
    tell("Locating buildings and stations", 0.9)
    located = locate(connection)
    if located.buildings_outside and len(city.areas):
        report.warnings.append(
            f"{located.buildings_outside} buildings lie outside every community."
        )
    return report


def _note_problems(report: ImportReport, city: OsmCity) -> None:
    report.rejected += [
        Reject(problem.element, "", problem.detail, problem.reason, REMEDY)
        for problem in city.problems
        if not problem.kept
    ]
    mended = [problem for problem in city.problems if problem.kept]
    for reason, count in count_by_reason(mended).items():
        examples = [p.element for p in mended if p.reason == reason][:3]
        report.warnings.append(
            f"{count} × {reason}; used as far as possible: {', '.join(examples)}"
        )


def _set_city(connection: Connection, city: OsmCity, *, name: str | None, is_sample: bool) -> None:
    before = connection.execute(text("SELECT name, is_sample FROM city")).one_or_none()
    if before is not None and before.is_sample != is_sample:
        held, given = ("made-up", "real") if before.is_sample else ("real", "made-up")
        raise ConflictError(
            f"The database holds the {held} city {before.name}; a {given} one would be mixed "
            "into it.",
            remedy="Use another home folder (GRIDCIRCLE_HOME) or database for it.",
        )
    if name is None:
        name = (before.name if before is not None else "") or _name_of(city)
    connection.execute(
        text(
            "INSERT INTO city (id, name, is_sample, attribution)"
            " VALUES (1, :name, :is_sample, :attribution)"
            " ON CONFLICT (id) DO UPDATE SET name = excluded.name,"
            " is_sample = excluded.is_sample, attribution = excluded.attribution"
            " WHERE (city.name, city.is_sample, city.attribution)"
            " IS DISTINCT FROM (excluded.name, excluded.is_sample, excluded.attribution)"
        ),
        {
            "name": name,
            "is_sample": is_sample,
            "attribution": SAMPLE_ATTRIBUTION if is_sample else city.attribution,
        },
    )


def _name_of(city: OsmCity) -> str:
    """Name the city after its highest area if there is only one, otherwise after its file."""
    for level in ("district", "street", "community"):
        names = city.areas.loc[city.areas["level"] == level, "name"]
        if len(names):
            return str(names.iloc[0]) if len(names) == 1 else city.name.split(".")[0]
    return city.name.split(".")[0]


def _write_layer(
    connection: Connection, table: str, frame: gpd.GeoDataFrame, report: ImportReport
) -> None:
    report.read += len(frame)
    others = {
        row.code
        for row in connection.execute(
            text(
                f"SELECT code FROM {table} WHERE source NOT IN ('', :source) AND code = ANY(:codes)"
            ),
            {"source": SOURCE, "codes": frame["code"].tolist()},
        )
    }
    if others:
        report.warnings.append(
            f"{len(others)} rows of {table} were changed by another source and stay as they are."
        )
        report.unchanged += len(others)
    ours = frame[~frame["code"].isin(others)].drop(
        columns=["people", "people_source"], errors="ignore"
    )
    for rows in _rows_that_say_the_same(ours, _MAY_BE_SILENT.get(table, ()), _surveyed(connection)):
        report.count(upsert(connection, table, rows, source=SOURCE))


def _surveyed(connection: Connection) -> set[str]:
    """Find the buildings whose households are counted: the map's flats do not replace that."""
    query = text("SELECT code FROM buildings WHERE households_source = 'surveyed'")
    return {row.code for row in connection.execute(query)}


def _rows_that_say_the_same(
    frame: gpd.GeoDataFrame, silent: tuple[tuple[str, ...], ...], surveyed: set[str]
) -> Iterator[gpd.GeoDataFrame]:
    """Part a layer by which of its optional columns have a value, and leave the others out.

    Rows that say least come first: they may be parents of those that follow.
    """
    says = []
    for columns in silent:
        has = frame[columns[0]].notna().to_numpy()
        if columns[0] == "households":
            has = has & ~frame["code"].isin(surveyed).to_numpy()
        says.append(has)
    for wanted in itertools.product((False, True), repeat=len(silent)):
        rows = np.ones(len(frame), bool)
        left_out: list[str] = []
        for columns, has, is_wanted in zip(silent, says, wanted, strict=True):
            rows &= has == is_wanted
            left_out += [] if is_wanted else columns
        if rows.any():
            yield frame[rows].drop(columns=left_out)


def _leave_behind(
    connection: Connection,
    table: str,
    frame: gpd.GeoDataFrame,
    report: ImportReport,
    *,
    replace: bool,
) -> None:
    """Delete the rows of earlier maps that this one does not hold, or say that they stay."""
    bound = {"source": SOURCE, "codes": frame["code"].tolist()}
    stale = f"SELECT id FROM {table} WHERE source = :source AND code <> ALL(:codes)"
    if not replace:
        left = connection.scalar(text(f"SELECT count(*) FROM ({stale}) s"), bound)
        if left:
            report.warnings.append(
                f"{left} rows of {table} from an earlier map are not in this one; they were kept."
            )
        return
    if table == "areas":
        # What lay in them is located anew at the end.
        for child, link in (
            ("areas", "parent"),
            ("compounds", "community"),
            ("grids", "community"),
        ):
            connection.execute(
                text(f"UPDATE {child} SET {link}_id = NULL WHERE {link}_id IN ({stale})"), bound
            )
    report.deleted += connection.execute(
        text(f"DELETE FROM {table} WHERE id IN ({stale})"), bound
    ).rowcount


def _base_rows(city: OsmCity) -> gpd.GeoDataFrame:
    """Join the base map, the barriers that are not drawn, and their openings."""
    lines = city.barriers.lines
    # Walls are on the base map already.
    unseen = lines[lines["kind"] != WALL]
    barriers = gpd.GeoDataFrame(
        {
            "layer": "barrier",
            "kind": unseen["kind"],
            "name": "",
            "min_zoom": NEVER_DRAWN_ZOOM,
            "source_key": unseen["source_key"],
        },
        geometry=unseen.geometry,
        crs="EPSG:4326",
    )
    openings = gpd.GeoDataFrame(
        {
            "layer": "barrier",
            "kind": OPENING,
            "name": "",
            "min_zoom": NEVER_DRAWN_ZOOM,
            "source_key": city.barriers.openings["kind"],
        },
        geometry=city.barriers.openings.geometry,
        crs="EPSG:4326",
    )
    parts = [part for part in (city.base, barriers, openings) if len(part)]
    if not parts:
        return city.base
    return gpd.GeoDataFrame(pd.concat(parts, ignore_index=True), geometry="geometry", crs=4326)


def _replace_base(connection: Connection, base: gpd.GeoDataFrame) -> UpsertCounts:
    """Bring the base map of this source to these features; what is the same is not touched."""
    columns = ["source_key", "layer", "kind", "name", "min_zoom"]
    connection.execute(
        text(
            "CREATE TEMP TABLE incoming_base ON COMMIT DROP AS"
            f" SELECT {', '.join(columns)}, geom FROM base_features WITH NO DATA"
        )
    )
    shapes = shapely.to_wkb(
        shapely.set_srid(base.geometry.to_numpy(), 4326), hex=True, include_srid=True
    )
    cells = [base[column].tolist() for column in columns]
    driver = cast("psycopg.Connection[Any]", connection.connection.driver_connection)
    with (
        driver.cursor() as cursor,
        cursor.copy(f"COPY incoming_base ({', '.join(columns)}, geom) FROM STDIN") as copy,
    ):
        for row in zip(*cells, np.asarray(shapes).tolist(), strict=True):
            copy.write_row(row)
    connection.execute(text("ANALYZE incoming_base"))
    # Equal rows may stand several times on either side; they are paired by number.
    numbered = (
        f"SELECT *, row_number() OVER (PARTITION BY {', '.join(columns)}, ST_AsBinary(geom)"
        " ORDER BY source_key) AS copy FROM"
    )
    same = " AND ".join(f"i.{column} = b.{column}" for column in [*columns, "copy"])
    same += " AND ST_AsBinary(i.geom) = ST_AsBinary(b.geom)"
    ours = f"({numbered} base_features WHERE source = :source) b"
    deleted = connection.execute(
        text(
            f"DELETE FROM base_features WHERE id IN (SELECT b.id FROM {ours}"
            f" WHERE NOT EXISTS (SELECT FROM ({numbered} incoming_base) i WHERE {same}))"
        ),
        {"source": SOURCE},
    ).rowcount
    listed = ", ".join(columns)
    inserted = connection.execute(
        text(
            f"INSERT INTO base_features (source, {listed}, geom)"
            f" SELECT :source, {', '.join(f'i.{c}' for c in columns)}, i.geom"
            f" FROM ({numbered} incoming_base) i"
            f" WHERE NOT EXISTS (SELECT FROM {ours} WHERE {same})"
        ),
        {"source": SOURCE},
    ).rowcount
    connection.execute(text("DROP TABLE incoming_base"))
    connection.execute(text("ANALYZE base_features"))
    return UpsertCounts(inserted, 0, len(base) - inserted, deleted)
