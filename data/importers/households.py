"""Households and people: surveyed counts from a building ledger, estimates for the rest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from sqlalchemy import Connection, text

from data.database import Database
from data.errors import SourceFileError
from data.importers.coordinates import doubts, to_degrees
from data.importers.datum_check import datum_doubts
from data.importers.headers import match_headers, word_value
from data.importers.keep import write
from data.importers.personal_data import leave_out, masked
from data.importers.report import ImportReport, LeftOutColumn, Reject
from data.importers.spread import open_totals, spread_totals
from data.importers.tables import read_table
from data.importers.values import CellError, count, number
from geo.crs import project, projected_crs
from geo.dasymetric import estimate_households, estimate_people

Progress = Callable[[str, float], None]

NEAR_M = 30.0
"""How far a ledger's position may lie from a footprint, metres. Our reading."""
_LIMITS = {"households": (0, 5_000), "people": (0, 20_000), "floors": (1, 200), "units": (0, 100)}


def import_households(
    database: Database,
    path: Path | str,
    *,
    actor: str,
    datum: str = "wgs84",
    dry_run: bool = False,
    progress: Progress | None = None,
) -> ImportReport:
    """Write the counts of a building ledger onto buildings, as surveyed.

    A row finds its building by code, otherwise by its position: the footprint around it, or the
    nearest within `NEAR_M`. Two rows of one building are added up.

    Parameters
    ----------
    database : Database
    path : Path
        CSV or XLSX with a code or lon and lat, and households.
    actor : str
        Who does this, for the history.
    datum : str
        Of the coordinates.
    dry_run : bool
        Do everything, report, and keep nothing.
    progress : callable, optional
        Told stage and share done.

    Raises
    ------
    SourceFileError
        If the file cannot be read or has no households.
    """
    path = Path(path)
    report = ImportReport("households", path.name)
    _tell(progress, "Reading the ledger", 0.1)
    frame = read_table(path, "buildings").frame
    frame, left = leave_out(frame)
    match = match_headers(list(frame.columns), "buildings")
    column = match.column
    report.left_out_columns += left
    report.left_out_columns += [LeftOutColumn(c, "no field of buildings") for c in match.unknown]
    report.warnings += match.hints
    report.read = len(frame)
    if "households" not in column or not ({"code"} <= set(column) or {"lon", "lat"} <= set(column)):
        raise SourceFileError(
            f"{path.name} needs a column of households, and a building code or lon and lat; "
            f"it has {', '.join(frame.columns)}.",
            remedy="Name the columns as docs/importing.md lists them.",
        )
    rows = _values(frame, column, datum, report)

    def store(connection: Connection) -> None:
        _tell(progress, "Finding the buildings", 0.4)
        lonlat = rows[["lon", "lat"]].to_numpy(float)
        report.warnings += datum_doubts(connection, lonlat, datum, beside="footprints")
        found = _buildings_of(connection, rows, report, column)
        _tell(progress, "Writing the counts", 0.7)
        if len(found):
            updated = _write_counts(connection, found)
            report.updated += updated
            report.unchanged += len(found) - updated
            # What is counted now is no longer spread.
            totals = set(open_totals(connection).index)
            if totals:
                report.updated += estimate_missing(connection, communities=totals)[0]

    return write(database, store, report, path, actor=actor, dry_run=dry_run)


def _tell(progress: Progress | None, stage: str, share: float) -> None:
    if progress is not None:
        progress(stage, share)


def _values(
    frame: pd.DataFrame, column: dict[str, str], datum: str, report: ImportReport
) -> pd.DataFrame:
    """Good rows as numbers; the others go to the report."""
    raw = np.full((len(frame), 2), np.nan)
    rows = []
    for at, row in enumerate(frame.index):
        cells = {f: str(frame.at[row, c]) for f, c in column.items()}
        value: dict[str, object] = {"row": row, "code": cells.get("code", ""), "at": at}
        faults = []
        for field, (least, most) in _LIMITS.items():
            try:
                value[field] = count(cells.get(field), least=least, most=most)
            except CellError as error:
                faults.append(
                    Reject(row, column[field], masked(cells[field]), str(error), error.remedy)
                )
        for axis, field in enumerate(("lon", "lat")):
            try:
                degrees = number(cells.get(field))
            except CellError as error:
                faults.append(Reject(row, column[field], cells[field], str(error), error.remedy))
                continue
            if degrees is not None:
                raw[at, axis] = degrees
        if not faults and value["households"] is None:
            faults.append(
                Reject(row, column["households"], "", "is empty", "Give the number of households.")
            )
        value["kind"] = word_value("building_kind", cells["kind"]) if cells.get("kind") else None
        value["name"] = cells.get("name", "")
        if faults:
            report.rejected += faults
        else:
            rows.append(value)
    report.warnings += doubts(raw, datum)
    lonlat = to_degrees(raw, datum)
    table = pd.DataFrame(rows, columns=["row", "code", "at", *_LIMITS, "kind", "name"])
    table["lon"], table["lat"] = lonlat[table["at"].astype(int)].T if len(table) else ([], [])
    return table


