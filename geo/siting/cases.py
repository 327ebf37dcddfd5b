"""Cases: a question of siting made ready, and the answer, with what is proved about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from geo.siting.exact import Programme, Rows
from geo.siting.kernels import nearest_open
from geo.siting.pairs import Pairs, SitingError

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
class Case:
    """A question made ready: what is fixed, what costs what."""

    pairs: Pairs
    weight: Vector
    sites: Sites
    price: Vector
    budget: float
    forced: Flags
    closed: Flags


def check(pairs: Pairs, weight: Vector, sites: Sites) -> None:
    """Refuse numbers that do not fit the pairs, are no numbers or are negative."""
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


def limited(sites: Sites, limit: Limit) -> tuple[Vector, float, Flags, Flags]:
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


def reached_by(pairs: Pairs, closed: Flags) -> Flags:
    """Demand points with an allowed site in reach."""
    found = np.zeros(pairs.demands, np.bool_)
    found[pairs.demand[np.repeat(~closed, np.diff(pairs.site_offsets))]] = True
    return found


def asks_solver(case: Case, method: Method) -> bool:
    """Whether HiGHS is to try: when told to, or where the case is small."""
    return method == "exact" or (method == "auto" and len(case.pairs) <= EXACT_PAIRS)


def open_bounds(case: Case, more: int) -> tuple[Vector, Vector]:
    """Least and most of each variable: one a site, then ``more`` between 0 and 1."""
    lower = np.concatenate([case.forced.astype(float), np.zeros(more)])
    upper = np.concatenate([(~case.closed).astype(float), np.ones(more)])
    return lower, upper


def budget_row(rows: Rows, case: Case, priced: Flags) -> None:
    """Add the row that holds the price of the open sites within the budget."""
    which = np.flatnonzero(priced)
    rows.add(
        np.zeros(len(which), np.int64),
        which,
        case.price[which],
        low=np.array([-np.inf]),
        high=np.array([case.budget]),
    )


def closed_programme(rows: Rows, case: Case, cost: Vector, more: int) -> Programme:
    """Close a programme of one whole variable a site and ``more`` others."""
    lower, upper = open_bounds(case, more)
    return rows.programme(cost=cost, lower=lower, upper=upper, whole=case.pairs.sites)


def answer(
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
    """What was found, with who walks where."""
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
