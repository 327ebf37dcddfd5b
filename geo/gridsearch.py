"""Search for base grids on a graph of cells: annealing, every grid in one piece at each step.

A grid's cost depends on its own cells only, so a move is judged by the two grids it changes. Moves:
one cell over a border, two cells swapped, all that a grid holds of a compound over a border (and
something back for it), and two neighbouring grids joined and cut anew along a random spanning tree.
Too great a load is allowed on the way at a price, so that a tight packing can be reached.

References
----------
DeFord, Duchin, Solomon (2021), Recombination, doi:10.1162/99608f92.eb30390f (the joined move);
Kirkpatrick et al. (1983), doi:10.1126/science.220.4598.671 (annealing).
"""

from __future__ import annotations

import numpy as np

from geo.gridgraph import BALANCE, LIMIT_HOUSEHOLDS, OVER, SPLIT, STATION
from geo.gridtotals import (
    HOUSEHOLDS,
    NEAREST,
    TOTALS,
    count_grid,
    move,
    nearest,
    over,
    price,
)
from geo.gridtrees import below_edges, side_of, tree
from geo.kernels import kernel
from geo.xorshift import below, unit

_MOST_BACK = 4
"""Cells or compounds that come back for a compound that moves."""


@kernel
def _hangs_together(graph, size, grid, label, left, seen, tick, queue):  # type: ignore[no-untyped-def]
    """Whether a grid is in one piece after cell ``left`` has left it."""
    indptr, head = graph[4], graph[5]
    tick[0] += 2
    wanted, met = tick[0], tick[0] + 1
    near = 0
    start = -1
    for e in range(indptr[left], indptr[left + 1]):
        j = head[e]
        if grid[j] == label and seen[j] != wanted:
            seen[j] = wanted
            near += 1
            start = j
    if near <= 1:
        return near == 1 or size == 0
    # Only its neighbours can have been parted; they are looked for from one of them.
    seen[start] = met
    near -= 1
    queue[0] = start
    done, found = 0, 1
    while done < found:
        i = queue[done]
        done += 1
        for e in range(indptr[i], indptr[i + 1]):
            j = head[e]
            if grid[j] == label and seen[j] != met:
                if seen[j] == wanted:
                    near -= 1
                    if near == 0:
                        return True
                seen[j] = met
                queue[found] = j
                found += 1
    return False


@kernel
def _in_one_piece(graph, grid, label, cells, size, seen, tick, queue):  # type: ignore[no-untyped-def]
    """Whether all cells of a grid can be reached from one of them."""
    if size <= 1:
        return True
    indptr, head = graph[4], graph[5]
    tick[0] += 2
    met = tick[0]
    seen[cells[0]] = met
    queue[0] = cells[0]
    done, found = 0, 1
    while done < found:
        i = queue[done]
        done += 1
        for e in range(indptr[i], indptr[i + 1]):
            j = head[e]
            if grid[j] == label and seen[j] != met:
                seen[j] = met
                queue[found] = j
                found += 1
    return found == size


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
def _give(graph, grid, lists, sums, i, b):  # type: ignore[no-untyped-def]
    """Give a cell to a grid, in the lists and in the totals."""
    cells, size, place = lists
    _take(cells, size, place, i, grid[i])
    move(graph, grid, sums[0], sums[1], i, b)
    _put(cells, size, place, i, b)


@kernel
def _touches(graph, grid, i, label):  # type: ignore[no-untyped-def]
    for e in range(graph[4][i], graph[4][i + 1]):  # noqa: SIM110 — compiled
        if grid[graph[5][e]] == label:
            return True
    return False


@kernel
def _give_compound(graph, grid, lists, sums, own, a, b, trail, done):  # type: ignore[no-untyped-def]
    """Give all that ``a`` holds of a compound to ``b``; returns the end of the trail, or -1.

    Nothing moves where a cell is locked.
    """
    cells, size, _ = lists
    end = done
    for s in range(size[a]):
        i = cells[a, s]
        if graph[8][i] == own:
            if graph[11][i]:
                return -1
            trail[end] = i
            end += 1
    for s in range(done, end):
        _give(graph, grid, lists, sums, trail[s], b)
    return end


