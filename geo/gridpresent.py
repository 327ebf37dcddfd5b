"""Grids of the present plan: mended, cut where too large, and followed into the new ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_matrix

from geo import gridsearch
from geo.cells import components
from geo.gridanneal import Found, Settings, improve, terms_of
from geo.gridgraph import Graph
from geo.gridpieces import Piece
from geo.gridtrees import cut_in_two

Floats = NDArray[np.float64]
Ints = NDArray[np.int32]


_EVEN = 0.45
"""Share of a grid above the limit that leaves where it is cut in two of about the same size."""


def from_present(piece: Piece, settings: Settings, rng: NDArray[np.uint64]) -> Found:
    """Start from the present plan: mend what is in pieces, cut what is too large, then improve.

    For least change, what is too large is cut in two ways: so that as little leaves as must, which
    neighbours with room may take in, and in two of about the same size, which is better where they
    have none. Moves decide, but a grid of 320 is cut into 180 and 140 rather than 300 and 20: a
    very small grid costs about as much as moving half a grid.
    """
    w = settings.weights
    # A small new grid goes to a neighbour that has room.
    settings = replace(settings, weights=replace(w, grids=max(w.grids, 3.0)))
    whole = _mended(piece.graph, len(piece.labels))
    start, used = _cut(piece, whole, settings, rng, least=0.0)
    if settings.scenario != "least_change":
        return improve(piece, start, used, settings, rng)
    if np.array_equal(start, piece.graph.present):
        terms = terms_of(piece, used, settings)
        cost, over = gridsearch.costs(piece.graph.arrays(), terms, start, used)
        if over.sum() <= 1e-9:  # all is well as it is
            return Found(start, 0.0, float(cost.sum()), complete=True)
    # However round the preset wishes its grids, few move for an outline alone.
    calm = replace(settings.weights, shape=min(w.shape, 1.0))
    moves = replace(
        settings, weights=replace(calm, change=max(w.change, 100.0), balance=min(w.balance, 1.0))
    )
    even = replace(settings, weights=replace(calm, change=max(w.change, 25.0), balance=20.0))
    fewest_moves = improve(piece, start, used, moves, rng, hot=0.5)
    if used == int(whole.max()) + 1:
        return fewest_moves  # nothing was cut, so that there is no small grid to weigh
    tried = [improve(piece, fewest_moves.grid, used, even, rng, hot=0.1)]
    start, used_even = _cut(piece, whole, even, rng, least=_EVEN)
    tried.append(improve(piece, start, used_even, even, rng, hot=0.2))
    used = max(used, used_even)
    terms = terms_of(piece, used, even)
    for found in tried:  # priced alike, against the same mean
        cost, _ = gridsearch.costs(piece.graph.arrays(), terms, found.grid, used)
        found.cost = float(cost.sum())
    return min(tried, key=lambda found: (found.over if found.over > 1e-9 else 0.0, found.cost))


def _cut(
    piece: Piece, grid: Ints, settings: Settings, rng: NDArray[np.uint64], *, least: float
) -> tuple[Ints, int]:
    """Cut grids above a limit until none can be cut further; the grids and how many there are."""
    graph, limits = piece.graph, settings.limits
    used = max(int(grid.max()) + 1, len(piece.labels))
    terms = terms_of(piece, max(1, used), settings)
    grid = grid.astype(np.int32).copy()
    stuck: set[int] = set()
    for _ in range(2 * len(graph)):
        h = np.bincount(grid, graph.households, used)
        p = np.bincount(grid, graph.people, used)
        load = np.maximum(h / limits.households, p / limits.people)
        can = np.array(
            [
                g not in stuck
                and load[g] > 1 + 1e-9
                and (~graph.locked[grid == g]).any()
                and (grid == g).sum() > 1
                for g in range(used)
            ]
        )
        if not can.any():
            break
        worst = int(np.where(can, load, 0).argmax())
        members = np.flatnonzero(grid == worst)
        total = float(h[worst])
        # What leaves is in one piece; locked cells keep the label.
        share = max(least, 1 - min(1.0, 1 / load[worst]))
        far = cut_in_two(graph.arrays(), terms, members, share, 0.0, total, 60, rng)
        if not far.any() or far.all():
            stuck.add(worst)
            continue
        grid[members[far]] = used
        used += 1
    return grid, used


def _mended(graph: Graph, labels: int) -> Ints:
    """The present plan with every grid in one piece and every cell in a grid."""
    n = len(graph)
    grid = graph.present.astype(np.int32).copy()
    rows = np.repeat(np.arange(n), np.diff(graph.indptr))
    same = (grid[rows] == grid[graph.head]) & (grid[rows] >= 0)
    part = components(n, np.column_stack([rows[same], graph.head[same]]).astype(np.int32))
    for label in range(labels):
        mine = np.flatnonzero(grid == label)
        numbers, where = np.unique(part[mine], return_inverse=True)
        if len(numbers) > 1:
            weight = np.bincount(where, graph.households[mine] + 1e-3 + 1e9 * graph.locked[mine])
            grid[mine[where != int(weight.argmax())]] = -1
    used = labels
    while (grid < 0).any():
        # What has no grid joins the neighbour with the longest border.
        loose = np.flatnonzero((grid[rows] < 0) & (grid[graph.head] >= 0))
        if not len(loose):
            free = int(np.flatnonzero(grid < 0)[0])
            grid[free] = used
            used += 1
            continue
        best = loose[int(graph.border_m[loose].argmax())]
        grid[rows[best]] = grid[graph.head[best]]
    return grid


def likened(piece: Piece, grid: Ints, grids: int) -> Piece:
    """The piece with present grids numbered as the new grids that share most households."""
    graph, count = piece.graph, len(piece.labels)
    if not count:
        return piece
    known = graph.present >= 0
    shared = np.zeros((grids, count))
    np.add.at(shared, (grid[known], graph.present[known]), graph.households[known])
    number = np.arange(grids, grids + count, dtype=np.int32)  # of those that none goes on as
    for new, old in zip(*linear_sum_assignment(shared, maximize=True), strict=True):
        number[old] = new
    present = graph.present.copy()
    present[known] = number[graph.present[known]]
    return replace(piece, graph=replace(graph, present=present))


def kept_codes(
    grid: Ints,
    present: NDArray[np.int64],
    households: Floats,
    kept: Ints,
    *,
    free: bool,
) -> Ints:
    """Which present grid each goes on as, so that most households stay under their code."""
    if not free:
        return kept
    known = present >= 0
    names, label = np.unique(present[known], return_inverse=True)
    shared = coo_matrix(
        (households[known] + 1e-6, (grid[known], label.ravel())), shape=(len(kept), len(names))
    )
    kept = np.full(len(kept), -1, np.int32)
    dense = shared.tocsr()
    # Grids that share nothing are solved apart: the matrix falls into communities.
    pieces = components(
        len(kept) + len(names),
        np.column_stack([shared.row, shared.col + len(kept)]).astype(np.int32),
    )
    order = np.argsort(pieces, kind="stable")
    for group in np.split(order, np.flatnonzero(np.diff(pieces[order])) + 1):
        rows, columns = group[group < len(kept)], group[group >= len(kept)] - len(kept)
        if len(rows) and len(columns):
            block = dense[rows][:, columns].toarray()
            for r, c in zip(*linear_sum_assignment(block, maximize=True), strict=True):
                if block[r, c] > 0:
                    kept[rows[r]] = names[columns[c]]
    return kept
