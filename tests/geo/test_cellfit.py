"""Cells in degrees cover a community to the last vertex of its border."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from real_cells import CITIES, place

from geo.cellfit import fitted
from geo.partition import Partition, snapped


def check(cells: np.ndarray, outline: shapely.Geometry) -> None:
    assert shapely.is_valid(cells).all()
    assert {cell.geom_type for cell in cells} == {"Polygon"}
    assert shapely.coverage_is_valid(cells)
    off = shapely.symmetric_difference(shapely.coverage_union_all(cells), outline).area
    assert off < 2e-9 * outline.length  # a vertex on the border is rounded by half a billionth
    whole = np.rint(shapely.get_coordinates(cells) * 1e9)
    assert (whole / 1e9 == shapely.get_coordinates(cells)).all()


def squares(rng: np.random.Generator, shift: float) -> tuple[np.ndarray, shapely.Polygon]:
    """Sixteen crooked quadrilaterals, and the outline they should have; they miss it by a bit."""
    x, y = np.meshgrid(np.arange(5.0), np.arange(5.0))
    xy = np.stack([x, y], axis=-1) + rng.uniform(-0.3, 0.3, (5, 5, 2))
    xy = 118.1 + xy * 2e-4
    ring = [*xy[0], *xy[1:, -1], *xy[-1, -2::-1], *xy[-2:0:-1, 0]]
    outline = snapped(shapely.Polygon(ring))
    off = snapped(shapely.points(xy + rng.uniform(-shift, shift, xy.shape)))
    off = shapely.get_coordinates(off).reshape(5, 5, 2)
    cells = [
        shapely.Polygon([off[j, i], off[j, i + 1], off[j + 1, i + 1], off[j + 1, i]])
        for j in range(4)
        for i in range(4)
    ]
    return np.array(cells, object), outline


@given(seed=st.integers(0, 2**32 - 1), shift=st.sampled_from([0.0, 1e-9, 8e-9, 1e-8]))
@settings(max_examples=40, deadline=None)
def test_cells_that_miss_the_border_by_a_hair_are_led_onto_it(seed: int, shift: float) -> None:
    cells, outline = squares(np.random.default_rng(seed), shift)
    found = fitted(cells, outline)
    check(found, outline)
    moved = shapely.area(shapely.symmetric_difference(found, cells))
    assert (moved < 2e-8 * shapely.length(cells)).all()


def test_one_cell_takes_the_whole_community() -> None:
    outline = snapped(shapely.box(118.1, 36.9, 118.101, 36.902))
    found = fitted(np.array([shapely.box(118.1 + 3e-9, 36.9, 118.101, 36.902 - 4e-9)]), outline)
    assert len(found) == 1
    assert found[0].equals(outline)


def test_a_community_of_two_islands_keeps_both() -> None:
    east, west = shapely.box(0, 0, 1e-3, 1e-3), shapely.box(2e-3, 0, 3e-3, 1e-3)
    outline = snapped(shapely.multipolygons([east, west]))
    found = fitted(np.array([shapely.box(0, 0, 1e-3, 1e-3 + 5e-9), west]), outline)
    check(found, outline)
    assert len(found) == 2


@pytest.mark.parametrize("name", CITIES)
def test_real_cells_cover_their_community(name: str) -> None:
    here = place(name, 0)
    check(here.cells, here.outline)
    assert Partition(here.grids, here.border).flaws() == []
    assert shapely.intersects(here.cells[here.cell_of], shapely.points(here.homes)).all()
