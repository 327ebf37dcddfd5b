"""Worth: sites whose homes are worth most together, by greedy, exchange, bound and HiGHS."""

from __future__ import annotations

import numpy as np

from geo.siting.bounds import worth_bound
from geo.siting.cases import (
    PROVEN,
    Case,
    Flags,
    Method,
    Vector,
    asks_solver,
    budget_row,
    closed_programme,
    open_bounds,
)
from geo.siting.exact import Rows, solve
from geo.siting.kernels import exchange, fill, greedy, nearest_open, times_covered, worth


def _heuristic(
    case: Case, most: float, scale: float, *, steps: int, tolerance: float
) -> tuple[Flags, float, float, Vector]:
    """Lazy greedy, exchange, Lagrangian bound; choices met on the way are improved and tried."""
    p = case.pairs
    rows = (p.site_offsets, p.demand, p.cost)
    columns = (p.demand_offsets, p.site, p.site_cost)

    def improved(is_open: Flags) -> tuple[Flags, float]:
        exchange(
            *rows,
            *columns,
            case.weight,
            most,
            scale,
            case.price,
            case.budget,
            is_open,
            case.forced,
            case.closed,
            20,
        )
        # Prices differ: a swap may have left room for one more.
        left = case.budget - float(case.price[is_open].sum())
        greedy(*rows, case.weight, most, scale, case.price, left, is_open, case.closed, False)
        return is_open, float(worth(*rows, case.weight, most, scale, is_open))

    left = case.budget - float(case.price[case.forced].sum())
    best, value = case.forced.copy(), -1.0
    uniform = len(np.unique(case.price[case.price > 0])) <= 1
    for by_ratio in (False,) if uniform else (False, True):
        trial = case.forced.copy()
        greedy(*rows, case.weight, most, scale, case.price, left, trial, case.closed, by_ratio)
        again, worth_of = improved(trial)
        if worth_of > value:
            best, value = again, worth_of
    _, cost, _, _ = nearest_open(*columns, best)
    start = np.where(cost >= 0, case.weight * (most - scale * cost), 0.0)
    relaxed = worth_bound(
        p,
        case.weight,
        most=most,
        scale=scale,
        price=case.price,
        budget=case.budget,
        forced=case.forced,
        closed=case.closed,
        known=value,
        start=start,
        steps=steps,
        tolerance=tolerance,
    )
    for taken in reversed(relaxed.tried[-4:]):
        if relaxed.bound - value <= tolerance * max(value, 1e-12):
            break
        trial = (taken | case.forced) & ~case.closed
        if float(case.price[trial].sum()) > case.budget + 1e-9:
            continue
        again, worth_of = improved(trial)
        if worth_of > value:
            best, value = again, worth_of
    return best, value, max(relaxed.bound, value), relaxed.dual


def most_worth(
    case: Case, most: float, scale: float, method: Method, time_limit_s: float, tolerance: float
) -> tuple[Flags, float, float, str]:
    """Sites worth most together within the budget, the worth, a bound on it, and how."""
    ask = asks_solver(case, method)
    is_open, value, bound, _ = _heuristic(
        case, most, scale, steps=60 if ask else _steps(case), tolerance=tolerance
    )
    if not ask or bound - value <= tolerance * max(value, 1e-12):
        return is_open, value, bound, "exact" if bound - value <= PROVEN * value else "heuristic"
    p, m = case.pairs, case.pairs.sites
    n, k = p.demands, len(p)
    point = np.repeat(np.arange(n), np.diff(p.demand_offsets))
    priced = case.price > 0
    if scale == 0.0:
        rows = Rows(m + n)
        rows.add(
            np.concatenate([point, np.arange(n)]),
            np.concatenate([p.site, m + np.arange(n)]),
            np.concatenate([np.full(k, -1.0), np.ones(n)]),
            low=np.full(n, -np.inf),
            high=np.zeros(n),
        )
        cost = np.concatenate([np.zeros(m), -most * case.weight])
        more = n
    else:
        pair = m + np.arange(k)
        rows = Rows(m + k)
        rows.add(point, pair, 1.0, low=np.full(n, -np.inf), high=np.ones(n))
        rows.add(
            np.concatenate([np.arange(k), np.arange(k)]),
            np.concatenate([pair, p.site]),
            np.concatenate([np.ones(k), -np.ones(k)]),
            low=np.full(k, -np.inf),
            high=np.zeros(k),
        )
        cost = np.concatenate([np.zeros(m), -case.weight[point] * (most - scale * p.site_cost)])
        more = k
    budget_row(rows, case, priced)
    programme = closed_programme(rows, case, cost, more)
    start = np.concatenate([is_open.astype(float), np.zeros(more)])
    if scale == 0.0:
        start[m:] = times_covered(p.site_offsets, p.demand, n, is_open) > 0
    else:
        first, *_ = nearest_open(p.demand_offsets, p.site, p.site_cost, is_open)
        start[m:] = p.site == first[point]
    solved = solve(programme, start=start, time_limit_s=time_limit_s, tolerance=tolerance)
    bound = min(bound, -solved.bound)
    if solved.values is not None:
        trial = solved.values[:m] > 0.5
        better = float(worth(p.site_offsets, p.demand, p.cost, case.weight, most, scale, trial))
        if better > value:
            is_open, value = trial, better
    bound = max(bound, value)
    return is_open, value, bound, "exact" if bound - value <= PROVEN * value + 1e-9 else "heuristic"


