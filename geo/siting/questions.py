"""Questions of siting: where to open stations, each answered with what is proved about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from geo.siting.bounds import cover_bound, worth_bound
from geo.siting.exact import Programme, Rows, solve
from geo.siting.kernels import (
    cover_greedy,
    exchange,
    fill,
    greedy,
    nearest_open,
    reduced,
    times_covered,
    worth,
)
from geo.siting.pairs import Pairs, SitingError, merge_alike
from geo.siting.reductions import reduced_cover

Vector = NDArray[np.float64]
Flags = NDArray[np.bool_]
Method = Literal["auto", "exact", "heuristic"]

EXACT_PAIRS = 300_000
"""Up to how many pairs, after merging, HiGHS is asked without being told to."""
PROVEN = 1e-6
"""Relative gap that counts as optimal: HiGHS's own tolerances are of this size."""


class SiteState(IntEnum):
    """What may happen with a site."""

    CANDIDATE = 0
    """May be opened, at its cost."""
    EXISTING = 1
    """Open now; stays open for nothing, or may be given up where the total is limited."""
    KEPT = 2
    """Open now and stays open whatever the answer."""
    RULED_OUT = 3
    """Must not be open."""


@dataclass(frozen=True, slots=True)
class Sites:
    """Sites and what they cost.

    Attributes
    ----------
    state : ndarray, shape (m,), uint8
        `SiteState`.
    cost : ndarray, shape (m,), float64
        Of opening a candidate, in any currency; existing stations cost nothing.
    """

    state: NDArray[np.uint8]
    cost: Vector

    @classmethod
    def candidates(cls, count: int) -> Sites:
        """All may be opened, at a cost of 1 each."""
        return cls(np.zeros(count, np.uint8), np.ones(count))


@dataclass(frozen=True, slots=True)
class Limit:
    """How much may be opened: exactly one of the three.

    Attributes
    ----------
    new : int or None
        Candidates that may be opened.
    total : int or None
        Stations open in the end, existing and kept ones included.
    budget : float or None
        Sum of the costs of candidates opened.
    """

    new: int | None = None
    total: int | None = None
    budget: float | None = None

    def __post_init__(self) -> None:
        given = [v for v in (self.new, self.total, self.budget) if v is not None]
        if len(given) != 1 or given[0] < 0:
            raise SitingError(
                f"A limit of {given or 'nothing'} does not say how much may be opened.",
                remedy="Give exactly one of: new stations, total stations, budget; not negative.",
            )


@dataclass(frozen=True, slots=True)
class Siting:
    """An answer.

    Attributes
    ----------
    question : str
        ``cover_all``, ``cover_most``, ``shortest_walk`` or ``fairest``.
    open, opened, given_up : ndarray, int32
        Sites open in the end; candidates among them; existing stations not among them.
    objective : float
        Cost (cover_all), weight covered (cover_most), weighted seconds, those out of reach at the
        penalty (shortest_walk), or seconds of the longest walk (fairest).
    bound : float
        No choice does better.
    gap : float
        ``|objective - bound| / |objective|``; 0 where the answer is proved best.
    method : {"exact", "heuristic"}
        Whether the solver ended by itself or the answer is the heuristic's with a bound.
    site : ndarray, shape (n,), int32
        Nearest open site of each demand point, -1 where none is in reach.
    seconds : ndarray, shape (n,), float64
        NaN where none.
    covered : float
        Weight of the demand points counted as covered.
    total : float
        Weight of all demand points.
    cost : float
        Of the candidates opened.
    out_of_reach : ndarray, int32
        Demand points with weight that no allowed site reaches (as often as asked).
    """

    question: str
    open: NDArray[np.int32]
    opened: NDArray[np.int32]
    given_up: NDArray[np.int32]
    objective: float
    bound: float
    gap: float
    method: str
    site: NDArray[np.int32]
    seconds: Vector
    covered: float
    total: float
    cost: float
    out_of_reach: NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class _Case:
    """A question made ready: what is fixed, what costs what."""

    pairs: Pairs
    weight: Vector
    sites: Sites
    price: Vector
    budget: float
    forced: Flags
    closed: Flags


