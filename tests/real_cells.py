"""Real buildings and streets as communities of cells, and random edits of their grids.

The sample town is always there; Liechtenstein and Porto where their extracts are.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import shapely

from data.importers.osm import OsmCity, read_osm
from data.sample import write_sample
from data.surroundings import ROADS, in_metres, surroundings
from geo.cellfit import fitted
from geo.cells import build_cells, cells_of_coverage
from geo.crs import projected_crs, unproject
from geo.partition import Change, Partition, snapped

SHARED = Path(__file__).parents[1].parent / "shared" / "data"
CITIES = ("sample", "liechtenstein", "porto")
SIDE_M = 420.0
_M = 111_320.0


@dataclass(frozen=True)
class Place:
    """A community with its cells, buildings, streets, and grids joined of cells.

    Geometry in WGS84 degrees; `cell_of` gives the cell of each building.
    """

    name: str
    outline: shapely.Polygon
    cells: np.ndarray
    footprints: np.ndarray
    homes: np.ndarray
    households: np.ndarray
    people: np.ndarray
    cell_of: np.ndarray
    streets: np.ndarray
    street_names: np.ndarray
    grids: Mapping[int, shapely.Polygon]
    border: shapely.Polygon
    """The outline with the vertices that grids have on it."""


@lru_cache(maxsize=1)
def _city(name: str) -> OsmCity:
    parts = ("buildings", "compounds", "base", "areas")
    if name == "sample":
        with tempfile.TemporaryDirectory() as folder:
            return read_osm(write_sample(Path(folder)).osm, parts=parts)
    path = SHARED / name / f"{name}.osm.pbf"
    if not path.exists():
        pytest.skip(f"the {name} extract is not here")
    return read_osm(path, parts=parts)


def _footprints(city: OsmCity) -> np.ndarray:
    """Outlines of buildings; along the streets of an extract that has streets only, made up."""
    shapes = np.asarray(city.buildings.geometry.array, object)
    shapes = shapes[shapely.get_dimensions(shapes) == 2]
    if len(shapes) > 1000:
        return shapes
    roads = city.base[(city.base.layer == "road") & city.base.kind.isin(list(ROADS))]
    lines = shapely.segmentize(np.asarray(roads.geometry.array, object), 3e-4)
    spots = shapely.get_coordinates(lines)
    spots = spots + np.random.default_rng(5).normal(0, 1.5e-4, spots.shape)
    return shapely.buffer(shapely.points(spots), 7e-5, cap_style="square")


@lru_cache(maxsize=12)
def place(name: str, number: int) -> Place:
    """Cut a crooked piece of a city out where many buildings stand; ``number`` says which."""
    city = _city(name)
    shapes = _footprints(city)
    middle = shapely.get_coordinates(shapely.centroid(shapes))
    metres = middle * [_M * math.cos(math.radians(middle[:, 1].mean())), _M]
    square, count = np.unique(metres // SIDE_M, axis=0, return_counts=True)
    chosen = square[np.argsort(-count, kind="stable")[number]]
    rng = np.random.default_rng(number)
    corners = np.array([(0, 0), (0.5, -0.07), (1, 0), (1.08, 0.5), (1, 1), (0.4, 0.95), (0, 1)])
    ring = (chosen + corners + rng.normal(0, 0.02, corners.shape)) * SIDE_M
    ring = ring / [_M * math.cos(math.radians(middle[:, 1].mean())), _M]
    outline = snapped(shapely.Polygon(ring))
    inside = shapely.intersects(outline, shapely.point_on_surface(shapes))
    crs = projected_crs(outline.bounds).to_wkt()
    base = city.base[shapely.intersects(np.asarray(city.base.geometry.array, object), outline)]
    compounds = city.compounds[
        shapely.intersects(np.asarray(city.compounds.geometry.array, object), outline)
    ]
    around = surroundings(base, compounds, np.empty(0, object), crs)
    built = build_cells(in_metres(np.array([outline]), crs), in_metres(shapes[inside], crs), around)
    cells = fitted(shapely.transform(built.geometry, lambda xy: unproject(xy, crs)), outline)
    homes = shapely.get_coordinates(snapped(shapely.point_on_surface(shapes[inside])))
    roads = base[(base.layer == "road") & base.kind.isin(list(ROADS))]
    tree = shapely.STRtree(cells)
    home, cell = tree.query(shapely.points(homes), predicate="intersects")
    cell_of = np.zeros(len(homes), int)
    cell_of[home[::-1]] = cell[::-1]
    households = rng.integers(1, 24, len(homes))
    grids, border = _joined(cells, outline, max(3, len(cells) // 30), rng)
    return Place(
        f"{name}-{number}",
        outline,
        cells,
        shapes[inside],
        homes,
        households,
        households * 2 + 1,
        cell_of,
        np.asarray(roads.geometry.array, object),
        roads["name"].to_numpy(object),
        grids,
        border,
    )


def _joined(
    cells: np.ndarray, outline: shapely.Polygon, count: int, rng: np.random.Generator
) -> tuple[dict[int, shapely.Polygon], shapely.Polygon]:
    """Join cells into connected grids grown from random ones."""
    anchors = shapely.point_on_surface(cells)
    graph = cells_of_coverage(
        shapely.transform(cells, lambda xy: np.rint(xy * 1e9) / 1e3),
        np.zeros(len(cells), int),
        np.arange(len(cells)),
        anchors,
    )
    near: list[list[int]] = [[] for _ in cells]
    for a, b in graph.edges.tolist():
        near[a].append(b)
        near[b].append(a)
    seeds = rng.choice(len(cells), count, replace=False)
    grid = np.full(len(cells), -1)
    grid[seeds] = np.arange(count)
    frontier = seeds.tolist()
    while frontier:
        cell = frontier.pop(int(rng.integers(len(frontier))))
        for other in near[cell]:
            if grid[other] < 0:
                grid[other] = grid[cell]
                frontier.append(other)
    grids = {n + 1: shapely.coverage_union_all(cells[grid == n]) for n in range(count)}
    return grids, shapely.coverage_union_all(list(grids.values()))


def random_change(
    here: Place,
    partition: Partition,
    grids: Mapping[int, shapely.Polygon],
    rng: np.random.Generator,
) -> tuple[str, Change]:
    """One random edit of any kind; it may be refused with a PartitionError."""
    ids = list(grids)
    one = int(rng.choice(ids))
    shape = grids[one]
    west, south, east, north = shape.bounds
    wide, high = east - west, north - south
    kinds = ["split", "street", "merge", "cells", "cells", "cells", "patch", "draw", "course"]
    kind = str(rng.choice([*kinds, "vertex", "vertex", "edge", "new"]))
    if len(ids) > 30 and kind in ("split", "street", "draw", "new"):
        kind = "merge"

    def spot(margin: float = 0.1) -> np.ndarray:
        return np.array([west, south]) + rng.uniform(-margin, 1 + margin, 2) * [wide, high]

    def blob() -> shapely.Polygon:
        return shapely.Point(spot()).buffer(rng.uniform(0.05, 0.4) * min(wide, high), 4)

    match kind:
        case "split":
            turn = rng.uniform(0, np.pi)
            middle = shapely.get_coordinates(shape.representative_point())[0]
            far = np.array([math.cos(turn), math.sin(turn)]) * (wide + high)
            bend = middle + rng.normal(0, 0.1 * wide, 2)
            line = shapely.LineString([middle - far, bend, middle + far])
            return kind, partition.split(one, line, pieces=[2, None][int(rng.integers(2))])
        case "street":
            hit = here.streets[shapely.intersects(here.streets, shape)]
            if not len(hit):
                return "merge", partition.merge([one, _neighbour(grids, one, rng)])
            return kind, partition.split(one, hit[int(rng.integers(len(hit)))], pieces=2)
        case "merge":
            return kind, partition.merge([one, _neighbour(grids, one, rng)])
        case "cells" | "new":
            own = shapely.intersects(here.cells, shape)
            if kind == "cells":
                own = shapely.distance(here.cells, shape) < 3e-9
                own &= ~shapely.within(here.cells, shape)
            near = np.flatnonzero(own)
            some = rng.choice(near, min(len(near), int(rng.integers(1, 5))), replace=False)
            patch = shapely.union_all(here.cells[some], grid_size=1e-9)
            return kind, partition.draw(patch) if kind == "new" else partition.transfer(one, patch)
        case "patch":
            return kind, partition.transfer(one, blob())
        case "draw":
            return kind, partition.draw(blob())
        case "course":
            line = shapely.LineString([spot(0.3) for _ in range(3)])
            return kind, partition.reshape(one, _neighbour(grids, one, rng), line)
        case _:
            corners = shapely.get_coordinates(shape)
            at = int(rng.integers(len(corners) - 1))
            start = corners[at]
            if kind == "edge":
                start = start + rng.uniform(0, 1) * (corners[at + 1] - start)
            goal = start + rng.normal(0, rng.choice([0.005, 0.05]), 2) * [wide, high]
            return kind, partition.move_vertex((start[0], start[1]), (goal[0], goal[1]))


def _neighbour(grids: Mapping[int, shapely.Polygon], one: int, rng: np.random.Generator) -> int:
    others = [g for g in grids if g != one]
    touching = [g for g in others if shapely.intersects(grids[g], grids[one])]
    return int(rng.choice(touching or others or [one]))
