"""Micro-grids, branches and staffing: every household once, everything in its place."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.branches import branches
from geo.cells import build_cells, components
from geo.errors import DesignError
from geo.microgrids import (
    BUILDING,
    BUNGALOWS,
    EMPTY,
    UNIT,
    Buildings,
    microgrids,
    recount,
    split_along,
)
from geo.staffing import staffing
from geo.standards import MicroGridRule, ProfileError

AREA = shapely.box(0, 0, 420, 220)


def street_of(rows: list[tuple[str, float, float, int]]) -> tuple[object, Buildings]:
    """Buildings of these kinds, floors, units and households, twelve a row."""
    homes = np.array(
        [
            shapely.box(
                10 + 34 * (i % 12), 10 + 40 * (i // 12), 34 + 34 * (i % 12), 22 + 40 * (i // 12)
            )
            for i in range(len(rows))
        ]
    )
    kind, floors, units, households = (list(c) for c in zip(*rows, strict=True))
    load = np.array(households, np.int64)
    return build_cells([AREA], homes), Buildings(
        homes,
        load,
        np.round(load * 2.6).astype(np.int64),
        np.array(floors, float),
        np.array(units, float),
        np.array(kind, object),
    )


def all_is_well(cells, grid, buildings, made) -> None:
    inside = cells.cell_of_building >= 0
    for name, part in (("households", made.part_households), ("people", made.part_people)):
        given_ = getattr(buildings, name)
        summed = np.bincount(made.part_building, part, len(given_))
        assert (summed[inside] == given_[inside]).all()
        assert getattr(made, name).sum() == given_[inside].sum()
    at = grid[cells.cell_of_building[made.part_building]]
    assert (made.grid[made.part_micro] == at).all()
    assert set(made.part_building) == set(np.flatnonzero(inside))
    assert shapely.area(made.geometry).sum() == pytest.approx(cells.area_m2.sum(), abs=0.5)
    for one in np.unique(made.grid):
        assert made.serial[made.grid == one].tolist() == list(
            range(1, (made.grid == one).sum() + 1)
        )


def test_each_unit_of_a_high_rise_and_each_multi_storey_building_is_one():
    cells, buildings = street_of(
        [("high_rise", 18, 3, 100), ("multi_storey", 6, 4, 48), ("other", 12, 1, 40)]
    )
    grid = np.zeros(len(cells), int)
    made = microgrids(cells, grid, buildings)
    all_is_well(cells, grid, buildings, made)
    assert sorted(made.kind) == [UNIT] * 4 + [BUILDING]
    assert sorted(made.households) == [33, 33, 34, 40, 48]
    assert made.units.sum() == 8
    assert made.buildings.sum() == 3


def test_floors_decide_before_the_kind_does():
    cells, buildings = street_of([("high_rise", 5, 2, 20), ("multi_storey", 11, 2, 20)])
    made = microgrids(cells, np.zeros(2, int), buildings)
    assert sorted(made.kind) == [UNIT, UNIT, BUILDING]


def test_unknown_units_follow_the_length_of_the_long_side():
    long = shapely.box(10, 10, 76, 22)
    cells = build_cells([AREA], [long])
    one = np.array([1])
    buildings = Buildings(
        np.array([long]),
        90 * one,
        200 * one,
        20.0 * one,
        np.array([np.nan]),
        np.array(["high_rise"], object),
    )
    made = microgrids(cells, np.zeros(1, int), buildings)
    assert made.households.tolist() == [30, 30, 30]


def test_units_run_along_the_long_side_from_west_to_east():
    turned = shapely.affinity.rotate(shapely.box(0, 0, 60, 12), 30, origin=(0, 0))
    parts = split_along(turned.buffer(5), turned, 3)
    x = [part.centroid.x for part in parts]
    assert x == sorted(x)
    assert shapely.area(parts) == pytest.approx(np.full(3, turned.buffer(5).area / 3), rel=0.2)


def test_bungalows_are_grouped_by_fifty_households_and_hang_together():
    cells, buildings = street_of([("bungalow", 1, np.nan, 5)] * 36)
    grid = (shapely.get_x(shapely.centroid(cells.geometry)) > 215).astype(int)
    made = microgrids(cells, grid, buildings)
    all_is_well(cells, grid, buildings, made)
    assert (made.kind == BUNGALOWS).all()
    assert made.households.max() <= 50
    assert len(made.grid) == 4
    micro = np.empty(len(cells), int)
    micro[cells.cell_of_building[made.part_building]] = made.part_micro
    inner = micro[cells.edges[:, 0]] == micro[cells.edges[:, 1]]
    assert len(np.unique(components(len(cells), cells.edges[inner]))) == 4


def test_a_shop_joins_the_nearest_micro_grid_and_an_empty_grid_is_one():
    cells, buildings = street_of(
        [("multi_storey", 6, 1, 30), ("commercial", 1, np.nan, 0), ("other", 2, np.nan, 0)]
    )
    grid = np.array([0, 0, 1])[np.argsort(cells.cell_of_building)]
    made = microgrids(cells, grid, buildings)
    all_is_well(cells, grid, buildings, made)
    assert made.kind.tolist() == [BUILDING, EMPTY]
    assert made.part_micro.tolist() == [0, 0, 1]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["high_rise", "multi_storey", "bungalow", "commercial"]),
            st.one_of(st.just(float("nan")), st.integers(1, 30)),
            st.one_of(st.just(float("nan")), st.integers(0, 5)),
            st.integers(0, 120),
        ),
        min_size=1,
        max_size=40,
    ),
    st.integers(1, 4),
)
def test_any_street_has_every_household_in_exactly_one_micro_grid(rows, grids):
    cells, buildings = street_of(rows)
    x = shapely.get_x(shapely.centroid(cells.geometry))
    grid = np.unique((x * grids // 421).astype(int), return_inverse=True)[1].ravel()
    all_is_well(cells, grid, buildings, microgrids(cells, grid, buildings))


def parts_of(made) -> np.ndarray:
    """Building, micro-grid, which part, of how many; as `recount` takes them."""
    rows = []
    for building in np.unique(made.part_building):
        own = np.flatnonzero(made.part_building == building)
        rows += [(building, made.part_micro[n], k, len(own)) for k, n in enumerate(own)]
    return np.array(rows, np.int64).reshape(-1, 4)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["high_rise", "multi_storey", "bungalow", "shop"]),
            st.one_of(st.just(np.nan), st.integers(1, 30).map(float)),
            st.one_of(st.just(np.nan), st.integers(0, 6).map(float)),
            st.integers(0, 90),
        ),
        min_size=1,
        max_size=30,
    ),
    st.integers(0, 40),
)
@settings(max_examples=40, deadline=None)
def test_counting_again_gives_the_same_until_a_building_changes(rows, more):
    cells, buildings = street_of(rows)
    made = microgrids(cells, np.zeros(len(cells), int), buildings)
    parts = parts_of(made)
    told = np.column_stack([made.households, made.people, made.buildings, made.units])
    assert (recount(made.kind, parts, buildings) == told).all()
    # More homes in one building: the sums follow, and nothing else moves.
    now = replace(buildings, households=buildings.households + more * (np.arange(len(rows)) == 0))
    again = recount(made.kind, parts, now)
    assert again[:, 0].sum() == now.households.sum()
    others = np.setdiff1d(np.arange(len(made.kind)), parts[parts[:, 0] == 0, 1])
    assert (again[others] == told[others]).all()


def test_a_rule_without_room_between_bungalows_and_high_rises_is_refused():
    with pytest.raises(ProfileError, match="no multi-storey"):
        MicroGridRule(high_rise_floors=1)


def test_counts_that_are_not_whole_are_refused():
    cells, buildings = street_of([("multi_storey", 6, 1, 30)])
    with pytest.raises(DesignError, match="whole numbers"):
        microgrids(
            cells,
            np.zeros(1, int),
            Buildings(
                buildings.footprint,
                np.array([1.5]),
                buildings.people,
                buildings.floors,
                buildings.units,
                buildings.kind,
            ),
        )  # type: ignore[arg-type]


def chain(count: int) -> tuple[np.ndarray, np.ndarray]:
    return np.column_stack([np.arange(count - 1), np.arange(1, count)]), np.column_stack(
        [np.arange(count) * 100.0, np.zeros(count)]
    )


def test_small_grids_join_into_branches_that_hang_together():
    touching, middle = chain(5)
    made = branches(np.array([1, 1, 1, 9, 2]), np.zeros(5, int), touching, middle, least=3, most=12)
    assert made.branch.tolist() == [0, 0, 0, 1, 1]
    assert made.members.tolist() == [3, 11]
    assert not made.outside.any()


def test_a_branch_that_cannot_reach_the_range_is_told_of():
    touching, middle = chain(3)
    made = branches(np.array([1, 50, 60]), np.array([0, 0, 0]), touching, middle)
    assert made.outside.tolist() == [True, False, True]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 30), min_size=1, max_size=20), st.integers(1, 10))
def test_any_branches_are_seamless_and_within_the_most(members, least):
    touching, middle = chain(len(members))
    community = np.arange(len(members)) // 7
    made = branches(np.array(members), community, touching, middle, least=least, most=40)
    assert np.bincount(made.branch, members).tolist() == made.members.tolist()
    for one in range(len(made.members)):
        mine = np.flatnonzero(made.branch == one)
        assert (np.diff(mine) == 1).all()
        assert len(set(community[mine])) == 1
        assert made.members[one] <= 40


def test_staffing_names_shortage_and_surplus_by_community():
    made = staffing(
        np.array([0, 0, 1]),
        np.array([290, 301, 0]),
        np.array([4, 5, 0]),
        np.array([12, 10, 0]),
        2,
        workers=np.array([2, 2]),
    )
    assert made.workers.tolist() == [3, 1]
    assert made.building_heads.tolist() == [9, 0]
    assert made.unit_heads.tolist() == [22, 0]
    assert made.spare_workers is not None
    assert made.spare_workers.tolist() == [-1, 1]
    assert made.spare_unit_heads is None


def test_staffing_of_another_number_of_communities_is_refused():
    with pytest.raises(DesignError, match="1 numbers of workers are given for 2"):
        staffing(
            np.zeros(1, int),
            np.ones(1),
            np.ones(1, int),
            np.ones(1, int),
            2,
            workers=np.ones(1, int),
        )
