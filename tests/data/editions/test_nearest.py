"""Riding and walking times to stations: on the network, one-way streets obeyed."""

from __future__ import annotations

import dataclasses
import itertools

import networkx as nx
import numpy as np
import pytest
from town import BRIDGE_ROW, COLUMNS, MESH_M, RIVER_FROM, RIVER_TO, ROWS, lonlat, seed_layers, ways

from data.circles import Circles
from data.database import Database
from data.editions.nearest import StationTimes, as_json
from data.network_store import store_network
from data.settings import Settings
from geo.errors import SnapError
from geo.network import EdgeFlag, build_network

STATIONS = [(205, 203), (598, 900), (1197, 103), (650, 500), (3000, 50)]


def one_way() -> object:
    """The town, where every second street of each direction goes one way for wheels."""
    made = ways()
    flags = made.flags.copy()
    flags[::2] = EdgeFlag.WALK | EdgeFlag.RIDE_FORWARD
    return dataclasses.replace(made, flags=flags)


@pytest.fixture
def circles(database: Database, settings: Settings) -> Circles:
    with database.transaction("test") as connection:
        seed_layers(connection)
        store_network(connection, build_network(one_way(), source="one way"))
    return Circles(database, settings)


def graph(wheels: bool) -> nx.DiGraph:
    """The same streets for networkx, written down from the town's plan."""
    made = one_way()
    found = nx.DiGraph()
    places = [tuple(p) for p in made.lonlat]
    for way in range(len(made.flags)):
        nodes = made.nodes[made.offsets[way] : made.offsets[way + 1]]
        for a, b in itertools.pairwise(nodes):
            found.add_edge(places[a], places[b])
            if not wheels or made.flags[way] & EdgeFlag.RIDE_BACKWARD:
                found.add_edge(places[b], places[a])
    return found


@pytest.mark.parametrize(("profile", "speed"), [("ebike", 15 / 3.6), ("norm", 1.0)])
def test_times_are_those_of_another_router(circles, profile, speed) -> None:
    """From the middle of blocks of two-way streets (odd columns) to the middle of others."""
    city, travel = circles.city(), circles.travel(profile)
    targets = [(3, 2), (5, 9), (13, 1), (15, 8)]
    there = np.array([lonlat(x * MESH_M, y * MESH_M + 50) for x, y in targets])
    streets = graph(wheels=profile == "ebike")
    times = StationTimes()
    for x, y in [(1, 0), (3, 3), (7, 5), (9, 5), (15, 9), (11, 7)]:
        lon, lat = lonlat(x * MESH_M, y * MESH_M + 50)
        found = times.seconds(
            city, travel, key="t", lonlat=there, lon=lon, lat=lat, most_s=3600
        )  # fmt: skip
        for (tx, ty), seconds in zip(targets, found, strict=True):
            ends = [
                (lonlat(x * MESH_M, (y + start) * MESH_M), lonlat(tx * MESH_M, (ty + end) * MESH_M))
                for start in (0, 1)
                for end in (0, 1)
            ]
            ways_there = [
                nx.shortest_path_length(streets, *pair)
                for pair in ends
                if nx.has_path(streets, *pair)
            ]
            if not ways_there:  # westwards over the bridge, which is one-way for wheels
                assert profile == "ebike"
                assert np.isnan(seconds)
                continue
            blocks = min(ways_there)
            assert seconds * speed == pytest.approx((blocks + 1) * MESH_M, rel=2e-3, abs=0.5)


def test_riding_there_and_back_differ_where_streets_go_one_way(circles) -> None:
    city, travel = circles.city(), circles.travel("ebike")
    times = StationTimes()

    def seconds(a, b):
        lon, lat = lonlat(*a)
        return times.seconds(
            city, travel, key=str(b), lonlat=np.array([lonlat(*b)]), lon=lon, lat=lat, most_s=3600
        )[0]

    assert seconds((200, 50), (200, 250)) == pytest.approx(48, abs=0.5)
    assert 150 < seconds((200, 250), (200, 50)) < 400


def test_a_station_across_the_river_is_as_far_as_the_bridge_makes_it(circles) -> None:
    city, travel = circles.city(), circles.travel("norm")
    west = lonlat(RIVER_FROM * MESH_M, 0)
    east = np.array([lonlat(RIVER_TO * MESH_M, 0)])
    (seconds,) = StationTimes().seconds(
        city, travel, key="e", lonlat=east, lon=west[0], lat=west[1], most_s=3600
    )
    assert seconds == pytest.approx((2 * BRIDGE_ROW + 1) * MESH_M, rel=2e-3)
    assert COLUMNS > RIVER_TO
    assert ROWS > BRIDGE_ROW


def test_what_is_too_far_or_on_an_island_has_no_time(circles) -> None:
    city, travel = circles.city(), circles.travel("norm")
    lon, lat = lonlat(200, 200)
    there = np.array([lonlat(*place) for place in STATIONS])
    found = StationTimes().seconds(
        city, travel, key="s", lonlat=there, lon=lon, lat=lat, most_s=900
    )
    assert found[0] < 30
    assert np.isnan(found[2:3]).all()
    assert np.isnan(found[4])
    listed = as_json([{"id": n} for n in range(5)], found, found)
    assert listed[0]["walk_s"] < 30
    assert listed[4] == {"id": 4, "ride_s": None, "walk_s": None}


def test_somebody_far_from_every_street_is_told_so(circles) -> None:
    city, travel = circles.city(), circles.travel("norm")
    lon, lat = lonlat(5005, 5005)
    with pytest.raises(SnapError):
        StationTimes().seconds(
            city, travel, key="s", lonlat=np.array([lonlat(0, 0)]), lon=lon, lat=lat, most_s=900
        )
