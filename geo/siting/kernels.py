"""Kernels of siting: greedy choice, exchange and Lagrangian bounds on sparse pairs, compiled.

Every choice of a given number of sites is one problem: open sites S so that the sum over demand
points i of ``max over j in S of value(i, j)`` is greatest. Maximal cover has value ``w_i`` for
every pair; the shortest walk has ``w_i * (penalty - cost_ij)``. Both are
``w_i * (most - scale * cost)``.
"""

from __future__ import annotations

import numpy as np

from geo.kernels import kernel


@kernel
def _gain(j, offsets, demand, cost, weight, most, scale, best):  # type: ignore[no-untyped-def]
    total = 0.0
    for k in range(offsets[j], offsets[j + 1]):
        i = demand[k]
        value = weight[i] * (most - scale * cost[k])
        if value > best[i]:
            total += value - best[i]
    return total


@kernel
def greedy(  # type: ignore[no-untyped-def]
    offsets, demand, cost, weight, most, scale, price, budget, is_open, closed, by_ratio
):
    """Open the site with the most gain (for its price) again and again, lazily.

    Gains only fall as sites open (the objective is submodular), so a site whose old gain is below
    the best fresh one need not be looked at: Minoux (1978).

    Returns the sites in the order opened and their gains; ``is_open`` is changed.
    """
    m = len(offsets) - 1
    n = len(weight)
    best = np.zeros(n)
    for j in range(m):
        if is_open[j]:
            for k in range(offsets[j], offsets[j + 1]):
                value = weight[demand[k]] * (most - scale * cost[k])
                best[demand[k]] = max(best[demand[k]], value)
    upper = np.empty(m)
    for j in range(m):
        upper[j] = -1.0
        if not is_open[j] and not closed[j]:
            upper[j] = _gain(j, offsets, demand, cost, weight, most, scale, best)
            if by_ratio:
                upper[j] /= max(price[j], 1e-9)
    fresh = np.zeros(m, np.int64)
    order = np.empty(m, np.int32)
    gains = np.empty(m)
    left = budget
    count = 0
    # A heap of sites by rising -upper, ties to the lower number.
    heap = [(-upper[j], j) for j in range(m) if upper[j] > 0]
    _heapify(heap)
    while len(heap) > 0:
        negative, j = heap[0]
        if price[j] > left + 1e-9:
            _drop(heap)
            continue
        if fresh[j] != count:
            value = _gain(j, offsets, demand, cost, weight, most, scale, best)
            if by_ratio:
                value /= max(price[j], 1e-9)
            fresh[j] = count
            if value <= 0:
                _drop(heap)
            else:
                heap[0] = (-value, j)
                _sink(heap, 0)
            continue
        _drop(heap)
        is_open[j] = True
        left -= price[j]
        order[count] = j
        gains[count] = -negative * (max(price[j], 1e-9) if by_ratio else 1.0)
        count += 1
        for k in range(offsets[j], offsets[j + 1]):
            value = weight[demand[k]] * (most - scale * cost[k])
            best[demand[k]] = max(best[demand[k]], value)
    return order[:count].copy(), gains[:count].copy()


@kernel
def _sink(heap, at):  # type: ignore[no-untyped-def]
    size = len(heap)
    item = heap[at]
    while True:
        child = 2 * at + 1
        if child >= size:
            break
        if child + 1 < size and heap[child + 1] < heap[child]:
            child += 1
        if heap[child] >= item:
            break
        heap[at] = heap[child]
        at = child
    heap[at] = item


