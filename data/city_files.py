"""A city straight from files: network, barriers and demand points without a database."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from data.errors import SourceFileError
from data.importers.demand import read_demand
from data.importers.osm import PARTS, read_osm
from data.importers.stations import read_stations
from data.models import STATION_KINDS
from geo.crs import project
from geo.dasymetric import estimate_households, estimate_people
from geo.impedance import Impedance, impedance
from geo.network import WalkNetwork, build_network
from geo.snapping import Barriers, SnappedPoints, Snapper
from geo.standards import TravelProfile

Progress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Demand:
    """Who walks: demand points with their counts.

    Attributes
    ----------
    ids : ndarray of object, shape (n,)
        Identifier of each point as text.
    lonlat : ndarray, shape (n, 2), float64
        WGS84 degrees.
    households, people : ndarray, shape (n,), float64
        NaN where unknown.
    estimated : bool
        Whether the counts were estimated from footprints rather than given.
    """

    ids: NDArray[np.object_]
    lonlat: NDArray[np.float64]
    households: NDArray[np.float64]
    people: NDArray[np.float64]
    estimated: bool


@dataclass(frozen=True, slots=True)
class CityFiles:
    """What the files of a city hold, ready to compute on.

    Attributes
    ----------
    network : WalkNetwork
    barriers : Barriers
        Lines that access legs do not cross, and gates, in the network's CRS.
    demand : Demand
    areas : GeoDataFrame
        Administrative areas of the map file: level, code, name, geometry (EPSG:4326).
    warnings : list of str
    """

    network: WalkNetwork
    barriers: Barriers
    demand: Demand
    areas: gpd.GeoDataFrame
    warnings: list[str]


@dataclass(frozen=True, slots=True)
class StationFile:
    """Stations of a file.

    Attributes
    ----------
    ids, kinds : ndarray of object, shape (m,)
    lonlat : ndarray, shape (m, 2), float64
        WGS84 degrees.
    warnings : list of str
    """

    ids: NDArray[np.object_]
    kinds: NDArray[np.object_]
    lonlat: NDArray[np.float64]
    warnings: list[str]


def read_city_files(
    network_path: Path,
    demand_path: Path | None,
    *,
    progress: Progress,
    with_areas: bool = False,
) -> CityFiles:
    """Read the map file and who walks.

    Parameters
    ----------
    network_path : Path
        OpenStreetMap file.
    demand_path : Path or None
        Vector file or table of demand points; None takes the buildings of the map, their
        households estimated from footprint and floors.
    progress : callable
    with_areas : bool
        Whether the administrative areas are wanted.

    Raises
    ------
    SourceFileError
        If a file cannot be read or holds no demand points.
    """
    parts = {"network", "barriers"}
    if demand_path is None:
        parts |= {"buildings", "compounds"}
    if with_areas:
        parts.add("areas")
    progress(f"Reading {network_path.name}", 0.0)
    city = read_osm(network_path, parts=tuple(part for part in PARTS if part in parts))
    progress("Building the walking network", 0.0)
    network = build_network(city.ways, source=network_path.name)
    warnings: list[str] = []
    if demand_path is None:
        demand = _buildings(city.buildings, network.crs)
        if not len(demand.ids):
            warnings.append(
                f"{network_path.name} has no buildings, so nobody walks; give --demand."
            )
    else:
        progress(f"Reading {demand_path.name}", 0.0)
        frame, report = read_demand(demand_path)
        warnings += report.told()
        demand = Demand(
            frame["id"].to_numpy(object),
            shapely.get_coordinates(frame.geometry.array).reshape(-1, 2),
            frame["households"].to_numpy(float),
            frame["people"].to_numpy(float),
            estimated=False,
        )
    return CityFiles(network, city.barriers.projected(network.crs), demand, city.areas, warnings)


def _buildings(buildings: gpd.GeoDataFrame, crs: str) -> Demand:
    shapes = shapely.transform(buildings.geometry.array, lambda xy: project(xy, crs))
    floors = pd.to_numeric(buildings["floors"], errors="coerce").to_numpy(float, na_value=np.nan)
    estimate = estimate_households(shapely.area(shapes), floors, buildings["kind"].to_numpy(object))
    given = pd.to_numeric(buildings["households"], errors="coerce").to_numpy(float, na_value=np.nan)
    households = np.where(np.isfinite(given), given, estimate).astype(np.int64)
    points = shapely.point_on_surface(buildings.geometry.array)
    return Demand(
        buildings["code"].to_numpy(object),
        shapely.get_coordinates(points).reshape(-1, 2),
        households.astype(float),
        estimate_people(households).astype(float),
        estimated=True,
    )


def read_station_files(path: Path, *, datum: str, kinds: Sequence[str]) -> StationFile:
    """Read stations, optionally of some kinds only.

    Raises
    ------
    SourceFileError
        If the file cannot be read or holds no good station.
    """
    frame, report = read_stations(path, datum=datum)
    unknown = [kind for kind in kinds if kind not in STATION_KINDS]
    if unknown:
        raise SourceFileError(
            f"There is no station kind {unknown[0]!r}.",
            remedy=f"Use one of: {', '.join(STATION_KINDS)}.",
        )
    if report.read and not len(frame):
        first = report.rejected[0]
        raise SourceFileError(
            f"{path.name}: no station can be used; row {first.row}: {first.field} "
            f"{first.value!r} {first.reason}.",
            remedy=first.remedy,
        )
    if kinds:
        frame = frame[frame["kind"].isin(kinds)]
    frame = frame[frame["status"] == "open"]
    return StationFile(
        frame["code"].to_numpy(object),
        frame["kind"].to_numpy(object),
        shapely.get_coordinates(frame.geometry.array).reshape(-1, 2),
        report.told(),
    )


@dataclass(frozen=True, slots=True)
class Walk:
    """One way of walking through a city: impedance, and everything snapped under it."""

    impedance: Impedance
    demand: SnappedPoints
    demand_xy: NDArray[np.float64]
    stations: SnappedPoints
    station_xy: NDArray[np.float64]


def snap_city(
    city: CityFiles,
    station_lonlat: NDArray[np.float64],
    profile: TravelProfile,
    *,
    waits: str,
    max_snap_m: float,
) -> Walk:
    """Join demand points and stations to the network under one profile.

    Parameters
    ----------
    city : CityFiles
    station_lonlat : ndarray, shape (m, 2)
        WGS84 degrees.
    profile : TravelProfile
    waits : {"none", "expected", "worst"}
    max_snap_m : float
        Metres beyond which a point is unsnapped.
    """
    costs = impedance(city.network, profile, waits=waits)
    snapper = Snapper(city.network, costs, max_snap_m=max_snap_m, barriers=city.barriers)
    station_xy = project(station_lonlat, city.network.crs)
    demand_xy = project(city.demand.lonlat, city.network.crs)
    return Walk(costs, snapper.snap(demand_xy), demand_xy, snapper.snap(station_xy), station_xy)