@kernel
def _propose(graph, terms, grid, lists, sums, i, a, b, kind, trail, walk, rng):  # type: ignore[no-untyped-def]
    """Move a cell or a compound from ``a`` to ``b``, and perhaps something back.

    Returns how many cells changed their grid, written to ``trail``, and whether these were more
    than one cell each way. None where the move is not allowed.
    """
    cells, size, _ = lists
    compound, locked = graph[8], graph[11]
    own = compound[i]
    before = sums[0][b, HOUSEHOLDS]
    if terms[SPLIT] > 0 and own >= 0 and sums[1][a, own] > 1 and unit(rng) < 0.1:
        done = _give_compound(graph, grid, lists, sums, own, a, b, trail, 0)
        if done < 0 or size[a] == 0:
            return max(done, 0), True
        most = max(before, terms[LIMIT_HOUSEHOLDS])
        for _ in range(_MOST_BACK):
            if sums[0][b, HOUSEHOLDS] <= most and unit(rng) < 0.7:
                break
            at = below(rng, size[b])
            back = -1
            for s in range(size[b]):
                c = cells[b, (at + s) % size[b]]
                if compound[c] != own and not locked[c] and _touches(graph, grid, c, a):
                    back = c
                    break
            if back < 0:
                break
            other = compound[back]
            if other >= 0 and sums[1][b, other] > 1 and unit(rng) < 0.5:
                more = _give_compound(graph, grid, lists, sums, other, b, a, trail, done)
                if more < 0:
                    break
                done = more
            else:
                _give(graph, grid, lists, sums, back, a)
                trail[done] = back
                done += 1
            if size[b] == 0:
                break
        return done, True
    if locked[i]:
        return 0, False
    _give(graph, grid, lists, sums, i, b)
    trail[0] = i
    if kind > 0.6 and size[a] > 0:
        # Another cell of b comes back, so that loads can be exchanged.
        at = below(rng, size[b])
        for s in range(size[b]):
            c = cells[b, (at + s) % size[b]]
            if c == i or locked[c] or not _touches(graph, grid, c, a):
                continue
            grid[c] = a
            whole = _hangs_together(graph, size[b] - 1, grid, b, c, walk[0], walk[1], walk[2])
            grid[c] = b
            if whole:
                _give(graph, grid, lists, sums, c, a)
                trail[1] = c
                return 2, False
    return 1, False


@kernel
def _recombine(graph, terms, grid, lists, a, b, local, rng):  # type: ignore[no-untyped-def]
    """Join two grids and cut them anew along a random spanning tree.

    Returns their cells and the grids they were in; none where locked cells forbid it. The totals
    are left as they were.
    """
    households, present, locked = graph[0], graph[10], graph[11]
    cells, size, place = lists
    m = size[a] + size[b]
    member = np.empty(m, np.int64)
    old = np.empty(m, np.int64)
    for s in range(m):
        member[s] = cells[a, s] if s < size[a] else cells[b, s - size[a]]
        local[member[s]] = s
        old[s] = grid[member[s]]
    walk, up, up_key = tree(graph, member, m, local, rng)
    h, p = below_edges(graph, member, walk, up)
    chosen, score = np.int64(-1), np.inf
    for t in range(1, len(walk)):
        c = walk[t]
        bad = over(h[c], p[c], terms) + over(h[0] - h[c], p[0] - p[c], terms)
        rated = (
            terms[OVER] * bad
            + terms[BALANCE] * abs(h[0] - 2 * h[c]) / terms[LIMIT_HOUSEHOLDS]
            - 0.5 * up_key[c]
            + unit(rng)
        )
        if rated < score:
            chosen, score = c, rated
    for s in range(m):
        local[member[s]] = -1
    if chosen < 0:
        return member[:0], old[:0]
    far = side_of(walk, up, chosen)
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
        return member[:0], old[:0]
    far_is_a = stay > 0 or (stay == 0 and unit(rng) < 0.5)
    if not allowed_a:
        far_is_a = False
    elif not allowed_b:
        far_is_a = True
    size[a] = size[b] = 0
    for s in range(m):
        to = a if far[s] == far_is_a else b
        grid[member[s]] = to
        _put(cells, size, place, member[s], to)
    return member, old


@kernel
def _empty_grid(size):  # type: ignore[no-untyped-def]
    spare = np.int64(-1)
    for g in range(len(size)):
        if size[g] == 0:
            spare = np.int64(g)
    return spare


