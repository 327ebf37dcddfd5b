"""Who may walk and ride where, by the tags: one hand-drawn map for each rule."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from data.importers.osm import OsmCity, read_osm
from geo.network import EdgeFlag, Ways
from tests.osm_by_hand import OsmByHand

WALK, RIDE = EdgeFlag.WALK, EdgeFlag.RIDE_FORWARD | EdgeFlag.RIDE_BACKWARD


@pytest.fixture
def drawn() -> OsmByHand:
    return OsmByHand()


def network(drawn: OsmByHand, folder: Path) -> Ways:
    return read(drawn, folder).ways


def read(drawn: OsmByHand, folder: Path) -> OsmCity:
    return read_osm(drawn.write(folder), parts=("network",))


def flags_of(ways: Ways, way: int) -> EdgeFlag | None:
    """Flags of a way; None where it is not in the network."""
    rows = np.flatnonzero(ways.source == way)
    if not len(rows):
        return None
    assert len(set(ways.flags[rows].tolist())) == 1
    return EdgeFlag(int(ways.flags[rows[0]]))


def use(folder: Path, **tags: str) -> EdgeFlag | None:
    """Flags of one way with these tags, beside a street that is always there."""
    drawn = OsmByHand()
    drawn.way((0, 0), (0, 100), highway="residential")
    way = drawn.way((0, 0), (100, 0), **tags)
    return flags_of(network(drawn, folder), way)


@pytest.mark.parametrize(
    "highway",
    [
        "footway", "path", "pedestrian", "steps", "living_street", "residential", "unclassified",
        "service", "track", "road", "tertiary", "secondary", "primary", "trunk", "tertiary_link",
        "secondary_link", "primary_link", "trunk_link", "corridor", "elevator", "platform",
    ],
)  # fmt: skip
def test_people_walk_on_every_street_and_path(tmp_path: Path, highway: str) -> None:
    flags = use(tmp_path, highway=highway)
    assert flags is not None
    assert flags & WALK


@pytest.mark.parametrize(
    "tags",
    [
        {"highway": "motorway"},
        {"highway": "motorway_link"},
        {"highway": "trunk", "motorroad": "yes"},
        {"highway": "construction"},
        {"highway": "proposed"},
        {"highway": "raceway"},
        {"highway": "via_ferrata"},
        {"highway": "bridleway"},
        {"highway": "residential", "foot": "no"},
        {"highway": "residential", "access": "no"},
        {"highway": "track", "access": "agricultural"},
        {"highway": "service", "access": "private"},
        {"highway": "footway", "foot": "private"},
        {"highway": "service", "service": "private"},
        {"highway": "path", "access": "military"},
        {"highway": "service", "area": "yes"},
        {"route": "ferry"},
        {"route": "ferry", "foot": "yes"},
        {"railway": "rail"},
    ],
    ids=str,
)
def test_people_do_not_walk_where_the_tags_keep_them_out(
    tmp_path: Path, tags: dict[str, str]
) -> None:
    flags = use(tmp_path, **tags)
    assert flags is None or not flags & WALK


@pytest.mark.parametrize(
    "tags",
    [
        {"highway": "residential", "access": "no", "foot": "yes"},
        {"highway": "service", "access": "private", "foot": "designated"},
        {"highway": "residential", "access": "destination"},
        {"highway": "residential", "access": "customers"},
        {"highway": "residential", "access": "private;permissive"},
        {"highway": "residential", "foot": "nobody knows this value"},
        {"highway": "motorway", "foot": "yes"},
        {"highway": "trunk", "motorroad": "yes", "sidewalk": "right"},
        {"highway": "cycleway", "foot": "yes"},
        {"highway": "cycleway", "segregated": "no"},
        {"highway": "residential", "oneway": "yes"},
        {"highway": "footway", "indoor": "yes"},
        {"highway": "residential;service"},
        {"highway": "trail"},
        {"railway": "platform"},
        {"public_transport": "platform"},
        {"man_made": "pier"},
        {"highway": "primary", "sidewalk": "separate"},
    ],
    ids=str,
)
def test_special_access_comes_before_general_access(tmp_path: Path, tags: dict[str, str]) -> None:
    flags = use(tmp_path, **tags)
    assert flags is not None
    assert flags & WALK


def test_a_cycle_track_is_for_feet_only_where_it_says_so(tmp_path: Path) -> None:
    flags = use(tmp_path, highway="cycleway")
    assert flags is not None
    assert not flags & WALK
    assert flags & RIDE == RIDE


@pytest.mark.parametrize(
    ("tags", "forward", "backward"),
    [
        ({"highway": "residential"}, True, True),
        ({"highway": "residential", "oneway": "yes"}, True, False),
        ({"highway": "residential", "oneway": "-1"}, False, True),
        ({"highway": "residential", "oneway": "yes", "oneway:bicycle": "no"}, True, True),
        ({"highway": "residential", "oneway": "yes", "cycleway": "opposite"}, True, True),
        ({"highway": "residential", "oneway": "yes", "cycleway:left": "opposite_lane"}, True, True),
        ({"highway": "primary", "junction": "roundabout"}, True, False),
        ({"highway": "primary", "junction": "roundabout", "oneway": "no"}, True, True),
        ({"highway": "residential", "oneway:bicycle": "yes"}, True, False),
        ({"highway": "residential", "bicycle": "no"}, False, False),
        ({"highway": "residential", "vehicle": "no"}, False, False),
        ({"highway": "residential", "vehicle": "no", "bicycle": "yes"}, True, True),
        ({"highway": "residential", "bicycle": "dismount"}, False, False),
        ({"highway": "primary", "bicycle": "use_sidepath"}, False, False),
        ({"highway": "trunk"}, True, True),
        ({"highway": "trunk", "motorroad": "yes"}, False, False),
        ({"highway": "motorway", "foot": "yes", "bicycle": "yes"}, False, False),
        ({"highway": "path"}, True, True),
        ({"highway": "footway"}, False, False),
        ({"highway": "footway", "bicycle": "yes"}, True, True),
        ({"highway": "pedestrian"}, False, False),
        ({"highway": "pedestrian", "bicycle": "yes"}, True, True),
        ({"highway": "steps", "bicycle": "yes"}, False, False),
        ({"highway": "cycleway", "oneway": "yes"}, True, False),
    ],
    ids=str,
)
def test_e_bikes_follow_bicycles_and_their_one_way(
    tmp_path: Path, tags: dict[str, str], forward: bool, backward: bool
) -> None:
    flags = use(tmp_path, **{k.replace(":", "__"): v for k, v in tags.items()}) or EdgeFlag(0)
    assert bool(flags & EdgeFlag.RIDE_FORWARD) is forward
    assert bool(flags & EdgeFlag.RIDE_BACKWARD) is backward


def test_walking_ignores_the_one_way_of_cars(tmp_path: Path) -> None:
    flags = use(tmp_path, highway="residential", oneway="yes")
    assert flags is not None
    assert flags & WALK  # one bit, both ways


def test_steps_bridges_tunnels_and_crossings_are_marked(tmp_path: Path) -> None:
    assert (use(tmp_path, highway="steps") or 0) & EdgeFlag.STEPS
    assert (use(tmp_path, highway="footway", bridge="yes") or 0) & EdgeFlag.BRIDGE
    assert (use(tmp_path, highway="footway", tunnel="yes") or 0) & EdgeFlag.TUNNEL
    assert (use(tmp_path, highway="footway", footway="crossing") or 0) & EdgeFlag.CROSSING
    passage = use(tmp_path, highway="footway", tunnel="building_passage")
    assert passage is not None
    assert not passage & EdgeFlag.TUNNEL


def test_an_unknown_kind_of_highway_is_reported_by_its_id(drawn: OsmByHand, tmp_path: Path) -> None:
    drawn.way((0, 0), (0, 100), highway="residential")
    way = drawn.way((0, 0), (100, 0), highway="hyperloop")
    city = read(drawn, tmp_path)
    assert [(p.element, p.detail) for p in city.problems] == [(f"way/{way}", "hyperloop")]


def test_people_walk_along_the_outline_of_a_square(drawn: OsmByHand, tmp_path: Path) -> None:
    way = drawn.ring(0, 0, 60, 60, highway="pedestrian", area="yes")
    ways = network(drawn, tmp_path)
    assert flags_of(ways, way) == WALK
    assert ways.nodes[0] == ways.nodes[-1]


def test_people_walk_along_the_outlines_of_a_square_with_a_hole(
    drawn: OsmByHand, tmp_path: Path
) -> None:
    outer, inner = drawn.ring(0, 0, 90, 90), drawn.ring(30, 30, 60, 60)
    street = drawn.way((0, 0), (-50, 0), highway="residential")
    drawn.relation(
        ("way", outer, "outer"), ("way", inner, "inner"), type="multipolygon", highway="pedestrian"
    )
    ways = network(drawn, tmp_path)
    assert sorted(set(ways.source.tolist())) == sorted({outer, inner, street})
    assert flags_of(ways, inner) == WALK


def compound(drawn: OsmByHand, **tags: str) -> tuple[int, int, int]:
    """A compound 100 m wide with a private street inside, one outside, and a gate between."""
    drawn.ring(0, 0, 100, 100, landuse="residential", **tags)
    gate = drawn.node(50, 0, barrier="gate", access="private")
    inside = drawn.way((50, 80), (50, 40), gate, highway="service", access="private")
    outside = drawn.way((300, 0), (300, 80), highway="service", access="private")
    drawn.way((-100, -20), (50, -20), (300, -20), highway="residential")
    drawn.way(gate, (50, -20), highway="service")
    return gate, inside, outside


def test_private_ways_stay_walkable_inside_a_compound_and_only_there(
    drawn: OsmByHand, tmp_path: Path
) -> None:
    _, inside, outside = compound(drawn, name="阳光花园")
    ways = network(drawn, tmp_path)
    assert (flags_of(ways, inside) or 0) & (WALK | EdgeFlag.PRIVATE) == WALK | EdgeFlag.PRIVATE
    assert flags_of(ways, outside) is None


def test_a_compound_may_be_a_relation(drawn: OsmByHand, tmp_path: Path) -> None:
    ring = drawn.ring(0, 0, 100, 100)
    drawn.relation(("way", ring, "outer"), type="multipolygon", landuse="residential")
    inside = drawn.way((20, 20), (80, 80), highway="footway", access="residents")
    assert (flags_of(network(drawn, tmp_path), inside) or 0) & EdgeFlag.PRIVATE


def test_a_destination_street_is_public_outside_a_compound_and_private_inside(
    drawn: OsmByHand, tmp_path: Path
) -> None:
    drawn.ring(0, 0, 100, 100, landuse="residential")
    inside = drawn.way((20, 20), (80, 80), highway="service", access="destination")
    outside = drawn.way((200, 20), (280, 80), highway="service", access="destination")
    ways = network(drawn, tmp_path)
    assert (flags_of(ways, inside) or 0) & EdgeFlag.PRIVATE
    assert (flags_of(ways, outside) or 0) & WALK
    assert not (flags_of(ways, outside) or 0) & EdgeFlag.PRIVATE


def blocked_places(ways: Ways) -> int:
    return int(ways.blocked.sum())


def test_the_private_gate_of_a_compound_lets_its_residents_pass(
    drawn: OsmByHand, tmp_path: Path
) -> None:
    compound(drawn)
    assert blocked_places(network(drawn, tmp_path)) == 0


@pytest.mark.parametrize(
    ("tags", "stops"),
    [
        ({"barrier": "gate"}, False),
        ({"barrier": "bollard"}, False),
        ({"barrier": "lift_gate"}, False),
        ({"barrier": "gate", "access": "private"}, True),
        ({"barrier": "gate", "access": "no"}, True),
        ({"barrier": "gate", "access": "no", "foot": "yes"}, False),
        ({"barrier": "gate", "locked": "yes"}, True),
        ({"barrier": "gate", "locked": "yes", "foot": "permissive"}, False),
        ({"barrier": "wall"}, True),
        ({"barrier": "fence"}, True),
        ({"barrier": "no", "access": "no"}, False),
        ({"highway": "crossing", "access": "no"}, False),
    ],
    ids=str,
)
def test_a_barrier_on_a_street_stops_people_if_it_is_closed(
    drawn: OsmByHand, tmp_path: Path, tags: dict[str, str], stops: bool
) -> None:
    drawn.node(50, 0, **tags)
    drawn.way((0, 0), (50, 0), (100, 0), highway="residential")
    ways = network(drawn, tmp_path)
    assert blocked_places(ways) == int(stops)


@pytest.mark.parametrize("tags", [{"access": "no"}, {"locked": "yes"}], ids=str)
def test_a_closed_gate_of_a_compound_is_closed_to_residents_too(
    drawn: OsmByHand, tmp_path: Path, tags: dict[str, str]
) -> None:
    drawn.ring(0, 0, 100, 100, landuse="residential")
    drawn.node(50, 0, barrier="gate", **tags)
    drawn.way((50, 50), (50, 0), (50, -50), highway="service")
    assert blocked_places(network(drawn, tmp_path)) == 1


def test_the_table_in_the_docs_names_every_value_the_rules_know() -> None:
    from data.importers import osm_rules as rules

    table = (Path(__file__).parents[3] / "docs" / "osm-rules.md").read_text(encoding="utf-8")
    known = (
        rules.FOOT_HIGHWAYS
        | rules.FOOT_BY_TAG_HIGHWAYS
        | rules.RIDE_HIGHWAYS
        | rules.RIDE_BY_TAG_HIGHWAYS
        | rules.KNOWN_CLOSED_HIGHWAYS
        | rules.OPEN_VALUES
        | rules.DESTINATION_VALUES
        | rules.RESIDENTS_VALUES
        | rules.CLOSED_VALUES
        | rules.SOLID_BARRIERS
        | rules.GATE_BARRIERS
    )
    assert sorted(value for value in known if f"`{value}`" not in table) == []
