"""Pairs: which demand point walks to which site in how long, as compressed rows both ways."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array

from geo.errors import GridcircleError
from geo.impedance import Impedance
from geo.network import WalkNetwork
from geo.search import TargetIndex, reach_targets
from geo.snapping import SnappedPoints


class SitingError(GridcircleError):
    """A siting question has inputs that do not fit or no answer."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """Demand points and the sites they can walk to; only pairs within reach are held.

    Attributes
    ----------
    site_offsets : ndarray, shape (m + 1,), int64
        ``demand[site_offsets[j]:site_offsets[j + 1]]`` are the demand points of site j, rising.
    demand : ndarray, shape (k,), int32
    cost : ndarray, shape (k,), int32
        Of the pair, in ``per_second`` to the second.
    demand_offsets : ndarray, shape (n + 1,), int64
    site : ndarray, shape (k,), int32
        Sites of each demand point, rising: the same pairs the other way.
    site_cost : ndarray, shape (k,), int32
    per_second : float
        Units of cost in a second: 1000 x speed for millimetres of walking.
    """

    site_offsets: NDArray[np.int64]
    demand: NDArray[np.int32]
    cost: NDArray[np.int32]
    demand_offsets: NDArray[np.int64]
    site: NDArray[np.int32]
    site_cost: NDArray[np.int32]
    per_second: float

    @property
    def sites(self) -> int:
        """How many sites there are, reached by somebody or not."""
        return len(self.site_offsets) - 1

    @property
    def demands(self) -> int:
        """How many demand points there are."""
        return len(self.demand_offsets) - 1

    def __len__(self) -> int:
        return len(self.demand)

    def limit(self, cutoff_s: float) -> int:
        """A cutoff in units of cost, rounded to the nearest as `Impedance.cutoff_mm` does."""
        return round(min(cutoff_s * self.per_second, 2.0**31 - 2))

    def grouped(self, group: NDArray[np.int32], count: int) -> Pairs:
        """Pairs of groups of demand points, the nearest of each: buildings with several entrances.

        Parameters
        ----------
        group : ndarray, shape (n,)
            Group of each demand point, 0 to ``count - 1``.
        count : int
        """
        site = np.repeat(np.arange(self.sites, dtype=np.int64), np.diff(self.site_offsets))
        member = group[self.demand]
        order = np.lexsort((self.cost, member, site))
        site, member = site[order], member[order]
        first = np.ones(len(site), np.bool_)
        first[1:] = (np.diff(site) != 0) | (np.diff(member) != 0)
        offsets = np.concatenate([[0], np.cumsum(np.bincount(site[first], minlength=self.sites))])
        return pairs_of_rows(
            offsets.astype(np.int64),
            member[first].astype(np.int32),
            self.cost[order][first],
            demands=count,
            per_second=self.per_second,
        )

    def within(self, limit: int) -> Pairs:
        """The pairs that cost at most ``limit`` units."""
        if not len(self.cost) or int(self.cost.max()) <= limit:
            return self
        return Pairs(
            *_kept(self.site_offsets, self.demand, self.cost, limit),
            *_kept(self.demand_offsets, self.site, self.site_cost, limit),
            self.per_second,
        )


def _kept(
    offsets: NDArray[np.int64], index: NDArray[np.int32], cost: NDArray[np.int32], limit: int
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int32]]:
    near = cost <= limit
    before = np.concatenate([[0], np.cumsum(near)])
    return before[offsets].astype(np.int64), index[near], cost[near]


def pairs_of_rows(
    site_offsets: NDArray[np.int64],
    demand: NDArray[np.int32],
    cost: NDArray[np.int32],
    *,
    demands: int,
    per_second: float,
) -> Pairs:
    """Pairs from rows by site, as `geo.search.reach_targets` gives them.

    Parameters
    ----------
    site_offsets : ndarray, shape (m + 1,)
    demand, cost : ndarray, shape (k,)
        Demand points of each site, rising and each once.
    demands : int
        How many demand points there are.
    per_second : float
        Units of cost in a second.
    """
    sites = len(site_offsets) - 1
    # Costs may be 0, which sparse arrays take for nothing: their places travel instead.
    rows = csr_array(
        (np.arange(1, len(demand) + 1), demand, site_offsets), shape=(sites, demands)
    ).tocsc()
    order = rows.data - 1
    return Pairs(
        site_offsets.astype(np.int64),
        demand.astype(np.int32),
        cost.astype(np.int32),
        rows.indptr.astype(np.int64),
        rows.indices.astype(np.int32),
        cost[order].astype(np.int32),
        per_second,
    )


def pairs_of_seconds(
    demand: NDArray[np.int64],
    site: NDArray[np.int64],
    seconds: NDArray[np.float64],
    *,
    demands: int,
    sites: int,
) -> Pairs:
    """Pairs from three columns: any table of demand, site and seconds, in any order.

    Seconds are kept to the millisecond. Of a pair given twice the shorter walk counts.

    Raises
    ------
    SitingError
        If an index is out of range or a time is negative or not a number.
    """
    for name, index, count in (("demand", demand, demands), ("site", site, sites)):
        wrong = np.flatnonzero((index < 0) | (index >= count))
        if len(wrong):
            raise SitingError(
                f"Pair {wrong[0]}: {name} {index[wrong[0]]} is not among the {count} there are.",
                remedy=f"Give numbers from 0 to {count - 1}.",
            )
    wrong = np.flatnonzero(~((seconds >= 0) & (seconds < 2_000_000)))
    if len(wrong):
        raise SitingError(
            f"Pair {wrong[0]}: {seconds[wrong[0]]} seconds is not a walking time.",
            remedy="Give seconds from 0 to 2,000,000; leave pairs out of reach out.",
        )
    cost = np.rint(np.asarray(seconds) * 1000).astype(np.int32)
    order = np.lexsort((cost, demand, site))
    site, demand, cost = np.asarray(site)[order], np.asarray(demand)[order], cost[order]
    first = np.ones(len(site), np.bool_)
    first[1:] = (np.diff(site) != 0) | (np.diff(demand) != 0)
    site, demand, cost = site[first], demand[first], cost[first]
    offsets = np.concatenate([[0], np.cumsum(np.bincount(site, minlength=sites))])
    return pairs_of_rows(
        offsets.astype(np.int64),
        demand.astype(np.int32),
        cost,
        demands=demands,
        per_second=1000.0,
    )


def walk_pairs(
    network: WalkNetwork,
    impedance: Impedance,
    demand: SnappedPoints | TargetIndex,
    sites: SnappedPoints,
    *,
    cutoff_s: float,
) -> Pairs:
    """Walk from every demand point to every site within the cutoff; exact, never a dense matrix.

    Parameters
    ----------
    network : WalkNetwork
    impedance : Impedance
    demand : SnappedPoints or TargetIndex
    sites : SnappedPoints
        Candidates and existing stations.
    cutoff_s : float
        Seconds, access legs of both ends included.

    Raises
    ------
    SnapError
        If points or impedance belong to another version of the network.
    """
    found = reach_targets(network, impedance, sites, demand, cutoff_s=cutoff_s)
    count = len(demand.points) if isinstance(demand, TargetIndex) else len(demand)
    return pairs_of_rows(
        found.offsets,
        found.target,
        found.cost_mm,
        demands=count,
        per_second=1000.0 * impedance.speed_mps,
    )


def pairs_of(pairs: Pairs, homes: NDArray[np.int64]) -> Pairs:
    """The pairs of some demand points, numbered anew; costs no longer mean anything."""
    rows = csr_array(
        (np.ones(len(pairs), np.int8), pairs.site, pairs.demand_offsets),
        shape=(pairs.demands, pairs.sites),
    )[homes]
    by_site = rows.T.tocsr()
    by_site.sort_indices()
    return pairs_of_rows(
        by_site.indptr.astype(np.int64),
        by_site.indices.astype(np.int32),
        np.zeros(by_site.nnz, np.int32),
        demands=len(homes),
        per_second=pairs.per_second,
    )


@dataclass(frozen=True, slots=True)
class Merged:
    """Demand points that the same sites cover, taken together.

    Attributes
    ----------
    pairs : Pairs
        Of the groups.
    weight : ndarray, shape (g,), float64
    group : ndarray, shape (n,), int32
        Group of each demand point.
    """

    pairs: Pairs
    weight: NDArray[np.float64]
    group: NDArray[np.int32]


def merge_alike(pairs: Pairs, weight: NDArray[np.float64]) -> Merged:
    """Merge demand points with exactly the same sites; costs no longer mean anything then.

    Neighbouring homes mostly share all sites, so that covering problems shrink several times
    without any loss.
    """
    n, m = pairs.demands, pairs.sites
    rng = np.random.default_rng(20180501)
    marks = rng.integers(1, 2**63, size=(2, m), dtype=np.uint64)
    keys = np.zeros((n, 3), np.uint64)
    degree = np.diff(pairs.demand_offsets)
    some = degree > 0
    keys[:, 0] = degree
    if len(pairs):
        starts = pairs.demand_offsets[:-1][some]
        for which in range(2):
            keys[some, which + 1] = np.add.reduceat(marks[which][pairs.site], starts)
    # Two 63-bit sums and the count: different sets of sites meet with a chance below 2**-90.
    _, first, inverse = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    group: NDArray[np.int32] = inverse.reshape(-1).astype(np.int32)
    rows = csr_array(
        (np.ones(len(pairs), np.int8), pairs.site, pairs.demand_offsets), shape=(n, m)
    )[first]
    by_site = coo_array(rows).T.tocsr()
    by_site.sort_indices()
    merged = pairs_of_rows(
        by_site.indptr.astype(np.int64),
        by_site.indices.astype(np.int32),
        np.zeros(by_site.nnz, np.int32),
        demands=len(first),
        per_second=pairs.per_second,
    )
    together = np.bincount(group, weights=weight, minlength=len(first)).astype(np.float64)
    return Merged(merged, together, group)
