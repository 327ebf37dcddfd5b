"""Residential compounds 小区 with their walls and gates from an OpenStreetMap file."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray

from data.importers.osm_elements import OsmNodes
from data.importers.osm_ground import GATE_REACH_M, nearest_outline
from data.importers.osm_kinds import compound_kind, gate_access
from data.importers.osm_polygons import Geometries, Outlines, multipolygons
from data.importers.osm_rules import GATE_BARRIERS, WALL_BARRIERS
from geo.crs import project

WALL_REACH_M = 6.0
"""How far from its compound's outline a wall may be mapped."""
WALLED_SHARE = 0.5
"""Share of the outline along which a wall must run for a compound to count as walled."""
OPENING_REACH_M = 1.0
"""How far from a wall its gate may be mapped."""


def compounds_and_gates(
    outlines: Outlines, nodes: OsmNodes, walls: Geometries, crs: str
) -> tuple[gpd.GeoDataFrame, gpd.GeoDataFrame]:
    """Compounds and gates with the columns of their tables.

    A compound is ``landuse=residential`` that has a name, a wall or a gate: without any of them
    it is a colour on a map, not an estate.

    Parameters
    ----------
    outlines : Outlines
    nodes : OsmNodes
    walls : ndarray of LineString
        EPSG:4326.
    crs : str
        Projected CRS, metres.

    Returns
    -------
    compounds : GeoDataFrame
        code, name, kind, walled, geometry.
    gates : GeoDataFrame
        code, compound_code (None for a gate in some other wall), name, access, opening_hours,
        geometry.
    """
    rows = outlines.where(lambda tags: tags.get("landuse") == "residential")
    polygons = outlines.polygons[rows]
    gate_rows = np.array(
        [i for i, tags in enumerate(nodes.tags) if tags.get("barrier") in GATE_BARRIERS],
        dtype=np.int64,
    )
    owner = nearest_outline(polygons, nodes.lonlat[gate_rows], GATE_REACH_M)
    walled = _walled(outlines, rows, walls, crs)
    named = np.array(["name" in outlines.tags[row] for row in rows], dtype=bool)
    gated = np.isin(np.arange(len(rows)), owner)
    keep = named | walled | gated
    codes = np.array([f"osm:{outlines.keys[row]}" for row in rows], dtype=object)
    compounds = gpd.GeoDataFrame(
        {
            "code": codes[keep],
            "name": [outlines.tags[row].get("name", "") for row in rows[keep]],
            "kind": [compound_kind(outlines.tags[row]) for row in rows[keep]],
            "walled": walled[keep],
        },
        geometry=multipolygons(polygons[keep]),
        crs="EPSG:4326",
    )
    return compounds, _gates(nodes, gate_rows, owner, codes, walls)


def _walled(
    outlines: Outlines, rows: NDArray[np.int64], walls: Geometries, crs: str
) -> NDArray[np.bool_]:
    walled = np.array([outlines.tags[row].get("barrier") in WALL_BARRIERS for row in rows], bool)
    if not len(walls) or not len(rows):
        return walled
    boundaries = shapely.boundary(
        shapely.transform(outlines.polygons[rows], lambda xy: project(xy, crs))
    )
    lines = shapely.transform(walls, lambda xy: project(xy, crs))
    compound, wall = shapely.STRtree(lines).query(
        boundaries, predicate="dwithin", distance=WALL_REACH_M
    )
    for i in np.unique(compound):
        near = shapely.union_all(shapely.buffer(lines[wall[compound == i]], WALL_REACH_M))
        along = shapely.length(shapely.intersection(boundaries[i], near))
        walled[i] |= along >= WALLED_SHARE * shapely.length(boundaries[i])
    return walled


def _gates(
    nodes: OsmNodes,
    gate_rows: NDArray[np.int64],
    owner: NDArray[np.int64],
    codes: NDArray[np.object_],
    walls: Geometries,
) -> gpd.GeoDataFrame:
    in_wall = nearest_outline(walls, nodes.lonlat[gate_rows], OPENING_REACH_M) >= 0
    keep = (owner >= 0) | in_wall
    rows, owner = gate_rows[keep], owner[keep]
    tags = [nodes.tags[row] for row in rows]
    return gpd.GeoDataFrame(
        {
            "code": [f"osm:node/{nodes.ids[row]}" for row in rows],
            "compound_code": [codes[i] if i >= 0 else None for i in owner],
            "name": [t.get("name", "") for t in tags],
            "access": [gate_access(t) for t in tags],
            "opening_hours": [t.get("opening_hours") for t in tags],
        },
        geometry=shapely.points(nodes.lonlat[rows]),
        crs="EPSG:4326",
    )
