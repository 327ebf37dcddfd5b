"""Totals of grids that follow moved cells: they stay those of a recount, whatever moves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geo import gridgraph
from geo.cells import components
from geo.gridgraph import Graph
from geo.gridsearch import anneal, costs
from geo.gridtotals import TOTALS, count_grid, move, price

COLUMNS, ROWS = 7, 6
CELLS = COLUMNS * ROWS


def lattice(seed: int) -> Graph:
    """A lattice with borders, barriers, compounds, stations and a present plan by chance."""
    rng = np.random.default_rng(seed)
    pairs = [(i, i + 1) for i in range(CELLS) if (i + 1) % COLUMNS]
    pairs += [(i, i + COLUMNS) for i in range(CELLS - COLUMNS)]
    border = rng.uniform(5, 50, len(pairs))
    strength = rng.choice([0.0, 0.3, 1.0], len(pairs))
    rows = sorted(
        (x, y, border[k], strength[k])
        for k, (a, b) in enumerate(pairs)
        for x, y in ((a, b), (b, a))
    )
    column = np.array([one[0] for one in rows])
    return Graph(
        rng.integers(0, 40, CELLS).astype(float),
        rng.integers(0, 120, CELLS).astype(float),
        rng.uniform(100, 900, CELLS),
        rng.uniform(0, 60, CELLS),
        np.searchsorted(column, np.arange(CELLS + 1)).astype(np.int32),
        np.array([one[1] for one in rows], np.int32),
        np.array([one[2] for one in rows]),
        np.array([one[3] for one in rows]),
        (np.arange(CELLS) // 4 % 6 - 1).astype(np.int32),
        rng.uniform(0, 900, CELLS),
        rng.integers(-1, 4, CELLS).astype(np.int32),
        rng.random(CELLS) < 0.1,
    )


def weights() -> np.ndarray:
    terms = np.ones(gridgraph.TERMS)
    terms[gridgraph.LIMIT_HOUSEHOLDS], terms[gridgraph.LIMIT_PEOPLE] = 300, 1000
    terms[gridgraph.TARGET], terms[gridgraph.SCALE_M], terms[gridgraph.OVER] = 200, 90, 300
    return terms


def counted(graph: Graph, grid: np.ndarray, grids: int) -> tuple[np.ndarray, np.ndarray]:
    totals = np.empty((grids, TOTALS))
    held = np.zeros((grids, int(graph.compound.max()) + 2), np.int32)
    for label in range(grids):
        mine = np.flatnonzero(grid == label)
        count_grid(graph.arrays(), label, mine, len(mine), grid, totals, held)
    return totals, held


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 20),
    st.lists(st.tuples(st.integers(0, CELLS - 1), st.integers(0, 3)), max_size=60),
)
def test_totals_after_any_moves_are_those_of_a_recount(seed, moves):
    graph = lattice(seed)
    grid = np.random.default_rng(seed).integers(0, 4, CELLS).astype(np.int32)
    totals, held = counted(graph, grid, 4)
    for cell, to in moves:
        if grid[cell] != to:
            move(graph.arrays(), grid, totals, held, cell, to)
    again, held_again = counted(graph, grid, 4)
    assert totals[:, :-1] == pytest.approx(again[:, :-1], abs=1e-6)
    assert (totals[:, -1] <= again[:, -1]).all()  # the nearest station is raised by `nearest`
    assert (held == held_again).all()


@pytest.mark.parametrize("seed", range(6))
def test_the_search_says_the_cost_of_what_it_returns_and_keeps_pieces_and_locks(seed):
    graph, terms = lattice(seed), weights()
    start = (np.arange(CELLS) % COLUMNS * 4 // COLUMNS).astype(np.int32)
    state = np.array([seed + 1], np.uint64)
    best, over, cost, last = anneal(graph.arrays(), terms, start, 4, 20_000, 2.0, 0.01, 0.06, state)
    rows = np.repeat(np.arange(CELLS), np.diff(graph.indptr))
    for grid in (best, last):
        inside = grid[rows] == grid[graph.head]
        pairs = np.column_stack([rows[inside], graph.head[inside]]).astype(np.int32)
        assert len(np.unique(components(CELLS, pairs))) == len(np.unique(grid))
        assert (grid[graph.locked] == start[graph.locked]).all()
    each, excess = costs(graph.arrays(), terms, best, 4)
    assert cost == pytest.approx(each.sum())
    assert over == pytest.approx(excess.sum())
    before, before_over = costs(graph.arrays(), terms, start, 4)
    assert (over, cost) < (before_over.sum() + 1e-9, before.sum())


def test_an_empty_grid_costs_nothing():
    graph = lattice(1)
    totals, _ = counted(graph, np.zeros(CELLS, np.int32), 2)
    assert price(totals, 1, 0, weights()) == (0.0, 0.0)
    assert price(totals, 0, CELLS, weights())[1] > 0