@kernel
def anneal(  # type: ignore[no-untyped-def]
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
    indptr, head, compound, station_m = graph[4], graph[5], graph[8], graph[9]
    n = len(graph[0])
    grid = grid.copy()
    lists = (np.empty((grids, n), np.int64), np.zeros(grids, np.int64), np.zeros(n, np.int64))
    cells, size, place = lists
    for i in range(n):
        _put(cells, size, place, i, grid[i])
    seen = np.zeros(n, np.int64)
    queue = np.empty(n, np.int64)
    trail = np.empty(n, np.int64)
    tick = np.zeros(1, np.int64)
    walk = (seen, tick, queue)
    local = np.full(n, -1, np.int64)
    stations = terms[STATION] > 0 and station_m.max() > 0
    sums = (np.empty((grids, TOTALS)), np.zeros((grids, compound.max() + 2), np.int32))
    totals, held = sums
    cost, excess = np.zeros(grids), np.zeros(grids)
    for g in range(grids):
        count_grid(graph, g, cells[g], size[g], grid, totals, held)
        cost[g], excess[g] = price(totals, g, size[g], terms)
    total, above = cost.sum(), excess.sum()
    best, best_over, best_cost = grid.copy(), above, total
    dear = terms[OVER]
    spare = _empty_grid(size)
    heat = hot
    saved = np.empty((2, TOTALS))
    for step in range(steps):
        if step % 64 == 0:
            heat = hot * (cold / hot) ** (step / steps)
        i = below(rng, n)
        if indptr[i] == indptr[i + 1]:
            continue
        j = head[indptr[i] + below(rng, indptr[i + 1] - indptr[i])]
        a, b = np.int64(grid[i]), np.int64(grid[j])
        kind = unit(rng)
        if spare >= 0 and size[a] > 1 and kind < 0.5 * recombine:
            b = spare  # a grid is cut into itself and an empty one
        if a == b:
            continue
        before = cost[a] + cost[b] + dear * (excess[a] + excess[b])
        saved[0], saved[1] = totals[a], totals[b]
        member, old = trail[:0], trail[:0]
        done, several = 0, False
        if kind < recombine:
            member, old = _recombine(graph, terms, grid, lists, a, b, local, rng)
            if len(member) == 0:
                continue
            count_grid(graph, a, cells[a], size[a], grid, totals, held)
            count_grid(graph, b, cells[b], size[b], grid, totals, held)
        else:
            done, several = _propose(
                graph, terms, grid, lists, sums, i, a, b, kind, trail, walk, rng
            )
            if done == 0:
                continue
            if stations:
                totals[a, NEAREST] = nearest(graph, cells[a], size[a])
                totals[b, NEAREST] = nearest(graph, cells[b], size[b])
        cost_a, over_a = price(totals, a, size[a], terms)
        cost_b, over_b = price(totals, b, size[b], terms)
        worse = cost_a + cost_b + dear * (over_a + over_b) - before
        accepted = worse <= 0 or unit(rng) < np.exp(-worse / heat)
        if accepted and kind >= recombine:
            # What is dear to find out is asked last.
            if several:
                accepted = _in_one_piece(
                    graph, grid, a, cells[a], size[a], seen, tick, queue
                ) and _in_one_piece(graph, grid, b, cells[b], size[b], seen, tick, queue)
            else:
                # What came back left its grid in one piece already.
                accepted = _hangs_together(graph, size[a], grid, a, i, seen, tick, queue)
        if accepted:
            total += cost_a + cost_b - cost[a] - cost[b]
            above += over_a + over_b - excess[a] - excess[b]
            cost[a], cost[b], excess[a], excess[b] = cost_a, cost_b, over_a, over_b
            if size[a] == 0:
                spare = a
            elif b == spare:
                spare = _empty_grid(size)
            if above < best_over - 1e-9 or (above < best_over + 1e-9 and total < best_cost - 1e-9):
                best[:] = grid
                best_over, best_cost = max(above, 0.0), total
        elif kind < recombine:
            size[a] = size[b] = 0
            for s in range(len(member)):
                grid[member[s]] = old[s]
                _put(cells, size, place, member[s], old[s])
            count_grid(graph, a, cells[a], size[a], grid, totals, held)
            count_grid(graph, b, cells[b], size[b], grid, totals, held)
        else:
            for s in range(done - 1, -1, -1):
                _give(graph, grid, lists, sums, trail[s], b if grid[trail[s]] == a else a)
            totals[a], totals[b] = saved[0], saved[1]
    last_cost, last_over = costs(graph, terms, best, grids)
    return best, last_over.sum(), last_cost.sum(), grid


@kernel
def costs(graph, terms, grid, grids):  # type: ignore[no-untyped-def]
    """Cost and overload of each grid of an assignment, shapes (grids,)."""
    n = len(grid)
    cells = np.empty((grids, n), np.int64)
    size = np.zeros(grids, np.int64)
    place = np.zeros(n, np.int64)
    for i in range(n):
        _put(cells, size, place, i, grid[i])
    totals = np.empty((grids, TOTALS))
    held = np.zeros((grids, graph[8].max() + 2), np.int32)
    cost, excess = np.zeros(grids), np.zeros(grids)
    for g in range(grids):
        count_grid(graph, g, cells[g], size[g], grid, totals, held)
        cost[g], excess[g] = price(totals, g, size[g], terms)
    return cost, excess
