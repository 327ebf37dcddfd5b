"""What bounds and binds cells: streets, water, railways and compounds of the map, in metres."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray
from sqlalchemy import Connection, text

from geo.cells import Surroundings
from geo.crs import project

ROADS: MappingProxyType[str, str] = MappingProxyType(
    {
        "motorway": "motorway",
        "trunk": "trunk",
        "primary": "trunk",
        "secondary": "main",
        "tertiary": "collector",
        "residential": "street",
        "unclassified": "street",
        "living_street": "street",
    }
)
"""Kinds of road on the base map that bound cells, and as what; paths and drives do not."""


def in_metres(shapes: object, crs: str) -> NDArray[np.object_]:
    """Geometries of EPSG:4326 in metres of ``crs``."""
    array = np.asarray(shapes, dtype=object)
    return shapely.transform(array, lambda xy: project(xy, crs)) if len(array) else array


BOUNDING = (
    "(x.layer IN ('rail', 'water') OR (x.layer = 'road' AND x.kind = ANY(:roads)))"
    " AND ST_Dimension(x.geom) > 0"
)
"""SQL: which rows ``x`` of ``base_features`` bound cells, with ``roads`` the keys of `ROADS`."""


def read_surroundings(
    connection: Connection, communities: Sequence[int]
) -> tuple[gpd.GeoDataFrame, gpd.GeoDataFrame]:
    """Read what bounds the cells of communities: base map and compounds, as `surroundings` takes.

    Parameters
    ----------
    connection : Connection
    communities : sequence of int
        Ids of areas.
    """
    near = "EXISTS (SELECT FROM areas a WHERE a.id = ANY(:ids) AND ST_Intersects(a.geom, x.geom))"
    bound = {"ids": list(communities), "roads": list(ROADS)}
    base = connection.execute(
        text(
            "SELECT x.layer, x.kind, ST_AsBinary(x.geom) AS geom FROM base_features x"
            f" WHERE {BOUNDING} AND {near} ORDER BY x.id"
        ),
        bound,
    ).all()
    compounds = connection.execute(
        text(
            "SELECT x.code, x.walled, ST_AsBinary(x.geom) AS geom FROM compounds x"
            f" WHERE {near} ORDER BY x.code"
        ),
        bound,
    ).all()
    return (
        gpd.GeoDataFrame(
            {"layer": [b.layer for b in base], "kind": [b.kind for b in base]},
            geometry=shapely.from_wkb([bytes(b.geom) for b in base]),
            crs="EPSG:4326",
        ),
        gpd.GeoDataFrame(
            {"code": [c.code for c in compounds], "walled": [c.walled for c in compounds]},
            geometry=shapely.from_wkb([bytes(c.geom) for c in compounds]),
            crs="EPSG:4326",
        ),
    )


def surroundings(
    base: gpd.GeoDataFrame,
    compounds: gpd.GeoDataFrame,
    sites: NDArray[np.object_],
    crs: str,
    *,
    streets: gpd.GeoDataFrame | None = None,
) -> Surroundings:
    """Gather what cuts and binds cells from layers of the map.

    Parameters
    ----------
    base : GeoDataFrame
        Base map, EPSG:4326: layer, kind, geometry, as in ``base_features``.
    compounds : GeoDataFrame
        Polygons with ``walled``, EPSG:4326.
    sites : ndarray of object
        Polygons of exclusive sites, EPSG:4326.
    crs : str
        Projected CRS of the cells.
    streets : GeoDataFrame, optional
        More lines, EPSG:4326, with an optional column ``kind`` (a highway value); without it each
        is a street.
    """
    lines: list[shapely.Geometry] = []
    kinds: list[str] = []
    for layer, kind, shape in zip(base["layer"], base["kind"], base.geometry, strict=True):
        separates = None
        if layer == "road":
            separates = ROADS.get(kind)
        elif layer == "rail":
            separates = "rail"
        elif layer == "water":
            separates = "river"
        if separates is not None:
            lines.append(shape.boundary if shape.geom_type.endswith("Polygon") else shape)
            kinds.append(separates)
    if streets is not None:
        named = streets["kind"] if "kind" in streets.columns else [""] * len(streets)
        for kind, shape in zip(named, streets.geometry, strict=True):
            lines.append(shape.boundary if shape.geom_type.endswith("Polygon") else shape)
            kinds.append(ROADS.get(str(kind), "street"))
    walled = (
        compounds["walled"].fillna(False).to_numpy(bool)
        if "walled" in compounds.columns
        else np.zeros(len(compounds), np.bool_)
    )
    return Surroundings(
        in_metres(np.array(lines, dtype=object), crs),
        np.array(kinds, dtype=object),
        in_metres(compounds.geometry.array, crs),
        walled,
        in_metres(sites, crs),
    )
