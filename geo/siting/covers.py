"""Covers: the cheapest sites that cover all homes, or a share of their weight."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from geo.siting.bounds import cover_bound, worth_bound
from geo.siting.cases import PROVEN, Case, Flags, Method, asks_solver, closed_programme
from geo.siting.cover_search import EFFORT, cheaper_cover
from geo.siting.exact import Rows, solve
from geo.siting.kernels import cover_greedy, greedy, reduced, times_covered
from geo.siting.reductions import reduced_cover


def cheapest_cover(
    case: Case,
    need: NDArray[np.int32],
    wanted: float | None,
    method: Method,
    time_limit_s: float,
    *,
    enough: float = -np.inf,
    effort: int = EFFORT,
) -> tuple[Flags, float, float, str]:
    """Cheapest sites that cover ``need``, or ``wanted`` weight.

    ``enough``: stop at this price. ``effort``: of the search among covers, as in `cheaper_cover`.
    """
    if wanted is None:
        p, homes, out = reduced_cover(
            case.pairs, need, price=case.price, forced=case.forced, closed=case.closed
        )
        need = need[homes]
        case = Case(p, case.weight[homes], case.sites, case.price, case.budget, case.forced, out)
    p = case.pairs
    m, n = p.sites, p.demands
    rows = (p.site_offsets, p.demand)
    is_open = case.forced.copy()
    whole = bool((case.price == np.rint(case.price)).all())
    if wanted is None:
        cover_greedy(*rows, need.copy(), case.price, is_open, case.closed)
        value = float(case.price[is_open].sum())
        # A bound above what is enough ends the search as well: such a step has no answer.
        above = enough + (1.0 if whole else 2e-6 * max(abs(enough), 1.0))
        bound, left = cover_bound(
            p,
            need,
            price=case.price,
            forced=case.forced,
            closed=case.closed,
            known=min(value, above) if enough > -np.inf else value,
        )
        # Sites that the prices call cheap go first: often better than the plain greedy.
        guided = case.forced.copy()
        cover_greedy(*rows, need.copy(), np.maximum(left, 1e-3), guided, case.closed)
        if float(case.price[guided].sum()) < value:
            is_open, value = guided, float(case.price[guided].sum())
        best = float(np.ceil(bound - 1e-6)) if whole else bound
        if value > max(best, enough) + 1e-9 and not bound > enough > -np.inf:
            # One of many steps, or one that the solver goes on from, is not worth seconds.
            brief = enough > -np.inf or asks_solver(case, method)
            is_open = cheaper_cover(
                p,
                need,
                price=case.price,
                is_open=is_open,
                fixed=case.forced,
                closed=case.closed,
                enough=max(best, enough),
                effort=effort // 50 if brief else effort,
            )
            value = float(case.price[is_open].sum())
    else:
        is_open, value = _greedy_share(case, wanted)
        bound = _share_bound(case, wanted, value)
    lifted = np.ceil(bound - 1e-6) if whole else bound
    done = lifted >= value - 1e-9 or value <= enough or lifted > enough > -np.inf
    if done or not asks_solver(case, method):
        return is_open, value, max(bound, 0.0), "exact" if lifted >= value - 1e-9 else "heuristic"
    point = np.repeat(np.arange(n), np.diff(p.demand_offsets))
    if wanted is None:
        more = 0
        build = Rows(m)
        build.add(point, p.site, 1.0, low=need.astype(float), high=np.full(n, np.inf))
    else:
        more = n
        build = Rows(m + n)
        build.add(
            np.concatenate([point, np.arange(n)]),
            np.concatenate([p.site, m + np.arange(n)]),
            np.concatenate([np.full(len(p), -1.0), np.ones(n)]),
            low=np.full(n, -np.inf),
            high=np.zeros(n),
        )
        build.add(
            np.zeros(n, np.int64),
            m + np.arange(n),
            case.weight,
            low=np.array([wanted]),
            high=np.array([np.inf]),
        )
    start = np.concatenate(
        [is_open.astype(float), (times_covered(*rows, n, is_open) > 0)[:more].astype(float)]
    )
    cost = np.concatenate([case.price, np.zeros(more)])
    solved = solve(
        closed_programme(build, case, cost, more),
        start=start,
        time_limit_s=time_limit_s,
        tolerance=PROVEN,
    )
    bound = max(bound, solved.bound)
    if solved.values is not None:
        trial = solved.values[:m] > 0.5
        if float(case.price[trial].sum()) < value - 1e-9:
            is_open, value = trial, float(case.price[trial].sum())
    lifted = np.ceil(bound - 1e-6) if whole else bound
    proved = lifted >= value - PROVEN * max(value, 1.0)
    return is_open, value, min(bound, value), "exact" if proved else "heuristic"


def _greedy_share(case: Case, wanted: float) -> tuple[Flags, float]:
    p = case.pairs
    is_open = case.forced.copy()
    covered = float(
        case.weight[times_covered(p.site_offsets, p.demand, p.demands, is_open) > 0].sum()
    )
    trial = is_open.copy()
    order, gains = greedy(
        p.site_offsets,
        p.demand,
        p.cost,
        case.weight,
        1.0,
        0.0,
        case.price,
        np.inf,
        trial,
        case.closed,
        True,
    )
    for j, gain in zip(order, gains, strict=True):
        if covered >= wanted - 1e-9:
            break
        is_open[j] = True
        covered += gain
    return is_open, float(case.price[is_open].sum())


def _share_bound(case: Case, wanted: float, value: float) -> float:
    """Least price at which the fractional bound on the weight covered reaches what is wanted."""
    p = case.pairs
    found = worth_bound(
        p,
        case.weight,
        most=1.0,
        scale=0.0,
        price=case.price,
        budget=max(value - 1, 0.0),
        forced=case.forced,
        closed=case.closed,
        known=wanted,
        start=0.5 * case.weight,
        steps=120,
        tolerance=0.0,
    )
    rho = reduced(p.site_offsets, p.demand, p.cost, case.weight, 1.0, 0.0, found.dual)
    have = float(found.dual.sum() + rho[case.forced].sum())
    free = np.flatnonzero(~case.forced & ~case.closed & (rho > 0))
    order = free[np.argsort(-rho[free] / np.maximum(case.price[free], 1e-12), kind="stable")]
    reach = have + np.cumsum(rho[order])
    spent = np.cumsum(case.price[order])
    if have >= wanted:
        return 0.0
    at = int(np.searchsorted(reach, wanted - 1e-9))
    if at >= len(order):
        return 0.0
    before = reach[at - 1] if at else have
    paid = spent[at - 1] if at else 0.0
    return float(paid + (wanted - before) / rho[order[at]] * case.price[order[at]])
