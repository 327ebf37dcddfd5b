"""What if: stations placed and streets joined on the map, and what they would cover."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from data.audits.explain import counted_stations, main_rule
from data.audits.runs import KeptAudit
from data.circles import City, Travel
from data.errors import InvalidRowError
from geo.crs import project
from geo.impedance import Impedance, impedance
from geo.links import links_between, with_links
from geo.network import WalkNetwork
from geo.search import nearest_facility
from geo.snapping import SnappedPoints, Snapper
from geo.standards import profile_named

REACH_M = 60.0
"""How far an end of a drawn link may lie from a street, metres."""


def what_if(
    connection: Connection,
    city: City,
    audit: KeptAudit,
    *,
    stations: Sequence[tuple[float, float]],
    links: Sequence[tuple[tuple[float, float], tuple[float, float]]],
) -> dict[str, Any]:
    """Count who would be covered, by the main rule of an audit and the city as it is now.

    Parameters
    ----------
    connection : Connection
    city : City
    audit : KeptAudit
    stations : sequence of (longitude, latitude)
        New stations; they count as of a kind and with hours that the rule asks for.
    links : sequence of two (longitude, latitude)
        Footbridges, gates, crossings: open to feet both ways.

    Returns
    -------
    dict
        ``before``, ``after``, ``total`` (of ``unit``), and ``gained``: ids of buildings newly
        covered (at most 2,000).

    Raises
    ------
    InvalidRowError
        If the audit has no rule of walking.
    SnapError
        If a station or an end of a link is near no street.
    """
    rule = main_rule(audit)
    key = rule.walk
    if key is None:
        raise InvalidRowError("The audit has no rule of walking.", remedy="Choose another.")
    travel = Travel(profile_named(key.profile), key.waits)
    for lon, lat in stations:
        city.snap_point(travel, lon, lat)
    rows = counted_stations(connection, city, key.stations, key.facility, key.at)
    present = city.stations.lonlat[rows]
    cutoff = rule.cutoff_s
    costs = city.streets.impedance(travel)
    before = _covered(
        city,
        city.network,
        costs,
        city.demand(travel).snapped,
        city.snapped_stations(travel).take(rows),
        cutoff,
    )
    placed = np.concatenate([present, np.array(stations, float).reshape(-1, 2)])
    network = city.network
    if links:
        ends = project(np.array(links, float).reshape(-1, 2), network.crs)
        network = with_links(
            network, links_between(network, ends.reshape(-1, 2, 2), reach_m=REACH_M)
        )
        costs = impedance(network, travel.profile, waits=travel.waits)
        snapper = Snapper(
            network,
            costs,
            max_snap_m=city.streets.max_snap_m,
            barriers=city.streets.barriers,
        )
        demand = snapper.snap(project(city.buildings.point_lonlat, network.crs))
        facilities = snapper.snap(project(placed, network.crs))
    else:
        demand = city.demand(travel).snapped
        facilities = city.streets.snap(travel, placed)
    after = _covered(city, network, costs, demand, facilities, cutoff)
    known = np.nan_to_num(city.buildings.households)
    weight = known if (known > 0).any() else np.ones(len(known))
    gained = np.flatnonzero(after & ~before & (weight > 0))
    return {
        "unit": "households" if (known > 0).any() else "buildings",
        "before": float(weight[before].sum()),
        "after": float(weight[after].sum()),
        "total": float(weight.sum()),
        "gained": city.buildings.ids[gained[:2000]].tolist(),
        "lost": int((before & ~after & (weight > 0)).sum()),
    }


def _covered(
    city: City,
    network: WalkNetwork,
    costs: Impedance,
    demand: SnappedPoints,
    facilities: SnappedPoints,
    cutoff_s: float,
) -> NDArray[np.bool_]:
    found = nearest_facility(network, costs, demand, facilities)
    near = (found.cost_mm >= 0) & (found.cost_mm <= costs.cutoff_mm(cutoff_s))
    covered = np.zeros(len(city.buildings.ids), np.bool_)
    covered[city.buildings.point_building[near]] = True
    return covered
