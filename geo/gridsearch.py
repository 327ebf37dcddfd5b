"""Search for base grids on a graph of cells: spanning-tree cuts, then annealing in one piece.

A grid's cost depends on its own cells only, so a move is judged by the two grids it changes. Moves:
one cell over a border, two cells swapped, and two neighbouring grids joined and cut anew along a
random spanning tree. Grids stay in one piece at every step; too great a load is allowed on the way
at a price, so that a tight packing can be reached.

References
----------
DeFord, Duchin, Solomon (2021), Recombination, doi:10.1162/99608f92.eb30390f (the joined move);
Kirkpatrick et al. (1983), doi:10.1126/science.220.4598.671 (annealing); Vigna (2016), xorshift64*,
doi:10.1145/2845077.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geo.kernels import kernel

(
    LIMIT_HOUSEHOLDS,
    LIMIT_PEOPLE,
    TARGET,
    SCALE_M,
    OVER,
    BALANCE,
    CUT,
    SHAPE,
    BARRIER,
    BIND,
    SPLIT,
    STATION,
    CHANGE,
    GRID,
    TERMS,
) = range(15)
"""Places in the array of terms: limits, scales, then weights."""

STATION_M = 300.0
"""A red station this far from a grid costs one unit; twice as far, two, and no more."""


@dataclass(frozen=True, slots=True)
class Graph:
    """One connected piece of cells, as arrays for the search.

    Attributes
    ----------
    households, people : ndarray, shape (n,), float64
        Load, at most the limit (what is above it is reported, not balanced).
    area_m2, outer_m : ndarray, shape (n,), float64
    indptr, head : ndarray, int32
        Neighbours of each cell as compressed rows.
    border_m, strength : ndarray, float64
        Of each neighbour, as in `geo.cells.Cells`.
    compound : ndarray, shape (n,), int32
        Numbered from 0; -1 in none, or without households.
    station_m : ndarray, shape (n,), float64
        Metres to the nearest red station; 0 everywhere where stations do not count.
    present : ndarray, shape (n,), int32
        Label of the grid of the present plan; -1 in none.
    locked : ndarray, shape (n,), bool
        Cells that stay in their present grid.
    """

    households: NDArray[np.float64]
    people: NDArray[np.float64]
    area_m2: NDArray[np.float64]
    outer_m: NDArray[np.float64]
    indptr: NDArray[np.int32]
    head: NDArray[np.int32]
    border_m: NDArray[np.float64]
    strength: NDArray[np.float64]
    compound: NDArray[np.int32]
    station_m: NDArray[np.float64]
    present: NDArray[np.int32]
    locked: NDArray[np.bool_]

    def __len__(self) -> int:
        """How many cells."""
        return len(self.households)

    def arrays(self) -> tuple[NDArray[np.generic], ...]:
        """All of it in the order the compiled functions take it."""
        return (
            self.households,
            self.people,
            self.area_m2,
            self.outer_m,
            self.indptr,
            self.head,
            self.border_m,
            self.strength,
            self.compound,
            self.station_m,
            self.present,
            self.locked,
        )


@kernel(inline="always")
def _next(state):  # type: ignore[no-untyped-def]
    x = state[0]
    x ^= x >> np.uint64(12)
    x ^= x << np.uint64(25)
    x ^= x >> np.uint64(27)
    state[0] = x
    return x * np.uint64(2685821657736338717)


@kernel(inline="always")
def _unit(state):  # type: ignore[no-untyped-def]
    return np.float64(_next(state) >> np.uint64(11)) / 9007199254740992.0


@kernel(inline="always")
def _below(state, count):  # type: ignore[no-untyped-def]
    return min(count - 1, np.int64(_unit(state) * count))


@kernel
def _over(households, people, terms):  # type: ignore[no-untyped-def]
    """How far a load is above the limits, as shares of them."""
    over = 0.0
    if households > terms[LIMIT_HOUSEHOLDS]:
        over += (households - terms[LIMIT_HOUSEHOLDS]) / terms[LIMIT_HOUSEHOLDS]
    if people > terms[LIMIT_PEOPLE]:
        over += (people - terms[LIMIT_PEOPLE]) / terms[LIMIT_PEOPLE]
    return over


@kernel
def _grid_cost(graph, terms, label, cells, size, grid, stamp, tick):  # type: ignore[no-untyped-def]
    """Cost of one grid without its overload, and the overload; an empty grid costs nothing."""
    if size == 0:
        return 0.0, 0.0
    (h, p, area_m2, outer_m, indptr, head, border_m, strength, compound, station_m, present, _) = (
        graph
    )
    tick[0] += 1
    now = tick[0]
    households = people = area = around = inner = cut = bound = moved = 0.0
    station = np.inf
    compounds = 0
    for s in range(size):
        i = cells[s]
        households += h[i]
        people += p[i]
        area += area_m2[i]
        around += outer_m[i]
        station = min(station, station_m[i])
        own = compound[i]
        if own >= 0 and stamp[own] != now:
            stamp[own] = now
            compounds += 1
        if present[i] >= 0 and present[i] != label:
            moved += h[i]
        for e in range(indptr[i], indptr[i + 1]):
            j = head[e]
            if grid[j] == label:
                inner += border_m[e] * strength[e] * strength[e]
            else:
                around += border_m[e]
                cut += border_m[e] * (1.0 - 0.8 * strength[e])
                if own >= 0 and compound[j] == own:
                    bound += border_m[e]
    off = (households - terms[TARGET]) / terms[TARGET]
    scale = terms[SCALE_M]
    cost = (
        terms[GRID]
        + terms[BALANCE] * off * off
        + terms[CUT] * cut / (4.0 * scale)
        + terms[SHAPE] * (1.0 - min(1.0, 4.0 * np.pi * area / max(around * around, 1e-9)))
        + terms[BARRIER] * 0.5 * inner / scale
        + terms[BIND] * 0.5 * bound / scale
        + terms[SPLIT] * compounds
        + terms[STATION] * min(2.0, station / STATION_M)
        + terms[CHANGE] * moved / terms[LIMIT_HOUSEHOLDS]
    )
    return cost, _over(households, people, terms)


@kernel
def _stays_whole(graph, size, grid, label, without, seen, tick, queue):  # type: ignore[no-untyped-def]
    """Whether a grid is in one piece without one of its cells."""
    indptr, head = graph[4], graph[5]
    if size <= 2:
        return True
    near = 0
    start = -1
    for e in range(indptr[without], indptr[without + 1]):
        if grid[head[e]] == label:
            near += 1
            start = head[e]
    if near <= 1:
        return near == 1
    tick[0] += 1
    now = tick[0]
    seen[without] = now
    seen[start] = now
    queue[0] = start
    done, found = 0, 1
    while done < found:
        i = queue[done]
        done += 1
        for e in range(indptr[i], indptr[i + 1]):
            j = head[e]
            if grid[j] == label and seen[j] != now:
                seen[j] = now
                queue[found] = j
                found += 1
    return found == size - 1


@kernel
def _take(cells, size, place, i, a):  # type: ignore[no-untyped-def]
    last = cells[a, size[a] - 1]
    at = place[i]
    cells[a, at] = last
    place[last] = at
    size[a] -= 1


@kernel
def _put(cells, size, place, i, b):  # type: ignore[no-untyped-def]
    cells[b, size[b]] = i
    place[i] = size[b]
    size[b] += 1


@kernel
def _root(parent, i):  # type: ignore[no-untyped-def]
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@kernel
def _tree(graph, member, m, local, rng):  # type: ignore[no-untyped-def]
    """A random spanning tree that runs within compounds and crosses barriers last.

    ``local`` numbers the members; other cells hold -1. Returns the order from the root, parents
    and the key of the edge to the parent, all by local number.
    """
    indptr, head, strength, compound, locked = graph[4], graph[5], graph[7], graph[8], graph[11]
    count = 0
    for s in range(m):
        i = member[s]
        for e in range(indptr[i], indptr[i + 1]):
            if head[e] > i and local[head[e]] >= 0:
                count += 1
    key = np.empty(count)
    ends = np.empty((count, 2), np.int64)
    k = 0
    for s in range(m):
        i = member[s]
        for e in range(indptr[i], indptr[i + 1]):
            j = head[e]
            if j > i and local[j] >= 0:
                apart = 0.0 if compound[i] == compound[j] else 0.6
                key[k] = _unit(rng) + 1.2 * strength[e] + apart
                if locked[i] and locked[j]:
                    key[k] -= 4.0  # what is locked hangs together, so that a cut spares it
                ends[k, 0], ends[k, 1] = s, local[j]
                k += 1
    order = np.argsort(key)
    parent = np.arange(m)
    degree = np.zeros(m + 1, np.int64)
    chosen = np.empty(max(0, m - 1), np.int64)
    taken = 0
    for t in range(count):
        e = order[t]
        a, b = _root(parent, ends[e, 0]), _root(parent, ends[e, 1])
        if a != b:
            parent[a] = b
            chosen[taken] = e
            taken += 1
            degree[ends[e, 0]] += 1
            degree[ends[e, 1]] += 1
            if taken == m - 1:
                break
    starts = np.zeros(m + 1, np.int64)
    for s in range(m):
        starts[s + 1] = starts[s] + degree[s]
    fill = starts[:-1].copy()
    near = np.empty(starts[m], np.int64)
    near_key = np.empty(starts[m])
    for t in range(taken):
        e = chosen[t]
        a, b = ends[e, 0], ends[e, 1]
        near[fill[a]], near_key[fill[a]] = b, key[e]
        near[fill[b]], near_key[fill[b]] = a, key[e]
        fill[a] += 1
        fill[b] += 1
    up = np.full(m, -1, np.int64)
    up_key = np.zeros(m)
    walk = np.empty(m, np.int64)
    walk[0] = 0
    done, found = 0, 1
    while done < found:
        a = walk[done]
        done += 1
        for t in range(starts[a], starts[a + 1]):
            b = near[t]
            if b != up[a]:
                up[b], up_key[b] = a, near_key[t]
                walk[found] = b
                found += 1
    return walk[:found], up, up_key


@kernel
def _below_edges(graph, member, walk, up):  # type: ignore[no-untyped-def]
    """Households and people on the far side of each tree edge."""
    households, people = graph[0], graph[1]
    h, p = np.empty(len(up)), np.empty(len(up))
    for s in range(len(up)):
        h[s], p[s] = households[member[s]], people[member[s]]
    for t in range(len(walk) - 1, 0, -1):
        a = walk[t]
        h[up[a]] += h[a]
        p[up[a]] += p[a]
    return h, p


@kernel
def _side(walk, up, edge):  # type: ignore[no-untyped-def]
    """Local members on the far side of the edge from ``edge`` to its parent."""
    far = np.zeros(len(up), np.bool_)
    far[edge] = True
    for a in walk[1:]:
        if up[a] >= 0 and far[up[a]]:
            far[a] = True
    return far


@kernel
def cut_in_two(graph, terms, member, share, low, high, tries, rng):  # type: ignore[no-untyped-def]
    """Cut a connected set of cells in two connected sets.

    ``share`` of the households is wanted on the far side, between ``low`` and ``high`` of them if
    it can be; no locked cell may be there. Returns which members are on the far side; none where
    there is no cut.
    """
    m = len(member)
    fixed = 0
    for s in range(m):
        if graph[11][member[s]]:
            fixed += 1
    local = np.full(len(graph[0]), -1, np.int64)
    total = 0.0
    for s in range(m):
        local[member[s]] = s
        total += graph[0][member[s]]
    best = np.inf
    far = np.zeros(m, np.bool_)
    for _ in range(tries):
        walk, up, up_key = _tree(graph, member, m, local, rng)
        h, _ = _below_edges(graph, member, walk, up)
        held = np.zeros(m, np.int64)
        for t in range(len(walk) - 1, -1, -1):
            a = walk[t]
            if graph[11][member[a]]:
                held[a] += 1
            if up[a] >= 0:
                held[up[a]] += held[a]
        for a in walk[1:]:
            for turned in range(2):
                if (fixed - held[a] if turned else held[a]) > 0:
                    continue
                mine = total - h[a] if turned else h[a]
                out = max(0.0, low - mine) + max(0.0, mine - high)
                score = (
                    20.0 * out / max(terms[LIMIT_HOUSEHOLDS], 1.0)
                    + abs(mine - share * total) / max(terms[TARGET], 1.0)
                    - 0.15 * up_key[a]
                )
                if score < best:
                    best = score
                    side = _side(walk, up, a)
                    far = ~side if turned else side
    return far


@kernel
def anneal(  # type: ignore[no-untyped-def]  # noqa: C901 — one loop, compiled as a whole
    graph, terms, grid, grids, steps, hot, cold, recombine, rng
):
    """Improve an assignment of cells to grids; grids stay in one piece, locked cells stay.

    Parameters
    ----------
    graph : tuple
        `Graph.arrays`.
    terms : ndarray, shape (TERMS,)
    grid : ndarray, shape (n,), int32
        Label of each cell, 0 to ``grids`` - 1; each grid in one piece.
    grids : int
    steps : int
    hot, cold : float
        Temperatures at both ends, in units of cost.
    recombine : float
        Share of steps that join two grids and cut them anew.
    rng : ndarray, shape (1,), uint64
        State of the random numbers, not 0.

    Returns
    -------
    tuple of ndarray, float, float, ndarray
        The best assignment met, its overload and its cost, least overload first; the last one, to
        go on from.
    """
    households = graph[0]
    indptr, head, present, locked = graph[4], graph[5], graph[10], graph[11]
    n = len(households)
    grid = grid.copy()
    cells = np.empty((grids, n), np.int64)
    size = np.zeros(grids, np.int64)
    place = np.zeros(n, np.int64)
    for i in range(n):
        _put(cells, size, place, i, grid[i])
    stamp = np.zeros(n + 1, np.int64)
    seen = np.zeros(n, np.int64)
    queue = np.empty(n, np.int64)
    tick = np.zeros(1, np.int64)
    local = np.full(n, -1, np.int64)
    cost, over = np.zeros(grids), np.zeros(grids)
    for g in range(grids):
        cost[g], over[g] = _grid_cost(graph, terms, g, cells[g], size[g], grid, stamp, tick)
    total, excess = cost.sum(), over.sum()
    best, best_over, best_cost = grid.copy(), excess, total
    price = terms[OVER]
    spare = np.int64(-1)
    for g in range(grids):
        if size[g] == 0:
            spare = np.int64(g)
    for step in range(steps):
        heat = hot * (cold / hot) ** (step / steps)
        i = _below(rng, n)
        if indptr[i] == indptr[i + 1]:
            continue
        j = head[indptr[i] + _below(rng, indptr[i + 1] - indptr[i])]
        a, b = np.int64(grid[i]), np.int64(grid[j])
        kind = _unit(rng)
        if spare >= 0 and size[a] > 1 and kind < 0.5 * recombine:
            b = spare  # a grid is cut into itself and an empty one
        if a == b:
            continue
        before = cost[a] + cost[b] + price * (over[a] + over[b])
        if kind < recombine:
            m = size[a] + size[b]
            member = np.empty(m, np.int64)
            old = np.empty(m, np.int64)
            for s in range(m):
                member[s] = cells[a, s] if s < size[a] else cells[b, s - size[a]]
                local[member[s]] = s
                old[s] = grid[member[s]]
            walk, up, up_key = _tree(graph, member, m, local, rng)
            h, p = _below_edges(graph, member, walk, up)
            chosen, score = np.int64(-1), np.inf
            for t in range(1, len(walk)):
                c = walk[t]
                bad = _over(h[c], p[c], terms) + _over(h[0] - h[c], p[0] - p[c], terms)
                rated = (
                    price * bad
                    + terms[BALANCE] * abs(h[0] - 2 * h[c]) / terms[LIMIT_HOUSEHOLDS]
                    - 0.5 * up_key[c]
                    + _unit(rng)
                )
                if rated < score:
                    chosen, score = c, rated
            for s in range(m):
                local[member[s]] = -1
            if chosen < 0:
                continue
            far = _side(walk, up, chosen)
            # The side that keeps more households where they are takes that label.
            stay = 0.0
            allowed_a = allowed_b = True  # whether the far side may be a, may be b
            for s in range(m):
                i = member[s]
                toward = 1.0 if far[s] else -1.0
                if present[i] == a:
                    stay += toward * (households[i] + 0.001)
                elif present[i] == b:
                    stay -= toward * (households[i] + 0.001)
                if locked[i]:
                    if (old[s] == a) != far[s]:
                        allowed_a = False
                    else:
                        allowed_b = False
            if not allowed_a and not allowed_b:
                continue
            far_is_a = stay > 0 or (stay == 0 and _unit(rng) < 0.5)
            if not allowed_a:
                far_is_a = False
            elif not allowed_b:
                far_is_a = True
            size[a] = size[b] = 0
            for s in range(m):
                to = a if far[s] == far_is_a else b
                grid[member[s]] = to
                _put(cells, size, place, member[s], to)
        else:
            if locked[i]:
                continue
            if not _stays_whole(graph, size[a], grid, a, i, seen, tick, queue):
                continue
            back = np.int64(-1)
            _take(cells, size, place, i, a)
            grid[i] = b
            _put(cells, size, place, i, b)
            if kind > 0.6:
                # Another cell of b comes back, so that loads can be exchanged.
                at = _below(rng, size[b])
                for s in range(size[b]):
                    c = cells[b, (at + s) % size[b]]
                    if c == i or locked[c]:
                        continue
                    touches = False
                    for e in range(indptr[c], indptr[c + 1]):
                        if grid[head[e]] == a:
                            touches = True
                            break
                    if touches and _stays_whole(graph, size[b], grid, b, c, seen, tick, queue):
                        back = c
                        break
                if back >= 0:
                    _take(cells, size, place, back, b)
                    grid[back] = a
                    _put(cells, size, place, back, a)
        cost_a, over_a = _grid_cost(graph, terms, a, cells[a], size[a], grid, stamp, tick)
        cost_b, over_b = _grid_cost(graph, terms, b, cells[b], size[b], grid, stamp, tick)
        worse = cost_a + cost_b + price * (over_a + over_b) - before
        if worse <= 0 or _unit(rng) < np.exp(-worse / heat):
            total += cost_a + cost_b - cost[a] - cost[b]
            excess += over_a + over_b - over[a] - over[b]
            cost[a], cost[b], over[a], over[b] = cost_a, cost_b, over_a, over_b
            if size[a] == 0:
                spare = a
            elif b == spare:
                spare = np.int64(-1)
                for g in range(grids):
                    if size[g] == 0:
                        spare = np.int64(g)
            if excess < best_over - 1e-9 or (
                excess < best_over + 1e-9 and total < best_cost - 1e-9
            ):
                best[:] = grid
                best_over, best_cost = max(excess, 0.0), total
        elif kind < recombine:
            size[a] = size[b] = 0
            for s in range(m):
                grid[member[s]] = old[s]
                _put(cells, size, place, member[s], old[s])
        else:
            if back >= 0:
                _take(cells, size, place, back, a)
                grid[back] = b
                _put(cells, size, place, back, b)
            _take(cells, size, place, i, b)
            grid[i] = a
            _put(cells, size, place, i, a)
    return best, best_over, best_cost, grid


@kernel
def costs(graph, terms, grid, grids):  # type: ignore[no-untyped-def]
    """Cost and overload of each grid of an assignment, shapes (grids,)."""
    n = len(grid)
    cells = np.empty((grids, n), np.int64)
    size = np.zeros(grids, np.int64)
    place = np.zeros(n, np.int64)
    for i in range(n):
        _put(cells, size, place, i, grid[i])
    stamp, tick = np.zeros(n + 1, np.int64), np.zeros(1, np.int64)
    cost, over = np.zeros(grids), np.zeros(grids)
    for g in range(grids):
        cost[g], over[g] = _grid_cost(graph, terms, g, cells[g], size[g], grid, stamp, tick)
    return cost, over
