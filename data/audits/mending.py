"""The one change that mends a gap most cheaply: site, link, gate, crossing, longer hours."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from geo.crs import unproject
from geo.mends import Mend
from geo.siting.pairs import Pairs

ENOUGH = 0.5
"""Share of a gap that a change must mend to be preferred for its price alone. Our reading."""

Change = dict[str, Any]


def mended_by_links(
    weight: NDArray[np.float64],
    zone: NDArray[np.int32],
    mended: NDArray[np.bool_],
    *,
    zones: int,
    cost: float,
) -> list[list[Change]]:
    """What a look at the doubtful links would mend of each zone, if all of them are there."""
    some = (zone >= 0) & (zone < zones) & mended
    gain = np.bincount(zone[some], weights=weight[some], minlength=zones)
    return [
        [{"kind": "link", "gain": float(gain[number]), "cost": cost}] if gain[number] > 0 else []
        for number in range(zones)
    ]


def mended_by_sites(
    pairs: Pairs,
    weight: NDArray[np.float64],
    zone: NDArray[np.int32],
    *,
    zones: int,
    first: int,
    kind: str,
    code: NDArray[np.object_],
    name: NDArray[np.object_],
    lonlat: NDArray[np.float64],
    cost: NDArray[np.float64],
) -> list[list[Change]]:
    """The best site of each zone: the cheapest that mends enough, else the cheapest by household.

    Parameters
    ----------
    pairs : Pairs
        Homes to sites; those before ``first`` are no candidates.
    weight : ndarray, shape (n,)
    zone : ndarray, shape (n,), int32
        Zone of each home, -1 where in none.
    zones, first : int
    kind : str
        What a change is called: ``site``, or ``hours`` where the sites are stations now shut.
    code, name, lonlat, cost : ndarray
        Of the candidates.
    """
    found: list[list[Change]] = [[] for _ in range(zones)]
    of_site = np.repeat(np.arange(pairs.sites), np.diff(pairs.site_offsets)) - first
    where = zone[pairs.demand]
    useful = (where >= 0) & (where < zones) & (of_site >= 0)
    whole = np.bincount(
        zone[(zone >= 0) & (zone < zones)],
        weights=weight[(zone >= 0) & (zone < zones)],
        minlength=zones,
    )
    count = max(pairs.sites - first, 1)
    keys, row = np.unique(
        where[useful].astype(np.int64) * count + of_site[useful], return_inverse=True
    )
    gain = np.bincount(row, weights=weight[pairs.demand[useful]], minlength=len(keys))
    number, site = keys // count, keys % count
    price = cost[site]
    enough = gain >= ENOUGH * whole[number]
    # Enough before too little; then by price, or by price a household; then the larger, the lower.
    by = np.where(enough, price, price / np.maximum(gain, 1e-9))
    order = np.lexsort((site, -gain, by, ~enough, number))
    is_first = np.ones(len(order), np.bool_)
    is_first[1:] = np.diff(number[order]) != 0
    for at in order[is_first].tolist():
        here = int(site[at])
        found[int(number[at])].append(
            {
                "kind": kind,
                "code": code[here],
                "name": name[here],
                "lon": round(float(lonlat[here, 0]), 7),
                "lat": round(float(lonlat[here, 1]), 7),
                "gain": float(gain[at]),
                "cost": float(price[at]),
            }
        )
    return found


def mended_by_paths(
    found: list[Mend], crs: str, *, zones: int, costs: dict[str, float]
) -> list[list[Change]]:
    """Crossings, gates and footbridges of each zone."""
    changes: list[list[Change]] = [[] for _ in range(zones)]
    for mend in found:
        line = unproject(mend.xy, crs).round(7)
        changes[mend.zone].append(
            {
                "kind": mend.kind,
                "gain": mend.gain,
                "cost": costs[mend.kind],
                "metres": round(float(np.hypot(*(mend.xy[1] - mend.xy[0]))), 1),
                "line": line.tolist(),
                "lon": round(float(line[:, 0].mean()), 7),
                "lat": round(float(line[:, 1].mean()), 7),
            }
        )
    return changes


def cheapest_first(options: list[Change], whole: float) -> list[Change]:
    """Order the changes of a zone: those that mend enough by price, then others by household."""

    def rank(change: Change) -> tuple[bool, float, float, str]:
        enough = change["gain"] >= ENOUGH * whole
        by_household = change["cost"] / change["gain"]
        return (
            not enough,
            change["cost"] if enough else by_household,
            -change["gain"],
            change["kind"],
        )

    return sorted((o for o in options if o["gain"] > 0), key=rank)
