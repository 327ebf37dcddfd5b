"""The network: cut at junctions, joined elsewhere, kept and found again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from geo_by_hand import OPEN, at, block_town, network_of

from geo.errors import NetworkError
from geo.impedance import impedance
from geo.network import EdgeFlag, Ways, build_network, open_network, save_network
from geo.search import nearest_facility
from geo.snapping import snap
from geo.standards import PROFILES


def test_ways_are_cut_where_they_meet_and_joined_where_they_only_pass_on() -> None:
    town = network_of(block_town(4))
    # Four corners have two ends each and are joined away; twelve junctions stay.
    assert len(town.node_xy) == 12
    assert len(town.edge_nodes) == 24 - 4
    assert town.edge_length_mm.sum() == pytest.approx(24 * 100_000, abs=50)


def test_a_change_of_flags_and_a_signal_keep_their_node() -> None:
    line = [[(0.0, 0.0), (100.0, 0.0)], [(100.0, 0.0), (200.0, 0.0)]]
    assert len(network_of(line).edge_nodes) == 1
    assert len(network_of(line, flags=[OPEN, OPEN | int(EdgeFlag.STEPS)]).edge_nodes) == 2
    assert len(network_of(line, waits={(100.0, 0.0): 1.0}).edge_nodes) == 2


def test_nobody_passes_a_blocked_node_but_its_ends_are_reached() -> None:
    net = network_of([[(0.0, 0.0), (100.0, 0.0), (200.0, 0.0)]], blocked=((100.0, 0.0),))
    assert len(net.edge_nodes) == 2
    assert net.node_component.max() == 1


def test_the_longest_component_is_number_0() -> None:
    net = network_of([[(0.0, 0.0), (50.0, 0.0)], [(0.0, 500.0), (900.0, 500.0)]])
    long = net.node_xy[:, 1] > net.node_xy[:, 1].mean()
    assert (net.node_component[long] == 0).all()
    assert (net.node_component[~long] == 1).all()


def test_a_ring_without_junction_and_a_loop_at_a_junction_are_edges() -> None:
    ring = [(0.0, 0.0), (100.0, 0.0), (100.0, 100.0), (0.0, 100.0), (0.0, 0.0)]
    assert len(network_of([ring]).edge_nodes) == 1
    tailed = network_of([ring, [(-50.0, 0.0), (0.0, 0.0)]])
    assert len(tailed.edge_nodes) == 2
    assert tailed.edge_length_mm.sum() == pytest.approx(450_000, abs=20)


def test_the_same_ways_give_the_same_version_and_other_ways_another() -> None:
    assert network_of(block_town()).version == network_of(block_town()).version
    assert network_of(block_town()).version != network_of(block_town(5)).version


def test_a_kept_network_opens_as_it_was(tmp_path: Path) -> None:
    net = network_of(block_town())
    save_network(net, tmp_path / "kept")
    again = open_network(tmp_path / "kept")
    assert again.version == net.version
    assert np.array_equal(again.edge_xy, net.edge_xy)
    assert isinstance(again.edge_xy, np.memmap)


def test_a_broken_folder_is_refused(tmp_path: Path) -> None:
    save_network(network_of(block_town()), tmp_path / "kept")
    (tmp_path / "kept" / "edge_xy.npy").unlink()
    with pytest.raises(NetworkError, match="no whole network"):
        open_network(tmp_path / "kept")


def test_arrays_that_do_not_fit_together_are_refused(tmp_path: Path) -> None:
    net = network_of(block_town())
    save_network(net, tmp_path / "kept")
    np.save(tmp_path / "kept" / "edge_flags.npy", net.edge_flags[:-1])
    with pytest.raises(NetworkError, match="do not fit"):
        open_network(tmp_path / "kept")


def test_a_folder_is_replaced_while_an_open_network_stays_as_it_was(tmp_path: Path) -> None:
    small, large = network_of(block_town(3)), network_of(block_town(6))
    save_network(small, tmp_path / "kept")
    held = open_network(tmp_path / "kept")
    save_network(large, tmp_path / "kept")
    assert np.array_equal(held.edge_xy, small.edge_xy)
    assert open_network(tmp_path / "kept").version == large.version
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_a_network_cannot_be_written_into_by_accident() -> None:
    with pytest.raises(ValueError, match="read-only"):
        network_of(block_town(3)).edge_length_mm[0] = 0


def test_ways_without_two_different_nodes_are_an_error_with_a_remedy() -> None:
    with pytest.raises(NetworkError, match="two different nodes") as refused:
        network_of([[(0.0, 0.0), (0.0, 0.0)], [(5.0, 0.0)]])
    assert refused.value.remedy


def test_the_wait_of_a_way_is_shared_out_by_length_over_its_edges() -> None:
    way = [(0.0, 0.0), (10.0, 0.0), (30.0, 0.0), (30.0, 10.0)]
    cut = network_of([way, [(30.0, 0.0), (90.0, 0.0)]], way_waits=[2.0, 0.0])
    by_length = dict(zip(cut.edge_length_mm.tolist(), cut.edge_waits.tolist(), strict=True))
    # Two pieces joined at a corner that only passes on, one beyond the junction.
    assert by_length == pytest.approx({30_000: 1.5, 10_000: 0.5, 60_000: 0.0}, abs=1e-5)


def test_no_ways_are_an_error_with_a_remedy() -> None:
    nothing = Ways(
        np.zeros((0, 2)),
        np.zeros(1, np.int64),
        np.zeros(0, np.int32),
        np.zeros(0, np.uint16),
        np.zeros(0, np.int64),
        np.zeros(0, bool),
        np.zeros(0, np.float32),
        np.zeros(0, np.float32),
    )
    with pytest.raises(NetworkError) as refused:
        build_network(nothing, source="empty.osm")
    assert refused.value.remedy


def test_riders_obey_one_way_and_wheelchairs_avoid_steps() -> None:
    forward = int(EdgeFlag.WALK | EdgeFlag.RIDE_FORWARD)
    net = network_of(
        [[(0.0, 0.0), (100.0, 0.0)], [(100.0, 0.0), (100.0, 100.0), (0.0, 100.0), (0.0, 0.0)]],
        flags=[forward, OPEN],
    )
    ride = impedance(net, PROFILES["ebike"])
    home = snap(net, ride, at((90.0, 0.0)), max_snap_m=5)
    station = snap(net, ride, at((10.0, 0.0)), max_snap_m=5)
    there = nearest_facility(net, ride, home, station).cost_mm[0]
    back = nearest_facility(net, ride, station, home).cost_mm[0]
    assert back == pytest.approx(80_000, abs=5)
    assert there == pytest.approx(320_000, abs=5)
    steps = network_of([[(0.0, 0.0), (100.0, 0.0)]], flags=[OPEN | int(EdgeFlag.STEPS)])
    chair = impedance(steps, PROFILES["wheelchair"])
    assert snap(steps, chair, at((50.0, 0.0)), max_snap_m=5).edge[0] == -1


@pytest.mark.parametrize(("waits", "seconds"), [("none", 0.0), ("expected", 35.0), ("worst", 90.0)])
def test_a_signal_is_waited_for_once(waits: str, seconds: float) -> None:
    net = network_of(
        [[(0.0, 0.0), (100.0, 0.0)], [(100.0, 0.0), (200.0, 0.0)]], waits={(100.0, 0.0): 1.0}
    )
    costs = impedance(net, PROFILES["adult"], waits=waits)
    home, station = (snap(net, costs, at(p), max_snap_m=5) for p in ((50.0, 0.0), (150.0, 0.0)))
    walked = nearest_facility(net, costs, home, station).seconds[0]
    assert walked == pytest.approx(100 / 1.2 + seconds, abs=0.01)
