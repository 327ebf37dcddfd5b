"""The city in memory: network, barriers, buildings and stations, as new as the database.

Everything is loaded once and then only what has changed; what is worked out from it (impedances,
snapped points, rasters) is kept as long as it stays right. All of it may be used by many threads.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, text

from data.barriers import read_barriers
from data.changes import ChangeWatch, DataVersions
from data.database import Database
from data.errors import NotFoundError
from data.memo import Memo
from data.network_store import current_network
from data.settings import Settings
from geo.catchment import STEP_M, DemandPoints, Walls
from geo.crs import project
from geo.errors import GridcircleError, NetworkError, SnapError
from geo.field import FieldIndex
from geo.impedance import Impedance, impedance
from geo.links import feet_grid
from geo.network import WalkNetwork
from geo.segments import SegmentGrid
from geo.snapping import Barriers, SnappedPoints, Snapper
from geo.standards import TravelProfile, profile_named, signal_wait_s

OPEN = ("open",)
"""Stations that count unless a request names other statuses."""

WALKS_KEPT = 3
"""Rules whose walks stay in memory for trials of changes: some 12 bytes a node and point each."""
TRAVELS_KEPT = 6
"""Ways of walking whose impedance and raster stay in memory."""


@dataclass(frozen=True, slots=True)
class Travel:
    """One way of walking: who, how fast, with which waits.

    Attributes
    ----------
    profile : TravelProfile
    waits : str
        Key of `geo.standards.SIGNAL_WAITS_S`.
    """

    profile: TravelProfile
    waits: str

    @property
    def key(self) -> tuple[str, float, str]:
        """What makes two travels the same."""
        return self.profile.name, self.profile.speed_mps, self.waits

    @property
    def edges_key(self) -> tuple[str, bool]:
        """What decides which edges are open, and so where points snap."""
        return self.profile.mode, self.profile.steps

    def describe(self) -> dict[str, Any]:
        """Name, speed and waits, as every result states them."""
        return {
            "profile": self.profile.name,
            "speed_mps": self.profile.speed_mps,
            "waits": self.waits,
        }


@dataclass(frozen=True, slots=True)
class Buildings:
    """Who walks, and from where.

    Attributes
    ----------
    ids : ndarray, shape (n,), int64
        Rising.
    lonlat : ndarray, shape (n, 2), float64
        A point on each, WGS84 degrees.
    households, people : ndarray, shape (n,), float64
        NaN where unknown.
    estimated : ndarray, shape (n,), bool
        Whether the households are an estimate.
    compound, grid, community : ndarray, shape (n,), int64
        Ids; 0 where none.
    point_building : ndarray, shape (m,), int32
        Row of the building each demand point belongs to, rising: its entrances where they are
        known, else the one point on it.
    point_lonlat : ndarray, shape (m, 2), float64
    first_point : ndarray, shape (n,), int64
        First demand point of each building.
    """

    ids: NDArray[np.int64]
    lonlat: NDArray[np.float64]
    households: NDArray[np.float64]
    people: NDArray[np.float64]
    estimated: NDArray[np.bool_]
    compound: NDArray[np.int64]
    grid: NDArray[np.int64]
    community: NDArray[np.int64]
    point_building: NDArray[np.int32]
    point_lonlat: NDArray[np.float64]
    first_point: NDArray[np.int64]

    def row(self, building_id: int) -> int:
        """Row of a building.

        Raises
        ------
        NotFoundError
            If there is none with this id.
        """
        at = int(np.searchsorted(self.ids, building_id))
        if at == len(self.ids) or self.ids[at] != building_id:
            raise NotFoundError(
                f"There is no building {building_id}.", remedy="Find it by /api/v1/search."
            )
        return at

    def points_of(self, row: int) -> slice:
        """Demand points of one building."""
        start = int(self.first_point[row])
        return slice(start, int(np.searchsorted(self.point_building, row, side="right")))


@dataclass(frozen=True, slots=True)
class Stations:
    """Where people walk to.

    Attributes
    ----------
    ids : ndarray, shape (s,), int64
        Rising.
    lonlat : ndarray, shape (s, 2), float64
    kind, status, name, code : ndarray of str, shape (s,)
    """

    ids: NDArray[np.int64]
    lonlat: NDArray[np.float64]
    kind: NDArray[np.str_]
    status: NDArray[np.str_]
    name: NDArray[np.object_]
    code: NDArray[np.object_]

    def row(self, station_id: int) -> int:
        """Row of a station.

        Raises
        ------
        NotFoundError
            If there is none with this id.
        """
        at = int(np.searchsorted(self.ids, station_id))
        if at == len(self.ids) or self.ids[at] != station_id:
            raise NotFoundError(
                f"There is no station {station_id}.", remedy="List them by /api/v1/stations."
            )
        return at

    def chosen(
        self, kinds: Sequence[str] = (), statuses: Sequence[str] = OPEN
    ) -> NDArray[np.int64]:
        """Rows of the stations of some kinds (all when empty) and statuses, rising."""
        wanted = np.isin(self.status, list(statuses))
        if kinds:
            wanted &= np.isin(self.kind, list(kinds))
        return np.flatnonzero(wanted)


@dataclass(frozen=True)
class Streets:
    """The network with its barriers, and what is worked out from them."""

    network: WalkNetwork
    barriers: Barriers
    walls: Walls
    max_snap_m: float
    _impedances: Memo[Impedance] = field(default_factory=lambda: Memo(TRAVELS_KEPT))
    _fields: Memo[FieldIndex] = field(default_factory=lambda: Memo(TRAVELS_KEPT))
    _snappers: Memo[Snapper] = field(default_factory=lambda: Memo(4))
    _feet: Memo[SegmentGrid] = field(default_factory=lambda: Memo(1))

    def impedance(self, travel: Travel) -> Impedance:
        """Arc costs of one way of walking."""
        return self._impedances.get(
            travel.key, lambda: impedance(self.network, travel.profile, waits=travel.waits)
        )

    def field_index(self, travel: Travel) -> FieldIndex:
        """Raster that catchments are drawn from."""
        return self._fields.get(
            travel.key,
            lambda: FieldIndex(
                self.network,
                self.impedance(travel),
                barriers=self.barriers,
                max_snap_m=self.max_snap_m,
                step_m=STEP_M,
            ),
        )

    def snap(self, travel: Travel, lonlat: NDArray[np.float64]) -> SnappedPoints:
        """Join points in WGS84 degrees to the edges that are open to this way of walking."""
        return self.snapper(travel).snap(project(lonlat, self.network.crs))

    def snapper(self, travel: Travel) -> Snapper:
        """What joins points to the edges that are open to this way of walking."""
        return self._snappers.get(
            travel.edges_key,
            lambda: Snapper(
                self.network,
                self.impedance(travel),
                max_snap_m=self.max_snap_m,
                barriers=self.barriers,
            ),
        )

    @property
    def feet(self) -> SegmentGrid:
        """Edges open to feet by cell."""
        return self._feet.get("feet", lambda: feet_grid(self.network))


@dataclass(frozen=True)
class City:
    """One state of the city; it does not change any more, a newer one takes its place.

    Attributes
    ----------
    number : int
        Differs between any two states of this process.
    ground : int
        Stays while streets and buildings do: what a catchment rests on beside its station.
    versions : DataVersions
        What of the database it was made from.
    streets : Streets
    buildings : Buildings
    stations : Stations
    demand_by_edges, stations_by_edges : Memo
        Snapped points, by which edges are open.
    kept_walks : Memo
        Walks to the nearest of the stations that count, for `data.audits.whatif`.
    """

    number: int
    ground: int
    versions: DataVersions
    streets: Streets
    buildings: Buildings
    stations: Stations
    demand_by_edges: Memo[DemandPoints]
    stations_by_edges: Memo[SnappedPoints]
    kept_walks: Memo[Any]

    @property
    def network(self) -> WalkNetwork:
        """The walking network."""
        return self.streets.network

    def demand(self, travel: Travel) -> DemandPoints:
        """Demand points joined to the network."""

        def make() -> DemandPoints:
            lonlat = self.buildings.point_lonlat
            return DemandPoints(
                self.streets.snap(travel, lonlat), project(lonlat, self.network.crs)
            )

        return self.demand_by_edges.get(travel.edges_key, make)

    def snapped_stations(self, travel: Travel) -> SnappedPoints:
        """All stations joined to the network, by row."""
        return self.stations_by_edges.get(
            travel.edges_key, lambda: self.streets.snap(travel, self.stations.lonlat)
        )

    def snap_point(self, travel: Travel, lon: float, lat: float) -> SnappedPoints:
        """Join one point of the map to the network.

        Raises
        ------
        SnapError
            If no walkable street is near.
        """
        snapped = self.streets.snap(travel, np.array([[lon, lat]]))
        if snapped.edge[0] < 0:
            raise SnapError(
                f"The point {lon:.6f}, {lat:.6f} is farther than {self.streets.max_snap_m:g} m "
                "from every walkable street, or cut off from it by a barrier.",
                remedy="Choose a point nearer to a street, or raise the setting max_snap_m.",
            )
        return snapped


@dataclass(frozen=True, slots=True)
class CityState:
    """Whether the city is there to answer.

    Attributes
    ----------
    counts : dict
        What is in memory; empty before it is loaded.
    missing : list of str
        Why it cannot answer; empty when it can.
    """

    counts: dict[str, Any]
    missing: list[str]


class Circles:
    """Gives the present state of the city to whoever asks, loading what has changed.

    Parameters
    ----------
    database : Database
    settings : Settings
    watch : ChangeWatch, optional
        Shared with others that look for changes.
    """

    def __init__(
        self, database: Database, settings: Settings, *, watch: ChangeWatch | None = None
    ) -> None:
        self.database = database
        self.settings = settings
        self.watch = watch or ChangeWatch()
        self._loading = threading.Lock()
        self._city: City | None = None
        self._keys: dict[str, Any] = {}
        self._failure = "The city is being loaded."

    def travel(
        self,
        profile: str | None = None,
        waits: str | None = None,
        *,
        speed_mps: float | None = None,
    ) -> Travel:
        """Find a way of walking; what is not named comes from the settings.

        Raises
        ------
        ProfileError
            If a name is unknown or the speed out of range.
        """
        waits = waits or self.settings.waits
        signal_wait_s(waits)
        return Travel(
            profile_named(profile or self.settings.default_profile, speed_mps=speed_mps), waits
        )

    def city(self) -> City:
        """Give the state of the city that the database holds now.

        Raises
        ------
        NetworkError
            If the database holds no walking network.
        """
        versions = self.watch.now(self.database)
        city = self._city
        if city is not None and city.versions is versions:
            return city
        with self._loading:
            if self._city is None or self._city.versions is not versions:
                try:
                    self._city = self._load(versions)
                except GridcircleError as error:
                    self._failure = f"{error} {error.remedy}".strip()
                    self._city = None
                    raise
            return self._city

    def state(self) -> CityState:
        """Say what is in memory, without loading anything."""
        city = self._city
        if city is None:
            return CityState({}, [self._failure])
        return CityState(
            {
                "network_version": city.network.version,
                "nodes": len(city.network.node_xy),
                "edges": len(city.network.edge_nodes),
                "buildings": len(city.buildings.ids),
                "demand_points": len(city.buildings.point_lonlat),
                "stations": len(city.stations.ids),
            },
            [],
        )

    def _load(self, versions: DataVersions) -> City:
        """Make the next state from the present one, reading only parts that have changed."""
        if versions.network is None:
            raise NetworkError(
                "The database holds no walking network yet.",
                remedy="Import a map: gridcircle import osm FILE.osm.pbf.",
            )
        old, keys = self._city, self._keys
        new_keys = {
            "network": versions.network,
            "barriers": (versions.network, versions.base, versions.of(["gates"])),
            "buildings": versions.of(["buildings", "entrances"]),
            "stations": versions.of(["stations"]),
        }
        with self.database.connect() as connection:
            if old is not None and keys.get("barriers") == new_keys["barriers"]:
                streets = old.streets
            else:
                network = (
                    old.network
                    if old is not None and keys.get("network") == new_keys["network"]
                    else current_network(self.database, self.settings)
                )
                barriers = read_barriers(connection, network.crs)
                streets = Streets(network, barriers, Walls(barriers), self.settings.max_snap_m)
            same_streets = old is not None and streets is old.streets
            if old is not None and keys.get("buildings") == new_keys["buildings"]:
                buildings = old.buildings
            else:
                buildings = read_buildings(connection)
            if old is not None and keys.get("stations") == new_keys["stations"]:
                stations = old.stations
            else:
                stations = read_stations(connection)
        keep = old if same_streets else None
        same_ground = keep is not None and buildings is keep.buildings
        self._keys = new_keys
        return City(
            (old.number if old is not None else 0) + 1,
            (old.ground if old is not None else 0) + (not same_ground),
            versions,
            streets,
            buildings,
            stations,
            keep.demand_by_edges if keep and buildings is keep.buildings else Memo(4),
            keep.stations_by_edges if keep and stations is keep.stations else Memo(4),
            keep.kept_walks
            if keep is not None and same_ground and stations is keep.stations
            else Memo(WALKS_KEPT),
        )


def some_points(points: SnappedPoints, rows: NDArray[np.int64]) -> SnappedPoints:
    """Pick snapped points by row."""
    return SnappedPoints(
        points.edge[rows],
        points.offset_mm[rows],
        points.access_mm[rows],
        points.xy[rows],
        points.gate[rows],
        points.state[rows],
        points.network_version,
    )


def read_buildings(connection: Connection) -> Buildings:
    """Read all buildings with their entrances."""
    columns = _columns(
        connection,
        "SELECT id, ST_X(at) AS lon, ST_Y(at) AS lat, households, people,"
        " (households_source = 'estimated')::int AS estimated, compound_id, grid_id,"
        " community_id FROM (SELECT b.*, ST_PointOnSurface(geom) AS at FROM buildings b) placed",
        (
            "id",
            "lon",
            "lat",
            "households",
            "people",
            "estimated",
            "compound_id",
            "grid_id",
            "community_id",
        ),
        order="id",
    )
    doors = _columns(
        connection,
        "SELECT building_id, ST_X(geom) AS lon, ST_Y(geom) AS lat, id FROM entrances",
        ("building_id", "lon", "lat"),
        order="building_id, id",
    )
    ids = _ids(columns["id"])
    lonlat = _pairs(columns["lon"], columns["lat"])
    door_of = np.searchsorted(ids, _ids(doors["building_id"])).astype(np.int32)
    without = np.setdiff1d(np.arange(len(ids), dtype=np.int32), door_of)
    point_building = np.concatenate([door_of, without])
    point_lonlat = np.concatenate([_pairs(doors["lon"], doors["lat"]), lonlat[without]])
    order = np.argsort(point_building, kind="stable")
    point_building = point_building[order]
    return Buildings(
        ids,
        lonlat,
        _counts(columns["households"]),
        _counts(columns["people"]),
        _ids(columns["estimated"]).astype(np.bool_),
        _ids(columns["compound_id"]),
        _ids(columns["grid_id"]),
        _ids(columns["community_id"]),
        point_building,
        np.ascontiguousarray(point_lonlat[order]),
        np.searchsorted(point_building, np.arange(len(ids))),
    )


def read_stations(connection: Connection) -> Stations:
    """Read all stations, whatever their status."""
    columns = _columns(
        connection,
        "SELECT id, ST_X(geom) AS lon, ST_Y(geom) AS lat, kind, status, name, code FROM stations",
        ("id", "lon", "lat", "kind", "status", "name", "code"),
        order="id",
    )
    return Stations(
        _ids(columns["id"]),
        _pairs(columns["lon"], columns["lat"]),
        np.asarray(columns["kind"], dtype=np.str_),
        np.asarray(columns["status"], dtype=np.str_),
        np.asarray(columns["name"], dtype=object),
        np.asarray(columns["code"], dtype=object),
    )


def _columns(
    connection: Connection, rows: str, names: Sequence[str], *, order: str
) -> dict[str, list[Any]]:
    """Read columns as one array each: several times quicker than row by row."""
    listed = ", ".join(f"array_agg({name} ORDER BY {order}) AS {name}" for name in names)
    row = connection.execute(text(f"SELECT {listed} FROM ({rows}) given")).mappings().one()
    return {name: row[name] or [] for name in names}


def _ids(values: list[Any]) -> NDArray[np.int64]:
    return np.array([value or 0 for value in values], dtype=np.int64)


def _counts(values: list[Any]) -> NDArray[np.float64]:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _pairs(first: list[float], second: list[float]) -> NDArray[np.float64]:
    return np.column_stack(
        [np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)]
    ).reshape(-1, 2)
