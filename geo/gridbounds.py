"""Bounds that no design can beat: how few grids, and how few households moved."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_MOST_SHARE = 30


def fewest_grids(households: Floats, people: Floats, limits: tuple[float, float]) -> int:
    """Least number of grids that could hold cells of these loads, shapes or borders aside.

    The largest of: households over the limit, rounded up; the same for people; the bound L2 of bin
    packing for either, which knows that two buildings of 160 households never share a grid; and the
    bound by dual feasible functions for either, which knows that of buildings of 110 no three do.

    Parameters
    ----------
    households, people : ndarray, shape (n,)
        Load of each cell; a cell above a limit counts as the limit.
    limits : tuple of float
        Households and people of a grid.

    References
    ----------
    Martello and Toth (1990), Knapsack Problems, section 8.3 (L2); Fekete and Schepers (2001),
    doi:10.1007/PL00011403 (dual feasible functions).
    """
    if not len(households):
        return 0
    return max(
        1,
        *(
            max(_packing_bound(load, limit), _shares_bound(load, limit))
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


def _shares_bound(loads: Floats, limit: float) -> int:
    """The bound by dual feasible functions: loads rounded so that what fits still fits.

    A load above 1/(k+1) of the limit and below 2/(k+1) counts as 1/k, because no more than k of
    them share a grid; smaller ones count as nothing, and so on for multiples.
    """
    share = np.minimum(loads[loads > 0], limit) / limit
    best = 0
    for k in range(1, _MOST_SHARE + 1):
        times = (k + 1) * share
        whole = np.abs(times - np.rint(times)) < 1e-9
        counted = np.where(whole, share, np.floor(times) / k)
        best = max(best, math.ceil(float(counted.sum()) - 1e-6))
    return best


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
