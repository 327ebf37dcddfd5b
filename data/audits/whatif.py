"""What if: stations placed and shut, gates opened, streets joined, and what they would cover.

The walks of the city as it is are kept with it (`geo.trials`), and a change is worked out from
where it is outwards, so that dragging a pin is answered at once however large the city.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from data.audits.explain import counted_stations
from data.circles import City, Travel
from data.errors import InvalidRowError
from geo.crs import project, unproject
from geo.errors import SnapError
from geo.links import Links, links_between
from geo.openings import gate_in_wall, path_through
from geo.rulesets import Rule
from geo.snapping import GATE_REACH_M, SnappedPoints, Snapper, joined_points
from geo.standards import profile_named
from geo.trials import KeptWalks

REACH_M = 60.0
"""How far an end of a drawn link may lie from a street, metres."""
TOLD_MOST = 2000
"""Buildings gained or lost that are named."""

Point = tuple[float, float]
_NONE = np.zeros(0, np.int64)


@dataclass(frozen=True, slots=True)
class Baseline:
    """The city as it is under one rule.

    Attributes
    ----------
    travel : Travel
    rows : ndarray of int64
        Stations that count.
    codes : ndarray of str
        Theirs.
    walks : KeptWalks
        From all doors to them.
    doors : ndarray, shape (n,), int32
        Doors of each building from which a station is near enough.
    weight : ndarray, shape (n,), float64
        Households; 1 each where none are known.
    unit : str
    before, total : float
    """

    travel: Travel
    rows: NDArray[np.int64]
    codes: NDArray[np.object_]
    walks: KeptWalks
    doors: NDArray[np.int32]
    weight: NDArray[np.float64]
    unit: str
    before: float
    total: float


def what_if(
    connection: Connection,
    city: City,
    rule: Rule,
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
    rule : Rule
        The rule of walking that the audit is about.
    stations : sequence of (longitude, latitude)
        New stations; they count as of a kind and with hours that the rule asks for.
    links : sequence of two (longitude, latitude)
        Footbridges and crossings: open to feet both ways.
    gates : sequence of (longitude, latitude)
        Places on a wall, fence or other barrier that would open: doors beside them walk through,
        and where streets lie on both sides they are joined. A door or station keeps its old way
        to the street where that is no longer: both ways would stand open.
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
    base = baseline(connection, city, rule)
    travel, network = base.travel, city.network
    unknown = sorted(set(closed) - set(base.codes.tolist()))
    if unknown:
        raise InvalidRowError(
            f"Station {unknown[0]!r} does not count in this audit.",
            remedy="Choose an open station of the kinds the rule names.",
        )
    places = _gates(city, travel, gates)
    demand = city.demand(travel)
    shut = np.flatnonzero(np.isin(base.codes, list(closed)))
    at = np.array(stations, float).reshape(-1, 2)
    new = city.streets.snap(travel, at)
    moved, moved_to = _NONE, None
    if len(places):
        opened = city.streets.snapper(travel).opened(np.array([place[0] for place in places]))
        moved, moved_to = _through(opened, demand.xy, demand.snapped, places)
        rows, through = _through(opened, project(at, network.crs), new, places)
        new = _replaced(new, rows, through)
        existing = city.snapped_stations(travel).take(base.rows)
        xy = project(city.stations.lonlat[base.rows], network.crs)
        rows, through = _through(opened, xy, existing, places)
        left = ~np.isin(rows, shut)
        new = joined_points(new, through.take(np.flatnonzero(left)))
        shut = np.union1d(shut, rows)
    for row in np.flatnonzero(new.edge[: len(at)] < 0).tolist():
        city.snap_point(travel, *at[row].tolist())  # tells what is wrong
    added = _paths(city, travel, links, places)
    points, cost = base.walks.tried(
        closed=shut, new=new, links=added, moved=moved, moved_to=moved_to
    )
    owner, of_point = np.unique(city.buildings.point_building[points], return_inverse=True)
    step = (cost >= 0).astype(np.int64) - (base.walks.cost_mm[points] >= 0)
    now = base.doors[owner] + np.bincount(of_point, weights=step, minlength=len(owner))
    counts = base.weight[owner] > 0
    gained = owner[(base.doors[owner] == 0) & (now > 0) & counts]
    lost = owner[(base.doors[owner] > 0) & (now == 0) & counts]
    more, less = float(base.weight[gained].sum()), float(base.weight[lost].sum())
    return {
        "unit": base.unit,
        "before": base.before,
        "after": round(base.before - less + more, 6) if more or less else base.before,
        "total": base.total,
        "gained": city.buildings.ids[gained[:TOLD_MOST]].tolist(),
        "gained_at": city.buildings.lonlat[gained[:TOLD_MOST]].round(6).tolist(),
        "lost": len(lost),
        "lost_weight": less,
        "lost_ids": city.buildings.ids[lost[:TOLD_MOST]].tolist(),
        "lost_at": city.buildings.lonlat[lost[:TOLD_MOST]].round(6).tolist(),
        "paths": [] if added is None else _lonlat(added, network.crs),
    }


def baseline(connection: Connection, city: City, rule: Rule) -> Baseline:
    """The city as it is under a rule; worked out once while streets, homes and stations stay.

    Raises
    ------
    InvalidRowError
        If the rule is not one of walking.
    """
    key = rule.walk
    if key is None:
        raise InvalidRowError("The audit has no rule of walking.", remedy="Choose another.")

    def make() -> Baseline:
        travel = Travel(profile_named(key.profile), key.waits)
        rows = counted_stations(connection, city, key.stations, key.facility, key.at)
        walks = KeptWalks(
            city.network,
            city.streets.impedance(travel),
            city.demand(travel).snapped,
            city.snapped_stations(travel).take(rows),
            cutoff_s=rule.cutoff_s,
        )
        buildings = city.buildings
        doors = np.bincount(
            buildings.point_building[walks.cost_mm >= 0], minlength=len(buildings.ids)
        ).astype(np.int32)
        known = np.nan_to_num(buildings.households)
        is_known = bool((known > 0).any())
        weight = known if is_known else np.ones(len(known))
        return Baseline(
            travel,
            rows,
            city.stations.code[rows],
            walks,
            doors,
            weight,
            "households" if is_known else "buildings",
            float(weight[doors > 0].sum()),
            float(weight.sum()),
        )

    kept: Baseline = city.kept_walks.get((key, rule.cutoff_s), make)
    return kept


def _gates(city: City, travel: Travel, gates: Sequence[Point]) -> list[NDArray[np.float64]]:
    """Places on barriers, and the directions across them."""
    if not gates:
        return []
    found = []
    barriers, walls = city.streets.barriers, city.streets.snapper(travel).walls
    for number, xy in enumerate(project(np.array(gates, float), city.network.crs), start=1):
        place = gate_in_wall(barriers, xy, walls=walls)
        if place is None:
            raise SnapError(
                f"No wall, fence, river or railway is near gate {number}.",
                remedy="Click on the barrier itself; to join streets draw a crossing instead.",
            )
        found.append(place)
    return found


def _through(
    opened: Snapper,
    xy: NDArray[np.float64],
    points: SnappedPoints,
    places: list[NDArray[np.float64]],
) -> tuple[NDArray[np.int64], SnappedPoints]:
    """Points that a gate brings nearer to a street, and where they are joined then."""
    reach = max(opened.max_snap_m, GATE_REACH_M)
    near = np.zeros(len(xy), np.bool_)
    for place in places:
        near |= np.hypot(*(xy - place[0]).T) <= reach
    rows = np.flatnonzero(near)
    anew = opened.snap(xy[rows])
    before = points.edge[rows], points.access_mm[rows]
    better = (anew.edge >= 0) & ((before[0] < 0) | (anew.access_mm < before[1]))
    return rows[better], anew.take(np.flatnonzero(better))


def _replaced(
    points: SnappedPoints, rows: NDArray[np.int64], others: SnappedPoints
) -> SnappedPoints:
    """The same points with some joined elsewhere."""
    order = np.arange(len(points))
    order[rows] = len(points) + np.arange(len(rows))
    return joined_points(points, others).take(order)


def _paths(
    city: City,
    travel: Travel,
    links: Sequence[tuple[Point, Point]],
    places: list[NDArray[np.float64]],
) -> Links | None:
    """Pieces of street that links and gates add."""
    if not links and not places:
        return None
    network, feet = city.network, city.streets.feet
    barriers, walls = city.streets.barriers, city.streets.snapper(travel).walls
    ends = [project(np.array(link, float), network.crs) for link in links]
    ends += [
        path
        for place in places
        if (path := path_through(network, barriers, place, feet=feet, walls=walls)) is not None
    ]
    return links_between(network, np.stack(ends), reach_m=REACH_M, feet=feet) if ends else None


def _lonlat(links: Links, crs: str) -> list[list[list[float]]]:
    xy = unproject(links.xy.reshape(-1, 2), crs).round(7)
    told: list[list[list[float]]] = xy.reshape(-1, 2, 2).tolist()
    return told
