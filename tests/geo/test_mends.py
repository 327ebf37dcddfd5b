"""Mends of gaps: what each is said to bring is what the network with it brings."""

from __future__ import annotations

import numpy as np
import pytest
from town import lonlat, ways

from geo.crs import project
from geo.impedance import impedance
from geo.links import carry_points, links_between, with_links
from geo.mends import GATE_M, mends
from geo.network import build_network
from geo.search import TargetIndex, nearest_facility
from geo.snapping import Barriers, Snapper
from geo.standards import PROFILES

CUTOFF_S = 600.0


@pytest.fixture(scope="module")
def ground():
    network = build_network(ways(), source="town")
    costs = impedance(network, PROFILES["norm"], waits="none")

    def metres(points):
        return project(np.array([lonlat(x, y) for x, y in points]), network.crs)

    # The river between 710 and 790 m; streets end at its banks but for one bridge.
    banks = [
        np.concatenate(metres([(x, y0), (x, y0 + 100)]))
        for x in (710, 790)
        for y0 in range(-50, 1000, 100)
    ]
    barriers = Barriers(np.array(banks), np.zeros((0, 2)))
    snapper = Snapper(network, costs, max_snap_m=200, barriers=barriers)
    homes = metres([(x, y) for x in range(830, 1400, 60) for y in range(560, 960, 60)])
    station = snapper.snap(metres([(650, 905)]))
    points = snapper.snap(homes)
    rng = np.random.default_rng(1)
    return network, costs, barriers, homes, points, station, rng.integers(1, 60, len(homes)) * 1.0


def covered(network, costs, points, station):
    found = nearest_facility(network, costs, points, station).cost_mm
    return (found >= 0) & (found <= costs.cutoff_mm(CUTOFF_S))


def test_what_a_mend_brings_is_what_the_network_with_it_brings(ground):
    network, costs, barriers, homes, points, station, weight = ground
    before = covered(network, costs, points, station)
    assert not before.all()
    zone = np.where(before, -1, 0).astype(np.int32)
    found = mends(
        network,
        costs,
        TargetIndex(network, costs, points),
        station,
        barriers=barriers,
        homes_xy=homes,
        weight=weight,
        zone=zone,
        point_home=np.arange(len(homes), dtype=np.int32),
        zones=1,
        cutoff_s=CUTOFF_S,
    )
    assert "footbridge" in {mend.kind for mend in found}
    for mend in found:
        links = links_between(network, mend.xy[None], reach_m=1.0)
        wider = with_links(network, links)
        new = impedance(wider, PROFILES["norm"], waits="none")
        after = covered(
            wider,
            new,
            carry_points(points, network, links, wider),
            carry_points(station, network, links, wider),
        )
        assert mend.gain == weight[after & ~before].sum()
        assert mend.gain > 0
        if mend.kind == "gate":
            assert np.hypot(*(mend.xy[1] - mend.xy[0])) <= GATE_M


def test_without_a_gap_or_a_station_there_is_nothing_to_mend(ground):
    network, costs, barriers, homes, points, station, weight = ground
    index = TargetIndex(network, costs, points)
    about = {
        "barriers": barriers,
        "homes_xy": homes,
        "weight": weight,
        "point_home": np.arange(len(homes), dtype=np.int32),
        "zones": 1,
        "cutoff_s": CUTOFF_S,
    }
    nobody = np.full(len(homes), -1, np.int32)
    assert mends(network, costs, index, station, zone=nobody, **about) == []
    none = station.take(np.zeros(0, np.int64))
    assert mends(network, costs, index, none, zone=nobody + 1, **about) == []
