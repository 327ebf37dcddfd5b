"""Search among covers: one site less, then swaps, with weights on homes that stay uncovered."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from geo.kernels import kernel
from geo.siting.pairs import Pairs

EFFORT = 3_000_000_000
"""Pairs looked at before the search ends: some seconds. Not a time, so that answers repeat."""


def cheaper_cover(
    pairs: Pairs,
    need: NDArray[np.int32],
    *,
    price: NDArray[np.float64],
    is_open: NDArray[np.bool_],
    fixed: NDArray[np.bool_],
    closed: NDArray[np.bool_],
    enough: float,
    effort: int = EFFORT,
) -> NDArray[np.bool_]:
    """Look for a cheaper cover from one in hand; the best met, never dearer than that.

    Whenever all is covered, the site that is missed least closes. Then sites are swapped: the one
    missed least for its price goes, and the best of those that reach some uncovered home, drawn by
    lot, comes. Homes weigh more the longer they stay uncovered, so that the search leaves what it
    keeps coming back to.

    Parameters
    ----------
    pairs : Pairs
    need : ndarray, shape (n,)
        How many open sites each demand point must reach.
    price : ndarray, shape (m,)
    is_open, fixed, closed : ndarray of bool, shape (m,)
        The cover in hand; sites that stay open; sites that never open.
    enough : float
        Stop at a cover of this price: what a bound says cannot be beaten.
    effort : int
        Pairs to look at.

    References
    ----------
    Gao, Weise and Li (2015), "An efficient local search heuristic with row weighting for the
    unicost set covering problem"; swaps go by gain for price where prices differ.
    """
    found: NDArray[np.bool_] = _search(
        pairs.site_offsets,
        pairs.demand,
        pairs.demand_offsets,
        pairs.site,
        need,
        price,
        is_open.copy(),
        fixed,
        closed,
        enough,
        effort,
    )
    return found


@kernel(inline="always")
def _better(score, price, moved, a, b):  # type: ignore[no-untyped-def]
    """Whether site a is worth more for its price than b; ties to the one that rested longer."""
    left, right = score[a] * price[b], score[b] * price[a]
    return left > right or (left == right and moved[a] < moved[b])


@kernel
def _least_missed(chosen, size, score, price, moved, spared):  # type: ignore[no-untyped-def]
    out = -1
    for c in range(size):
        j = chosen[c]
        if j != spared and price[j] > 0 and (out < 0 or _better(score, price, moved, out, j)):
            out = j
    return out


@kernel(inline="always")
def _turn(  # type: ignore[no-untyped-def]
    j,
    opens,
    s_offsets,
    demand,
    offsets,
    site,
    need,
    is_open,
    count,
    weight,
    score,
    missing,
    place,
    lacking,
):
    """Open or close a site, keep the scores; how many homes lack one, and the pairs looked at."""
    is_open[j] = opens
    own = 0.0
    step, sign = (1, -1.0) if opens else (-1, 1.0)
    looked = s_offsets[j + 1] - s_offsets[j]
    for k in range(s_offsets[j], s_offsets[j + 1]):
        i = demand[k]
        short = need[i] - count[i]
        if not opens:
            short += 1  # what the home lacks without this site
        count[i] += step
        if short > 0:
            own += weight[i]
        if short == 0:  # every open site is needed then
            looked += offsets[i + 1] - offsets[i]
            for q in range(offsets[i], offsets[i + 1]):
                if is_open[site[q]] and site[q] != j:
                    score[site[q]] += sign * weight[i]
        if short != 1:
            continue
        looked += offsets[i + 1] - offsets[i]
        for q in range(offsets[i], offsets[i + 1]):
            if not is_open[site[q]] and site[q] != j:  # any of them would help then
                score[site[q]] += sign * weight[i]
        if opens:
            lacking -= 1
            last = missing[lacking]
            missing[place[i]] = last
            place[last] = place[i]
        else:
            place[i] = lacking
            missing[lacking] = i
            lacking += 1
    score[j] = own
    return lacking, looked


@kernel
def _scores(s_offsets, demand, need, is_open, n):  # type: ignore[no-untyped-def]
    """How many open sites each home reaches, and the score of each site at weights of one.

    Of a closed site: weight it would cover more. Of an open one: weight uncovered without it.
    """
    count = np.zeros(n, np.int32)
    for j in range(len(is_open)):
        if is_open[j]:
            for k in range(s_offsets[j], s_offsets[j + 1]):
                count[demand[k]] += 1
    score = np.zeros(len(is_open))
    for j in range(len(is_open)):
        for k in range(s_offsets[j], s_offsets[j + 1]):
            i = demand[k]
            if count[i] < need[i] or (is_open[j] and count[i] == need[i]):
                score[j] += 1.0
    return count, score


@kernel
def _drawn(  # type: ignore[no-untyped-def]
    home, offsets, site, is_open, closed, price, room, score, moved, step
):
    """The best site for a home among those that may open for less than ``room``; -1 if none."""
    new = -1
    for q in range(offsets[home], offsets[home + 1]):
        j = site[q]
        if closed[j] or is_open[j] or moved[j] == step or price[j] >= room:
            continue
        if new < 0 or _better(score, price, moved, j, new):
            new = j
    return new


@kernel
def _search(  # type: ignore[no-untyped-def]
    s_offsets, demand, offsets, site, need, price, is_open, fixed, closed, enough, effort
):
    m, n = len(s_offsets) - 1, len(offsets) - 1
    weight = np.ones(n)
    count, score = _scores(s_offsets, demand, need, is_open, n)
    chosen = np.empty(m, np.int32)
    spot = np.empty(m, np.int32)
    size, spent = 0, 0.0
    for j in range(m):
        if is_open[j]:
            spent += price[j]
            if not fixed[j]:
                chosen[size] = j
                spot[j] = size
                size += 1
    missing = np.empty(n, np.int32)
    place = np.empty(n, np.int32)
    lacking = 0
    for i in range(n):
        if count[i] < need[i]:
            place[i] = lacking
            missing[lacking] = i
            lacking += 1
    best, best_cost = is_open.copy(), np.inf if lacking else spent + 1.0
    moved = np.zeros(m, np.int64)
    dice = np.uint64(88172645463325252)  # xorshift of Marsaglia (2003)
    spared, step, done = -1, 0, 0
    while done < effort:
        step += 1
        closing = True
        while closing:
            if lacking == 0:
                if spent < best_cost - 1e-9:
                    best_cost = spent
                    best[:] = is_open
                if best_cost <= enough + 1e-9:
                    return best
            else:
                closing = False  # one more, to swap
            out = _least_missed(chosen, size, score, price, moved, -1 if closing else spared)
            if out < 0:
                if lacking == 0:
                    return best
                break
            size -= 1
            chosen[spot[out]] = chosen[size]
            spot[chosen[size]] = spot[out]
            spent -= price[out]
            lacking, looked = _turn(
                out,
                False,
                s_offsets,
                demand,
                offsets,
                site,
                need,
                is_open,
                count,
                weight,
                score,
                missing,
                place,
                lacking,
            )
            moved[out] = step
            done += looked + size
        while lacking > 0:
            dice ^= dice << np.uint64(13)
            dice ^= dice >> np.uint64(7)
            dice ^= dice << np.uint64(17)
            home = missing[dice % np.uint64(lacking)]
            room = best_cost - 1e-9 - spent
            new = _drawn(home, offsets, site, is_open, closed, price, room, score, moved, step)
            done += offsets[home + 1] - offsets[home] + 1
            if new < 0:
                break
            chosen[size] = new
            spot[new] = size
            size += 1
            spent += price[new]
            lacking, looked = _turn(
                new,
                True,
                s_offsets,
                demand,
                offsets,
                site,
                need,
                is_open,
                count,
                weight,
                score,
                missing,
                place,
                lacking,
            )
            moved[new] = step
            spared = new
            done += looked
        for t in range(lacking):
            i = missing[t]
            weight[i] += 1.0
            done += offsets[i + 1] - offsets[i]
            for q in range(offsets[i], offsets[i + 1]):
                # Whether open or closed: with it the home lacks less, without it more.
                score[site[q]] += 1.0
    return best
