"""Bounds: what no choice of sites can beat, by Lagrangian relaxation with subgradient steps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geo.siting.kernels import cover_prices, reduced, served
from geo.siting.pairs import Pairs

Vector = NDArray[np.float64]


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
    steps: int,
) -> tuple[float, Vector]:
    """Bound the price of covering every demand point ``need`` times from below.

    Gives the bound and the reduced prices of the sites at it.

    References
    ----------
    Caprara, Fischetti and Toth (1999).
    """
    n = pairs.demands
    degree = np.maximum(np.diff(pairs.demand_offsets), 1)
    owner = np.repeat(np.arange(n), np.diff(pairs.demand_offsets))
    size = np.maximum(np.diff(pairs.site_offsets), 1)
    share = price[pairs.site] / size[pairs.site]
    dual = np.full(n, np.inf)
    np.minimum.at(dual, owner, share)
    dual = np.where(np.isfinite(dual) & (need > 0) & (degree > 0), dual, 0.0)
    best, best_left = -np.inf, price
    best_dual = dual
    theta, idle = 1.0, 0
    for _ in range(steps):
        left = cover_prices(pairs.site_offsets, pairs.demand, dual, price)
        taken = ((left < 0) & ~closed) | forced
        bound = float((dual * need).sum() + left[taken].sum())
        if bound > best + 1e-9 * max(abs(best), 1.0) or not np.isfinite(best):
            best, best_left, best_dual, idle = bound, left, dual, 0
        else:
            idle += 1
            if idle >= 8:
                theta, idle, dual = theta / 2, 0, best_dual
                if theta < 1e-4:
                    break
                continue
        if best >= known - 1e-9:
            break
        count = np.bincount(
            pairs.demand[np.repeat(taken, np.diff(pairs.site_offsets))], minlength=n
        )
        slack = need - count
        slack = np.where((dual <= 0) & (slack < 0), 0, slack)
        norm = float((slack.astype(float) ** 2).sum())
        if norm <= 0:
            break
        dual = np.maximum(dual + theta * max(known - bound, 1e-6) / norm * slack, 0.0)
    return best, best_left
