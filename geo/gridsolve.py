"""One piece of a community designed: packed, improved, compared with the exact model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from geo import gridexact, gridsearch
from geo.gridanneal import Found, Settings, improve, terms_of
from geo.gridpacking import first_fit, fits, packing, packing_whole
from geo.gridpieces import Piece
from geo.gridpresent import from_present, likened
from geo.standards import GridWeights

Floats = NDArray[np.float64]
Ints = NDArray[np.int32]
_WHOLE_ATTEMPTS = 2
_ATTEMPTS = 12
_NEARLY = 0.1
"""What is this little above the limits may still be put right."""


def solve_piece(piece: Piece, settings: Settings, *, seed: tuple[int, int, int]) -> Found:
    """Design one connected piece."""
    rng = np.array(
        [np.random.SeedSequence(seed).generate_state(1, np.uint64)[0] | np.uint64(1)], np.uint64
    )
    kept = settings.scenario in ("least_change", "rebalance") or bool(piece.graph.locked.any())
    if kept and len(piece.labels):
        return from_present(piece, settings, rng)
    found = _searched(piece, settings, rng)
    if settings.exact_s > 0 and found.over <= 1e-9 and settings.scenario == "fewest":
        found = _proven(piece, found, settings)
    return found


def _proven(piece: Piece, found: Found, settings: Settings) -> Found:
    """Compare with the exact model; take its design where it is better."""
    used = len(np.unique(found.grid))
    wishes = replace(settings, weights=replace(settings.weights, change=0.0))
    exact = gridexact.solve(
        piece.graph,
        {k: terms_of(piece, k, wishes) for k in range(piece.bound, used + 1)},
        time_limit_s=settings.exact_s,
    )
    if exact is None:
        return found
    _, grid = np.unique(found.grid, return_inverse=True)
    cost, _ = gridsearch.costs(
        piece.graph.arrays(), terms_of(piece, used, wishes), grid.ravel().astype(np.int32), used
    )
    found.cost = float(cost.sum())
    found.grids_proven = exact.grids
    if exact.grids_proven and exact.grids == used:
        found.cost_bound = exact.cost_bound
    if exact.grid is not None and (exact.grids, exact.cost) < (used, found.cost - 1e-9):
        return Found(exact.grid, 0.0, exact.cost, found.complete, exact.grids, exact.cost_bound)
    return found


def _whole_first(weights: GridWeights) -> bool:
    """Whether whole compounds weigh more than short and round outlines together."""
    return weights.compounds > weights.cut + weights.shape


def _packed(
    piece: Piece, grids: int, settings: Settings, rng: NDArray[np.uint64]
) -> list[tuple[Ints, float]]:
    """Packings, compounds whole where that is wished and found, and how hot to improve each."""
    found = []
    if settings.weights.compounds > 0 and settings.weights.change == 0:
        wanted = _WHOLE_ATTEMPTS if _whole_first(settings.weights) else 1
        for _ in range(_WHOLE_ATTEMPTS):
            whole = packing_whole(piece, grids, settings, rng)
            if whole is not None:
                found.append((whole, 0.1))
                if len(found) == wanted:
                    break
    return found or [(packing(piece, grids, settings, rng, attempts=_ATTEMPTS), 1.0)]


def _known(piece: Piece, grid: Ints, grids: int, settings: Settings) -> Piece:
    """The piece with the present plan numbered as these grids are, where that counts."""
    return likened(piece, grid, grids) if settings.weights.change > 0 else piece


def _improved(piece: Piece, grids: int, settings: Settings, rng: NDArray[np.uint64]) -> Found:
    """Pack, then improve; where compounds weigh most, again from so hot that they are opened.

    A compound is often whole only after another one was cut on the way, which costs as much as the
    wish weighs. So the heat is of that size.
    """
    best = min(
        (
            improve(_known(piece, start, grids, settings), start, grids, settings, rng, hot=hot)
            for start, hot in _packed(piece, grids, settings, rng)
        ),
        key=_rank,
    )
    if _whole_first(settings.weights) and best.over <= _NEARLY and not settings.stop():
        hot = 0.5 * settings.weights.compounds
        known = _known(piece, best.grid, grids, settings)
        again = improve(known, best.grid, grids, settings, rng, hot=hot)
        best = min(best, again, key=_rank)
    return best


def _rank(found: Found) -> tuple[float, float]:
    """What is above the limits first, then the cost; sums of shares are not exact."""
    return (found.over if found.over > 1e-9 else 0.0, found.cost)


def _searched(piece: Piece, settings: Settings, rng: NDArray[np.uint64]) -> Found:
    """Search for a design from nothing: pack, then improve."""
    n = len(piece.graph)
    if n == 1 or (piece.bound == 1 and fits(piece.graph, np.zeros(n, np.int32), settings)):
        whole = np.zeros(n, np.int32)
        terms = terms_of(piece, 1, settings)
        cost, over = gridsearch.costs(piece.graph.arrays(), terms, whole, 1)
        return Found(whole, float(over.sum()), float(cost.sum()), complete=True)
    one_more = settings.scenario == "fresh" or settings.weights.grids > 0
    best: Found | None = None
    grids = piece.bound
    most = n
    while True:
        found = _improved(piece, grids, settings, rng)
        if best is None or _rank(found) < _rank(best):
            best = found
        if best.over <= 1e-9:
            most = min(most, max(grids, piece.bound + one_more))
            if grids >= most:
                return best
        if settings.stop() or grids >= n:
            break
        grids += 1
    if best.over > 1e-9:
        packed = first_fit(piece, settings)
        if packed.over < best.over:
            best = packed
    return Found(best.grid, best.over, best.cost, complete=False)
