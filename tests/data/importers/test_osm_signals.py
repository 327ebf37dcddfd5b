"""Every signal-controlled crossing is charged once to those who cross, and to nobody else."""

from __future__ import annotations

import itertools
from pathlib import Path

import networkx as nx
import numpy as np
import pytest

from data.importers.osm import read_osm
from geo.network import EdgeFlag, Ways
from tests.osm_by_hand import OsmByHand, lonlat

SIGNAL = {"highway": "crossing", "crossing": "traffic_signals"}


@pytest.fixture
def drawn() -> OsmByHand:
    return OsmByHand()


class Walks:
    """Walks over raw ways: the slow twin of charging waits, on networkx."""

    def __init__(self, drawn: OsmByHand, folder: Path) -> None:
        self.ways: Ways = read_osm(drawn.write(folder), parts=("network",)).ways
        self.graph = nx.Graph()
        ways = self.ways
        for i, (begin, end) in enumerate(itertools.pairwise(ways.offsets)):
            if not ways.flags[i] & EdgeFlag.WALK:
                continue
            nodes = ways.nodes[begin:end]
            steps = np.linalg.norm(np.diff(ways.lonlat[nodes], axis=0), axis=1)
            for a, b, step in zip(nodes[:-1], nodes[1:], steps, strict=True):
                wait = float(ways.way_waits[i] * step / steps.sum())
                self.graph.add_edge(int(a), int(b), step=float(step), wait=wait)

    def at(self, x: float, y: float) -> int:
        place = np.array(lonlat(x, y))
        return int(np.flatnonzero((self.ways.lonlat == place).all(axis=1))[0])

    def waits(self, *places: tuple[float, float]) -> float:
        """Waits of the shortest walk through the places, node waits on reaching them included."""
        total = 0.0
        for here, there in itertools.pairwise(self.at(*place) for place in places):
            path = nx.shortest_path(self.graph, here, there, weight="step")
            for a, b in itertools.pairwise(path):
                total += self.graph.edges[a, b]["wait"] + float(self.ways.waits[b])
        return total


def test_a_crossing_said_on_the_way_and_on_its_node_is_charged_once(
    drawn: OsmByHand, tmp_path: Path
) -> None:
    drawn.node(0, 0, **SIGNAL)
    drawn.way((-200, 0), (0, 0), (200, 0), highway="primary")
    drawn.way((0, -10), (0, 0), (0, 10), highway="footway", footway="crossing",
              crossing="traffic_signals")  # fmt: skip
    drawn.way((0, -60), (0, -10), highway="footway")
    drawn.way((0, 10), (0, 60), highway="footway")
    walks = Walks(drawn, tmp_path)
    assert walks.waits((0, -60), (0, 60)) == pytest.approx(1)
    assert walks.waits((-200, 0), (200, 0)) == 0


@pytest.mark.parametrize(
    "tags",
    [
        {"highway": "crossing", "crossing": "traffic_signals"},
        {"highway": "crossing", "crossing__signals": "yes"},
        {"highway": "crossing", "crossing": "marked", "crossing__signals": "shared"},
        {"highway": "traffic_signals", "crossing": "traffic_signals"},
        {"highway": "traffic_signals", "traffic_signals": "crossing"},
    ],
    ids=str,
)
def test_a_signal_node_where_a_footpath_crosses_is_charged_to_the_footpath_only(
    drawn: OsmByHand, tmp_path: Path, tags: dict[str, str]
) -> None:
    drawn.node(0, 0, **tags)
    drawn.way((-200, 0), (0, 0), (200, 0), highway="primary")
    drawn.way((0, -60), (0, -10), (0, 0), (0, 10), (0, 60), highway="footway")
    walks = Walks(drawn, tmp_path)
    assert walks.waits((0, -60), (0, 60)) == pytest.approx(1)
    assert walks.waits((0, -10), (0, 10)) == pytest.approx(1)
    assert walks.waits((0, 10), (0, 60)) == 0
    assert walks.waits((-200, 0), (200, 0)) == 0
    assert walks.waits((0, -60), (200, 0)) == pytest.approx(0.5)


def test_a_crossing_without_signals_costs_nothing(drawn: OsmByHand, tmp_path: Path) -> None:
    drawn.node(0, 0, highway="crossing", crossing="uncontrolled", crossing__signals="no")
    drawn.way((-200, 0), (0, 0), (200, 0), highway="primary")
    drawn.way((0, -10), (0, 0), (0, 10), highway="footway", footway="crossing")
    assert Walks(drawn, tmp_path).waits((0, -10), (0, 10)) == 0


@pytest.mark.parametrize("island", [True, False], ids=["over a refuge", "in two parts"])
def test_the_two_halves_of_a_straight_crossing_share_one_wait(
    drawn: OsmByHand, tmp_path: Path, island: bool
) -> None:
    crossing = {"highway": "footway", "footway": "crossing", "crossing": "traffic_signals"}
    for y in (10, 30):
        drawn.node(0, y, **SIGNAL)
        drawn.way((-100, y), (0, y), (100, y), highway="primary", oneway="yes")
    drawn.way((0, 0), (0, 10), (0, 18), **crossing)
    if island:
        drawn.way((0, 18), (0, 22), highway="footway", footway="traffic_island")
        drawn.way((0, 22), (0, 30), (0, 40), **crossing)
    else:
        drawn.way((0, 18), (0, 30), (0, 40), **crossing)
    walks = Walks(drawn, tmp_path)
    assert walks.waits((0, 0), (0, 40)) == pytest.approx(1)


