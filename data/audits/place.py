"""Place: all an audit looks at, the same from files and from the database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from geo.audit import AreaTable
from geo.network import WalkNetwork
from geo.snapping import Barriers


@dataclass(frozen=True, slots=True)
class HomeRows:
    """Buildings people walk from.

    Attributes
    ----------
    code, name : ndarray of object, shape (n,)
    lonlat : ndarray, shape (n, 2), float64
        WGS84 degrees.
    households, people : ndarray, shape (n,), float64
        NaN where unknown.
    estimated : ndarray, shape (n,), bool
    point_home : ndarray, shape (p,), int32
        Building of each point a walk begins at (its entrances), rising; every building has one.
    point_lonlat : ndarray, shape (p, 2), float64
    """

    code: NDArray[np.object_]
    name: NDArray[np.object_]
    lonlat: NDArray[np.float64]
    households: NDArray[np.float64]
    people: NDArray[np.float64]
    estimated: NDArray[np.bool_]
    point_home: NDArray[np.int32]
    point_lonlat: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class StationRows:
    """Open stations.

    Attributes
    ----------
    code, name, kind : ndarray of object, shape (m,)
    lonlat : ndarray, shape (m, 2), float64
    area_m2 : ndarray, shape (m,), float64
    facilities : list of frozenset of str
    hours : list of str or None
        As OpenStreetMap writes them.
    places : ndarray, shape (m,), float64, or None
        People each serves at a time; NaN where unknown, None where nobody counted.
    """

    code: NDArray[np.object_]
    name: NDArray[np.object_]
    kind: NDArray[np.object_]
    lonlat: NDArray[np.float64]
    area_m2: NDArray[np.float64]
    facilities: list[frozenset[str]]
    hours: list[str | None]
    places: NDArray[np.float64] | None = None


@dataclass(frozen=True, slots=True)
class SiteRows:
    """Premises where a station could open.

    Attributes
    ----------
    code, name, kind : ndarray of object, shape (c,)
    lonlat : ndarray, shape (c, 2), float64
    cost : ndarray, shape (c,), float64
        Of opening a station there, yuan; NaN where nobody said.
    facilities : list of frozenset of str or None
        What a station there could offer; None where nobody said, which is taken for everything.
    """

    code: NDArray[np.object_]
    name: NDArray[np.object_]
    kind: NDArray[np.object_]
    lonlat: NDArray[np.float64]
    cost: NDArray[np.float64]
    facilities: list[frozenset[str] | None]

    def fitting(self, facility: str) -> NDArray[np.int64]:
        """Rows where a station could offer something; all where nothing is asked for."""
        fits = [not facility or may is None or facility in may for may in self.facilities]
        return np.flatnonzero(fits)


@dataclass(frozen=True, slots=True)
class Place:
    """A city as an audit sees it.

    Attributes
    ----------
    name : str
    is_sample : bool
    attribution : str
    network : WalkNetwork
    barriers : Barriers
    max_snap_m : float
    homes : HomeRows
    stations : StationRows
    sites : SiteRows
    areas : mapping of level to AreaTable
    shapes : mapping of level to ndarray of Polygon
        WGS84 degrees, in the order of the table.
    inputs : list of dict
        What it was made from: name, kind, version (a digest or version number).
    warnings : list of str
    """

    name: str
    is_sample: bool
    attribution: str
    network: WalkNetwork
    barriers: Barriers
    max_snap_m: float
    homes: HomeRows
    stations: StationRows
    sites: SiteRows
    areas: Mapping[str, AreaTable]
    shapes: Mapping[str, NDArray[np.object_]]
    inputs: list[dict[str, Any]]
    warnings: list[str]


def located(shapes: NDArray[np.object_], lonlat: NDArray[np.float64]) -> NDArray[np.int32]:
    """Row of the first area each point lies in; -1 where in none."""
    found = np.full(len(lonlat), -1, np.int32)
    if not len(shapes) or not len(lonlat):
        return found
    tree = shapely.STRtree(shapes)
    point, area = tree.query(shapely.points(lonlat), predicate="intersects")
    order = np.lexsort((area, point))[::-1]
    found[point[order]] = area[order]
    return found
