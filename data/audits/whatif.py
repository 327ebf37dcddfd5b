"""What if: stations placed and shut, gates opened, streets joined, and what they would cover."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from data.audits.explain import counted_stations, main_rule
from data.audits.runs import KeptAudit
from data.circles import City, Travel
from data.errors import InvalidRowError
from geo.crs import project, unproject
from geo.errors import SnapError
from geo.impedance import Impedance, impedance
from geo.links import Links, carry_points, links_between, with_links
from geo.network import WalkNetwork
from geo.openings import gate_in_wall, path_through
from geo.search import nearest_facility
from geo.snapping import Barriers, SnappedPoints, Snapper
from geo.standards import profile_named

REACH_M = 60.0
"""How far an end of a drawn link may lie from a street, metres."""
TOLD_MOST = 2000
"""Buildings gained or lost that are named."""

Point = tuple[float, float]


def what_if(
    connection: Connection,
    city: City,
    audit: KeptAudit,
    *,
    stations: Sequence[Point] = (),
    links: Sequence[tuple[Point, Point]] = (),
    gates: Sequence[Point] = (),
    closed: Sequence[str] = (),
) -> dict[str, Any]:
    """Count the households covered with and without changes of stations and streets.

    Parameters
    ----------
    connection : Connection
    city : City
    audit : KeptAudit
    stations : sequence of (longitude, latitude)
        New stations; they count as of a kind and with hours that the rule asks for.
    links : sequence of two (longitude, latitude)
        Footbridges and crossings: open to feet both ways.
    gates : sequence of (longitude, latitude)
        Places on a wall, fence or other barrier that would open: doors beside them walk through,
        and where streets lie on both sides they are joined.
    closed : sequence of str
        Codes of stations that would shut.

    Returns
    -------
    dict
        ``before``, ``after``, ``total`` (of ``unit``); ``gained`` and ``lost_ids``: ids of
        buildings newly covered and no longer (at most 2,000 each), ``gained_at`` and ``lost_at``
        where they stand, ``lost`` how many, ``lost_weight`` of how many households; ``paths``: the
        pieces of street that gates and links add, longitude first.

    Raises
    ------
    InvalidRowError
        If the audit has no rule of walking, or a station to shut does not count in it.
    SnapError
        If a station or an end of a link is near no street, or no barrier is where a gate is.
    """
    rule = main_rule(audit)
    key = rule.walk
    if key is None:
        raise InvalidRowError("The audit has no rule of walking.", remedy="Choose another.")
    travel = Travel(profile_named(key.profile), key.waits)
    for lon, lat in stations:
        city.snap_point(travel, lon, lat)
    rows = counted_stations(connection, city, key.stations, key.facility, key.at)
    codes = city.stations.code[rows]
    unknown = sorted(set(closed) - set(codes.tolist()))
    if unknown:
        raise InvalidRowError(
            f"Station {unknown[0]!r} does not count in this audit.",
            remedy="Choose an open station of the kinds the rule names.",
        )
    left = rows[~np.isin(codes, list(closed))] if len(closed) else rows
    cutoff = rule.cutoff_s
    network = city.network
    costs = city.streets.impedance(travel)
    demand = city.demand(travel).snapped
    facilities = city.snapped_stations(travel)
    before = _covered(city, network, costs, demand, facilities.take(rows), cutoff)
    if len(stations):
        new = city.streets.snap(travel, np.array(stations, float).reshape(-1, 2))
        facilities = _joined(facilities.take(left), new)
    else:
        facilities = facilities.take(left)
    places = _gates(city, gates)
    if len(places):
        demand = _through_gates(city, costs, demand, places)
    added = _paths(city, links, places)
    if added is not None:
        wider = with_links(network, added)
        demand = carry_points(demand, network, added, wider)
        facilities = carry_points(facilities, network, added, wider)
        costs = impedance(wider, travel.profile, waits=travel.waits)
        network = wider
    after = _covered(city, network, costs, demand, facilities, cutoff)
    known = np.nan_to_num(city.buildings.households)
    weight = known if (known > 0).any() else np.ones(len(known))
    gained = np.flatnonzero(after & ~before & (weight > 0))
    lost = np.flatnonzero(before & ~after & (weight > 0))
    return {
        "unit": "households" if (known > 0).any() else "buildings",
        "before": float(weight[before].sum()),
        "after": float(weight[after].sum()),
        "total": float(weight.sum()),
        "gained": city.buildings.ids[gained[:TOLD_MOST]].tolist(),
        "gained_at": city.buildings.lonlat[gained[:TOLD_MOST]].round(6).tolist(),
        "lost": len(lost),
        "lost_weight": float(weight[lost].sum()),
        "lost_ids": city.buildings.ids[lost[:TOLD_MOST]].tolist(),
        "lost_at": city.buildings.lonlat[lost[:TOLD_MOST]].round(6).tolist(),
        "paths": [] if added is None else _lonlat(added, city.network.crs),
    }


def _gates(city: City, gates: Sequence[Point]) -> list[NDArray[np.float64]]:
    """Places on barriers, and the directions across them."""
    found = []
    for number, at in enumerate(gates, start=1):
        place = gate_in_wall(city.streets.barriers, project(np.array([at]), city.network.crs)[0])
        if place is None:
            raise SnapError(
                f"No wall, fence, river or railway is near gate {number}.",
                remedy="Click on the barrier itself; to join streets draw a crossing instead.",
            )
        found.append(place)
    return found


def _through_gates(
    city: City, costs: Impedance, demand: SnappedPoints, places: list[NDArray[np.float64]]
) -> SnappedPoints:
    """Doors near a new gate join the street that it leads to where that is nearer."""
    old = city.streets.barriers
    opened = Barriers(old.segments, np.concatenate([old.gates, [place[0] for place in places]]))
    doors = project(city.buildings.point_lonlat, city.network.crs)
    reach = city.streets.max_snap_m
    near = np.flatnonzero(
        np.any([np.hypot(*(doors - place[0]).T) <= reach for place in places], axis=0)
    )
    if not len(near):
        return demand
    snapper = Snapper(city.network, costs, max_snap_m=reach, barriers=opened)
    anew = snapper.snap(doors[near])
    # A door keeps its old way to the street where that costs no more: both ways would stand open.
    better = (anew.edge >= 0) & (
        (demand.edge[near] < 0) | (anew.access_mm < demand.access_mm[near])
    )
    changed = near[better]

    def put(field: str) -> Any:
        values = getattr(demand, field).copy()
        values[changed] = getattr(anew, field)[better]
        return values

    return replace(
        demand,
        **{name: put(name) for name in ("edge", "offset_mm", "access_mm", "xy", "gate", "state")},
    )


def _paths(
    city: City, links: Sequence[tuple[Point, Point]], places: list[NDArray[np.float64]]
) -> Links | None:
    """Pieces of street that links and gates add."""
    network = city.network
    ends = [project(np.array(link, float), network.crs) for link in links]
    ends += [
        path
        for place in places
        if (path := path_through(network, city.streets.barriers, place)) is not None
    ]
    return links_between(network, np.stack(ends), reach_m=REACH_M) if ends else None


def _lonlat(links: Links, crs: str) -> list[list[list[float]]]:
    xy = unproject(links.xy.reshape(-1, 2), crs).round(7)
    told: list[list[list[float]]] = xy.reshape(-1, 2, 2).tolist()
    return told


def _joined(a: SnappedPoints, b: SnappedPoints) -> SnappedPoints:
    return SnappedPoints(
        np.concatenate([a.edge, b.edge]),
        np.concatenate([a.offset_mm, b.offset_mm]),
        np.concatenate([a.access_mm, b.access_mm]),
        np.concatenate([a.xy, b.xy]),
        np.concatenate([a.gate, b.gate]),
        np.concatenate([a.state, b.state]),
        a.network_version,
    )


def _covered(
    city: City,
    network: WalkNetwork,
    costs: Impedance,
    demand: SnappedPoints,
    facilities: SnappedPoints,
    cutoff_s: float,
) -> NDArray[np.bool_]:
    found = nearest_facility(network, costs, demand, facilities, cutoff_s=cutoff_s)
    near = (found.cost_mm >= 0) & (found.cost_mm <= costs.cutoff_mm(cutoff_s))
    covered = np.zeros(len(city.buildings.ids), np.bool_)
    covered[city.buildings.point_building[near]] = True
    return covered
