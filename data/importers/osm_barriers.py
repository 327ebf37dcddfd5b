"""What an access leg may not cross: walls, water, railways and motorways, with their openings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from data.barriers import segments
from data.importers.osm_elements import OsmFile, OsmRelation, OsmWays, Tags
from data.importers.osm_kinds import (
    BARRIER_RAILS,
    BARRIER_WATERWAYS,
    area_class,
    is_off_the_ground,
    is_underground,
)
from data.importers.osm_polygons import Geometries, Outlines, way_lines
from data.importers.osm_rules import WALL_BARRIERS
from geo.crs import project, unproject
from geo.network import EdgeFlag, Ways
from geo.snapping import Barriers

ON_OUTLINE_M = 0.5
"""A gate farther from its outline than this stands beside it."""

WALL = "wall"
WALL_KINDS = frozenset({WALL, "compound"})
"""Barriers that gates open; water, railways and motorways are crossed on the network only."""


@dataclass(frozen=True, slots=True)
class OsmBarriers:
    """Barriers of access legs, EPSG:4326.

    Attributes
    ----------
    lines : GeoDataFrame
        source_key, kind (``wall``, ``compound``, ``river``, ``water``, ``railway``, ``motorway``)
        and LineStrings.
    openings : GeoDataFrame
        Points where walls and compounds may be passed: gates that are not for emergencies only
        (kind ``gate``), and places where an open way passes through (kind ``way``).
    """

    lines: gpd.GeoDataFrame
    openings: gpd.GeoDataFrame

    def projected(self, crs: str) -> Barriers:
        """Give the barriers in the metres of a network, as snapping wants them.

        Parameters
        ----------
        crs : str
            `WalkNetwork.crs`.
        """
        gates = project(shapely.get_coordinates(self.openings.geometry.to_numpy()), crs)
        return Barriers(segments(self.lines.geometry.to_numpy(), crs), gates)


def barrier_lines(
    ways: OsmWays, outlines: Outlines, compounds: gpd.GeoDataFrame, gates: gpd.GeoDataFrame
) -> gpd.GeoDataFrame:
    """Lines no access leg crosses: source_key, kind, geometry.

    Not among them: what runs in a tunnel or on a bridge, and compounds without a known gate
    (nobody knows where their wall opens). Rivers are stopped by their banks where they are
    mapped as areas and by their middle line everywhere.

    Parameters
    ----------
    ways : OsmWays
    outlines : Outlines
    compounds, gates : GeoDataFrame
        From `osm_compounds`.
    """
    parts = [
        _from_ways(ways, WALL, _is_wall),
        _from_ways(ways, "river", _is_river),
        _from_ways(ways, "railway", _is_railway),
        _from_ways(ways, "motorway", _is_motorway),
        _from_ways(ways, "water", _is_coast),
        _water_banks(outlines),
        _compound_outlines(compounds, gates),
    ]
    return together(parts)


def together(parts: list[gpd.GeoDataFrame]) -> gpd.GeoDataFrame:
    """Several frames of barrier lines as one."""
    frame = pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)
    return gpd.GeoDataFrame(frame, geometry="geometry", crs="EPSG:4326")


def banks_of_open_water(
    source: OsmFile, relations: list[OsmRelation], assembled: set[str]
) -> gpd.GeoDataFrame:
    """Bank lines of water whose area could not be assembled, as at the edge of an extract."""
    members = {
        ref: relation.id
        for relation in relations
        if f"relation/{relation.id}" not in assembled
        and area_class(relation.tags) is not None
        # Members of green areas are no barrier.
        and (area_class(relation.tags) or ("",))[0] == "water"
        for kind, ref, _ in relation.members
        if kind == "w"
    }
    ways = source.ways(sorted(members)) if members else None
    if ways is None:
        return _lines([], "water", np.empty(0, dtype=object))
    lines, _ = way_lines(ways, np.arange(len(ways.ids)))
    have = np.flatnonzero(~shapely.is_missing(lines))
    return _lines([f"way/{ways.ids[i]}" for i in have], "water", lines[have])


def openings(
    lines: gpd.GeoDataFrame,
    gates: gpd.GeoDataFrame,
    compounds: gpd.GeoDataFrame,
    ways: Ways,
    crs: str,
) -> gpd.GeoDataFrame:
    """Find where walls and compounds may be passed: kind and geometry (points).

    A gate mapped a few metres off its compound's outline opens the outline beside it as well.

    Parameters
    ----------
    lines : GeoDataFrame
        From `barrier_lines`.
    gates, compounds : GeoDataFrame
    ways : Ways
        The network: where a way open to feet crosses or touches a wall, on the ground and not at
        a blocked node, the wall is open although no gate is mapped.
    crs : str
        Projected CRS, metres.
    """
    usable = gates[gates["access"] != "emergency"]
    known = np.concatenate([usable.geometry.to_numpy(), _on_outlines(usable, compounds, crs)])
    walls = lines[lines["kind"].isin(WALL_KINDS)].geometry.to_numpy()
    passed = _passages(walls, ways)
    return gpd.GeoDataFrame(
        {"kind": ["gate"] * len(known) + ["way"] * len(passed)},
        geometry=np.concatenate([known, passed]),
        crs="EPSG:4326",
    )


def _on_outlines(gates: gpd.GeoDataFrame, compounds: gpd.GeoDataFrame, crs: str) -> Geometries:
    """Points of compounds' outlines nearest to their gates, where those lie beside them."""
    outline_of = compounds.set_index("code").geometry.boundary
    own = gates[gates["compound_code"].isin(compounds["code"])]
    outlines = shapely.transform(
        outline_of.loc[own["compound_code"]].to_numpy(), lambda xy: project(xy, crs)
    )
    points = shapely.transform(own.geometry.to_numpy(), lambda xy: project(xy, crs))
    feet = shapely.get_point(shapely.shortest_line(points, outlines), 1)
    beside = shapely.distance(points, feet) > ON_OUTLINE_M
    moved: Geometries = shapely.transform(feet[beside], lambda xy: unproject(xy, crs))
    return moved


