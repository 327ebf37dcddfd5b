"""Stations from a ledger or a vector file, checked row by row."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from sqlalchemy import Connection

from data.database import Database
from data.importers.coordinates import doubts, to_degrees
from data.importers.datum_check import datum_doubts
from data.importers.headers import known_words, match_headers, nearest_word, word_value
from data.importers.keep import keep
from data.importers.personal_data import leave_out, masked
from data.importers.report import ImportReport, LeftOutColumn, Reject
from data.importers.tables import TABLE_ENDINGS, read_table
from data.importers.values import CellError, count, date, number
from data.importers.vectors import read_vector
from data.stations import MOST_PLACES, StationDraft, check_station

Progress = Callable[[str, float], None]

_DAYS = {
    "一": "Mo",
    "二": "Tu",
    "三": "We",
    "四": "Th",
    "五": "Fr",
    "六": "Sa",
    "日": "Su",
    "天": "Su",
}
_DAY = r"(?:周|星期|礼拜)([一二三四五六日天])"


def osm_hours(text: str) -> str:
    """Write opening hours as people write them in OpenStreetMap syntax.

    ``24小时`` becomes ``24/7``, ``周一至周五 8:30-17:00`` becomes ``Mo-Fr 08:30-17:00``; what is
    in that syntax already stays as it is.
    """
    value = text.strip()
    if re.search(r"24\s*小时|全天|全日", value):
        return "24/7"
    value = value.replace("：", ":").replace("，", ",").replace("；", "; ").replace("、", ",")
    value = re.sub(
        rf"{_DAY}\s*[至到\-—~～]\s*{_DAY}", lambda m: f"{_DAYS[m[1]]}-{_DAYS[m[2]]} ", value
    )
    value = re.sub(_DAY, lambda m: _DAYS[m[1]] + " ", value)
    value = value.replace("每天", "").replace("每日", "").replace("工作日", "Mo-Fr ")
    value = value.replace("周末", "Sa,Su ").replace("节假日休息", "; PH off").replace("法定", "")
    value = re.sub(r"(?<=\d)\s*[至到—~～–]\s*(?=\d)", "-", value)
    value = re.sub(r"(?<![\d:])(\d):(\d\d)", r"0\1:\2", value)
    return re.sub(r"\s+", " ", value).strip(" ;")


def read_stations(
    path: Path | str,
    *,
    datum: str = "wgs84",
    crs: str | None = None,
    file_layer: str | None = None,
) -> tuple[gpd.GeoDataFrame, ImportReport]:
    """Read stations without a database.

    Parameters
    ----------
    path : Path
        CSV or XLSX with at least an id, lon and lat, or any vector file of points.
    datum : str
        Of the coordinates of a ledger: wgs84, cgcs2000, gcj02, bd09 or a CRS.
    crs : str, optional
        Of a vector file that does not say.
    file_layer : str, optional
        Layer inside a vector file; the first by default.

    Returns
    -------
    tuple of GeoDataFrame and ImportReport
        code, kind, name, address, opening_hours, area_m2, facilities, status, geometry
        (EPSG:4326), and places (number or None) and verified_on (date or None) if the file has
        such columns; one row a good station; the report lists the others.

    Raises
    ------
    SourceFileError
        If the file cannot be read or lacks id, lon or lat.
    """
    path = Path(path)
    report = ImportReport("stations", path.name)
    if path.suffix.lower() in TABLE_ENDINGS:
        frame = read_table(path, "stations").frame
        frame, left = leave_out(frame)
        match = match_headers(list(frame.columns), "stations")
        lonlat = _ledger_positions(path, frame, match.column, datum, report)
        if datum.lower() != "wgs84":
            report.warnings.append(f"Coordinates were read as {datum} and written as WGS84.")
    else:
        vector = read_vector(path, layer=file_layer, crs=crs)
        report.warnings += vector.warnings
        frame, left = leave_out(pd.DataFrame(vector.frame.drop(columns="geometry")))
        frame = frame.map(lambda cell: "" if pd.isna(cell) else str(cell))
        match = match_headers(list(frame.columns), "stations")
        points = shapely.point_on_surface(vector.frame.geometry.array)
        lonlat = shapely.get_coordinates(points).reshape(-1, 2)
        if len(lonlat) != len(frame):
            lonlat = np.array([[p.x, p.y] if p else [np.nan] * 2 for p in points])
    report.left_out_columns += left
    used = {"lon", "lat", "households", "people"}
    report.left_out_columns += [
        LeftOutColumn(name, "no field of stations") for name in match.unknown if name not in used
    ]
    report.warnings += match.hints
    report.read = len(frame)
    rows, seen = [], dict[str, object]()
    for at, row_number in enumerate(frame.index):
        cells = {f: str(frame.at[row_number, c]) for f, c in match.column.items()}
        draft, faults = _draft(cells, lonlat[at], match.column)
        code = draft.code or ""
        if not faults and code in seen:
            faults = [
                Reject(
                    row_number,
                    match.column.get("code", ""),
                    code,
                    f"stands in row {seen[code]} already",
                    "Give each station an id of its own.",
                )
            ]
        if faults:
            report.rejected += [
                Reject(row_number, f.field, masked(f.value), f.reason, f.remedy) for f in faults
            ]
            continue
        seen[code] = row_number
        rows.append(draft)
    stations = gpd.GeoDataFrame(
        {
            "code": [d.code for d in rows],
            "kind": [d.kind for d in rows],
            "name": [d.name for d in rows],
            "address": [d.address for d in rows],
            "opening_hours": [d.opening_hours for d in rows],
            "area_m2": [d.area_m2 for d in rows],
            "facilities": [list(d.facilities) for d in rows],
            "status": [d.status for d in rows],
        },
        geometry=gpd.points_from_xy([d.lon for d in rows], [d.lat for d in rows]),
        crs="EPSG:4326",
    )
    # Without the column, counts and days that somebody noted in the service stay.
    if "places" in match.column:
        stations["places"] = pd.Series([d.places for d in rows], dtype=object)
    if "verified_on" in match.column:
        stations["verified_on"] = pd.Series([d.verified_on for d in rows], dtype=object)
    return stations, report


def _ledger_positions(
    path: Path, frame: pd.DataFrame, column: dict[str, str], datum: str, report: ImportReport
) -> np.ndarray:
    from data.errors import SourceFileError

    missing = [field for field in ("code", "lon", "lat") if field not in column]
    if missing:
        raise SourceFileError(
            f"{path.name} has no column for {', '.join(missing)}.",
            remedy=f"Its columns are {', '.join(map(str, frame.columns))}; "
            "name them id, lon, lat or as docs/importing.md lists.",
        )
    raw = np.full((len(frame), 2), np.nan)
    for axis, field in enumerate(("lon", "lat")):
        for at, cell in enumerate(frame[column[field]]):
            try:
                value = number(cell)
            except CellError:
                continue
            if value is not None:
                raw[at, axis] = value
    report.warnings += doubts(raw, datum)
    return to_degrees(raw, datum)


def _draft(
    cells: dict[str, str], lonlat: np.ndarray, column: dict[str, str]
) -> tuple[StationDraft, list[Reject]]:
    """A station from the cells of one row, and what is wrong with it."""
    faults: list[Reject] = []

    def fault(field: str, reason: str, remedy: str, value: object | None = None) -> None:
        shown = cells.get(field, "") if value is None else value
        faults.append(Reject(0, column.get(field, field), shown, reason, remedy))

    code = cells.get("code", "").strip()
    if not code:
        fault("code", "is empty", "Give the station an id.")
    kind = "red_station"
    if cells.get("kind"):
        known = word_value("station_kind", cells["kind"])
        if known is None:
            near = nearest_word("station_kind", cells["kind"])
            hint = f"Did you mean {near}? " if near else ""
            fault("kind", "is no kind of station", f"{hint}Use {known_words('station_kind')}.")
        kind = known or kind
    status = "open"
    if cells.get("status"):
        known = word_value("status", cells["status"])
        if known is None:
            fault("status", "is no status", f"Use {known_words('status')}.")
        status = known or status
    if not np.isfinite(lonlat).all():
        which = "lon" if "lon" in cells and not np.isfinite(lonlat[0]) else "lat"
        fault(which, "is no coordinate", "Write decimal degrees, for example 118.052 and 36.812.")
    area = None
    if cells.get("area_m2"):
        try:
            area = number(cells["area_m2"])
        except CellError as error:
            fault("area_m2", str(error), error.remedy)
    places = None
    if cells.get("places"):
        try:
            places = count(cells["places"], most=MOST_PLACES)
        except CellError as error:
            fault("places", str(error), error.remedy)
    verified_on = None
    if cells.get("verified_on"):
        try:
            verified_on = date(cells["verified_on"])
        except CellError as error:
            fault("verified_on", str(error), error.remedy)
    facilities, unknown = facilities_of(cells.get("facilities", ""))
    for word, hint in unknown:
        fault("facilities", "is no facility", hint, word)
    hours = osm_hours(cells["opening_hours"]) if cells.get("opening_hours") else None
    draft = StationDraft(
        code=code or None,
        kind=kind,
        name=cells.get("name", "").strip() or code or "?",
        lon=float(lonlat[0]) if np.isfinite(lonlat[0]) else 0.0,
        lat=float(lonlat[1]) if np.isfinite(lonlat[1]) else 0.0,
        address=cells.get("address", "").strip(),
        opening_hours=hours or None,
        area_m2=area,
        places=places,
        facilities=tuple(facilities),
        status=status,
        verified_on=verified_on,
    )
    for found in check_station(draft):
        fault(found.field, found.reason, found.remedy, cells.get(found.field) or found.value)
    return draft, faults


def facilities_of(cell: object) -> tuple[list[str], list[tuple[str, str]]]:
    """Facilities that a cell lists; the words that are none, each with a remedy."""
    found: list[str] = []
    unknown = []
    for word in re.split(r"[;；,，、/|]\s*", "" if cell is None else str(cell)):
        if not word.strip():
            continue
        known = word_value("facilities", word)
        if known is None:
            near = nearest_word("facilities", word)
            hint = f"Did you mean {near}? " if near else ""
            unknown.append((word, f"{hint}See docs/importing.md."))
        elif known not in found:
            found.append(known)
    return found, unknown


def import_stations(
    database: Database,
    path: Path | str,
    *,
    actor: str,
    datum: str = "wgs84",
    crs: str | None = None,
    file_layer: str | None = None,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> ImportReport:
    """Bring the stations of a file into the database, in one transaction.

    Parameters
    ----------
    database : Database
    path, datum, crs, file_layer
        As for `read_stations`.
    actor : str
        Who does this, for the history.
    dry_run : bool
        Do everything, report, and keep nothing.
    progress : callable, optional
        Told stage and share done.

    Returns
    -------
    ImportReport
    """
    if progress is not None:
        progress("Reading the stations", 0.1)
    frame, report = read_stations(path, datum=datum, crs=crs, file_layer=file_layer)
    if progress is not None:
        progress("Writing the stations", 0.6)

    def doubt(connection: Connection) -> None:
        lonlat = shapely.get_coordinates(frame.geometry.array)
        named = datum if Path(path).suffix.lower() in TABLE_ENDINGS else crs or "wgs84"
        report.warnings += datum_doubts(connection, lonlat, named, beside="streets")

    return keep(
        database,
        "stations",
        frame,
        report,
        Path(path),
        actor=actor,
        dry_run=dry_run,
        before=doubt,
    )