def _buildings_of(
    connection: Connection, rows: pd.DataFrame, report: ImportReport, column: dict[str, str]
) -> pd.DataFrame:
    """Counts by building code, as rows for the table."""
    known = gpd.GeoDataFrame.from_postgis(
        text("SELECT code, kind, geom FROM buildings"), connection, geom_col="geom"
    )
    rows = rows.assign(target=rows["code"].where(rows["code"].isin(known["code"])))
    open_rows = rows.index[rows["target"].isna() & rows["lon"].notna() & rows["lat"].notna()]
    if len(open_rows) and len(known):
        crs = projected_crs(tuple(known.total_bounds)).srs
        shapes = shapely.transform(known.geometry.array, lambda xy: project(xy, crs))
        points = shapely.points(project(rows.loc[open_rows, ["lon", "lat"]].to_numpy(float), crs))
        mine, theirs = shapely.STRtree(shapes).query_nearest(
            points, max_distance=NEAR_M, all_matches=False
        )
        rows.loc[open_rows[mine], "target"] = known["code"].to_numpy()[theirs]
    for row in rows[rows["target"].isna()].itertuples():
        report.rejected.append(
            Reject(
                int(str(row.row)),
                column.get("code", column.get("lon", "")),
                row.code,
                f"no building has this code, and none lies within {NEAR_M:g} m of its position",
                "Import the buildings first, or correct the code or the coordinates.",
            )
        )
    rows = rows[rows["target"].notna()]
    if not len(rows):
        return pd.DataFrame()
    numbers = rows.groupby("target", sort=True)
    table = pd.DataFrame({"code": numbers.size().index})
    table["households"] = numbers["households"].sum().astype("Int64").to_numpy()
    table["households_source"] = "surveyed"
    people = numbers["people"].sum(min_count=1)
    if people.notna().any():
        table["people"] = people.astype("Int64").to_numpy()
        table["people_source"] = np.where(people.notna(), "surveyed", "none")
    for field in ("floors", "units"):
        most = numbers[field].max()
        if most.notna().all():
            table[field] = most.astype("Int64").to_numpy()
            if field == "floors":
                table["floors_source"] = "surveyed"
    kinds = numbers["kind"].first()
    if kinds.notna().all():
        table["kind"] = kinds.to_numpy()
    return table


def estimate_missing(
    connection: Connection, *, communities: set[int] | None = None
) -> tuple[int, int]:
    """Estimate households and people of residential buildings that no ledger counts.

    Surveyed counts are never touched; estimates are marked as such, and add up to the total of
    their community where one is known (`data.importers.totals`).

    Parameters
    ----------
    connection : Connection
        Inside `Database.transaction`.
    communities : set of int, optional
        Ids of the communities whose buildings are estimated; all buildings by default.

    Returns
    -------
    tuple of int
        Buildings whose estimate is new or changed, and those whose estimate stays.
    """
    frame = gpd.GeoDataFrame.from_postgis(
        text(
            "SELECT code, kind, floors, community_id, geom FROM buildings"
            " WHERE households_source <> 'surveyed'"
            " AND kind IN ('high_rise', 'multi_storey', 'bungalow')"
            " AND (CAST(:communities AS bigint[]) IS NULL OR community_id = ANY(:communities))"
            " ORDER BY id"
        ),
        connection,
        geom_col="geom",
        params={"communities": None if communities is None else sorted(communities)},
    )
    if not len(frame):
        return 0, 0
    crs = projected_crs(tuple(frame.total_bounds)).srs
    area = shapely.area(shapely.transform(frame.geometry.array, lambda xy: project(xy, crs)))
    households = estimate_households(
        area, frame["floors"].to_numpy(float, na_value=np.nan), frame["kind"].to_numpy(object)
    )
    table = spread_totals(
        pd.DataFrame(
            {
                "code": frame["code"],
                "community_id": frame["community_id"],
                "households": households,
                "people": estimate_people(households),
            }
        ),
        open_totals(connection),
    )
    table = table[(table["households"] > 0) | table["known"]]
    table = table.assign(households_source="estimated", people_source="estimated")
    updated = _write_counts(connection, table)
    return updated, len(table) - updated


_TYPES = {
    "households": "int",
    "households_source": "text",
    "people": "int",
    "people_source": "text",
    "floors": "smallint",
    "floors_source": "text",
    "units": "smallint",
    "kind": "text",
}


def _write_counts(connection: Connection, table: pd.DataFrame) -> int:
    """Update buildings by code where a count differs; gives how many.

    The row keeps its source: the map stays the owner of the building, the ledger of its counts.
    """
    fields = [field for field in _TYPES if field in table.columns]
    columns = ", ".join(fields)
    arrays = ", ".join(f"CAST(:{field} AS {_TYPES[field]}[])" for field in fields)
    done = connection.execute(
        text(
            f"UPDATE buildings b SET {', '.join(f'{f} = v.{f}' for f in fields)}"
            f" FROM unnest(CAST(:code AS text[]), {arrays}) AS v(code, {columns})"
            f" WHERE b.code = v.code AND ({', '.join(f'b.{f}' for f in fields)})"
            f" IS DISTINCT FROM ({', '.join(f'v.{f}' for f in fields)})"
        ),
        {
            name: [None if pd.isna(v) else v for v in table[name].tolist()]
            for name in ("code", *fields)
        },
    )
    return int(done.rowcount)