def test_two_crossings_that_meet_at_a_corner_are_two_waits(
    drawn: OsmByHand, tmp_path: Path
) -> None:
    crossing = {"highway": "footway", "footway": "crossing", "crossing": "traffic_signals"}
    drawn.way((0, 0), (0, 20), **crossing)
    drawn.way((0, 20), (20, 20), **crossing)
    assert Walks(drawn, tmp_path).waits((0, 0), (20, 20)) == pytest.approx(2)


def test_a_signal_on_the_junction_node_is_one_wait_for_who_walks_through(
    drawn: OsmByHand, tmp_path: Path
) -> None:
    drawn.node(0, 0, highway="traffic_signals")
    drawn.way((-100, 0), (0, 0), (100, 0), highway="primary")
    drawn.way((0, -100), (0, 0), (0, 100), highway="secondary")
    walks = Walks(drawn, tmp_path)
    assert walks.waits((-100, 0), (100, 0)) == 1
    assert walks.waits((0, -100), (100, 0)) == 1


def test_signals_on_the_stop_lines_are_one_wait_at_their_junction(
    drawn: OsmByHand, tmp_path: Path
) -> None:
    for place in ((-15, 0), (15, 0), (0, -15), (0, 15)):
        drawn.node(*place, highway="traffic_signals")
    primary = [(-100, 0), (-60, 0), (-15, 0), (0, 0), (15, 0), (30, 0), (100, 0)]
    drawn.way(*primary, highway="primary")
    drawn.way((0, -100), (0, -15), (0, 0), (0, 15), (0, 100), highway="secondary")
    drawn.way((-60, 0), (-60, 50), highway="residential")
    drawn.way((30, 0), (30, 50), highway="service")
    walks = Walks(drawn, tmp_path)
    assert walks.waits((-100, 0), (100, 0)) == 1
    assert walks.waits((-100, 0), (-60, 50)) == 0


def test_a_junction_of_two_divided_streets_is_one_wait_straight_across(
    drawn: OsmByHand, tmp_path: Path
) -> None:
    for x, y in itertools.product((0, 20), repeat=2):
        drawn.node(x, y, highway="traffic_signals")
    for at in (0, 20):
        drawn.way((-100, at), (0, at), (20, at), (120, at), highway="primary", oneway="yes")
        drawn.way((at, -100), (at, 0), (at, 20), (at, 120), highway="primary", oneway="yes")
    walks = Walks(drawn, tmp_path)
    assert walks.waits((-100, 0), (120, 0)) == 1
    assert walks.waits((0, -100), (0, 120)) == 1


def test_crossing_nodes_on_three_arms_make_a_junction_without_footpaths_wait(
    drawn: OsmByHand, tmp_path: Path
) -> None:
    for place in ((-15, 0), (15, 0), (0, -15)):
        drawn.node(*place, **SIGNAL)
    drawn.way((-100, 0), (-15, 0), (0, 0), (15, 0), (100, 0), highway="primary")
    drawn.way((0, -100), (0, -15), (0, 0), highway="secondary")
    assert Walks(drawn, tmp_path).waits((-100, 0), (100, 0)) == 1


def test_a_signal_on_an_open_road_delays_nobody_who_walks_along_it(
    drawn: OsmByHand, tmp_path: Path
) -> None:
    drawn.node(0, 0, **SIGNAL)
    drawn.way((-100, 0), (0, 0), (100, 0), highway="primary")
    drawn.way((-10, 0), (-10, 80), highway="residential")
    assert Walks(drawn, tmp_path).waits((-100, 0), (100, 0)) == 0


def test_cutting_a_footpath_for_its_wait_changes_neither_its_line_nor_its_length(
    drawn: OsmByHand, tmp_path: Path
) -> None:
    places = [(0, -60), (0, -10), (0, 0), (0, 10), (0, 60), (0, 70)]
    drawn.node(0, 0, **SIGNAL)
    drawn.way((-200, 0), (0, 0), (200, 0), highway="primary")
    path = drawn.way(*places, highway="footway")
    ways = read_osm(drawn.write(tmp_path), parts=("network",)).ways
    parts = np.flatnonzero(ways.source == path)
    drawn_again = [
        [tuple(p) for p in ways.lonlat[ways.nodes[ways.offsets[i] : ways.offsets[i + 1]]].tolist()]
        for i in parts
    ]
    assert [part[0] for part in drawn_again[1:]] == [part[-1] for part in drawn_again[:-1]]
    joined = drawn_again[0] + [p for part in drawn_again[1:] for p in part[1:]]
    assert joined == [lonlat(*place) for place in places]
    assert ways.way_waits[parts].tolist() == [0, 0.5, 0.5, 0]
