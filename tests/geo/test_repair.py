"""Repairing grids: exact where they were right, closed where slightly wrong, listed where not."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.partition import Partition, snapped
from geo.repair import repair

X, Y = 1 / 89_000, 1 / 111_320


def box(x0: float, y0: float, x1: float, y1: float) -> shapely.Polygon:
    return snapped(shapely.box(118.1 + x0 * X, 36.9 + y0 * Y, 118.1 + x1 * X, 36.9 + y1 * Y))


OUTLINE = box(0, 0, 300, 100)


def flaws(result) -> list:
    shapes = {n + 1: s for n, s in enumerate(result.shapes) if s is not None}
    return Partition(shapes, result.outline).flaws()


def test_a_partition_comes_back_as_it_was() -> None:
    given_ = [box(0, 0, 100, 100), box(100, 0, 300, 100)]
    result = repair(given_, OUTLINE)
    assert result.findings == ()
    assert result.moved_m2 == 0
    assert all(shapely.equals(a, b) for a, b in zip(result.shapes, given_, strict=True))


def test_narrow_gaps_and_overlaps_are_closed_and_wide_ones_listed() -> None:
    result = repair([box(0, 0, 99.5, 100), box(100.5, 0, 201, 100), box(200, 0, 280, 100)], OUTLINE)
    assert flaws(result) == []
    assert sorted((f.rule, f.decided) for f in result.findings) == [
        ("gap", False),
        ("gap", True),
        ("overlap", True),
    ]
    wide = result.undecided[0]
    assert wide.given_to == 3
    assert wide.area_m2 == pytest.approx(2000, rel=0.01)
    assert result.shapes[3] is not None


def test_what_lies_outside_is_cut_off_and_said() -> None:
    result = repair([box(-50, 0, 150, 100), box(150, 0, 300.5, 100)], OUTLINE)
    assert {(f.rule, f.decided) for f in result.findings} == {("outside", False), ("outside", True)}
    assert flaws(result) == []


def test_a_grid_in_two_pieces_becomes_two() -> None:
    pieces = shapely.MultiPolygon([box(0, 0, 100, 100), box(200, 0, 300, 100)])
    result = repair([pieces, box(100, 0, 200, 100)], OUTLINE)
    assert ("pieces", False) in {(f.rule, f.decided) for f in result.findings}
    assert flaws(result) == []
    assert {s.geom_type for s in result.shapes} == {"Polygon"}


def test_nothing_given_is_one_grid() -> None:
    result = repair([], OUTLINE)
    assert len(result.shapes) == 1
    assert shapely.equals(result.shapes[0], OUTLINE)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_whatever_comes_in_a_partition_comes_out(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shapes = []
    for _ in range(rng.integers(1, 9)):
        x, y = rng.uniform(-20, 300), rng.uniform(-20, 90)
        shape = box(x, y, x + rng.uniform(2, 150), y + rng.uniform(2, 100))
        shapes.append(shapely.affinity.rotate(shape, rng.uniform(0, 30)))
    result = repair(shapes, OUTLINE)
    assert flaws(result) == []
    kept = np.array([s for s in result.shapes if s is not None], object)
    assert shapely.coverage_is_valid(kept)
    assert shapely.area(kept).sum() == pytest.approx(OUTLINE.area, rel=1e-6)
