"""Base grids: hard rules hold on any city, bounds are true, and what cannot be is said."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.cells import Cells, Surroundings, build_cells, components
from geo.errors import DesignError
from geo.gridbounds import fewest_grids, fewest_moved
from geo.griddesign import Design, design
from geo.gridfigures import figures
from geo.standards import GRID_PRESETS, GridLimits, ProfileError

COMMUNITY = shapely.box(0, 0, 400, 320)
QUICK = 0.05


def town(households: list[int] | np.ndarray, *, columns: int = 8) -> tuple[Cells, np.ndarray]:
    """Houses in a lattice of 40 m with these households."""
    homes = [
        shapely.box(x, y, x + 14, y + 12)
        for x, y in (
            (20 + 40 * (i % columns), 20 + 40 * (i // columns)) for i in range(len(households))
        )
    ]
    area = shapely.box(0, 0, 40 * columns + 20, 40 * (len(households) // columns + 1) + 20)
    cells = build_cells([area], homes)
    return cells, cells.count(np.asarray(households, float))


def hard_rules_hold(cells: Cells, made: Design, households: np.ndarray, people: np.ndarray) -> None:
    """Every cell in one grid of its community, every grid in one piece, loads as told."""
    assert len(made.grid) == len(cells)
    assert made.grid.min() >= 0
    assert (made.community[made.grid] == cells.community).all()
    assert sorted(np.unique(made.grid)) == list(range(len(made.community)))
    inside = made.grid[cells.edges[:, 0]] == made.grid[cells.edges[:, 1]]
    piece = components(len(cells), cells.edges[inside])
    assert len(np.unique(piece)) == len(made.community)
    assert made.households == pytest.approx(np.bincount(made.grid, households))
    limits = made.limits
    for number in np.flatnonzero(~made.exclusive):
        mine = made.grid == number
        h = np.minimum(households[mine], limits.households).sum()
        p = np.minimum(people[mine], limits.people).sum()
        if h > limits.households or p > limits.people:
            told = [r for one in made.communities for r in one.reasons]
            assert any(
                r.cell >= 0 and mine[r.cell] and r.rule in ("households", "people") for r in told
            )


def test_a_town_is_divided_into_the_fewest_grids_that_keep_the_limits():
    cells, households = town(np.full(48, 25))
    made = design(cells, households, households * 2.6, effort=QUICK)
    hard_rules_hold(cells, made, households, households * 2.6)
    (one,) = made.communities
    assert one.bound == 4
    assert one.grids == 4
    assert one.gap == 0
    assert made.kept
    assert made.households.max() <= 300


def test_people_can_be_the_limit_that_counts():
    cells, households = town(np.full(48, 10))
    made = design(cells, households, households * 10, effort=QUICK)
    assert made.people.max() <= 1000
    assert made.communities[0].bound == 5
    assert made.communities[0].grids == 5


def test_the_same_seed_gives_the_same_grids():
    cells, households = town(np.random.default_rng(1).integers(5, 60, 60))
    first = design(cells, households, households * 2.6, seed=4, effort=QUICK)
    again = design(cells, households, households * 2.6, seed=4, effort=QUICK)
    assert (first.grid == again.grid).all()


def test_a_building_above_the_limit_has_a_grid_to_itself_and_is_told_of():
    loads = np.full(24, 20)
    loads[9] = 420
    cells, households = town(loads)
    made = design(cells, households, households * 2.0, effort=QUICK)
    cell = int(households.argmax())
    assert made.households[made.grid[cell]] == 420
    (reason,) = made.communities[0].reasons
    assert (reason.rule, reason.cell, reason.value) == ("building_above_limit", cell, 420)
    assert "420" in reason.message_zh
    assert made.kept


def test_an_exclusive_site_is_a_grid_of_its_own():
    homes = [
        shapely.box(20 + 40 * i, 20 + 40 * j, 34 + 40 * i, 32 + 40 * j)
        for i in range(9)
        for j in range(7)
    ]
    market = shapely.box(130, 130, 220, 220)
    cells = build_cells([COMMUNITY], homes, Surroundings(sites=np.array([market])))
    households = cells.count(np.full(len(homes), 12.0))
    made = design(cells, households, households * 2, effort=QUICK)
    hard_rules_hold(cells, made, households, households * 2)
    special = made.grid[cells.site >= 0]
    assert made.exclusive[special].all()
    assert not made.exclusive[made.grid[cells.site < 0]].any()
    assert made.communities[0].exclusive == 1


def test_locked_cells_stay_and_the_rest_is_divided_around_them():
    cells, households = town(np.full(48, 20))
    x = shapely.get_x(shapely.centroid(cells.geometry))
    present = (x > 165).astype(int)
    locked = (present == 1) & (x > 245)
    made = design(
        cells,
        households,
        households * 2,
        present=present,
        locked=locked,
        scenario="least_change",
        effort=QUICK,
    )
    hard_rules_hold(cells, made, households, households * 2)
    (label,) = np.unique(made.grid[locked])
    assert made.present[label] == 1
    assert made.households.max() <= 300


def test_locked_cells_above_the_limit_are_told_of_not_hidden():
    cells, households = town(np.full(48, 20))
    made = design(
        cells,
        households,
        households * 2,
        present=np.zeros(48, int),
        locked=np.ones(48, bool),
        scenario="least_change",
        effort=QUICK,
    )
    assert not made.kept
    assert made.communities[0].reasons[0].rule == "households"
    assert "locked" in made.communities[0].reasons[0].message


def test_least_change_moves_little_and_never_less_than_the_bound():
    cells, households = town(np.full(64, 12))
    x = shapely.get_x(shapely.centroid(cells.geometry))
    present = np.select([x < 85, x < 205], [0, 1], 2)  # 16, 24 and 24 houses: 192, 288, 288
    grown = households.copy()
    grown[present == 1] += 3  # 360: too many
    made = design(cells, grown, grown * 2.6, present=present, scenario="least_change", effort=0.5)
    hard_rules_hold(cells, made, grown, grown * 2.6)
    (one,) = made.communities
    assert one.moved_bound == 60
    assert one.moved is not None
    assert 60 <= one.moved <= 90
    assert set(made.present) >= {0, 1, 2}


def test_least_change_makes_no_very_small_grid():
    cells, households = town(np.full(64, 15))
    x = shapely.get_x(shapely.centroid(cells.geometry))
    present = np.select([x < 85, x < 205], [0, 1], 2)  # 16, 24 and 24 houses
    grown = households.copy()
    grown[present == 0] = 280 / 16
    grown[present == 1] = 324 / 24
    grown[present == 2] = 290 / 24
    made = design(cells, grown, grown * 2, present=present, scenario="least_change", effort=0.5)
    hard_rules_hold(cells, made, grown, grown * 2)
    assert made.kept
    assert len(made.community) == 4
    assert made.households.min() >= 100
    (one,) = made.communities
    assert one.moved_bound is not None
    assert one.moved is not None
    assert one.moved_bound <= one.moved <= 170


def test_rebalancing_leaves_the_other_grids_alone():
    cells, households = town(np.full(64, 9))
    x = shapely.get_x(shapely.centroid(cells.geometry))
    present = np.select([x < 45, x < 165], [0, 1], 2)
    made = design(
        cells,
        households,
        households * 2,
        present=present,
        selected=np.array([0, 1]),
        scenario="rebalance",
        effort=QUICK,
    )
    hard_rules_hold(cells, made, households, households * 2)
    third = made.grid[present == 2]
    assert len(np.unique(third)) == 1
    assert (made.grid == third[0]).sum() == (present == 2).sum()
    loads = made.households[made.present != 2]
    assert np.ptp(loads) < 60


def test_kept_codes_go_to_the_grids_that_share_most_households():
    cells, households = town(np.full(48, 25))
    x = shapely.get_x(shapely.centroid(cells.geometry))
    present = np.digitize(x, [85, 165, 245])
    made = design(cells, households, households * 2, present=present, effort=QUICK)
    kept = made.present[made.present >= 0]
    assert len(set(kept)) == len(kept) >= 3
    assert made.communities[0].moved is not None
    stayed = made.present[made.grid] == present
    assert households[~stayed].sum() == made.communities[0].moved


def test_the_steady_preset_moves_less_than_the_standard_one():
    cells, households = town(np.random.default_rng(3).integers(10, 30, 64))
    x = shapely.get_x(shapely.centroid(cells.geometry))
    present = np.digitize(x, [85, 165, 245])
    moved = {
        preset: design(
            cells, households, households * 2, present=present, preset=preset, effort=0.3
        ).communities[0]
        for preset in ("standard", "steady")
    }
    assert moved["steady"].grids == moved["standard"].grids
    assert moved["steady"].moved < moved["standard"].moved


def test_a_cancelled_design_is_whole_but_said_to_be_unfinished():
    cells, households = town(np.random.default_rng(2).integers(5, 60, 64))
    made = design(cells, households, households * 2, cancelled=lambda: True)
    hard_rules_hold(cells, made, households, households * 2)
    assert made.kept
    assert not made.communities[0].complete


def test_a_community_without_households_is_one_grid():
    cells, households = town(np.zeros(8))
    made = design(cells, households, households, effort=QUICK)
    assert len(made.community) == 1
    assert made.kept


def test_islands_of_a_community_are_designed_apart():
    area = shapely.MultiPolygon([shapely.box(0, 0, 100, 100), shapely.box(200, 0, 300, 100)])
    cells = build_cells([area], [shapely.box(20, 20, 30, 30), shapely.box(220, 20, 230, 30)])
    households = np.array([10.0, 10.0])
    made = design(cells, households, households, effort=QUICK)
    assert made.communities[0].pieces == 2
    assert made.communities[0].bound == made.communities[0].grids == 2


def test_a_preset_for_equal_load_balances_better():
    cells, households = town(np.random.default_rng(8).integers(5, 40, 64))
    spread = {
        preset: figures(
            cells,
            design(cells, households, households * 2, preset=preset, effort=0.3).grid,
            None,
            households,
            households * 2,
            GridLimits(),
        ).load_spread
        for preset in ("equal", "compact")
    }
    assert spread["equal"] <= spread["compact"]


def test_a_preset_for_compounds_splits_fewer():
    homes = [
        shapely.box(20 + 40 * i, 20 + 40 * j, 34 + 40 * i, 32 + 40 * j)
        for i in range(9)
        for j in range(7)
    ]
    estates = np.array(
        [shapely.box(5, 5, 165, 165), shapely.box(205, 5, 395, 165), shapely.box(5, 170, 165, 315)]
    )
    cells = build_cells(
        [COMMUNITY], homes, Surroundings(compounds=estates, walled=np.ones(3, bool))
    )
    households = cells.count(np.full(len(homes), 14.0))
    made = design(cells, households, households * 2, preset="compounds", effort=0.3)
    assert (
        figures(
            cells, made.grid, made.exclusive, households, households * 2, made.limits
        ).compounds_split
        == 0
    )


@pytest.mark.parametrize("preset", list(GRID_PRESETS))
def test_every_preset_keeps_the_hard_rules(preset: str):
    cells, households = town(np.random.default_rng(9).integers(0, 80, 40))
    made = design(cells, households, households * 2.6, preset=preset, effort=QUICK)
    hard_rules_hold(cells, made, households, households * 2.6)
    assert made.kept


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.one_of(st.just(0), st.integers(1, 60), st.integers(100, 400)), min_size=1, max_size=40
    ),
    st.sampled_from(["fewest", "fresh"]),
    st.integers(0, 5),
)
def test_any_town_keeps_the_hard_rules(loads, scenario, seed):
    cells, households = town(loads, columns=5)
    people = np.round(households * 2.6)
    made = design(cells, households, people, scenario=scenario, seed=seed, effort=0.02)
    hard_rules_hold(cells, made, households, people)
    assert made.kept
    assert made.communities[0].grids >= made.communities[0].bound
    big = sorted(
        int(r.cell) for r in made.communities[0].reasons if r.rule == "building_above_limit"
    )
    assert set(big) == set(np.flatnonzero((households > 300) | (people > 1000)))


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.integers(0, 60), min_size=12, max_size=40),
    st.lists(st.integers(0, 4), min_size=40, max_size=40),
    st.sets(st.integers(0, 11), max_size=3),
)
def test_any_present_plan_is_mended_and_its_locks_kept(loads, labels, locks):
    cells, households = town(loads, columns=5)
    present = np.full(len(cells), -1)
    present[cells.cell_of_building] = np.array(labels[: len(loads)]) - 1
    locked = np.zeros(len(cells), bool)
    for home in locks:
        locked[cells.cell_of_building[home]] = present[cells.cell_of_building[home]] >= 0
    made = design(
        cells,
        households,
        households * 2,
        present=present,
        locked=locked,
        scenario="least_change",
        effort=0.02,
    )
    one = made.communities[0]
    assert one.moved is not None
    assert one.moved >= one.moved_bound - 1e-6
    hard_rules_hold(cells, made, households, households * 2)
    if made.kept:
        assert (made.present[made.grid[locked]] == present[locked]).all()
    else:
        assert one.reasons


def fewest_by_trying(loads: list[int], room: int) -> int:
    """Least number of bins, by putting each load into every bin there is."""
    best = len(loads)

    def put(at: int, bins: list[int]) -> None:
        nonlocal best
        if len(bins) >= best:
            return
        if at == len(loads):
            best = len(bins)
            return
        for k in range(len(bins)):
            if bins[k] + loads[at] <= room:
                put(at + 1, [*bins[:k], bins[k] + loads[at], *bins[k + 1 :]])
        put(at + 1, [*bins, loads[at]])

    put(0, [])
    return best


@settings(max_examples=80, deadline=None)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=8))
def test_the_bound_on_grids_is_never_above_the_best_packing(loads):
    told = fewest_grids(np.array(loads, float), np.zeros(len(loads)), (30, 100))
    assert np.ceil(sum(loads) / 30) <= told <= fewest_by_trying(loads, 30)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(8, 30), min_size=1, max_size=9))
def test_the_bound_for_large_buildings_is_never_above_the_best_packing(loads):
    assert fewest_grids(np.array(loads, float), np.zeros(len(loads)), (30, 100)) <= (
        fewest_by_trying(loads, 30)
    )


def test_two_of_three_tall_buildings_fill_a_grid_and_the_bound_knows():
    assert fewest_grids(np.full(30, 110.0), np.zeros(30), (300, 1000)) == 15
    assert fewest_grids(np.zeros(30), np.full(30, 350.0), (300, 1000)) == 15


def test_two_large_buildings_never_share_a_grid_and_the_bound_knows():
    assert fewest_grids(np.array([160.0, 160, 160]), np.zeros(3), (300, 1000)) == 3


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), min_size=1, max_size=8))
def test_the_bound_on_moves_is_never_above_the_best_choice(loads):
    h, p = np.array(loads, float).T
    least = min(
        h.sum() - h[list(kept)].sum()
        for size in range(len(h) + 1)
        for kept in itertools.combinations(range(len(h)), size)
        if h[list(kept)].sum() <= 60 and p[list(kept)].sum() <= 60
    )
    assert fewest_moved(h, p, np.zeros(len(h), int), (60, 60)) <= least + 1e-6


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"households": np.ones(3)}, "3 values for 8 cells"),
        ({"people": np.full(8, np.nan)}, "Cell 0: people is nan"),
        ({"households": np.full(8, -1.0)}, "Cell 0: households"),
        ({"preset": "cheap"}, "no preset 'cheap'"),
        ({"scenario": "best"}, "no scenario 'best'"),
        ({"scenario": "least_change"}, "starts from a present plan"),
        ({"scenario": "rebalance", "present": np.zeros(8, int)}, "None of the grids"),
        ({"locked": np.ones(8, bool)}, "locked but is in no grid"),
    ],
)
def test_bad_input_is_refused_by_name(change, told):
    cells, households = town(np.full(8, 5))
    given_ = {"households": households, "people": households, **change}
    with pytest.raises(DesignError, match=told):
        design(cells, given_.pop("households"), given_.pop("people"), **given_)


def test_limits_that_leave_no_grid_are_refused():
    with pytest.raises(ProfileError, match="leave no grid"):
        GridLimits(0, 1000)
