"""Several nets laid over one another: cells, disagreement, the net most point to."""

from __future__ import annotations

import numpy as np
import pytest
import shapely

from geo.billionths import snapped
from geo.overlay import Net, overlay

X, Y = 1 / 89_000, 1 / 111_320


def box(x0: float, y0: float, x1: float, y1: float) -> shapely.Polygon:
    return snapped(shapely.box(118.1 + x0 * X, 36.9 + y0 * Y, 118.1 + x1 * X, 36.9 + y1 * Y))


OUTLINE = box(0, 0, 300, 100)
HOMES = np.array([[118.1 + x * X, 36.9 + 50 * Y] for x in (20, 110, 130, 250)])
HOUSEHOLDS = np.array([30, 5, 6, 40])


def halves(name: str, x: float) -> Net:
    return Net(name, ["w", "e"], [box(0, 0, x, 100), box(x, 0, 300, 100)])


def test_equal_nets_agree_everywhere() -> None:
    over = overlay([halves("a", 100), halves("b", 100)], OUTLINE, HOMES, HOUSEHOLDS)
    assert not over.conflict.any()
    assert over.households.sum() == 81
    assert (over.proposed == over.members[:, 0]).all()


def test_the_strip_between_two_boundaries_is_in_conflict_and_goes_where_most_point() -> None:
    nets = [halves("party", 100), halves("police", 150), halves("city", 150)]
    over = overlay(nets, OUTLINE, HOMES, HOUSEHOLDS)
    assert over.conflict.sum() == 1
    (strip,) = np.flatnonzero(over.conflict)
    assert over.households[strip] == 11
    assert over.members[strip].tolist() == [1, 0, 0]
    assert over.proposed[strip] == 0
    assert shapely.area(over.cells).sum() == pytest.approx(OUTLINE.area, rel=1e-9)


def test_a_line_drawn_twice_is_no_conflict() -> None:
    over = overlay([halves("a", 100), halves("b", 100.005)], OUTLINE, HOMES, HOUSEHOLDS)
    assert not over.conflict.any()


def test_ground_that_a_net_lacks_is_one_to_look_at() -> None:
    part = Net("b", ["w"], [box(0, 0, 100, 100)])
    over = overlay([halves("a", 100), part], OUTLINE, HOMES, HOUSEHOLDS)
    assert over.conflict.sum() == 1
    assert over.proposed[over.conflict].tolist() == [1]