def cover_all(
    pairs: Pairs,
    weight: Vector,
    sites: Sites,
    *,
    cutoff_s: float,
    share: float = 1.0,
    times: int = 1,
    by_cost: bool = False,
    method: Method = "auto",
    time_limit_s: float = 60.0,
) -> Siting:
    """Fewest (or cheapest) new stations that cover all homes, or a share of them.

    Location set covering (LSCP), with backup where ``times`` is 2. Homes that no site reaches
    that often are listed and count as covered as often as can be.

    Parameters
    ----------
    pairs : Pairs
    weight : ndarray, shape (n,)
        Households; demand points of weight 0 are not looked at.
    sites : Sites
    cutoff_s : float
        Seconds.
    share : float
        Of the weight, above 0 and at most 1. Below 1 only with ``times`` 1.
    times : int
        How many open stations each home must reach.
    by_cost : bool
        Least cost instead of fewest new stations.
    method : {"auto", "exact", "heuristic"}
    time_limit_s : float
        For the solver.

    Raises
    ------
    SitingError
        If the inputs do not fit, or no choice reaches the share.

    References
    ----------
    Toregas et al. (1971); Church and Gerrard (2003) for backup.
    """
    _check(pairs, weight, sites)
    if not 0 < share <= 1 or times < 1 or (share < 1 and times > 1):
        raise SitingError(
            f"A share of {share:g} covered {times} times is not a question.",
            remedy="Give a share above 0 and at most 1; with backup only 1.",
        )
    near = pairs.within(pairs.limit(cutoff_s))
    price = np.where(
        sites.state == SiteState.CANDIDATE, sites.cost if by_cost else 1.0, 0.0
    ).astype(float)
    closed = sites.state == SiteState.RULED_OUT
    forced = np.isin(sites.state, (SiteState.EXISTING, SiteState.KEPT))
    merged = merge_alike(near, weight)
    groups = merged.pairs
    usable = np.bincount(
        groups.demand[np.repeat(~closed, np.diff(groups.site_offsets))], minlength=groups.demands
    )
    need = np.where(merged.weight > 0, np.minimum(usable, times), 0).astype(np.int32)
    total = float(weight.sum())
    if share < 1:
        reachable = float(merged.weight[usable > 0].sum())
        if reachable < share * total - 1e-9:
            raise SitingError(
                f"No choice covers {share:.1%} of {total:g}: all sites together reach "
                f"{reachable / total if total else 0:.1%}.",
                remedy="Add candidate sites, raise the cutoff, or ask for a smaller share.",
            )
    case = _Case(groups, merged.weight, sites, price, np.inf, forced, closed)
    is_open, objective, bound, how = _cheapest_cover(
        case, need, share * total if share < 1 else None, method, time_limit_s
    )
    if not by_cost and np.isfinite(bound):
        bound = float(np.ceil(bound - 1e-6))  # stations come whole
    short = np.flatnonzero((weight > 0) & (usable[merged.group] < times)).astype(np.int32)
    covered = weight[
        times_covered(near.site_offsets, near.demand, near.demands, is_open) >= times
    ].sum()
    return _answer(
        "cover_all", near, weight, sites, is_open, objective, bound, how, float(covered), short
    )


