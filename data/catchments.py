"""Catchments of a station or of any point of the map, with their sums, as GeoJSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import orjson
import shapely
from numpy.typing import NDArray

from data.circles import Buildings, City, Travel
from data.layers import DECIMALS, Feature
from geo.catchment import Catchment, catchments
from geo.crs import project, unproject
from geo.errors import SnapError
from geo.kernels import one_thread
from geo.snapping import SnappedPoints

Method = Literal["network", "lines"]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a catchment is drawn around: a station, or a point of the map.

    Attributes
    ----------
    lon, lat : float
        WGS84 degrees.
    station : dict or None
        ``id``, ``code``, ``name``, ``kind`` and ``status`` of the station; None for a point.
    row : int or None
        Row of the station in `City.stations`.
    """

    lon: float
    lat: float
    station: dict[str, Any] | None = None
    row: int | None = None

    @property
    def key(self) -> tuple[Any, ...]:
        """What makes the answers about two origins the same."""
        return self.lon, self.lat, *(self.station or {}).values()

    @classmethod
    def of_station(cls, city: City, station_id: int) -> Origin:
        """Take a station as origin, whatever its status.

        Raises
        ------
        NotFoundError
            If there is none with this id.
        """
        stations = city.stations
        row = stations.row(station_id)
        lon, lat = stations.lonlat[row]
        return cls(
            float(lon),
            float(lat),
            {
                "id": int(stations.ids[row]),
                "code": stations.code[row],
                "name": stations.name[row],
                "kind": str(stations.kind[row]),
                "status": str(stations.status[row]),
            },
            row,
        )


def draw_catchments(
    city: City,
    origin: Origin,
    travel: Travel,
    *,
    minutes: Sequence[float],
    method: Method = "network",
    lines: bool = False,
) -> list[Feature]:
    """Draw the catchments of one origin, one feature for each cutoff in the order given.

    Parameters
    ----------
    city : City
    origin : Origin
    travel : Travel
    minutes : sequence of float
        Cutoffs, minutes of walking.
    method : {"network", "lines"}
        How the polygon is drawn; counts never come from it.
    lines : bool
        Whether each feature also carries the reached streets, as ``lines``.

    Returns
    -------
    list of Feature
        Polygons in WGS84 degrees; properties as documented in docs/api.md.

    Raises
    ------
    SnapError
        If no walkable street is near the origin.
    """
    snapped = _snapped(city, origin, travel)
    xy = project(np.array([[origin.lon, origin.lat]]), city.network.crs)
    field_index, demand = city.streets.field_index(travel), city.demand(travel)
    with one_thread():
        found = catchments(
            field_index,
            snapped,
            xy,
            cutoffs_s=[60.0 * m for m in minutes],
            method=method,
            demand=demand,
            barriers=city.streets.walls,
            with_lines=lines,
        )
    shared = {
        "station": origin.station,
        "point": [round(origin.lon, DECIMALS), round(origin.lat, DECIMALS)],
        "access_m": int(snapped.access_mm[0]) / 1000,
        **travel.describe(),
        "method": method,
        "network_version": city.network.version,
    }
    return [
        _feature(city, one, cutoff, shared, with_lines=lines)
        for one, cutoff in zip(found, minutes, strict=True)
    ]


def _snapped(city: City, origin: Origin, travel: Travel) -> SnappedPoints:
    if origin.row is None:
        return city.snap_point(travel, origin.lon, origin.lat)
    snapped = city.snapped_stations(travel).row(origin.row)
    if snapped.edge[0] < 0:
        name = (origin.station or {}).get("name", "")
        raise SnapError(
            f"The station {name} is farther than {city.streets.max_snap_m:g} m from every "
            "walkable street, or cut off from it by a barrier.",
            remedy="Correct its position, or raise the setting max_snap_m.",
        )
    return snapped


def _feature(
    city: City, one: Catchment, minutes: float, shared: dict[str, Any], *, with_lines: bool
) -> Feature:
    crs = city.network.crs
    rows = np.unique(city.buildings.point_building[one.demand])
    geometry, bbox = _polygon(one.polygon, crs)
    feature: Feature = {
        "type": "Feature",
        "bbox": bbox,
        "geometry": geometry,
        "properties": {
            "minutes": int(minutes) if float(minutes).is_integer() else minutes,
            "reached_m": round(one.reached_m, 1),
            **sums(city.buildings, rows),
            "false_inside": one.false_inside,
            "false_outside": one.false_outside,
            **shared,
        },
    }
    if with_lines:
        feature["lines"] = geojson(one.lines, crs)
    return feature


def sums(buildings: Buildings, rows: NDArray[np.integer[Any]]) -> dict[str, int]:
    """Sum up some buildings; those without a count are told apart."""
    households = buildings.households[rows]
    return {
        "buildings": len(rows),
        "buildings_without_households": int(np.isnan(households).sum()),
        "households": int(np.nansum(households)),
        "households_estimated": int(np.nansum(households[buildings.estimated[rows]])),
        "people": int(np.nansum(buildings.people[rows])),
    }


def geojson(shape: shapely.Geometry, crs: str) -> orjson.Fragment:
    """GeoJSON geometry, in WGS84 degrees, of a shape in the metres of a network."""
    return orjson.Fragment(shapely.to_geojson(_degrees(shape, crs)))


def _polygon(shape: shapely.MultiPolygon, crs: str) -> tuple[orjson.Fragment, list[float]]:
    """GeoJSON of a polygon in WGS84 degrees, and its bounds; quicker than by GEOS."""
    rings, part_of = shapely.get_rings(shapely.get_parts(shape), return_index=True)
    xy, ring_of = shapely.get_coordinates(rings, return_index=True)
    lonlat = unproject(xy, crs).round(DECIMALS)
    ends = np.searchsorted(ring_of, np.arange(len(rings) + 1)).tolist()
    parts: list[list[NDArray[np.float64]]] = [[] for _ in range(shapely.get_num_geometries(shape))]
    for ring, part in enumerate(part_of.tolist()):
        parts[part].append(lonlat[ends[ring] : ends[ring + 1]])
    geometry = {"type": "MultiPolygon", "coordinates": parts}
    bbox = [*lonlat.min(axis=0).tolist(), *lonlat.max(axis=0).tolist()] if len(lonlat) else []
    return orjson.Fragment(orjson.dumps(geometry, option=orjson.OPT_SERIALIZE_NUMPY)), bbox


def _degrees(shape: shapely.Geometry, crs: str) -> shapely.Geometry:
    return shapely.transform(shape, lambda xy: unproject(xy, crs).round(DECIMALS))
