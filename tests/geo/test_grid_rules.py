"""Rules of grids: counts bind base grids; barriers count the homes on their lesser side."""

from __future__ import annotations

import numpy as np
import shapely

from geo.grid_rules import barrier_broken, compound_broken, load_broken

GRID = shapely.box(0, 0, 10, 10)
HOMES = np.array([[1.0, 5], [2, 5], [9, 5]])
HOUSEHOLDS = np.array([10, 20, 7])


def test_three_hundred_households_and_a_thousand_people_are_allowed() -> None:
    assert load_broken("base", 300, 1000) == []
    assert [b.rule for b in load_broken("base", 301, 1001)] == ["households", "people"]
    assert load_broken("exclusive", 5000, 9000) == []


def test_a_trunk_road_counts_the_homes_it_cuts_off() -> None:
    road = shapely.LineString([(5, -5), (5, 15)])
    (broken,) = barrier_broken(GRID, [("road", "309国道", road)], HOMES, HOUSEHOLDS)
    assert (broken.rule, broken.value, broken.name) == ("road", 7, "309国道")
    assert "309国道" in broken.message_zh


def test_a_road_along_the_edge_or_ending_inside_cuts_nothing_off() -> None:
    edge = shapely.LineString([(0, 0), (0, 10)])
    end = shapely.LineString([(5, -5), (5, 5)])
    for line in (edge, end):
        assert barrier_broken(GRID, [("road", "", line)], HOMES, HOUSEHOLDS) == []


def test_a_river_is_water_between_homes_also_where_it_is_drawn_in_parts() -> None:
    parts = [shapely.box(4, -1, 6, 5), shapely.box(4, 5, 6, 11)]
    rivers = [("river", "清河", part) for part in parts]
    (broken,) = barrier_broken(GRID, rivers, HOMES, HOUSEHOLDS)
    assert broken.value == 7


def test_a_compound_that_would_fit_one_grid_is_not_parted() -> None:
    half = shapely.box(5, 0, 15, 10)
    assert compound_broken(GRID, [("杏花小区", half, 200, 90)])[0].value == 90
    assert compound_broken(GRID, [("大院", half, 900, 90)]) == []
    assert compound_broken(GRID, [("全在", half, 200, 200)]) == []
