"""The best design of a small community, proven: every possible grid listed, then chosen exactly.

All connected sets of cells that keep the limits are listed once, each is priced by the very cost
the search uses, and a set-partitioning model picks those that cover every cell once: first as few
as can be, then of these the cheapest. This shows how far the search is from the optimum.

References
----------
Wernicke (2006), doi:10.1109/TCBB.2006.51 (each connected set once); Garfinkel and Nemhauser (1970),
doi:10.1287/mnsc.16.8.B495 (political districting as set partitioning); HiGHS by
`scipy.optimize.milp`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csc_array, vstack

from geo.gridgraph import LIMIT_HOUSEHOLDS, LIMIT_PEOPLE, Graph
from geo.gridsearch import costs
from geo.kernels import kernel

MOST_CELLS = 64
MOST_SETS = 150_000
_TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True)
class Exact:
    """What was proven of one piece.

    Attributes
    ----------
    grids : int
        Least number of grids; a bound only where ``grids_proven`` is false.
    grids_proven : bool
    grid : ndarray, shape (n,), int32, or None
        The best design with that number; None where none was found in time.
    cost : float
    cost_bound : float
        No design with that number of grids costs less.
    cost_proven : bool
    sets : int
        How many possible grids there are.
    """

    grids: int
    grids_proven: bool
    grid: NDArray[np.int32] | None
    cost: float
    cost_bound: float
    cost_proven: bool
    sets: int


def connected_sets(
    graph: Graph, households: float, people: float, *, most: int = MOST_SETS
) -> NDArray[np.uint64] | None:
    """List every connected set of cells within the limits, each once.

    Returns
    -------
    ndarray of uint64, or None
        Bit i says whether cell i is in the set; None where there are more than ``most``, or more
        than 64 cells.
    """
    if len(graph) > MOST_CELLS:
        return None
    near = np.zeros(len(graph), np.uint64)
    for i in range(len(graph)):
        for j in graph.head[graph.indptr[i] : graph.indptr[i + 1]].tolist():
            near[i] |= np.uint64(1) << np.uint64(j)
    found = np.zeros(most, np.uint64)
    count = _list_sets(graph.households, graph.people, near, households, people, found)
    return None if count < 0 else found[:count]


@kernel
def _list_sets(households, people, near, most_households, most_people, found):  # type: ignore[no-untyped-def]
    n = len(households)
    one, zero = np.uint64(1), np.uint64(0)
    # A stack of: set, cells it may still grow by, cells seen (set, its neighbours, those barred).
    sets = np.zeros(n + 2, np.uint64)
    grow = np.zeros(n + 2, np.uint64)
    seen = np.zeros(n + 2, np.uint64)
    h, p = np.zeros(n + 2), np.zeros(n + 2)
    count = 0
    slack = 1e-9
    for root in range(n):
        bit = one << np.uint64(root)
        barred = (bit - one) | bit
        sets[0] = bit
        grow[0] = near[root] & ~barred
        seen[0] = barred | near[root]
        h[0], p[0] = households[root], people[root]
        if count == len(found):
            return -1
        found[count] = bit
        count += 1
        depth = 0
        while depth >= 0:
            if grow[depth] == zero:
                depth -= 1
                continue
            lowest = grow[depth] & (~grow[depth] + one)
            grow[depth] ^= lowest
            cell = 0
            while (lowest >> np.uint64(cell)) != one:
                cell += 1
            more_h, more_p = h[depth] + households[cell], p[depth] + people[cell]
            if more_h > most_households + slack or more_p > most_people + slack:
                continue
            if count == len(found):
                return -1
            sets[depth + 1] = sets[depth] | lowest
            grow[depth + 1] = grow[depth] | (near[cell] & ~seen[depth])
            seen[depth + 1] = seen[depth] | near[cell]
            h[depth + 1], p[depth + 1] = more_h, more_p
            depth += 1
            found[count] = sets[depth]
            count += 1
    return count


@kernel
def _prices(graph, terms, sets, costs_of):  # type: ignore[no-untyped-def]
    n = len(graph[0])
    price = np.empty(len(sets))
    grid = np.zeros(n, np.int32)
    for k in range(len(sets)):
        for i in range(n):
            inside = (sets[k] >> np.uint64(i)) & np.uint64(1)
            grid[i] = 0 if inside == np.uint64(1) else 1
        cost, _ = costs_of(graph, terms, grid, 2)
        price[k] = cost[0]
    return price


def solve(
    graph: Graph,
    terms_for: dict[int, NDArray[np.float64]],
    *,
    time_limit_s: float,
    most: int = MOST_SETS,
) -> Exact | None:
    """Find the best design of a piece and prove it.

    Parameters
    ----------
    graph : Graph
        Without locked cells and without a present plan.
    terms_for : mapping of int to ndarray
        The terms of the search for each number of grids that may turn out the least.
    time_limit_s : float
        Seconds for each of the two models.
    most : int
        Give up beyond so many possible grids.

    Returns
    -------
    Exact or None
        None where there are too many possible grids.
    """
    first = next(iter(terms_for.values()))
    sets = connected_sets(
        graph, float(first[LIMIT_HOUSEHOLDS]), float(first[LIMIT_PEOPLE]), most=most
    )
    if sets is None:
        return None
    bits = np.arange(len(graph), dtype=np.uint64)
    column, row = np.nonzero((sets[:, None] >> bits[None, :]) & np.uint64(1))
    cover = csc_array((np.ones(len(row)), (row, column)), shape=(len(graph), len(sets)))
    each = LinearConstraint(cover, 1, 1)
    options: Any = {"time_limit": time_limit_s, "mip_rel_gap": 0.0}
    whole, unit = np.ones(len(sets), np.int64), Bounds(0, 1)
    fewest = milp(whole, constraints=each, integrality=whole, bounds=unit, options=options)
    bound = fewest.mip_dual_bound if fewest.mip_dual_bound is not None else 1.0
    least = int(np.ceil(bound - _TOLERANCE)) if np.isfinite(bound) else 1
    if fewest.x is None:
        return Exact(least, False, None, np.inf, -np.inf, False, len(sets))
    grids = round(float(fewest.fun))
    if grids > least or grids not in terms_for:
        return Exact(least, False, None, np.inf, -np.inf, False, len(sets))
    price = _prices(graph.arrays(), terms_for[grids], sets, costs)
    total = csc_array(np.ones((1, len(sets))))
    best = milp(
        price,
        constraints=LinearConstraint(
            vstack([cover, total]),
            np.concatenate([np.ones(len(graph)), [grids]]),
            np.concatenate([np.ones(len(graph)), [grids]]),
        ),
        integrality=whole,
        bounds=unit,
        options=options,
    )
    low = float(best.mip_dual_bound) if best.mip_dual_bound is not None else -np.inf
    if best.x is None:
        return Exact(grids, True, None, np.inf, low, False, len(sets))
    grid = np.zeros(len(graph), np.int32)
    for label, k in enumerate(np.flatnonzero(best.x > 0.5).tolist()):
        grid[row[column == k]] = label
    return Exact(grids, True, grid, float(best.fun), low, best.status == 0, len(sets))
