"""Ground: one network under one way of walking, with the homes and stations of a place on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.audits.place import Place
from data.audits.week import open_week
from geo.audit import Homes, StationTable, Walked
from geo.coverage import coverage
from geo.crs import project
from geo.impedance import Impedance, impedance
from geo.links import Links, carry_points, with_links
from geo.network import WalkNetwork
from geo.rulesets import Rule, WalkKey
from geo.search import TargetIndex, nearest_facility, reach_targets
from geo.siting import pairs_of_rows
from geo.siting.pairs import Pairs
from geo.snapping import SnappedPoints, Snapper
from geo.standards import PROFILES

_RANK = np.array([0, 1, 3, 2], np.uint8)  # covered, gap, unsnapped, disconnected


@dataclass(frozen=True, slots=True)
class Ground:
    """One network under one way of walking.

    Attributes
    ----------
    network : WalkNetwork
    impedance : Impedance
    points, stations : SnappedPoints
        Entrances of the homes and all stations.
    index : TargetIndex
        Of the entrances.
    snapper : Snapper
    """

    network: WalkNetwork
    impedance: Impedance
    points: SnappedPoints
    stations: SnappedPoints
    index: TargetIndex
    snapper: Snapper


def tables_of(place: Place) -> tuple[Homes, StationTable]:
    """Homes and stations of a place as the rules look at them, in its network's metres."""
    crs = place.network.crs

    def metres(lonlat: NDArray[np.float64]) -> NDArray[np.float64]:
        return project(lonlat, crs) if len(lonlat) else np.zeros((0, 2))

    homes, stations = place.homes, place.stations
    return Homes(homes.households, homes.people, homes.estimated, metres(homes.lonlat)), (
        StationTable(
            stations.kind,
            stations.facilities,
            stations.area_m2,
            open_week(stations.hours),
            metres(stations.lonlat),
            stations.places,
        )
    )


def ground_of(place: Place, profile: str, waits: str) -> Ground:
    """Price the streets of a place for one way of walking and join its points to them."""
    network = place.network
    costs = impedance(network, PROFILES[profile], waits=waits)
    snapper = Snapper(network, costs, max_snap_m=place.max_snap_m, barriers=place.barriers)

    def snapped(lonlat: NDArray[np.float64]) -> SnappedPoints:
        return snapper.snap(project(lonlat, network.crs) if len(lonlat) else np.zeros((0, 2)))

    points = snapped(place.homes.point_lonlat)
    return Ground(
        network,
        costs,
        points,
        snapped(place.stations.lonlat),
        TargetIndex(network, costs, points),
        snapper,
    )


def walk_homes(
    place: Place, stations: StationTable, ground: Ground, key: WalkKey, cutoff_s: float
) -> Walked:
    """Walk from all homes to the stations that count, from the best entrance of each.

    Parameters
    ----------
    place : Place
    stations : StationTable
    ground : Ground
        Of the key's profile and waits.
    key : WalkKey
    cutoff_s : float
        For the pairs; the nearest station is looked for beyond it too.
    """
    rows = stations.chosen(key.stations, key.facility, key.at)
    some = ground.stations.take(rows)
    found = coverage(ground.network, ground.impedance, ground.points, some, cutoff_s=1e9)
    count = len(place.homes.code)
    owner = place.homes.point_home
    best = np.zeros(count, np.int64)
    if count:
        order = np.lexsort((found.seconds, _RANK[found.state], owner))
        first = np.concatenate([[True], np.diff(owner[order]) != 0])
        best = order[first]
    facility = found.facility[best]
    numbers = rows if len(rows) else np.zeros(1, np.int64)
    station = np.where(facility >= 0, numbers[np.maximum(facility, 0)], -1)
    return Walked(
        found.seconds[best].astype(np.float64),
        station.astype(np.int32),
        found.state[best],
        pairs_within(place, stations, ground, key, cutoff_s),
    )


def pairs_within(
    place: Place, stations: StationTable, ground: Ground, key: WalkKey, cutoff_s: float
) -> Pairs:
    """Homes to the stations that count, as far as the cutoff; arguments as `walk_homes` has."""
    rows = stations.chosen(key.stations, key.facility, key.at)
    near = reach_targets(
        ground.network,
        ground.impedance,
        ground.stations.take(rows),
        ground.index,
        cutoff_s=cutoff_s,
    )
    counts = np.zeros(len(stations.kind), np.int64)
    counts[rows] = np.diff(near.offsets)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return pairs_of_rows(
        offsets,
        near.target,
        near.cost_mm,
        demands=len(ground.points),
        per_second=1000.0 * ground.impedance.speed_mps,
    ).grouped(place.homes.point_home, len(place.homes.code))


def covered_with(
    place: Place,
    stations: StationTable,
    base: Ground,
    rule: Rule,
    links: Links,
    meets: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """Who would be covered if every doubtful link were there."""
    key = rule.walk
    if not len(links) or key is None:
        return meets
    network = with_links(place.network, links)
    costs = impedance(network, PROFILES[key.profile], waits=key.waits)
    rows = stations.chosen(key.stations, key.facility, key.at)
    found = nearest_facility(
        network,
        costs,
        carry_points(base.points, place.network, links, network),
        carry_points(base.stations.take(rows), place.network, links, network),
        cutoff_s=rule.cutoff_s,
    )
    covered = np.zeros(len(meets), np.bool_)
    covered[place.homes.point_home[found.facility >= 0]] = True
    return covered