@kernel
def _heapify(heap):  # type: ignore[no-untyped-def]
    for at in range(len(heap) // 2 - 1, -1, -1):
        _sink(heap, at)


@kernel
def _drop(heap):  # type: ignore[no-untyped-def]
    last = heap.pop()
    if len(heap) > 0:
        heap[0] = last
        _sink(heap, 0)


@kernel
def _two_best(i, d_offsets, site, site_cost, weight, most, scale, is_open):  # type: ignore[no-untyped-def]
    first, second, by = 0.0, 0.0, -1
    for k in range(d_offsets[i], d_offsets[i + 1]):
        if is_open[site[k]]:
            value = weight[i] * (most - scale * site_cost[k])
            if by < 0 or value > first:
                second = first
                first = value
                by = site[k]
            elif value > second:
                second = value
    return first, second, by


@kernel
def exchange(  # type: ignore[no-untyped-def]
    offsets,
    demand,
    cost,
    d_offsets,
    site,
    site_cost,
    weight,
    most,
    scale,
    price,
    budget,
    is_open,
    fixed,
    closed,
    sweeps,
):
    """Swap an open site for another as long as it helps; ``is_open`` is changed.

    The interchange of Teitz and Bart (1968) with the tables of Resende and Werneck (2007): the
    gain of a swap is the gain of the new site, less the loss of the old, plus what both share.
    Gives the number of swaps.
    """
    m = len(offsets) - 1
    n = len(weight)
    first = np.empty(n)
    second = np.empty(n)
    by = np.empty(n, np.int32)
    loss = np.zeros(m)
    spent = 0.0
    for j in range(m):
        if is_open[j]:
            spent += price[j]
    for i in range(n):
        first[i], second[i], by[i] = _two_best(
            i, d_offsets, site, site_cost, weight, most, scale, is_open
        )
        if by[i] >= 0:
            loss[by[i]] += first[i] - second[i]
    extra = np.zeros(m)
    touched = np.empty(m, np.int32)
    stamp = np.full(n, -1, np.int64)
    swaps = 0
    opened = np.flatnonzero(is_open & ~fixed)
    for _sweep in range(sweeps):
        changed = False
        for j in range(m):
            if is_open[j] or closed[j] or len(opened) == 0:
                continue
            gain = 0.0
            met = 0
            for k in range(offsets[j], offsets[j + 1]):
                i = demand[k]
                value = weight[i] * (most - scale * cost[k])
                if value > first[i]:
                    gain += value - first[i]
                if by[i] >= 0 and value > second[i]:
                    if extra[by[i]] == 0.0:
                        touched[met] = by[i]
                        met += 1
                    extra[by[i]] += min(value, first[i]) - second[i]
            out, net = np.int64(-1), 1e-7
            for o in opened:
                if spent - price[o] + price[j] > budget + 1e-9:
                    continue
                change = gain - loss[o] + extra[o]
                if change > net:
                    net = change
                    out = o
            for t in range(met):
                extra[touched[t]] = 0.0
            if out < 0:
                continue
            is_open[out] = False
            is_open[j] = True
            spent += price[j] - price[out]
            opened[opened == out] = j
            swaps += 1
            changed = True
            for s in (out, j):
                for k in range(offsets[s], offsets[s + 1]):
                    i = demand[k]
                    if stamp[i] == swaps:
                        continue
                    stamp[i] = swaps
                    if by[i] >= 0:
                        loss[by[i]] -= first[i] - second[i]
                    first[i], second[i], by[i] = _two_best(
                        i, d_offsets, site, site_cost, weight, most, scale, is_open
                    )
                    if by[i] >= 0:
                        loss[by[i]] += first[i] - second[i]
        if not changed:
            break
    return swaps


@kernel
def worth(offsets, demand, cost, weight, most, scale, is_open):  # type: ignore[no-untyped-def]
    """What the open sites are worth together."""
    best = np.zeros(len(weight))
    for j in range(len(offsets) - 1):
        if is_open[j]:
            for k in range(offsets[j], offsets[j + 1]):
                value = weight[demand[k]] * (most - scale * cost[k])
                best[demand[k]] = max(best[demand[k]], value)
    return best.sum()


@kernel
def reduced(offsets, demand, cost, weight, most, scale, dual):  # type: ignore[no-untyped-def]
    """What each site is worth beyond the prices ``dual`` of the demand points."""
    m = len(offsets) - 1
    rho = np.zeros(m)
    for j in range(m):
        total = 0.0
        for k in range(offsets[j], offsets[j + 1]):
            i = demand[k]
            value = weight[i] * (most - scale * cost[k]) - dual[i]
            if value > 0:
                total += value
        rho[j] = total
    return rho


@kernel
def served(offsets, demand, cost, weight, most, scale, dual, share):  # type: ignore[no-untyped-def]
    """How often each demand point is served by the sites taken (``share`` of each)."""
    count = np.zeros(len(weight))
    for j in range(len(offsets) - 1):
        if share[j] > 0:
            for k in range(offsets[j], offsets[j + 1]):
                i = demand[k]
                if weight[i] * (most - scale * cost[k]) > dual[i]:
                    count[i] += share[j]
    return count


@kernel
def cover_greedy(offsets, demand, need, price, is_open, closed):  # type: ignore[no-untyped-def]
    """Open sites until every demand point has as many as it needs; cheapest for its use first.

    Chvatal (1979), then sites no longer needed close again, dearest first. ``is_open`` is changed;
    sites open at the start stay. ``need`` is changed to what is still missing.
    """
    m = len(offsets) - 1
    start = is_open.copy()
    full = need.copy()
    for j in range(m):
        if is_open[j]:
            for k in range(offsets[j], offsets[j + 1]):
                need[demand[k]] -= 1
    heap = [(0.0, 0) for _ in range(0)]
    for j in range(m):
        if is_open[j] or closed[j]:
            continue
        use = 0
        for k in range(offsets[j], offsets[j + 1]):
            if need[demand[k]] > 0:
                use += 1
        if use > 0:
            heap.append((price[j] / use, j))
    _heapify(heap)
    chosen = [0 for _ in range(0)]
    while len(heap) > 0:
        ratio, j = heap[0]
        use = 0
        for k in range(offsets[j], offsets[j + 1]):
            if need[demand[k]] > 0:
                use += 1
        if use == 0:
            _drop(heap)
            continue
        now = price[j] / use
        if now > ratio:
            heap[0] = (now, j)
            _sink(heap, 0)
            if heap[0][1] != j:
                continue
        _drop(heap)
        is_open[j] = True
        chosen.append(j)
        for k in range(offsets[j], offsets[j + 1]):
            need[demand[k]] -= 1
    dear = np.array([-price[j] for j in chosen])
    for at in np.argsort(dear, kind="mergesort"):
        j = chosen[at]
        idle = True
        for k in range(offsets[j], offsets[j + 1]):
            if need[demand[k]] >= 0 and full[demand[k]] > 0:
                idle = False
                break
        if idle and not start[j]:
            is_open[j] = False
            for k in range(offsets[j], offsets[j + 1]):
                need[demand[k]] += 1
    return is_open


@kernel
def cover_prices(offsets, demand, dual, price):  # type: ignore[no-untyped-def]
    """Price of each site less the duals of the demand points it covers."""
    m = len(offsets) - 1
    left = price.copy()
    for j in range(m):
        for k in range(offsets[j], offsets[j + 1]):
            left[j] -= dual[demand[k]]
    return left


@kernel
def cover_steps(  # type: ignore[no-untyped-def]
    s_offsets, demand, offsets, site, need, price, low, high, x, y, site_step, home_step, steps
):
    """Steps of the primal-dual hybrid gradient on a cover; gives the mean of ``y``.

    ``x`` and ``y`` move on: the share of each site that is open, the price of each demand point.
    """
    ahead = x.copy()
    mean = np.zeros(len(y))
    for _ in range(steps):
        for i in range(len(y)):
            met = 0.0
            for k in range(offsets[i], offsets[i + 1]):
                met += ahead[site[k]]
            y[i] = max(0.0, y[i] + home_step[i] * (need[i] - met))
            mean[i] += y[i] / steps
        for j in range(len(x)):
            if low[j] == high[j]:
                continue
            left = price[j]
            for k in range(s_offsets[j], s_offsets[j + 1]):
                left -= y[demand[k]]
            new = min(high[j], max(low[j], x[j] - site_step[j] * left))
            ahead[j] = 2 * new - x[j]
            x[j] = new
    return mean


@kernel
def times_covered(offsets, demand, n, is_open):  # type: ignore[no-untyped-def]
    """How many open sites cover each demand point."""
    count = np.zeros(n, np.int32)
    for j in range(len(offsets) - 1):
        if is_open[j]:
            for k in range(offsets[j], offsets[j + 1]):
                count[demand[k]] += 1
    return count


@kernel
def nearest_open(d_offsets, site, site_cost, is_open):  # type: ignore[no-untyped-def]
    """Cheapest and second cheapest open site of each demand point; -1 where none."""
    n = len(d_offsets) - 1
    first = np.full(n, -1, np.int32)
    cost = np.full(n, -1, np.int64)
    second = np.full(n, -1, np.int32)
    next_cost = np.full(n, -1, np.int64)
    for i in range(n):
        for k in range(d_offsets[i], d_offsets[i + 1]):
            if not is_open[site[k]]:
                continue
            if first[i] < 0 or site_cost[k] < cost[i]:
                second[i], next_cost[i] = first[i], cost[i]
                first[i], cost[i] = site[k], site_cost[k]
            elif second[i] < 0 or site_cost[k] < next_cost[i]:
                second[i], next_cost[i] = site[k], site_cost[k]
    return first, cost, second, next_cost


@kernel
def fill(d_offsets, site, site_cost, weight, is_open, capacity, order):  # type: ignore[no-untyped-def]
    """Send demand points, in ``order``, to their cheapest open sites with room; parts may split.

    Gives the weight served of each point and the room left at each site.
    """
    room = np.where(is_open, capacity, 0.0)
    got = np.zeros(len(weight))
    for i in order:
        begin, end = d_offsets[i], d_offsets[i + 1]
        by_cost = np.argsort(site_cost[begin:end])
        for k in by_cost:
            j = site[begin + k]
            if room[j] <= 0:
                continue
            part = min(room[j], weight[i] - got[i])
            room[j] -= part
            got[i] += part
            if got[i] >= weight[i]:
                break
    return got, room
