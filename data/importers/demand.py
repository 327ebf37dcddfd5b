"""Demand points from a file: who walks, with optional counts, without a database."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from data.errors import SourceFileError
from data.importers.coordinates import to_degrees
from data.importers.headers import match_headers
from data.importers.personal_data import leave_out, masked
from data.importers.report import ImportReport, Reject
from data.importers.tables import TABLE_ENDINGS, read_table
from data.importers.values import CellError, number
from data.importers.vectors import read_vector


def read_demand(path: Path | str, *, datum: str = "wgs84") -> tuple[gpd.GeoDataFrame, ImportReport]:
    """Read demand points.

    Parameters
    ----------
    path : Path
        Any vector file (polygons walk from a point inside them), or CSV or XLSX with lon and lat.
    datum : str
        Of the coordinates of a table.

    Returns
    -------
    tuple of GeoDataFrame and ImportReport
        id (text), households, people (NaN where unknown), geometry (points, EPSG:4326); rows with
        a fault are in the report.

    Raises
    ------
    SourceFileError
        If the file cannot be read, or a table lacks lon or lat.
    """
    path = Path(path)
    report = ImportReport("demand", path.name)
    if path.suffix.lower() in TABLE_ENDINGS:
        frame = read_table(path, "buildings").frame
        match = match_headers(list(frame.columns), "buildings")
        missing = [f for f in ("lon", "lat") if f not in match.column]
        if missing:
            raise SourceFileError(
                f"{path.name} has no column for {', '.join(missing)}.",
                remedy="Name the columns id, lon, lat, households, people.",
            )
        lonlat = np.column_stack(
            [pd.to_numeric(frame[match.column[f]], errors="coerce") for f in ("lon", "lat")]
        ).astype(float)
        points = shapely.points(to_degrees(lonlat, datum))
    else:
        vector = read_vector(path)
        report.warnings += vector.warnings
        frame = pd.DataFrame(vector.frame.drop(columns="geometry"))
        match = match_headers(list(map(str, frame.columns)), "buildings")
        points = shapely.point_on_surface(vector.frame.geometry.array)
    frame, left = leave_out(frame)
    report.left_out_columns += left
    report.read = len(frame)
    column = {f: c for f, c in match.column.items() if c in frame.columns}
    ids = (
        [str(v).removesuffix(".0") for v in frame[column["code"]]]
        if "code" in column
        else [str(i) for i in frame.index]
    )
    counts: dict[str, list[float]] = {"households": [], "people": []}
    good = np.ones(len(frame), np.bool_)
    xy = shapely.get_coordinates(np.where(shapely.is_empty(points), None, points))
    placed = ~(shapely.is_missing(points) | shapely.is_empty(points))
    placed[placed] = np.isfinite(xy).all(axis=1) if len(xy) else False
    for at, row in enumerate(frame.index):
        if not placed[at]:
            good[at] = False
            report.rejected.append(
                Reject(row, "geometry", ids[at], "has no position", "Give lon and lat, or draw it.")
            )
        for field, values in counts.items():
            value = None
            if field in column:
                cell: object = frame.at[row, column[field]]
                try:
                    value = None if cell is None or cell != cell else number(cell)
                except CellError as error:
                    good[at] = False
                    report.rejected.append(
                        Reject(row, column[field], masked(cell), str(error), error.remedy)
                    )
            if value is not None and value < 0:
                good[at] = False
                report.rejected.append(
                    Reject(row, column[field], value, "is negative", "Write 0 or more.")
                )
            values.append(np.nan if value is None else value)
    table = gpd.GeoDataFrame({"id": ids, **counts}, geometry=points, crs="EPSG:4326")
    return table[good].reset_index(drop=True), report
