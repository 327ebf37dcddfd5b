"""`read_osm`: everything Gridcircle takes from an OpenStreetMap file, in one pass where it can."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import geopandas as gpd
import numpy as np
import pyproj
import shapely
from numpy.typing import NDArray

from data.errors import SourceFileError
from data.importers.osm_areas import areas
from data.importers.osm_barriers import (
    OsmBarriers,
    banks_of_open_water,
    barrier_lines,
    openings,
    together,
)
from data.importers.osm_base import base_map
from data.importers.osm_buildings import buildings, entrances, with_units
from data.importers.osm_compounds import compounds_and_gates
from data.importers.osm_elements import OsmFile, OsmNodes, OsmRelation, OsmWays, Tags
from data.importers.osm_ground import ResidentialGround
from data.importers.osm_kinds import FEATURE_KEYS, FEATURE_TAGS, is_area, wall_class
from data.importers.osm_network import network_ways
from data.importers.osm_polygons import (
    Outlines,
    outlines,
    relation_polygons,
    way_lines,
    way_polygons,
)
from data.importers.osm_premises import premises
from data.importers.osm_problems import OsmProblem
from data.importers.osm_rules import NETWORK_KEYS, NETWORK_TAGS, matters_to_network
from geo.crs import projected_crs
from geo.network import Ways

Progress = Callable[[str, float], None]

PARTS = ("network", "buildings", "compounds", "areas", "base", "premises", "barriers")
"""What can be read; barriers also come with compounds and with the base map."""

ATTRIBUTION = "© OpenStreetMap contributors, ODbL 1.0"
SAMPLE_GENERATOR = "gridcircle sample"
"""How the header of a file of `data.sample` says what wrote it."""
SAMPLE_ATTRIBUTION = "示例数据，全部虚构 · Sample data, all made up"
"""Of a file that `data.sample` wrote: nobody surveyed it, and it is in nobody's map."""
"""What the Open Database License asks to be shown wherever the data is."""

RELATION_KEYS = (
    "amenity",
    "boundary",
    "building",
    "disused:shop",
    "highway",
    "landuse",
    "leisure",
    "natural",
    "office",
    "place",
    "shop",
    "tourism",
    "waterway",
)
"""Keys of multipolygons and boundaries that some layer uses."""

SQUARE_KEYS = ("highway", "man_made", "public_transport", "railway")
"""Keys of multipolygons whose outlines may be walked along."""

_CGCS2000_ZONES = range(4534, 4555)
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class OsmCity:
    """What an OpenStreetMap file holds of a city; all frames EPSG:4326 and sorted by OSM id.

    A part that was not asked for is empty.

    Attributes
    ----------
    name : str
        File name or place.
    ways : Ways
        For `geo.network.build_network`.
    buildings, entrances, compounds, gates, areas, base, premises : GeoDataFrame
        With the columns of their tables in `data.models`; ``code`` is like ``osm:way/123``.
        ``compound_code``, ``building_code`` and ``parent_code`` name rows of the other frames.
    barriers : OsmBarriers
    attribution : str
    problems : list of OsmProblem
        What could not be used as it is, sorted by element.
    bounds : tuple of float
        West, south, east and north, WGS84 degrees: of the extract where it says so, otherwise of
        what was read.
    """

    name: str
    ways: Ways
    buildings: gpd.GeoDataFrame
    entrances: gpd.GeoDataFrame
    compounds: gpd.GeoDataFrame
    gates: gpd.GeoDataFrame
    areas: gpd.GeoDataFrame
    base: gpd.GeoDataFrame
    premises: gpd.GeoDataFrame
    barriers: OsmBarriers
    attribution: str
    problems: list[OsmProblem]
    bounds: tuple[float, float, float, float]