def _passages(walls: Geometries, ways: Ways) -> Geometries:
    on_ground = (ways.flags & (EdgeFlag.BRIDGE | EdgeFlag.TUNNEL)) == 0
    open_to_feet = np.flatnonzero(on_ground & ((ways.flags & EdgeFlag.WALK) > 0))
    if not len(walls) or not len(open_to_feet):
        return np.empty(0, dtype=object)
    counts = np.diff(ways.offsets)
    keep = np.zeros(len(counts), bool)
    keep[open_to_feet] = True
    rows = np.repeat(keep, counts)
    owner = np.repeat(np.cumsum(keep) - 1, counts)[rows]
    streets = shapely.linestrings(ways.lonlat[ways.nodes[rows]], indices=owner)
    street, wall = shapely.STRtree(walls).query(streets, predicate="intersects")
    points = shapely.get_parts(shapely.intersection(streets[street], walls[wall]))
    # A street that runs along a wall shares lines with it: only points are openings.
    points = points[shapely.get_type_id(points) == shapely.GeometryType.POINT]
    places = np.unique(shapely.get_coordinates(points).round(7), axis=0)
    return np.asarray(shapely.points(places[~_at(places, ways.lonlat[ways.blocked])]), dtype=object)


def _at(places: NDArray[np.float64], nodes: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which places are one of the nodes: OpenStreetMap keeps seven decimals."""
    taken = {tuple(place) for place in nodes.round(7).tolist()}
    return np.array([tuple(place) in taken for place in places.tolist()], dtype=bool)


def _is_wall(tags: Tags) -> bool:
    return tags.get("barrier") in WALL_BARRIERS and not is_underground(tags)


def _is_river(tags: Tags) -> bool:
    return tags.get("waterway") in BARRIER_WATERWAYS and not is_underground(tags)


def _is_coast(tags: Tags) -> bool:
    return tags.get("natural") == "coastline"


def _is_railway(tags: Tags) -> bool:
    return tags.get("railway") in BARRIER_RAILS and not is_off_the_ground(tags)


def _is_motorway(tags: Tags) -> bool:
    return tags.get("highway") in {"motorway", "motorway_link"} and not is_off_the_ground(tags)


def _lines(keys: list[str], kind: str, lines: Geometries) -> gpd.GeoDataFrame:
    frame = {"source_key": keys, "kind": [kind] * len(keys)}
    return gpd.GeoDataFrame(frame, geometry=lines, crs="EPSG:4326")


def _from_ways(ways: OsmWays, kind: str, wanted: Callable[[Tags], bool]) -> gpd.GeoDataFrame:
    chosen = np.array([i for i, tags in enumerate(ways.tags) if wanted(tags)], dtype=np.int64)
    lines, _ = way_lines(ways, chosen)
    have = np.flatnonzero(~shapely.is_missing(lines))
    return _lines([f"way/{ways.ids[i]}" for i in chosen[have]], kind, lines[have])


def _water_banks(outlines: Outlines) -> gpd.GeoDataFrame:
    rows = outlines.where(lambda tags: area_class(tags) == ("water", "water"))
    return _boundaries([outlines.keys[row] for row in rows], "water", outlines.polygons[rows])


def _compound_outlines(compounds: gpd.GeoDataFrame, gates: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    gated = compounds[compounds["code"].isin(gates["compound_code"].dropna())]
    keys = [code.removeprefix("osm:") for code in gated["code"]]
    return _boundaries(keys, "compound", gated.geometry.to_numpy())


def _boundaries(keys: list[str], kind: str, polygons: Geometries) -> gpd.GeoDataFrame:
    faces, face_owner = shapely.get_parts(polygons, return_index=True)
    rings, face = shapely.get_rings(faces, return_index=True)
    lines = shapely.linestrings(
        shapely.get_coordinates(rings),
        indices=np.repeat(np.arange(len(rings)), shapely.get_num_coordinates(rings)),
    )
    return _lines([keys[i] for i in face_owner[face]], kind, lines)
