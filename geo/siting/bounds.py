"""Bounds: what no choice of sites can beat, from prices of the demand points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geo.siting.kernels import cover_prices, cover_steps, reduced, served
from geo.siting.pairs import Pairs, pairs_of

Vector = NDArray[np.float64]

_STEP = 0.05
"""Prices of demand points move so much, of a mean site, for each home that lacks one."""
_SHRINKS = (2, 6, 12)
"""Rounds after which demand points without a price are left out."""


@dataclass(frozen=True, slots=True)
class WorthBound:
    """An upper bound on what sites within a budget are worth.

    Attributes
    ----------
    bound : float
    dual : ndarray, shape (n,), float64
        Prices of the demand points that prove it.
    tried : list of ndarray of bool
        Choices of sites that came up on the way, often good ones.
    """

    bound: float
    dual: Vector
    tried: list[NDArray[np.bool_]]


def knapsack_bound(rho: Vector, price: Vector, budget: float) -> tuple[float, Vector]:
    """Most worth within the budget where a last site may be opened in part, and the shares."""
    share = np.zeros(len(rho))
    free = (price <= 0) & (rho > 0)
    share[free] = 1.0
    paid = np.flatnonzero((price > 0) & (rho > 0))
    order = paid[np.argsort(-rho[paid] / price[paid], kind="stable")]
    spent = np.cumsum(price[order])
    whole = spent <= budget + 1e-9
    share[order[whole]] = 1.0
    rest = order[~whole]
    if len(rest):
        left = budget - (spent[whole][-1] if whole.any() else 0.0)
        share[rest[0]] = max(left, 0.0) / price[rest[0]]
    return float((share * rho).sum()), share


def worth_bound(
    pairs: Pairs,
    weight: Vector,
    *,
    most: float,
    scale: float,
    price: Vector,
    budget: float,
    forced: NDArray[np.bool_],
    closed: NDArray[np.bool_],
    known: float,
    start: Vector,
    steps: int,
    tolerance: float,
) -> WorthBound:
    """Bound the worth of any choice of sites from above.

    The constraint "each demand point is served once" is priced; what is left is one sum a site.
    Every price vector gives a valid bound; Polyak steps look for a good one.

    Parameters
    ----------
    pairs : Pairs
    weight : ndarray, shape (n,)
    most, scale : float
        Worth of a pair is ``weight * (most - scale * cost)``.
    price : ndarray, shape (m,)
    budget : float
        For all open sites, forced ones included.
    forced, closed : ndarray of bool, shape (m,)
    known : float
        Worth of a choice in hand.
    start : ndarray, shape (n,)
        Prices to start from: what the choice in hand is worth to each.
    steps : int
    tolerance : float
        Stop when the bound is within this share of ``known``.

    References
    ----------
    Cornuejols, Fisher and Nemhauser (1977); Galvao and ReVelle (1996) for maximal cover.
    """
    # A point is worth at most its best pair, so that no price needs to be higher.
    cap = weight * most
    dual = np.minimum(start, cap)
    best, best_dual = np.inf, dual
    theta, idle = 1.0, 0
    tried: list[NDArray[np.bool_]] = []
    direction = np.zeros(len(weight))
    room = budget - float(price[forced].sum())
    for _ in range(steps):
        rho = reduced(pairs.site_offsets, pairs.demand, pairs.cost, weight, most, scale, dual)
        free = np.where(forced | closed, 0.0, rho)
        part, share = knapsack_bound(free, price, room)
        share[forced] = 1.0
        bound = float(dual.sum()) + part + float(rho[forced].sum())
        if bound < best - 1e-9 * max(abs(best), 1.0) or not np.isfinite(best):
            best, best_dual, idle = bound, dual, 0
            if len(tried) < 12:
                tried.append(share >= 1.0)
            else:
                tried[-1] = share >= 1.0
        else:
            idle += 1
            if idle >= 6:
                theta, idle = theta / 2, 0
                dual = best_dual
                direction = np.zeros(len(weight))
                if theta < 1e-4:
                    break
                continue
        if best - known <= tolerance * max(abs(known), 1e-12):
            break
        slack = 1.0 - served(
            pairs.site_offsets, pairs.demand, pairs.cost, weight, most, scale, dual, share
        )
        # Weighted by the size of the homes: a price of one home moves on the scale of its worth.
        direction = 0.7 * slack + 0.3 * direction
        norm = float((weight * direction * direction).sum())
        if norm <= 1e-15:
            break
        step = theta * max(bound - known, 1e-9 * max(abs(known), 1.0)) / norm
        dual = np.clip(dual - step * weight * direction, 0.0, cap)
    return WorthBound(best, best_dual, tried)


def cover_bound(
    pairs: Pairs,
    need: NDArray[np.int32],
    *,
    price: Vector,
    forced: NDArray[np.bool_],
    closed: NDArray[np.bool_],
    known: float,
    rounds: int = 24,
) -> tuple[float, Vector]:
    """Bound the price of covering every demand point ``need`` times from below.

    The linear programme of the cover is solved by the primal-dual hybrid gradient with a step for
    each row and column; any prices of the demand points give a valid bound, and those of the mean
    of some steps a good one. Demand points whose price falls to nothing are left out on the way.

    Parameters
    ----------
    pairs : Pairs
    need : ndarray, shape (n,)
    price : ndarray, shape (m,)
    forced, closed : ndarray of bool, shape (m,)
    known : float
        Price of a cover in hand; the search ends where the bound proves it best.
    rounds : int
        Of 100 steps each, at most.

    Returns
    -------
    bound : float
        Not above the value of the linear programme.
    left : ndarray, shape (m,)
        Reduced prices of the sites at it.

    References
    ----------
    Chambolle and Pock (2011); Pock and Chambolle (2011) for the steps; Applegate et al. (2021)
    for linear programmes.
    """
    low, high = forced.astype(float), (~closed | forced).astype(float)
    whole = bool((price == np.rint(price)).all())
    paid = price[(price > 0) & (high > low)]
    scale = _STEP * (float(paid.mean()) if len(paid) else 1.0)
    rows = np.flatnonzero(need > 0)
    now = pairs if len(rows) == pairs.demands else pairs_of(pairs, rows)
    x, y = low.copy(), np.zeros(len(rows))
    best, best_left = -np.inf, price
    for number in range(rounds):
        size = np.maximum(np.diff(now.site_offsets), 1)
        degree = np.maximum(np.diff(now.demand_offsets), 1)
        wanted = need[rows].astype(float)
        mean = cover_steps(
            now.site_offsets,
            now.demand,
            now.demand_offsets,
            now.site,
            wanted,
            price,
            low,
            high,
            x,
            y,
            1 / (scale * size),
            scale / degree,
            100,
        )
        before = best
        for prices in (y, mean):
            left = cover_prices(now.site_offsets, now.demand, prices, price)
            bound = float(
                (prices * wanted).sum() + np.where(left < 0, left * high, left * low).sum()
            )
            if bound > best:
                best, best_left = bound, left
        if (np.ceil(best - 1e-6) if whole else best) >= known - 1e-9:
            break
        if number >= 4 and best - before <= 1e-6 * abs(best):
            break
        if number in _SHRINKS:
            all_y = np.zeros(pairs.demands)
            all_y[rows] = y
            owner = np.repeat(np.arange(pairs.demands), np.diff(pairs.demand_offsets))
            met = np.bincount(owner, weights=x[pairs.site], minlength=pairs.demands)
            rows = np.flatnonzero((need > 0) & ((all_y > 1e-9 * scale) | (met < 1.05 * need)))
            now, y = pairs_of(pairs, rows), all_y[rows]
    return best, best_left
