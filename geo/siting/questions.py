"""Questions of siting: where to open stations, each answered with what is proved about it."""

from __future__ import annotations

import numpy as np

from geo.siting.cases import (
    PROVEN,
    Case,
    Flags,
    Limit,
    Method,
    Sites,
    SiteState,
    Siting,
    Vector,
    answer,
    check,
    limited,
    reached_by,
)
from geo.siting.cover_search import EFFORT
from geo.siting.covers import cheapest_cover
from geo.siting.kernels import times_covered
from geo.siting.pairs import Pairs, SitingError, merge_alike
from geo.siting.worths import most_worth, with_backup, with_capacity


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
    effort: int = EFFORT,
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
    effort : int
        Of the search among covers where the bound leaves a gap, in pairs looked at: not a time, so
        that answers repeat. Ten times as many take some minute on 300,000 homes.

    Raises
    ------
    SitingError
        If the inputs do not fit, or no choice reaches the share.

    References
    ----------
    Toregas et al. (1971); Church and Gerrard (2003) for backup.
    """
    check(pairs, weight, sites)
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
    case = Case(groups, merged.weight, sites, price, np.inf, forced, closed)
    is_open, objective, bound, how = cheapest_cover(
        case, need, share * total if share < 1 else None, method, time_limit_s, effort=effort
    )
    if not by_cost and np.isfinite(bound):
        bound = float(np.ceil(bound - 1e-6))  # stations come whole
    short = np.flatnonzero((weight > 0) & (usable[merged.group] < times)).astype(np.int32)
    covered = weight[
        times_covered(near.site_offsets, near.demand, near.demands, is_open) >= times
    ].sum()
    return answer(
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
    check(pairs, weight, sites)
    if not 0 <= backup <= 1 or (backup and capacity is not None):
        raise SitingError(
            f"A backup worth of {backup:g} cannot be used here.",
            remedy="Give 0 to 1, and not together with capacities.",
        )
    near = pairs.within(pairs.limit(cutoff_s))
    price, budget, forced, closed = limited(sites, limit)
    reached = reached_by(near, closed)
    short = np.flatnonzero((weight > 0) & ~reached).astype(np.int32)
    if capacity is not None:
        if len(capacity) != near.sites or not (capacity >= 0).all():
            raise SitingError(
                "Capacities must be one number a site, not negative.",
                remedy=f"Give {near.sites} capacities.",
            )
        case = Case(near, weight, sites, price, budget, forced, closed)
        is_open, objective, bound, how = with_capacity(
            case, capacity, method, time_limit_s, tolerance
        )
        return answer(
            "cover_most", near, weight, sites, is_open, objective, bound, how, objective, short
        )
    merged = merge_alike(near, weight)
    case = Case(merged.pairs, merged.weight, sites, price, budget, forced, closed)
    if backup:
        is_open, objective, bound, how = with_backup(case, backup, method, time_limit_s, tolerance)
    else:
        is_open, objective, bound, how = most_worth(case, 1.0, 0.0, method, time_limit_s, tolerance)
    covered = float(
        weight[times_covered(near.site_offsets, near.demand, near.demands, is_open) > 0].sum()
    )
    return answer("cover_most", near, weight, sites, is_open, objective, bound, how, covered, short)


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
    check(pairs, weight, sites)
    if not penalty_s > 0:
        raise SitingError(
            f"A penalty of {penalty_s} seconds counts nothing.", remedy="Give the cutoff or more."
        )
    near = pairs.within(pairs.limit(penalty_s))
    price, budget, forced, closed = limited(sites, limit)
    case = Case(near, weight, sites, price, budget, forced, closed)
    is_open, saved, most_saved, how = most_worth(
        case, penalty_s, 1.0 / near.per_second, method, time_limit_s, tolerance
    )
    whole = penalty_s * float(weight.sum())
    short = np.flatnonzero((weight > 0) & ~reached_by(near, closed)).astype(np.int32)
    covered = float(
        weight[times_covered(near.site_offsets, near.demand, near.demands, is_open) > 0].sum()
    )
    return answer(
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
    check(pairs, weight, sites)
    price, budget, forced, closed = limited(sites, limit)
    reached = reached_by(pairs, closed) & (weight > 0)
    short = np.flatnonzero((weight > 0) & ~reached).astype(np.int32)
    counted = np.where(reached, weight, 0.0)
    usable = np.repeat(~closed, np.diff(pairs.site_offsets))
    least = np.full(pairs.demands, np.iinfo(np.int64).max)
    np.minimum.at(least, pairs.demand[usable], pairs.cost[usable].astype(np.int64))
    costs = np.unique(pairs.cost)
    costs = costs[costs >= (least[reached].max() if reached.any() else 0)]
    if not len(costs):
        is_open = forced.copy()
        return answer("fairest", pairs, weight, sites, is_open, 0.0, 0.0, "exact", 0.0, short)
    # Stations come free of the budget here: their price is what the cover must not exceed.
    low, high = 0, len(costs)
    unproved = len(costs)
    best: Flags | None = None
    how = "exact"
    while low < high:
        middle = (low + high) // 2
        merged = merge_alike(pairs.within(int(costs[middle])), counted)
        case = Case(merged.pairs, merged.weight, sites, price, budget, forced, closed)
        need = (merged.weight > 0).astype(np.int32)
        is_open, spent, bound, _step = cheapest_cover(
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
    return answer("fairest", pairs, weight, sites, best, objective, bound, how, covered, short)