def cover_most(
    pairs: Pairs,
    weight: Vector,
    sites: Sites,
    limit: Limit,
    *,
    cutoff_s: float,
    backup: float = 0.0,
    capacity: Vector | None = None,
    method: Method = "auto",
    time_limit_s: float = 60.0,
    tolerance: float = PROVEN,
) -> Siting:
    """Most weight covered by what may be opened: maximal cover (MCLP).

    Parameters
    ----------
    pairs, weight, sites, cutoff_s, method, time_limit_s
        As in `cover_all`.
    limit : Limit
    backup : float
        What a second station in reach is worth beside the first, from 0 (nothing) to 1 (as much).
    capacity : ndarray, shape (m,), optional
        Weight a site serves at most; homes of a point may go to several sites then.
    tolerance : float
        Relative gap at which the search may stop.

    Raises
    ------
    SitingError
        If the inputs do not fit, or kept stations exceed the limit.

    References
    ----------
    Church and ReVelle (1974); Hogan and ReVelle (1986) for backup; Current and Storbeck (1988)
    for capacity.
    """
    _check(pairs, weight, sites)
    if not 0 <= backup <= 1 or (backup and capacity is not None):
        raise SitingError(
            f"A backup worth of {backup:g} cannot be used here.",
            remedy="Give 0 to 1, and not together with capacities.",
        )
    near = pairs.within(pairs.limit(cutoff_s))
    price, budget, forced, closed = _limited(sites, limit)
    reached = _reached(near, closed)
    short = np.flatnonzero((weight > 0) & ~reached).astype(np.int32)
    if capacity is not None:
        if len(capacity) != near.sites or not (capacity >= 0).all():
            raise SitingError(
                "Capacities must be one number a site, not negative.",
                remedy=f"Give {near.sites} capacities.",
            )
        case = _Case(near, weight, sites, price, budget, forced, closed)
        is_open, objective, bound, how = _capacity(case, capacity, method, time_limit_s, tolerance)
        return _answer(
            "cover_most", near, weight, sites, is_open, objective, bound, how, objective, short
        )
    merged = merge_alike(near, weight)
    case = _Case(merged.pairs, merged.weight, sites, price, budget, forced, closed)
    if backup:
        is_open, objective, bound, how = _backed(case, backup, method, time_limit_s, tolerance)
    else:
        is_open, objective, bound, how = _most_worth(
            case, 1.0, 0.0, method, time_limit_s, tolerance
        )
    covered = float(
        weight[times_covered(near.site_offsets, near.demand, near.demands, is_open) > 0].sum()
    )
    return _answer(
        "cover_most", near, weight, sites, is_open, objective, bound, how, covered, short
    )


def shortest_walk(
    pairs: Pairs,
    weight: Vector,
    sites: Sites,
    limit: Limit,
    *,
    penalty_s: float,
    method: Method = "auto",
    time_limit_s: float = 60.0,
    tolerance: float = PROVEN,
) -> Siting:
    """Least weighted walking time: p-median on the pairs in reach.

    Parameters
    ----------
    penalty_s : float
        Seconds counted for a home with no open station in reach, and at most for any home: at
        least the cutoff the pairs were searched with.
    pairs, weight, sites, limit, method, time_limit_s, tolerance
        As in `cover_most`.

    Raises
    ------
    SitingError
        If the inputs do not fit, or kept stations exceed the limit.

    References
    ----------
    Hakimi (1964); ReVelle and Swain (1970).
    """
    _check(pairs, weight, sites)
    if not penalty_s > 0:
        raise SitingError(
            f"A penalty of {penalty_s} seconds counts nothing.", remedy="Give the cutoff or more."
        )
    near = pairs.within(pairs.limit(penalty_s))
    price, budget, forced, closed = _limited(sites, limit)
    case = _Case(near, weight, sites, price, budget, forced, closed)
    is_open, saved, most_saved, how = _most_worth(
        case, penalty_s, 1.0 / near.per_second, method, time_limit_s, tolerance
    )
    whole = penalty_s * float(weight.sum())
    short = np.flatnonzero((weight > 0) & ~_reached(near, closed)).astype(np.int32)
    covered = float(
        weight[times_covered(near.site_offsets, near.demand, near.demands, is_open) > 0].sum()
    )
    return _answer(
        "shortest_walk",
        near,
        weight,
        sites,
        is_open,
        whole - saved,
        whole - most_saved,
        how,
        covered,
        short,
    )


