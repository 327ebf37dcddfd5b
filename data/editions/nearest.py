"""How long it takes from where somebody stands to every station, on the network."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.circles import City, Travel, some_points
from data.memo import Memo
from geo.impedance import Impedance
from geo.search import reach_targets
from geo.snapping import SnappedPoints

RIDE_MAX_S = 40 * 60.0
"""Longest ride looked for, seconds: 10 km at 15 km/h."""
WALK_MAX_S = 40 * 60.0


def transposed(impedance: Impedance) -> Impedance:
    """Give the same costs with every arc turned round: searches towards become searches from."""
    return dataclasses.replace(
        impedance,
        indptr=impedance.reverse_indptr,
        head=impedance.reverse_head,
        arc_edge=impedance.reverse_edge,
        cost_mm=impedance.reverse_cost_mm,
        reverse_indptr=impedance.indptr,
        reverse_head=impedance.head,
        reverse_edge=impedance.arc_edge,
        reverse_cost_mm=impedance.cost_mm,
        forward_mm=impedance.backward_mm,
        backward_mm=impedance.forward_mm,
    )


class StationTimes:
    """Answers from one point to the stations of an edition; keeps what every answer needs."""

    def __init__(self) -> None:
        self._turned: Memo[Impedance] = Memo(6)
        self._snapped: Memo[SnappedPoints] = Memo(32)

    def seconds(
        self,
        city: City,
        travel: Travel,
        *,
        key: str,
        lonlat: NDArray[np.float64],
        lon: float,
        lat: float,
        most_s: float,
    ) -> NDArray[np.float64]:
        """Seconds from one point to every station.

        Parameters
        ----------
        city : City
        travel : Travel
        key : str
            Names the stations: the digest of their edition.
        lonlat : ndarray, shape (n, 2)
            The stations, WGS84 degrees.
        lon, lat : float
            Where somebody stands.
        most_s : float
            Farther stations are not looked for.

        Returns
        -------
        ndarray, shape (n,), float64
            Access legs included; NaN where it takes longer, or no way leads there.

        Raises
        ------
        SnapError
            If no street open to this way of moving is near the point.
        """
        origin = city.snap_point(travel, lon, lat)
        stations = self._snapped.get(
            (city.number, travel.edges_key, key), lambda: city.streets.snap(travel, lonlat)
        )
        costs = self._turned.get(
            (city.network.version, travel.key), lambda: transposed(city.streets.impedance(travel))
        )
        found = np.full(len(lonlat), np.nan)
        here = np.flatnonzero(stations.edge >= 0)
        if not len(here):
            return found
        reached = reach_targets(
            city.network, costs, origin, some_points(stations, here), cutoff_s=most_s
        )
        found[here[reached.target]] = reached.cost_mm / (1000.0 * travel.profile.speed_mps)
        return found


def as_json(
    stations: Sequence[dict[str, Any]],
    ride_s: NDArray[np.float64],
    walk_s: NDArray[np.float64],
) -> list[dict[str, Any]]:
    """Id, riding and walking seconds of every station; null where it is too far."""

    def whole(value: float) -> int | None:
        return None if np.isnan(value) else round(value)

    return [
        {"id": station["id"], "ride_s": whole(ride), "walk_s": whole(walk)}
        for station, ride, walk in zip(stations, ride_s.tolist(), walk_s.tolist(), strict=True)
    ]
