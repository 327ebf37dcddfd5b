"""Audits from files: a place read without a database."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from data.audits.conduct import Progress
from data.audits.place import HomeRows, Place, SiteRows, StationRows, located
from data.audits.staff import with_workers, workers_in_file
from data.city_files import CityFiles, read_city_files
from data.errors import SourceFileError
from data.importers.layers import read_layer
from data.importers.stations import read_stations
from data.models import AREA_LEVELS
from geo.audit import AreaTable


@dataclass(frozen=True, slots=True)
class AuditFiles:
    """The files of an audit.

    Attributes
    ----------
    network, stations : Path
    demand, areas, compounds, grids, premises : Path or None
    """

    network: Path
    stations: Path
    demand: Path | None = None
    areas: Path | None = None
    compounds: Path | None = None
    grids: Path | None = None
    premises: Path | None = None


def read_place(files: AuditFiles, *, datum: str, max_snap_m: float, progress: Progress) -> Place:
    """Read all that an audit looks at.

    Parameters
    ----------
    files : AuditFiles
    datum : str
        Of the stations' coordinates.
    max_snap_m : float
        Metres a point may lie from a walkable street.
    progress : callable

    Raises
    ------
    SourceFileError
        If a file cannot be read or holds nothing that can be used.
    """
    stations, warnings = _stations(files.stations, datum)
    city = read_city_files(
        files.network, files.demand, progress=progress, with_areas=files.areas is None
    )
    warnings += city.warnings
    homes = _homes(city)
    shapes: dict[str, tuple[NDArray[np.object_], pd.DataFrame]] = {}
    if files.areas is not None:
        frame, report = read_layer(files.areas, "areas")
        warnings += [f"{report.file}: {w}" for w in report.warnings]
    else:
        frame = city.areas
    for level in AREA_LEVELS:
        some = frame[frame["level"] == level] if len(frame) else frame
        if len(some):
            shapes[level] = some.geometry.to_numpy(), some
    for level, path in (("grid", files.grids), ("compound", files.compounds)):
        if path is not None:
            some, report = read_layer(path, f"{level}s")
            warnings += [f"{report.file}: {w}" for w in report.warnings]
            if level == "grid" and "kind" in some:
                some = some[some["kind"] == "base"]
            shapes[level] = some.geometry.to_numpy(), some
    sources = dict.fromkeys(AREA_LEVELS, files.areas) | {"grid": files.grids}
    areas, outlines = {}, {}
    for level, (geometry, rows) in shapes.items():
        areas[level] = AreaTable(
            rows["code"].to_numpy(object),
            rows["name"].to_numpy(object) if "name" in rows else rows["code"].to_numpy(object),
            _parents(rows),
            located(geometry, homes.lonlat),
            located(geometry, stations.lonlat),
            workers_in_file(source, rows["code"].to_numpy(object))
            if (source := sources.get(level)) is not None
            else None,
        )
        outlines[level] = geometry
    areas = with_workers(areas)
    if len(stations.code) and len(homes.code):
        _warn_far(stations, homes, warnings)
    top = next((areas[level] for level in AREA_LEVELS if level in areas), None)
    named = top is not None and len(top.name) == 1 and bool(top.name[0])
    return Place(
        str(top.name[0]) if top is not None and named else files.network.name.split(".")[0],
        False,
        city.network.source,
        city.network,
        city.barriers,
        max_snap_m,
        homes,
        stations,
        _premises(files.premises, warnings),
        areas,
        outlines,
        [
            {
                "name": path.name,
                "kind": "file",
                "part": part,
                "version": hashlib.sha256(path.read_bytes()).hexdigest(),
            }
            for part in ("network", "stations", "demand", "areas", "compounds", "grids", "premises")
            if (path := getattr(files, part)) is not None
        ],
        warnings,
    )


def _parents(rows: pd.DataFrame) -> NDArray[np.object_]:
    for column in ("parent_code", "community_code"):
        if column in rows:
            return rows[column].fillna("").to_numpy(object)
    return np.full(len(rows), "", object)


def _homes(city: CityFiles) -> HomeRows:
    demand = city.demand
    count = len(demand.ids)
    return HomeRows(
        demand.ids,
        np.full(count, "", object),
        demand.lonlat,
        demand.households,
        demand.people,
        np.full(count, demand.estimated),
        np.arange(count, dtype=np.int32),
        demand.lonlat,
    )


def _stations(path: Path, datum: str) -> tuple[StationRows, list[str]]:
    frame, report = read_stations(path, datum=datum)
    if report.read and not len(frame):
        first = report.rejected[0]
        raise SourceFileError(
            f"{path.name}: no station can be used; row {first.row}: {first.field} "
            f"{first.value!r} {first.reason}.",
            remedy=first.remedy,
        )
    frame = frame[frame["status"] == "open"]
    return (
        StationRows(
            frame["code"].to_numpy(object),
            frame["name"].to_numpy(object),
            frame["kind"].to_numpy(object),
            shapely.get_coordinates(frame.geometry.array).reshape(-1, 2),
            pd.to_numeric(frame["area_m2"], errors="coerce").to_numpy(float),
            [frozenset(offered or ()) for offered in frame["facilities"]],
            [h if isinstance(h, str) and h else None for h in frame["opening_hours"]],
            pd.to_numeric(frame["places"], errors="coerce").to_numpy(float)
            if "places" in frame
            else None,
        ),
        report.told(),
    )


def _premises(path: Path | None, warnings: list[str]) -> SiteRows:
    if path is None:
        none = np.zeros(0, object)
        return SiteRows(none, none, none, np.zeros((0, 2)), np.zeros(0), [])
    frame, report = read_layer(path, "premises")
    warnings += [f"{report.file}: {w}" for w in report.warnings]
    return SiteRows(
        frame["code"].to_numpy(object),
        frame["name"].to_numpy(object) if "name" in frame else frame["code"].to_numpy(object),
        frame["kind"].to_numpy(object),
        shapely.get_coordinates(frame.geometry.array).reshape(-1, 2),
        pd.to_numeric(frame["cost"], errors="coerce").to_numpy(float)
        if "cost" in frame
        else np.full(len(frame), np.nan),
        [frozenset(may) if isinstance(may, list) else None for may in frame["facilities"]]
        if "facilities" in frame
        else [None] * len(frame),
    )


def _warn_far(stations: StationRows, homes: HomeRows, warnings: list[str]) -> None:
    """Stations of another city are a mistake of the file or its datum."""
    low, high = homes.lonlat.min(axis=0) - 0.05, homes.lonlat.max(axis=0) + 0.05
    away = ((stations.lonlat < low) | (stations.lonlat > high)).any(axis=1)
    if away.any():
        warnings.append(
            f"{int(away.sum())} of {len(away)} stations lie outside the city; is their datum right?"
        )


def read_summary(path: Path) -> dict[str, Any]:
    """Read the summary of an audit from its folder or file.

    Raises
    ------
    SourceFileError
        If there is none.
    """
    path = path / "summary.json" if path.is_dir() else path
    try:
        summary: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise SourceFileError(
            f"{path}: this is not the summary of an audit: {error}.",
            remedy="Give the folder of an earlier audit, or its summary.json.",
        ) from error
    return summary