def fairest(
    pairs: Pairs,
    weight: Vector,
    sites: Sites,
    limit: Limit,
    *,
    method: Method = "auto",
    time_limit_s: float = 60.0,
) -> Siting:
    """Shortest longest walk: p-center over the homes that some allowed site reaches.

    Bisects over the walking times that occur; each step asks for the cheapest cover.

    Raises
    ------
    SitingError
        If the inputs do not fit, or not even the longest pairs cover all within the limit.

    References
    ----------
    Minieka (1970); Daskin (1995) for the bisection.
    """
    _check(pairs, weight, sites)
    price, budget, forced, closed = _limited(sites, limit)
    reached = _reached(pairs, closed) & (weight > 0)
    short = np.flatnonzero((weight > 0) & ~reached).astype(np.int32)
    counted = np.where(reached, weight, 0.0)
    usable = np.repeat(~closed, np.diff(pairs.site_offsets))
    least = np.full(pairs.demands, np.iinfo(np.int64).max)
    np.minimum.at(least, pairs.demand[usable], pairs.cost[usable].astype(np.int64))
    costs = np.unique(pairs.cost)
    costs = costs[costs >= (least[reached].max() if reached.any() else 0)]
    if not len(costs):
        is_open = forced.copy()
        return _answer("fairest", pairs, weight, sites, is_open, 0.0, 0.0, "exact", 0.0, short)
    # Stations come free of the budget here: their price is what the cover must not exceed.
    low, high = 0, len(costs)
    unproved = len(costs)
    best: Flags | None = None
    how = "exact"
    while low < high:
        middle = (low + high) // 2
        merged = merge_alike(pairs.within(int(costs[middle])), counted)
        case = _Case(merged.pairs, merged.weight, sites, price, budget, forced, closed)
        need = (merged.weight > 0).astype(np.int32)
        is_open, spent, bound, _step = _cheapest_cover(
            case, need, None, method, time_limit_s, enough=budget
        )
        if spent <= budget + 1e-9:
            best, high = is_open, middle
        else:
            if not bound > budget + 1e-6:
                unproved = min(unproved, middle)
                how = "heuristic"
            low = middle + 1
    if best is None:
        raise SitingError(
            "Not even the longest walks let the stations allowed cover every home in reach.",
            remedy="Raise the limit, or walk the pairs with a larger cutoff.",
        )
    objective = float(costs[low]) / pairs.per_second
    bound = float(costs[min(unproved, low)]) / pairs.per_second
    covered = float(counted.sum())
    return _answer("fairest", pairs, weight, sites, best, objective, bound, how, covered, short)


def _check(pairs: Pairs, weight: Vector, sites: Sites) -> None:
    for name, values, count in (
        ("weights", weight, pairs.demands),
        ("states of sites", sites.state, pairs.sites),
        ("costs of sites", sites.cost, pairs.sites),
    ):
        if len(values) != count:
            raise SitingError(
                f"There are {len(values)} {name} for {count} of them.",
                remedy=f"Give {count} numbers.",
            )
        wrong = np.flatnonzero(~(np.isfinite(values) & (values >= 0)))
        if len(wrong):
            raise SitingError(
                f"Number {wrong[0]} of the {name} is {values[wrong[0]]}.",
                remedy="Give finite numbers that are not negative.",
            )


def _limited(sites: Sites, limit: Limit) -> tuple[Vector, float, Flags, Flags]:
    """Price of each site, the budget, and which sites are open or closed whatever happens."""
    closed = sites.state == SiteState.RULED_OUT
    kept = sites.state == SiteState.KEPT
    if limit.total is not None:
        price = np.ones(len(sites.state))
        forced = kept
        budget = float(limit.total)
        if kept.sum() > limit.total:
            raise SitingError(
                f"{kept.sum()} stations are kept, but only {limit.total} may be open in all.",
                remedy="Raise the total or keep fewer.",
            )
    else:
        price = np.where(sites.state == SiteState.CANDIDATE, 1.0, 0.0)
        if limit.budget is not None:
            price = price * sites.cost
        budget = float(limit.new if limit.new is not None else limit.budget or 0.0)
        forced = kept | (sites.state == SiteState.EXISTING)
    return price, budget, forced, closed


def _reached(pairs: Pairs, closed: Flags) -> Flags:
    found = np.zeros(pairs.demands, np.bool_)
    found[pairs.demand[np.repeat(~closed, np.diff(pairs.site_offsets))]] = True
    return found


def _asks_solver(case: _Case, method: Method) -> bool:
    return method == "exact" or (method == "auto" and len(case.pairs) <= EXACT_PAIRS)


def _bounds_of(case: _Case, more: int) -> tuple[Vector, Vector]:
    lower = np.concatenate([case.forced.astype(float), np.zeros(more)])
    upper = np.concatenate([(~case.closed).astype(float), np.ones(more)])
    return lower, upper


