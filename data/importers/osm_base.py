"""Base map from an OpenStreetMap file: roads, water, green, railways, walls and names."""

from __future__ import annotations

from collections.abc import Callable

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from data.importers.osm_elements import OsmNodes, OsmWays, Tags
from data.importers.osm_kinds import (
    area_class,
    area_zoom,
    label_class,
    rail_class,
    road_class,
    wall_class,
    water_line,
)
from data.importers.osm_polygons import Geometries, Outlines, way_lines
from data.importers.osm_problems import OsmProblem
from geo.crs import project

LINE_CLASSES: dict[str, Callable[[Tags], tuple[str, int] | None]] = {
    "road": road_class,
    "water": water_line,
    "rail": rail_class,
    "barrier": wall_class,
}
"""Layers drawn from lines, and what tells the class of a line."""

COLUMNS = ["layer", "kind", "name", "min_zoom", "source_key"]


def base_map(
    nodes: OsmNodes, ways: OsmWays, outlines: Outlines, crs: str
) -> tuple[gpd.GeoDataFrame, list[OsmProblem]]:
    """Base-map features with the columns of their table; ``source_key`` is like ``way/123``.

    Parameters
    ----------
    nodes : OsmNodes
    ways : OsmWays
    outlines : Outlines
    crs : str
        Projected CRS, metres, for the size of areas.
    """
    drawn_as_area = {key for key in outlines.keys if key.startswith("way/")}
    parts = []
    problems: list[OsmProblem] = []
    for layer, classify in LINE_CLASSES.items():
        frame, found = _lines(ways, layer, classify, drawn_as_area)
        parts.append(frame)
        problems += found
    parts += [_areas(outlines, crs), _squares(outlines), _labels(nodes, outlines)]
    every = pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)
    return gpd.GeoDataFrame(every, geometry="geometry", crs="EPSG:4326"), problems


def _frame(
    layer: str,
    kinds: list[str],
    tags: list[Tags],
    zooms: list[int],
    keys: list[str],
    geometries: Geometries,
) -> gpd.GeoDataFrame:
    names = [t.get("name", "") for t in tags]
    columns = dict(zip(COLUMNS, (layer, kinds, names, zooms, keys), strict=True))
    frame = pd.DataFrame(columns, index=range(len(kinds))).astype({"min_zoom": "int16"})
    return gpd.GeoDataFrame(frame, geometry=geometries, crs="EPSG:4326")


def _lines(
    ways: OsmWays,
    layer: str,
    classify: Callable[[Tags], tuple[str, int] | None],
    drawn_as_area: set[str],
) -> tuple[gpd.GeoDataFrame, list[OsmProblem]]:
    rows, classes = [], []
    for i, tags in enumerate(ways.tags):
        found = classify(tags)
        if found is None:
            continue
        if layer in {"road", "water"} and f"way/{ways.ids[i]}" in drawn_as_area:
            continue
        rows.append(i)
        classes.append(found)
    chosen = np.array(rows, dtype=np.int64)
    lines, problems = way_lines(ways, chosen)
    have = np.flatnonzero(~shapely.is_missing(lines))
    return (
        _frame(
            layer,
            [classes[i][0] for i in have],
            [ways.tags[i] for i in chosen[have]],
            [classes[i][1] for i in have],
            [f"way/{ways.ids[i]}" for i in chosen[have]],
            lines[have],
        ),
        problems,
    )


def _areas(outlines: Outlines, crs: str) -> gpd.GeoDataFrame:
    rows = outlines.where(lambda tags: area_class(tags) is not None)
    found = [area_class(outlines.tags[row]) or ("", "") for row in rows]
    polygons = outlines.polygons[rows]
    size_m2 = shapely.area(shapely.transform(polygons, lambda xy: project(xy, crs)))
    frame = _frame(
        "",
        [kind for _, kind in found],
        [outlines.tags[row] for row in rows],
        [area_zoom(m2) for m2 in size_m2],
        [outlines.keys[row] for row in rows],
        polygons,
    )
    return frame.assign(layer=[layer for layer, _ in found])


def _squares(outlines: Outlines) -> gpd.GeoDataFrame:
    """Pedestrian squares: roads drawn as areas."""
    rows = outlines.where(lambda tags: road_class(tags) is not None)
    tags = [outlines.tags[row] for row in rows]
    classes = [road_class(t) or ("", 0) for t in tags]
    return _frame(
        "road",
        [kind for kind, _ in classes],
        tags,
        [zoom for _, zoom in classes],
        [outlines.keys[row] for row in rows],
        outlines.polygons[rows],
    )


def _labels(nodes: OsmNodes, outlines: Outlines) -> gpd.GeoDataFrame:
    def labelled(tags: Tags) -> bool:
        return label_class(tags) is not None

    points = [i for i, tags in enumerate(nodes.tags) if labelled(tags)]
    rows: NDArray[np.int64] = outlines.where(labelled)
    tags = [nodes.tags[i] for i in points] + [outlines.tags[row] for row in rows]
    classes = [label_class(t) or ("", 0) for t in tags]
    places = np.concatenate(
        [
            shapely.points(nodes.lonlat[points].reshape(-1, 2)),
            shapely.point_on_surface(outlines.polygons[rows]),
        ]
    )
    return _frame(
        "label",
        [kind for kind, _ in classes],
        tags,
        [zoom for _, zoom in classes],
        [f"node/{nodes.ids[i]}" for i in points] + [outlines.keys[row] for row in rows],
        places,
    )