def read_osm(
    path: Path | str,
    *,
    progress: Progress | None = None,
    parts: Collection[str] = PARTS,
    admin_levels: Mapping[int, str] | None = None,
) -> OsmCity:
    """Read an OpenStreetMap file.

    Parameters
    ----------
    path : Path or str
        ``.osm``, ``.osm.pbf`` or ``.o5m``; XML also with ``.gz`` or ``.bz2``.
    progress : callable, optional
        Called with what is being done and the share done, 0 to 1.
    parts : collection of str
        Which of `PARTS` are wanted; with ``network`` alone the rest is not read at all.
    admin_levels : mapping of int to str, optional
        ``admin_level`` to ``district``, ``street`` or ``community``. Default: 6, 8 and 10 in
        China, elsewhere the deepest three levels present.

    Raises
    ------
    SourceFileError
        If the file is missing, empty, cut short, no OpenStreetMap file, or holds nothing.
    ValueError
        If a part is unknown.
    """
    unknown = set(parts) - set(PARTS)
    if unknown:
        raise ValueError(f"unknown parts {sorted(unknown)}; there are {PARTS}")
    with tempfile.TemporaryDirectory(prefix="gridcircle-osm-") as folder:
        source = OsmFile(Path(path), Path(folder))
        return _Reading(source, frozenset(parts), admin_levels, progress).city()