def _heuristic(
    case: _Case, most: float, scale: float, *, steps: int, tolerance: float
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


def _most_worth(
    case: _Case, most: float, scale: float, method: Method, time_limit_s: float, tolerance: float
) -> tuple[Flags, float, float, str]:
    ask = _asks_solver(case, method)
    is_open, value, bound, _ = _heuristic(
        case, most, scale, steps=60 if ask else 250, tolerance=tolerance
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
    _budget_row(rows, case, priced)
    programme = _programme(rows, case, cost, more)
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


def _budget_row(rows: Rows, case: _Case, priced: Flags) -> None:
    which = np.flatnonzero(priced)
    rows.add(
        np.zeros(len(which), np.int64),
        which,
        case.price[which],
        low=np.array([-np.inf]),
        high=np.array([case.budget]),
    )


def _programme(rows: Rows, case: _Case, cost: Vector, more: int) -> Programme:
    lower, upper = _bounds_of(case, more)
    return rows.programme(cost=cost, lower=lower, upper=upper, whole=case.pairs.sites)


def _cheapest_cover(
    case: _Case,
    need: NDArray[np.int32],
    wanted: float | None,
    method: Method,
    time_limit_s: float,
    *,
    enough: float = -np.inf,
) -> tuple[Flags, float, float, str]:
    """Cheapest sites that cover ``need``, or ``wanted`` weight; ``enough``: stop at this price."""
    if wanted is None:
        p, homes, out = reduced_cover(
            case.pairs, need, price=case.price, forced=case.forced, closed=case.closed
        )
        need = need[homes]
        case = _Case(p, case.weight[homes], case.sites, case.price, case.budget, case.forced, out)
    p = case.pairs
    m, n = p.sites, p.demands
    rows = (p.site_offsets, p.demand)
    is_open = case.forced.copy()
    if wanted is None:
        cover_greedy(*rows, need.copy(), case.price, is_open, case.closed)
        value = float(case.price[is_open].sum())
        bound, left = cover_bound(
            p,
            need,
            price=case.price,
            forced=case.forced,
            closed=case.closed,
            known=value,
            steps=1000,
        )
        # Sites that the prices call cheap go first: often better than the plain greedy.
        guided = case.forced.copy()
        cover_greedy(*rows, need.copy(), np.maximum(left, 1e-3), guided, case.closed)
        if float(case.price[guided].sum()) < value:
            is_open, value = guided, float(case.price[guided].sum())
    else:
        is_open, value = _greedy_share(case, wanted)
        bound = _share_bound(case, wanted, value)
    whole = bool((case.price == np.rint(case.price)).all())
    lifted = np.ceil(bound - 1e-6) if whole else bound
    done = lifted >= value - 1e-9 or value <= enough or lifted > enough > -np.inf
    if done or not _asks_solver(case, method):
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
        _programme(build, case, cost, more),
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


def _greedy_share(case: _Case, wanted: float) -> tuple[Flags, float]:
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


def _share_bound(case: _Case, wanted: float, value: float) -> float:
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


def _backed(
    case: _Case, backup: float, method: Method, time_limit_s: float, tolerance: float
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
    if not _asks_solver(case, method):
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
    _budget_row(rows, case, case.price > 0)
    cost = np.concatenate([np.zeros(m), -case.weight, -backup * case.weight])
    count = times_covered(p.site_offsets, p.demand, n, is_open)
    start = np.concatenate([is_open, count > 0, count > 1]).astype(float)
    solved = solve(
        _programme(rows, case, cost, 2 * n),
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


def _capacity(
    case: _Case, capacity: Vector, method: Method, time_limit_s: float, tolerance: float
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
    if not _asks_solver(case, method):
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
    _budget_row(rows, case, case.price > 0)
    lower, upper = _bounds_of(case, k)
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


def _answer(
    question: str,
    pairs: Pairs,
    weight: Vector,
    sites: Sites,
    is_open: Flags,
    objective: float,
    bound: float,
    how: str,
    covered: float,
    short: NDArray[np.int32],
) -> Siting:
    site, cost, _, _ = nearest_open(pairs.demand_offsets, pairs.site, pairs.site_cost, is_open)
    candidates = sites.state == SiteState.CANDIDATE
    gap = abs(objective - bound) / max(abs(objective), 1e-12)
    return Siting(
        question,
        np.flatnonzero(is_open).astype(np.int32),
        np.flatnonzero(is_open & candidates).astype(np.int32),
        np.flatnonzero(~is_open & (sites.state == SiteState.EXISTING)).astype(np.int32),
        objective,
        bound,
        0.0 if gap <= PROVEN else gap,
        how,
        site,
        np.where(cost >= 0, cost / pairs.per_second, np.nan),
        covered,
        float(weight.sum()),
        float(sites.cost[is_open & candidates].sum()),
        short,
    )
