"""Gates through a wall, and the path that leads through them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.network import EdgeFlag, Ways, build_network
from geo.openings import gate_in_wall, path_through
from geo.snapping import Barriers


def two_streets(apart_m: float):
    """Two streets from west to east, a wall half way between them from 0 to 400 m."""
    degrees = 1 / 111_320
    y = np.array([0, 0, apart_m, apart_m]) * degrees
    x = np.array([0, 400, 0, 400]) * degrees
    network = build_network(
        Ways(
            lonlat=np.column_stack([120 + x, y]),
            offsets=np.array([0, 2, 4]),
            nodes=np.arange(4, dtype=np.int32),
            flags=np.full(2, EdgeFlag.WALK, np.uint16),
            source=np.array([1, 2]),
            blocked=np.zeros(4, bool),
            waits=np.zeros(4, np.float32),
            way_waits=np.zeros(2, np.float32),
        ),
        source="made",
    )
    ends = network.edge_xy.reshape(2, 2, 2)
    middle = ends.mean(axis=0)
    return network, Barriers(np.concatenate(list(middle)).reshape(1, 4), np.zeros((0, 2)))


@settings(deadline=None)
@given(st.floats(0.1, 0.9), st.floats(-30, 30))
def test_a_gate_stands_on_the_wall_it_was_meant_for(share, beside):
    _, barriers = two_streets(60)
    a, b = barriers.segments[0, :2], barriers.segments[0, 2:]
    along = (b - a) / np.hypot(*(b - a))
    normal = np.array([-along[1], along[0]])
    on_wall = a + share * (b - a)
    place = gate_in_wall(barriers, on_wall + beside * normal)
    assert place is not None
    assert np.allclose(place[0], on_wall, atol=1e-6)
    assert abs(place[1] @ along) < 1e-9
    assert np.hypot(*place[1]) == pytest.approx(1)


def test_a_path_joins_the_streets_on_both_sides_and_only_through_its_gate():
    network, barriers = two_streets(60)
    middle = barriers.segments[0].reshape(2, 2).mean(axis=0)
    place = gate_in_wall(barriers, middle)
    ends = path_through(network, barriers, place)
    assert np.hypot(*(ends[1] - ends[0])) == pytest.approx(60, rel=0.02)
    # A second wall beside the first stops the path.
    shifted = barriers.segments + np.tile(10 * place[1], 2)
    double = Barriers(np.concatenate([barriers.segments, shifted]), barriers.gates)
    assert path_through(network, double, place) is None


def test_where_no_wall_or_no_street_is_near_there_is_no_gate():
    network, barriers = two_streets(300)
    middle = barriers.segments[0].reshape(2, 2).mean(axis=0)
    assert gate_in_wall(barriers, middle + 500) is None
    assert gate_in_wall(Barriers(np.zeros((0, 4)), np.zeros((0, 2))), middle) is None
    assert path_through(network, barriers, gate_in_wall(barriers, middle)) is None
