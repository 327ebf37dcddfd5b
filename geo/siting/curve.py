"""Marginal curve: how much of the city k stations cover, what no k can beat, and the knee."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geo.siting.bounds import knapsack_bound, worth_bound
from geo.siting.cases import Sites, SiteState
from geo.siting.kernels import greedy, reduced, times_covered
from geo.siting.pairs import Pairs, merge_alike

Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class MarginalCurve:
    """Stations opened one after another, the most useful first.

    Attributes
    ----------
    sites : ndarray, shape (k,), int32
        In the order to open them: each prefix is a plan of its own.
    covered : ndarray, shape (k + 1,), float64
        Weight covered after 0, 1, … of them; existing stations count from the start.
    bound : ndarray, shape (k + 1,), float64
        No choice of as many sites covers more.
    total : float
        Weight of all demand points.
    knee : int
        Number of stations after which each further one adds much less; 0 where there is none.
    """

    sites: NDArray[np.int32]
    covered: Vector
    bound: Vector
    total: float
    knee: int


def marginal_curve(
    pairs: Pairs, weight: Vector, sites: Sites, *, cutoff_s: float, most: int = 100
) -> MarginalCurve:
    """Open up to ``most`` new stations greedily and bound every number of them.

    One vector of Lagrangian prices bounds all numbers of stations at once; prices are sought for
    the knee and for both ends, and the least bound counts. Greedy is never below 63 % of the best
    for the same number (Nemhauser, Wolsey and Fisher 1978), and the bound says how near it is.

    Parameters
    ----------
    pairs : Pairs
    weight : ndarray, shape (n,)
    sites : Sites
    cutoff_s : float
        Seconds.
    most : int
        Stations at most.
    """
    near = pairs.within(pairs.limit(cutoff_s))
    merged = merge_alike(near, weight)
    p = merged.pairs
    forced = np.isin(sites.state, (SiteState.EXISTING, SiteState.KEPT))
    closed = sites.state == SiteState.RULED_OUT
    price = np.where(sites.state == SiteState.CANDIDATE, 1.0, 0.0)
    is_open = forced.copy()
    base = float(
        merged.weight[times_covered(p.site_offsets, p.demand, p.demands, is_open) > 0].sum()
    )
    order, gains = greedy(
        p.site_offsets,
        p.demand,
        p.cost,
        merged.weight,
        1.0,
        0.0,
        price,
        float(most),
        is_open,
        closed,
        False,
    )
    covered = base + np.concatenate([[0.0], np.cumsum(gains)])
    knee = knee_of(covered)
    bound = np.full(len(covered), float(merged.weight.sum()))
    for k in sorted({1, max(knee, 1), max(len(order) // 2, 1), max(len(order), 1)}):
        if k >= len(covered):
            continue
        found = worth_bound(
            p,
            merged.weight,
            most=1.0,
            scale=0.0,
            price=price,
            budget=float(k),
            forced=forced,
            closed=closed,
            known=float(covered[k]),
            start=merged.weight * 0.5,
            steps=80,
            tolerance=1e-4,
        )
        rho = reduced(p.site_offsets, p.demand, p.cost, merged.weight, 1.0, 0.0, found.dual)
        fixed = float(found.dual.sum() + rho[forced].sum())
        free = np.where(forced | closed, 0.0, rho)
        for number in range(len(covered)):
            part, _ = knapsack_bound(free, price, float(number))
            bound[number] = min(bound[number], fixed + part)
    bound[0] = covered[0]
    return MarginalCurve(
        order, covered, np.maximum(bound, covered), float(merged.weight.sum()), knee
    )


def knee_of(values: Vector) -> int:
    """Where a rising, flattening curve is farthest above its chord; 0 where it never is.

    References
    ----------
    Satopaa et al. (2011), "Finding a kneedle in a haystack".
    """
    rise = float(values[-1] - values[0])
    if len(values) < 3 or rise <= 0:
        return 0
    along = np.linspace(0.0, 1.0, len(values))
    above = (values - values[0]) / rise - along
    return int(np.argmax(above)) if above.max() > 1e-9 else 0