def _steps(case: Case) -> int:
    """Steps of the bound where it stands alone: more where each costs less."""
    return int(np.clip(1_000_000_000 // max(len(case.pairs), 1), 250, 2000))


def with_backup(
    case: Case, backup: float, method: Method, time_limit_s: float, tolerance: float
) -> tuple[Flags, float, float, str]:
    """Most of first cover plus ``backup`` times second cover."""
    p, m = case.pairs, case.pairs.sites
    n, k = p.demands, len(p)

    def value_of(is_open: Flags) -> float:
        count = times_covered(p.site_offsets, p.demand, n, is_open)
        return float(case.weight[count > 0].sum() + backup * case.weight[count > 1].sum())

    is_open, _, bound_first, _ = _heuristic(case, 1.0, 0.0, steps=60, tolerance=tolerance)
    value = value_of(is_open)
    bound = (1 + backup) * bound_first
    if not asks_solver(case, method):
        return is_open, value, bound, "heuristic"
    point = np.repeat(np.arange(n), np.diff(p.demand_offsets))
    rows = Rows(m + 2 * n)
    rows.add(
        np.concatenate([point, np.arange(n), np.arange(n)]),
        np.concatenate([p.site, m + np.arange(n), m + n + np.arange(n)]),
        np.concatenate([np.full(k, -1.0), np.ones(2 * n)]),
        low=np.full(n, -np.inf),
        high=np.zeros(n),
    )
    budget_row(rows, case, case.price > 0)
    cost = np.concatenate([np.zeros(m), -case.weight, -backup * case.weight])
    count = times_covered(p.site_offsets, p.demand, n, is_open)
    start = np.concatenate([is_open, count > 0, count > 1]).astype(float)
    solved = solve(
        closed_programme(rows, case, cost, 2 * n),
        start=start,
        time_limit_s=time_limit_s,
        tolerance=tolerance,
    )
    bound = min(bound, -solved.bound)
    if solved.values is not None:
        trial = solved.values[:m] > 0.5
        if value_of(trial) > value:
            is_open, value = trial, value_of(trial)
    bound = max(bound, value)
    return is_open, value, bound, "exact" if bound - value <= PROVEN * value + 1e-9 else "heuristic"


def with_capacity(
    case: Case, capacity: Vector, method: Method, time_limit_s: float, tolerance: float
) -> tuple[Flags, float, float, str]:
    """Most weight served where sites hold only so much."""
    p, m = case.pairs, case.pairs.sites
    n, k = p.demands, len(p)
    is_open, _, bound, _ = _heuristic(case, 1.0, 0.0, steps=60, tolerance=tolerance)
    room = np.where(case.forced | case.closed, 0.0, capacity)
    rest = case.budget - float(case.price[case.forced].sum())
    order = np.argsort(-room / np.maximum(case.price, 1e-12), kind="stable")
    left = np.cumsum(case.price[order])
    fits = int(np.searchsorted(left, rest + 1e-9, side="right")) + 1
    bound = min(bound, float(capacity[case.forced].sum() + room[order[:fits]].sum()))
    by_choice = np.argsort(np.diff(p.demand_offsets), kind="stable")
    got, _ = fill(p.demand_offsets, p.site, p.site_cost, case.weight, is_open, capacity, by_choice)
    value = float(got.sum())
    if not asks_solver(case, method):
        return is_open, value, max(bound, value), "heuristic"
    point = np.repeat(np.arange(n), np.diff(p.demand_offsets))
    pair = m + np.arange(k)
    rows = Rows(m + k)
    rows.add(point, pair, 1.0, low=np.full(n, -np.inf), high=case.weight)
    rows.add(
        np.concatenate([np.arange(k), np.arange(k)]),
        np.concatenate([pair, p.site]),
        np.concatenate([np.ones(k), -case.weight[point]]),
        low=np.full(k, -np.inf),
        high=np.zeros(k),
    )
    rows.add(
        np.concatenate([p.site, np.arange(m)]),
        np.concatenate([pair, np.arange(m)]),
        np.concatenate([np.ones(k), -capacity]),
        low=np.full(m, -np.inf),
        high=np.zeros(m),
    )
    budget_row(rows, case, case.price > 0)
    lower, upper = open_bounds(case, k)
    upper[m:] = case.weight[point]
    programme = rows.programme(
        cost=np.concatenate([np.zeros(m), -np.ones(k)]), lower=lower, upper=upper, whole=m
    )
    solved = solve(programme, start=None, time_limit_s=time_limit_s, tolerance=tolerance)
    bound = min(bound, -solved.bound)
    if solved.values is not None and float(solved.values[m:].sum()) > value:
        is_open, value = solved.values[:m] > 0.5, float(solved.values[m:].sum())
    bound = max(bound, value)
    return is_open, value, bound, "exact" if bound - value <= PROVEN * value + 1e-9 else "heuristic"