class _Reading:
    """One run over a file: what several layers need is made once."""

    def __init__(
        self,
        source: OsmFile,
        parts: frozenset[str],
        admin_levels: Mapping[int, str] | None,
        progress: Progress | None,
    ) -> None:
        self._source = source
        self._parts = parts | {"barriers"} if parts & {"compounds", "base"} else parts
        self._levels = admin_levels
        self._progress = progress
        self._problems: list[OsmProblem] = []

    def city(self) -> OsmCity:
        parts = self._parts
        self._report("Reading the map file", 0.0)
        nodes, ways = self._elements()
        features = bool(parts - {"network"})
        relations: list[OsmRelation] = []
        no_nodes, no_ways, shapes = _nothing()
        if features:
            self._report("Assembling areas", 0.3)
            relations = [
                relation
                for relation in self._source.relations(RELATION_KEYS, FEATURE_TAGS)
                if is_area(relation.tags, closed=True)
            ]
            shapes = self._keep(outlines(self._source, ways, relations, RELATION_KEYS))
        # The extract's own frame comes first: ways that cross it may reach far beyond.
        bounds = self._source.bounds or self._bounds(nodes, ways, shapes)
        crs = projected_crs(bounds).to_string()
        ground = ResidentialGround(
            (lambda: shapes.polygons[shapes.where(_is_residential)])
            if features
            else (lambda: self._residential_polygons(ways))
        )
        network = self._keep(network_ways(self._source, no_nodes, no_ways, [], ground))
        if "network" in parts:
            self._report("Applying the rules of the walking network", 0.4)
            squares = self._source.relations(SQUARE_KEYS, NETWORK_TAGS)
            network = self._keep(network_ways(self._source, nodes, ways, squares, ground))

        def given(part: str) -> tuple[OsmNodes, OsmWays, Outlines]:
            """Give the elements a layer is made of: none where the layer is not wanted."""
            return (nodes, ways, shapes) if part in parts else _nothing()

        self._report("Reading buildings and compounds", 0.5)
        for_nodes, _, for_shapes = given("buildings")
        homes = self._keep(buildings(for_shapes, ground, crs))
        doors = entrances(for_nodes, homes)
        # Barriers need the compounds too, whether or not they are wanted themselves.
        for_nodes, for_ways, for_shapes = given("barriers")
        compounds, gates = compounds_and_gates(for_shapes, for_nodes, _walls(for_ways), crs)
        self._report("Gathering walls, water and railways", 0.6)
        lines = barrier_lines(for_ways, for_shapes, compounds, gates)
        if "barriers" in parts:
            banks = banks_of_open_water(self._source, relations, set(shapes.keys))
            lines = together([lines, banks])
        self._report("Reading areas and the base map", 0.7)
        districts = areas(given("areas")[2], self._levels, in_china=_in_china(crs), crs=crs)
        base = self._keep(base_map(*given("base"), crs))
        sites = premises(given("premises")[0], given("premises")[2], crs)
        self._report("Map file read", 1.0)
        return OsmCity(
            name=self._source.name,
            ways=network,
            buildings=with_units(homes, doors),
            entrances=doors.drop(columns="is_staircase"),
            compounds=compounds,
            gates=gates,
            areas=districts,
            base=base,
            premises=sites,
            barriers=OsmBarriers(lines, openings(lines, gates, compounds, network, crs)),
            attribution=(
                SAMPLE_ATTRIBUTION
                if self._source.generator.startswith(SAMPLE_GENERATOR)
                else ATTRIBUTION
            ),
            problems=sorted(set(self._problems)),
            bounds=bounds,
        )

    def _report(self, stage: str, share: float) -> None:
        if self._progress is not None:
            self._progress(stage, share)

    def _keep(self, found: tuple[_T, list[OsmProblem]]) -> _T:
        """Note the problems of what was made."""
        self._problems += found[1]
        return found[0]

    def _elements(self) -> tuple[OsmNodes, OsmWays]:
        """Nodes and ways with the keys of the parts wanted; nodes without a place are reported."""
        if self._parts == {"network"}:
            nodes, ways = self._source.elements(
                NETWORK_KEYS, NETWORK_TAGS, ways_wanted=matters_to_network
            )
        else:
            nodes, ways = self._source.elements(FEATURE_KEYS, FEATURE_TAGS)
        lost = np.isnan(nodes.lonlat[:, 0])
        self._problems += [
            OsmProblem(f"node/{number}", "it has no coordinates") for number in nodes.ids[lost]
        ]
        kept = np.flatnonzero(~lost)
        return OsmNodes(nodes.ids[kept], nodes.lonlat[kept], [nodes.tags[i] for i in kept]), ways

    def _bounds(
        self, nodes: OsmNodes, ways: OsmWays, shapes: Outlines
    ) -> tuple[float, float, float, float]:
        corners = shapely.get_coordinates(shapely.envelope(shapes.polygons))
        places = np.concatenate([nodes.lonlat, ways.lonlat, corners])
        places = places[~np.isnan(places[:, 0])]
        if not len(places):
            raise SourceFileError(
                f"{self._source.name} holds no streets, buildings or other map features.",
                remedy="Check that it is an OpenStreetMap extract with nodes and ways.",
            )
        west, south = places.min(axis=0).tolist()
        east, north = places.max(axis=0).tolist()
        return west, south, east, north

    def _residential_polygons(self, ways: OsmWays) -> NDArray[np.object_]:
        """Residential land alone, for a network whose private ways must be looked at in place."""
        keys = ("landuse",)
        relations = [
            relation
            for relation in self._source.relations(keys, NETWORK_TAGS)
            if _is_residential(relation.tags)
        ]
        chosen = np.array([i for i, t in enumerate(ways.tags) if _is_residential(t)], np.int64)
        polygons = self._keep(way_polygons(ways, chosen))
        found = self._keep(relation_polygons(self._source, relations, keys))
        every = [p for p in polygons if p is not None] + list(found.values())
        return np.array([*every, None], dtype=object)[:-1]


def _is_residential(tags: Tags) -> bool:
    return tags.get("landuse") == "residential"


def _walls(ways: OsmWays) -> NDArray[np.object_]:
    chosen = np.array([i for i, t in enumerate(ways.tags) if wall_class(t)], dtype=np.int64)
    lines, _ = way_lines(ways, chosen)
    have: NDArray[np.object_] = lines[~shapely.is_missing(lines)]
    return have


def _in_china(crs: str) -> bool:
    """Whether the data got a Chinese projection, and so lies in China."""
    code = pyproj.CRS.from_user_input(crs).to_epsg()
    return code in _CGCS2000_ZONES


def _nothing() -> tuple[OsmNodes, OsmWays, Outlines]:
    """Stand in for the elements of a layer that is not wanted."""
    none, nowhere = np.empty(0, np.int64), np.empty((0, 2))
    return (
        OsmNodes(none, nowhere, []),
        OsmWays(none, [], np.zeros(1, np.int64), none, nowhere),
        Outlines([], [], np.empty(0, dtype=object)),
    )
