"""Bounds that no design can beat: how few grids, and how few households moved."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

from geo.kernels import kernel

Floats = NDArray[np.float64]
_MOST_ROOM = 20_000
_MOST_PATTERNS = 200


def fewest_grids(households: Floats, people: Floats, limits: tuple[float, float]) -> int:
    """Least number of grids that could hold cells of these loads, shapes or borders aside.

    The largest of: households over the limit, rounded up; the same for people; the bound L2 of bin
    packing for either, which knows that two buildings of 160 households never share a grid; and the
    cutting-stock bound for either, which knows that of buildings of 110 no three do.

    Parameters
    ----------
    households, people : ndarray, shape (n,)
        Load of each cell; a cell above a limit counts as the limit.
    limits : tuple of float
        Households and people of a grid.

    References
    ----------
    Martello and Toth (1990), Knapsack Problems, section 8.3 (L2); Gilmore and Gomory (1961),
    doi:10.1287/opre.9.6.849 (patterns); Farley (1990), doi:10.1287/opre.38.5.922 (a bound from any
    prices, so that it may stop early).
    """
    if not len(households):
        return 0
    return max(
        1,
        *(
            max(_packing_bound(load, limit), _pattern_bound(load, limit))
            for load, limit in ((households, limits[0]), (people, limits[1]))
        ),
    )


def _packing_bound(loads: Floats, limit: float) -> int:
    loads = np.sort(np.minimum(loads[loads > 0], limit))
    if not len(loads):
        return 0
    best = int(np.ceil(loads.sum() / limit - 1e-9))
    sums = np.concatenate([[0.0], np.cumsum(loads)])
    half = int(np.searchsorted(loads, limit / 2, side="right"))
    for small in np.unique(np.concatenate([[0.0], loads[loads <= limit / 2]])):
        # Large ones (above limit - small) leave no room for anything that is counted here.
        large_from = int(np.searchsorted(loads, limit - small, side="right"))
        counted_from = int(np.searchsorted(loads, small, side="left"))
        room = (len(loads) - half) * limit - (sums[len(loads)] - sums[half])
        room -= (len(loads) - large_from) * limit - (sums[len(loads)] - sums[large_from])
        rest = sums[half] - sums[counted_from] - room
        best = max(best, len(loads) - half + max(0, int(np.ceil(rest / limit - 1e-9))))
    return best


def _pattern_bound(loads: Floats, limit: float) -> int:
    """The cutting-stock bound: how many patterns cover all loads, in parts of patterns if need be.

    Patterns are added while one is worth more than a grid at the present prices. Any prices give a
    bound, divided by the worth of the best pattern, so an early end is a weaker bound, not a wrong
    one. Loads that are no whole numbers are rounded down, the limit as well: then a bound too.
    """
    room = int(limit)
    whole = np.floor(np.minimum(loads, room)).astype(np.int64)
    sizes, counts = np.unique(whole[whole > 0], return_counts=True)
    # Without a load above a third nothing keeps patterns from being full, but for small numbers.
    if len(sizes) == 0 or room > _MOST_ROOM or sizes[-1] * 3 <= room or (loads % 1).any():
        return 0
    columns = np.diag(np.minimum(counts, room // sizes)).astype(np.float64)
    best = 0.0
    for _ in range(_MOST_PATTERNS):
        found = linprog(np.ones(columns.shape[1]), A_ub=-columns, b_ub=-counts, method="highs")
        if found.status != 0:
            break
        prices = np.maximum(0.0, -found.ineqlin.marginals)
        worth, pattern = _best_pattern(sizes, counts, prices, room)
        best = max(best, float(prices @ counts) / max(worth, 1.0))
        if worth <= 1 + 1e-9 or math.ceil(best - 1e-6) >= math.ceil(float(found.fun or 0.0) - 1e-6):
            break
        columns = np.column_stack([columns, pattern])
    return math.ceil(best - 1e-6)


@kernel
def _best_pattern(sizes, counts, prices, room):  # type: ignore[no-untyped-def]
    """The bounded knapsack: the worth of the best pattern and how many of each size it takes."""
    worth = np.zeros(room + 1)
    taken = np.zeros((len(sizes), room + 1), np.int64)
    for k in range(len(sizes)):
        before = worth.copy()
        for many in range(1, min(counts[k], room // sizes[k]) + 1):
            used = many * sizes[k]
            for full in range(used, room + 1):
                if before[full - used] + many * prices[k] > worth[full] + 1e-12:
                    worth[full] = before[full - used] + many * prices[k]
                    taken[k, full] = many
    pattern = np.zeros(len(sizes))
    left = room
    for k in range(len(sizes) - 1, -1, -1):
        pattern[k] = taken[k, left]
        left -= taken[k, left] * sizes[k]
    return worth[room], pattern


def fewest_moved(
    households: Floats, people: Floats, present: NDArray[np.integer], limits: tuple[float, float]
) -> float:
    """Households that must leave their present grid before all grids keep the limits.

    For each grid of the plan, the households of its cells less the most that can stay: the best
    sum of whole cells within each limit. Whether what stays is in one piece is not asked, so this
    is a bound, not always a plan.

    Parameters
    ----------
    households, people : ndarray, shape (n,)
        A cell above a limit counts as the limit.
    present : ndarray, shape (n,)
        Grid of the present plan; -1 in none (its households are in no grid and do not move).
    limits : tuple of float
    """
    moved = 0.0
    for grid in np.unique(present[present >= 0]):
        mine = present == grid
        h, p = households[mine], people[mine]
        if h.sum() <= limits[0] and p.sum() <= limits[1]:
            continue
        keep = min(h.sum(), _best_sum(h, limits[0]))
        if p.sum() > limits[1]:
            keep = min(keep, _most_within(h, p, limits[1]))
        moved += h.sum() - keep
    return float(moved)


def _best_sum(loads: Floats, limit: float) -> float:
    """Greatest sum of whole cells that is at most ``limit``."""
    room = int(limit)
    reach = 1
    for load in np.floor(loads).astype(np.int64).tolist():
        reach |= reach << load
        reach &= (1 << (room + 1)) - 1
    # Loads are counts; were they not, what rounding down gained is given back.
    return float(min(limit, reach.bit_length() - 1 + float((loads - np.floor(loads)).sum())))


def _most_within(households: Floats, people: Floats, limit: float) -> float:
    """At most the households that fit under a limit of people: the fractional knapsack."""
    order = np.argsort(-(households / np.maximum(people, 1e-9)), kind="stable")
    room, kept = limit, 0.0
    for i in order.tolist():
        if people[i] <= room:
            room -= people[i]
            kept += households[i]
        else:
            return float(kept + households[i] * room / people[i])
    return float(kept)
