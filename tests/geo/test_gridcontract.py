"""Compounds as single cells: nothing is lost, and what fits into a grid is cut through by none."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.cells import Cells, Surroundings, build_cells, components
from geo.gridcontract import contracted
from geo.griddesign import design
from geo.gridfigures import figures
from geo.gridpieces import Piece, prepare
from geo.standards import GridLimits


def town() -> Cells:
    """Nine columns and seven rows of houses; three walled compounds and houses outside."""
    homes = [
        shapely.box(20 + 40 * i, 20 + 40 * j, 34 + 40 * i, 32 + 40 * j)
        for i in range(9)
        for j in range(7)
    ]
    estates = np.array(
        [shapely.box(5, 5, 165, 165), shapely.box(205, 5, 395, 165), shapely.box(5, 170, 165, 315)]
    )
    around = Surroundings(compounds=estates, walled=np.ones(3, bool))
    return build_cells([shapely.box(0, 0, 400, 320)], homes, around)


TOWN = town()


def piece_of(households: np.ndarray) -> Piece:
    none = np.zeros(len(TOWN), bool)
    loads = (households, households * 2)
    draft = prepare(
        TOWN, 0, np.arange(len(TOWN)), loads, np.full(len(TOWN), -1), none, none,
        np.zeros(len(TOWN)), GridLimits(),
    )  # fmt: skip
    (piece,) = draft.pieces
    return piece


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 40), min_size=63, max_size=63), st.sets(st.integers(0, 62)))
def test_the_smaller_graph_has_all_loads_areas_and_outer_borders(loads, opened):
    piece = piece_of(TOWN.count(np.array(loads, float)))
    stay = np.isin(np.arange(len(piece.graph)), list(opened))
    small = contracted(piece, GridLimits(), stay)
    graph, whole = small.piece.graph, piece.graph
    for name in ("households", "people", "area_m2", "outer_m"):
        assert getattr(graph, name).sum() == pytest.approx(getattr(whole, name).sum())
    assert (graph.households <= 300).all()
    rows = np.repeat(np.arange(len(whole)), np.diff(whole.indptr))
    between = small.of[rows] != small.of[whole.head]
    assert graph.border_m.sum() == pytest.approx(whole.border_m[between].sum())
    # A single cell is one piece of one compound, and what is opened stays as it was.
    size = np.bincount(small.of)
    part = components(
        len(whole), np.column_stack([rows[~between], whole.head[~between]]).astype(np.int32)
    )
    for number in np.flatnonzero(size > 1):
        inside = small.of == number
        assert len(set(piece.compound[inside])) == 1
        assert piece.compound[inside][0] >= 0
        assert len(set(part[inside])) == 1
        assert not stay[inside].any()


def test_a_division_goes_there_and_back():
    piece = piece_of(TOWN.count(np.full(63, 5.0)))
    small = contracted(piece, GridLimits(), np.zeros(len(piece.graph), bool))
    assert len(small.piece.graph) < len(piece.graph)
    grid = np.arange(len(small.piece.graph), dtype=np.int32)
    assert (small.gathered(small.spread(grid)) == grid).all()


def test_a_compound_above_the_limit_is_left_as_its_buildings():
    piece = piece_of(TOWN.count(np.full(63, 30.0)))
    small = contracted(piece, GridLimits(), np.zeros(len(piece.graph), bool))
    assert len(small.piece.graph) == len(piece.graph)


@pytest.mark.parametrize("preset", ["standard", "compounds"])
@pytest.mark.parametrize("load", [10, 14, 17])
def test_no_compound_that_fits_a_grid_is_cut_through(preset, load):
    households = TOWN.count(np.full(63, float(load)))
    made = design(TOWN, households, households * 2, preset=preset, effort=0.3)
    assert made.kept
    told = figures(TOWN, made.grid, made.exclusive, households, households * 2, made.limits)
    assert told.compounds_split == 0


def test_compounds_do_not_stand_in_the_way_of_the_fewest_grids():
    # About 200, 280 and 200 in the compounds and little outside: the bound of three grids leaves
    # little room, and it is kept whether or not a compound has to be opened.
    loads = np.full(63, 3.0)
    for k, (i, j) in enumerate((i, j) for i in range(9) for j in range(7)):
        if i < 4 and j < 4:
            loads[k] = 12.5
        elif i >= 5 and j < 4:
            loads[k] = 17.5
        elif i < 4:
            loads[k] = 17.0
    households = TOWN.count(np.round(loads))
    made = design(TOWN, households, households * 2, effort=0.5)
    assert made.kept
    (one,) = made.communities
    assert one.grids == one.bound
