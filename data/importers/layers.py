"""Vector files into the layers: areas, compounds, buildings, stations, grids and points."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from sqlalchemy import Connection

from data.database import Database
from data.errors import SourceFileError
from data.importers.datum_check import datum_doubts
from data.importers.headers import known_words, match_headers, nearest_word, word_value
from data.importers.keep import keep
from data.importers.personal_data import leave_out, masked
from data.importers.report import ImportReport, LeftOutColumn, Reject
from data.importers.stations import facilities_of, import_stations
from data.importers.values import CellError, count, number
from data.importers.vectors import read_vector

Progress = Callable[[str, float], None]

LAYERS = (
    "areas",
    "compounds",
    "buildings",
    "stations",
    "grids",
    "gates",
    "patrol_points",
    "premises",
)
_POINTS = ("gates", "patrol_points", "premises")
_TEXT = {
    "areas": ("name", "parent_code"),
    "compounds": ("name",),
    "buildings": ("name", "address"),
    "grids": ("name", "community_code"),
    "gates": ("name", "compound_code", "opening_hours"),
    "patrol_points": ("name", "kind"),
    "premises": ("name", "kind"),
}
_WORDS = {
    "areas": {"level": "level"},
    "compounds": {"kind": "compound_kind", "walled": "walled"},
    "buildings": {"kind": "building_kind"},
    "grids": {"kind": "grid_kind"},
    "gates": {"access": "access"},
}
_COUNTS = {
    "buildings": {
        "floors": (1, 200),
        "units": (0, 100),
        "households": (0, 5_000),
        "people": (0, 20_000),
    }
}
_SIZES = ("area_m2", "cost")
"""Numbers of premises: square metres, and yuan of opening a station there."""
TAKEN_CODE = "is the code of feature"
"""How the reason begins where a feature is refused for a code that another has."""
_NEEDED = {"areas": ("name", "level"), "patrol_points": ("kind",), "premises": ("kind",)}
_OPTIONAL_LINKS = ("parent_code", "compound_code", "community_code")


def import_layer(
    database: Database,
    path: Path | str,
    layer: str,
    *,
    actor: str,
    crs: str | None = None,
    file_layer: str | None = None,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> ImportReport:
    """Bring the features of a vector file into one layer, in one transaction.

    Parameters
    ----------
    database : Database
    path : Path
        Any file GDAL reads; attributes by the names in ``headers.toml``.
    layer : str
        One of `LAYERS`.
    actor : str
        Who does this, for the history.
    crs : str, optional
        Of a file that does not say.
    file_layer : str, optional
        Layer inside the file; the first by default.
    dry_run : bool
        Do everything, report, and keep nothing.
    progress : callable, optional
        Told stage and share done.

    Raises
    ------
    SourceFileError
        If the file cannot be read, the layer is unknown, or a needed column is missing.
    """
    path = Path(path)
    if layer not in LAYERS:
        raise SourceFileError(
            f"There is no layer {layer!r}.", remedy=f"Use one of: {', '.join(LAYERS)}."
        )
    if layer == "stations":
        return import_stations(
            database,
            path,
            actor=actor,
            crs=crs,
            file_layer=file_layer,
            dry_run=dry_run,
            progress=progress,
        )
    if progress is not None:
        progress(f"Reading {path.name}", 0.1)
    frame, report = read_layer(path, layer, crs=crs, file_layer=file_layer)
    if progress is not None:
        progress(f"Writing {layer}", 0.6)

    def doubt(connection: Connection) -> None:
        if layer in ("buildings", "gates", "premises") and len(frame):
            points = shapely.point_on_surface(frame.geometry.array)
            report.warnings += datum_doubts(
                connection,
                shapely.get_coordinates(points),
                crs or "wgs84",
                beside="footprints" if layer == "buildings" else "streets",
            )

    return keep(database, layer, frame, report, path, actor=actor, dry_run=dry_run, before=doubt)


def read_layer(
    path: Path, layer: str, *, crs: str | None = None, file_layer: str | None = None
) -> tuple[gpd.GeoDataFrame, ImportReport]:
    """Read features as rows of a table, without a database.

    Returns
    -------
    tuple of GeoDataFrame and ImportReport
        Columns of the layer's table (EPSG:4326) for the good features; the report has the others.

    Raises
    ------
    SourceFileError
        If the file cannot be read or a needed column is missing.
    """
    report = ImportReport(layer, path.name)
    vector = read_vector(path, layer=file_layer, crs=crs)
    report.warnings += vector.warnings
    report.read = len(vector.frame)
    attributes, left = leave_out(pd.DataFrame(vector.frame.drop(columns="geometry")))
    match = match_headers(list(map(str, attributes.columns)), layer)
    column = match.column
    report.left_out_columns += left
    fields = {
        "code",
        *_TEXT[layer],
        *_WORDS.get(layer, {}),
        *_COUNTS.get(layer, {}),
        *((*_SIZES, "facilities") if layer == "premises" else ()),
    }
    report.left_out_columns += [
        LeftOutColumn(c, f"no field of {layer}")
        for c in [*match.unknown, *(c for f, c in column.items() if f not in fields)]
    ]
    report.warnings += match.hints
    missing = [field for field in _NEEDED.get(layer, ()) if field not in column]
    if missing:
        raise SourceFileError(
            f"{path.name} has no column for {', '.join(missing)}; it has "
            f"{', '.join(map(str, attributes.columns))}.",
            remedy="Name the columns as docs/importing.md lists them.",
        )
    shapes, faulty, mended = _shapes(vector.frame.geometry.array, point=layer in _POINTS)
    if mended:
        report.warnings.append(f"{mended} geometries crossed themselves and were mended.")
    rows: list[dict[str, object]] = []
    places: list[int] = []
    seen: dict[str, Hashable] = {}
    texts = attributes.astype(object).where(attributes.notna(), None)
    for at, row_number in enumerate(vector.frame.index):
        cells = {f: texts.iloc[at][c] for f, c in column.items() if f in fields}
        row, faults = _row(layer, cells, column, row_number, path.stem)
        if at in faulty:
            faults.append(Reject(row_number, "geometry", "", *faulty[at]))
        code = str(row["code"])
        if not faults and code in seen:
            faults.append(
                Reject(
                    row_number,
                    column.get("code", "code"),
                    code,
                    f"{TAKEN_CODE} {seen[code]} already",
                    "Give each feature a code of its own.",
                    f"与第 {seen[code]} 个要素的编码重复",
                    "请给每个要素各自的编码。",
                )
            )
        if faults:
            report.rejected += faults
            continue
        seen[code] = row_number
        rows.append(row)
        places.append(at)
    frame = gpd.GeoDataFrame(
        pd.DataFrame(rows), geometry=shapes[places] if rows else [], crs="EPSG:4326"
    )
    return frame, report


def _row(
    layer: str, cells: dict[str, object], column: dict[str, str], number_: Hashable, stem: str
) -> tuple[dict[str, object], list[Reject]]:
    faults: list[Reject] = []
    code = "" if cells.get("code") is None else str(cells["code"]).strip().removesuffix(".0")
    row: dict[str, object] = {"code": code or f"{stem}:{number_}"}
    for field in _TEXT[layer]:
        if field not in cells:
            continue
        text = "" if cells[field] is None else str(cells[field]).strip()
        row[field] = (text or None) if field in (*_OPTIONAL_LINKS, "opening_hours") else text
        if field in _NEEDED.get(layer, ()) and not text:
            faults.append(
                Reject(
                    int(str(number_)),
                    column[field],
                    "",
                    "is empty",
                    "Fill in the cell.",
                    "没有填写",
                    "请填写此单元格。",
                )
            )
    for field, group in _WORDS.get(layer, {}).items():
        if field not in cells:
            continue
        known = word_value(group, cells[field])
        if known is None:
            near = nearest_word(group, cells[field])
            hint = f"Did you mean {near}? " if near else ""
            hint_zh = f"是否想填“{near}”？" if near else ""
            faults.append(
                Reject(
                    int(str(number_)),
                    column[field],
                    masked(cells[field]),
                    f"is no {field} of {layer}",
                    f"{hint}Use {known_words(group)}.",
                    "不是可用的取值",
                    f"{hint_zh}可填：{known_words(group)}。",
                )
            )
        else:
            row[field] = known == "true" if field == "walled" else known
    for field, (least, most) in _COUNTS.get(layer, {}).items():
        if field not in cells:
            continue
        try:
            row[field] = count(cells[field], least=least, most=most)
        except CellError as error:
            faults.append(
                Reject(
                    int(str(number_)), column[field], masked(cells[field]), str(error), error.remedy
                )
            )
            continue
        if field != "units":
            row[f"{field}_source"] = "none" if row[field] is None else "surveyed"
    for field in _SIZES if layer == "premises" else ():
        if field not in cells:
            continue
        try:
            row[field] = _size(cells[field])
        except CellError as error:
            faults.append(
                Reject(int(str(number_)), column[field], cells[field], str(error), error.remedy)
            )
    if layer == "premises" and "facilities" in cells:
        offered, unknown = facilities_of(cells["facilities"])
        # An empty cell says nothing, so anything could be offered there.
        row["facilities"] = offered or None
        for word, hint in unknown:
            faults.append(
                Reject(
                    int(str(number_)), column["facilities"], masked(word), "is no facility", hint
                )
            )
    return row, faults


def _size(cell: object) -> float | None:
    value = number(cell)
    if value is not None and value < 0:
        raise CellError("is below 0", "Write 0 or more, or leave the cell empty.")
    return value


def _shapes(
    geometry: np.ndarray, *, point: bool
) -> tuple[np.ndarray, dict[int, tuple[str, str, str, str]], int]:
    """Geometries of the layer's type; what is wrong with the others; how many were mended."""
    shapes = np.asarray(geometry, dtype=object).copy()
    faulty: dict[int, tuple[str, str, str, str]] = {}
    empty = shapely.is_missing(shapes) | shapely.is_empty(shapes)
    for i in np.flatnonzero(empty):
        faulty[int(i)] = (
            "is empty",
            "Draw the feature or delete its row.",
            "没有图形",
            "请画出此要素，或删除这一行。",
        )
    if point:
        other = ~empty & (shapely.get_type_id(shapes) != 0)
        shapes[other] = shapely.point_on_surface(shapes[other])
        return shapes, faulty, 0
    broken = ~empty & ~shapely.is_valid(shapes)
    shapes[broken] = shapely.make_valid(shapes[broken])
    for i in np.flatnonzero(~empty):
        parts = [
            part
            for part in shapely.get_parts(shapely.get_parts(shapes[i]))
            if part.geom_type == "Polygon" and not part.is_empty
        ]
        if not parts:
            faulty[int(i)] = (
                f"is a {shapes[i].geom_type}, not a polygon",
                "Draw the feature as a polygon.",
                f"是 {shapes[i].geom_type}，不是面",
                "请把此要素画成面。",
            )
            continue
        shapes[i] = shapely.multipolygons(parts)
    return shapes, faulty, int(broken.sum())
