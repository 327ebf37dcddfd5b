"""Candidate premises for stations from an OpenStreetMap file: shops, halls, offices."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import shapely

from data.importers.osm_elements import OsmNodes, Tags
from data.importers.osm_kinds import is_building, premises_kind
from data.importers.osm_polygons import Outlines
from geo.crs import project


def premises(nodes: OsmNodes, outlines: Outlines, crs: str) -> gpd.GeoDataFrame:
    """Premises with the columns of their table: code, kind, name, area_m2, geometry (points).

    ``area_m2`` is the footprint where the premises are a whole building, otherwise unknown.

    Parameters
    ----------
    nodes : OsmNodes
    outlines : Outlines
    crs : str
        Projected CRS, metres.
    """

    def wanted(tags: Tags) -> bool:
        return premises_kind(tags) is not None

    points = [i for i, tags in enumerate(nodes.tags) if wanted(tags)]
    rows = outlines.where(wanted)
    tags = [nodes.tags[i] for i in points] + [outlines.tags[row] for row in rows]
    polygons = outlines.polygons[rows]
    area_m2 = shapely.area(shapely.transform(polygons, lambda xy: project(xy, crs)))
    whole = np.array([is_building(outlines.tags[row]) for row in rows], dtype=bool)
    return gpd.GeoDataFrame(
        {
            "code": [f"osm:node/{nodes.ids[i]}" for i in points]
            + [f"osm:{outlines.keys[row]}" for row in rows],
            "kind": [premises_kind(t) or "" for t in tags],
            "name": [t.get("name", "") for t in tags],
            "area_m2": np.concatenate(
                [np.full(len(points), np.nan), np.where(whole, area_m2.round(1), np.nan)]
            ),
        },
        geometry=np.concatenate(
            [
                shapely.points(nodes.lonlat[points].reshape(-1, 2)),
                shapely.point_on_surface(polygons),
            ]
        ),
        crs="EPSG:4326",
    )
