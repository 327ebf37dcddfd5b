"""The exact design: every possible grid is listed once, and no search does better."""

from __future__ import annotations

import itertools

import networkx as nx
import numpy as np
import pytest
import shapely

from geo.cells import Cells, build_cells
from geo.griddesign import design
from geo.gridexact import connected_sets
from geo.gridgraph import Graph
from geo.standards import GridLimits


def graph_of(edges: list[tuple[int, int]], loads: list[int]) -> Graph:
    n = len(loads)
    both = sorted({*edges, *((b, a) for a, b in edges)})
    starts = np.searchsorted([a for a, _ in both], np.arange(n + 1)).astype(np.int32)
    flat = np.ones(n)
    return Graph(
        np.array(loads, float), flat, flat, flat, starts, np.array([b for _, b in both], np.int32),
        np.ones(len(both)), np.zeros(len(both)), np.full(n, -1, np.int32), flat * 0,
        np.full(n, -1, np.int32), np.zeros(n, bool),
    )  # fmt: skip


def lattice(columns: int, rows: int) -> list[tuple[int, int]]:
    return [(i, i + 1) for i in range(columns * rows) if (i + 1) % columns] + [
        (i, i + columns) for i in range(columns * (rows - 1))
    ]


@pytest.mark.parametrize("seed", range(4))
def test_every_connected_set_within_the_limit_is_listed_once(seed):
    edges = lattice(4, 3)
    loads = np.random.default_rng(seed).integers(0, 9, 12).tolist()
    listed = connected_sets(graph_of(edges, loads), 20, 1000)
    net = nx.Graph(edges)
    expected = {
        sum(1 << i for i in chosen)
        for size in range(1, 13)
        for chosen in itertools.combinations(range(12), size)
        if (size == 1 or sum(loads[i] for i in chosen) <= 20)
        and nx.is_connected(net.subgraph(chosen))
    }
    assert len(listed) == len(set(listed.tolist()))
    assert set(listed.tolist()) == expected


def test_too_many_sets_or_cells_are_not_listed():
    assert connected_sets(graph_of(lattice(5, 5), [1] * 25), 300, 1000, most=1000) is None
    assert connected_sets(graph_of(lattice(9, 9), [1] * 81), 300, 1000) is None


def town(loads: np.ndarray) -> Cells:
    homes = [
        shapely.box(20 + 40 * (i % 6), 20 + 40 * (i // 6), 34 + 40 * (i % 6), 32 + 40 * (i // 6))
        for i in range(len(loads))
    ]
    return build_cells([shapely.box(0, 0, 270, 40 * (len(loads) // 6) + 30)], homes)


@pytest.mark.parametrize("seed", range(3))
def test_the_search_is_near_the_proven_best_and_never_below_it(seed):
    loads = np.random.default_rng(seed).integers(40, 90, 24)
    cells = town(loads)
    households = cells.count(loads)
    searched = design(cells, households, households * 2, effort=0.3, seed=seed)
    proven = design(cells, households, households * 2, effort=0.3, seed=seed, exact_s=30)
    (one,), (best,) = searched.communities, proven.communities
    assert best.cost_bound is not None
    assert best.grids == best.bound <= one.grids
    assert best.cost == pytest.approx(best.cost_bound, rel=1e-6)
    if one.grids == best.grids:
        assert one.cost >= best.cost - 1e-6
        assert one.cost <= 1.05 * best.cost


def test_the_number_of_grids_is_proven_where_simple_bounds_do_not_reach():
    # A row of houses: two of 150 share a grid only if nothing lies between them.
    loads = np.array([150, 120, 150, 120, 150, 120])
    homes = [shapely.box(20 + 40 * i, 20, 34 + 40 * i, 32) for i in range(6)]
    cells = build_cells([shapely.box(0, 0, 260, 50)], homes)
    households = cells.count(loads)
    made = design(cells, households, households, exact_s=10, limits=GridLimits(270, 10_000))
    assert made.communities[0].grids == made.communities[0].bound == 3
