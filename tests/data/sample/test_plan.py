"""The town on the ground: nothing stands where it could not stand."""

from __future__ import annotations

from collections import defaultdict

import networkx as nx
import numpy as np
import shapely

from data.sample import SampleFiles
from tests.data.sample.conftest import rows
from tests.data.sample.osm_map import OsmMap

TOUCH_M = 0.03
"""Coordinates are rounded to about a centimetre."""


def test_every_outline_is_a_valid_polygon(town: OsmMap) -> None:
    closed = {i: way for i, way in town.ways.items() if way[0][0] == way[0][-1]}
    areas = {i: w for i, w in closed.items() if "highway" not in w[1]}
    assert len(areas) > 3000
    assert shapely.is_valid(town.polygons(areas)).all()


def test_no_building_overlaps_another(town: OsmMap) -> None:
    shapes = town.polygons(town.select("building"))
    a, b = shapely.STRtree(shapes).query(shapes, predicate="intersects")
    apart = a < b
    overlap = shapely.area(shapely.intersection(shapes[a[apart]], shapes[b[apart]]))
    assert overlap.max(initial=0.0) < 0.5


def test_every_home_stands_inside_the_compound_its_ledger_names(
    town: OsmMap, county: SampleFiles
) -> None:
    compounds = town.select("residential")
    outline = {
        tags["name"]: shapely.Polygon(town.points(nodes)) for nodes, tags in compounds.values()
    }
    assert len(outline) == 105
    by_ref = {tags["ref"]: nodes for nodes, tags in town.ways.values() if "ref" in tags}
    homes = rows(county.buildings)
    assert len(by_ref) == len(homes)
    for home in homes:
        shape = shapely.Polygon(town.points(by_ref[home["楼栋编码"]]))
        assert outline[home["小区"]].buffer(TOUCH_M).covers(shape), home
        at = shapely.Point(town.metres(np.array([float(home["经度"]), float(home["纬度"])])))
        assert shape.buffer(1).covers(at)


def test_no_building_stands_in_water_or_on_a_street(town: OsmMap) -> None:
    shapes = town.polygons(town.select("building"))
    tree = shapely.STRtree(shapes)
    water = town.polygons(town.select("natural", "water"))
    assert not tree.query(water, predicate="intersects").size
    ways = town.lines(town.select("highway"))
    path, building = tree.query(ways, predicate="intersects")
    inside = shapely.length(shapely.intersection(ways[path], shapes[building]))
    assert inside.max(initial=0.0) < TOUCH_M


def test_compounds_do_not_overlap(town: OsmMap) -> None:
    shapes = town.polygons(town.select("residential"))
    a, b = shapely.STRtree(shapes).query(shapes, predicate="intersects")
    assert (a == b).all()


def test_paths_cross_walls_only_at_gates(town: OsmMap) -> None:
    gates = town.gates()
    walls = town.select("barrier", "wall")
    lines = town.lines(walls)
    ways = town.select("highway")
    paths = town.lines(ways)
    at_gates = shapely.MultiPoint([town.xy[g] for g in gates]).buffer(TOUCH_M)
    wall, path = shapely.STRtree(paths).query(lines, predicate="intersects")
    assert len(wall) > 100
    crossings = shapely.intersection(lines[wall], paths[path])
    assert shapely.covers(at_gates, crossings).all()
    members = [set(nodes) for nodes, _ in ways.values()]
    rings = [set(nodes) for nodes, _ in walls.values()]
    for w, p in zip(wall.tolist(), path.tolist(), strict=True):
        assert members[p] & rings[w] & gates, "a path meets a wall where they share no gate"


def test_walled_compounds_have_one_to_four_gates_of_which_one_is_open(town: OsmMap) -> None:
    gates, locked = town.gates(), town.locked()
    of: dict[int, set[int]] = defaultdict(set)
    for nodes, _ in town.select("highway").values():
        for n in gates & set(nodes):
            of[n].add(n)
    for nodes, tags in town.select("residential").values():
        here = gates & set(nodes)
        if "barrier" in tags:
            assert 1 <= len(here) <= 4, tags["name"]
            assert here - locked, tags["name"]
            assert all(g in of for g in here), "a gate leads to no path"
        else:
            assert tags["residential"] in ("urban_village", "suburban")
            assert not here


def test_a_walled_compound_is_left_only_through_its_gates(town: OsmMap) -> None:
    graph = town.walking()
    gates = town.gates()
    unmapped = 0
    for nodes, tags in town.select("residential").values():
        if "barrier" not in tags:
            continue
        outline = shapely.Polygon(town.points(nodes))
        shapely.prepare(outline)
        inside = {n for n in graph if outline.contains_properly(shapely.Point(town.xy[n]))}
        if not inside:
            unmapped += 1
            continue
        around = set(nx.node_boundary(graph, inside))
        assert around <= gates, tags["name"]
    assert 1 <= unmapped <= 12, "of a few compounds the map knows only wall and gate"


def test_all_streets_and_paths_hang_together(town: OsmMap) -> None:
    graph = town.walking()
    assert nx.is_connected(graph)
    doors = [n for n, tags in town.node_tags.items() if tags.get("entrance") == "staircase"]
    assert len(doors) > 1000
    assert sum(n in graph for n in doors) > 0.85 * len(doors)


def test_the_river_is_crossed_by_few_bridges_and_the_railway_only_below(town: OsmMap) -> None:
    ways = town.select("highway")
    lines = town.lines(ways)
    tags = [t for _, t in ways.values()]
    river = town.polygons(town.select("water", "river"))
    over = shapely.STRtree(lines).query(river, predicate="intersects")[1]
    assert {tags[i].get("bridge") for i in over} == {"yes"}
    assert 2 <= len({tags[i]["name"] for i in over}) <= 5
    tracks = town.select("railway", "rail")
    rails = town.lines({i: way for i, way in tracks.items() if "bridge" not in way[1]})
    below = shapely.STRtree(lines).query(rails, predicate="intersects")[1]
    assert {tags[i].get("tunnel") for i in below} == {"yes"}
    assert len({tags[i]["name"] for i in below}) in (3, 4, 5)


def test_steps_lead_down_to_the_river(town: OsmMap) -> None:
    steps = town.lines(town.select("highway", "steps"))
    river = town.polygons(town.select("water", "river"))[0]
    assert len(steps) >= 8
    assert shapely.distance(steps, river).max() < 60


def test_superblocks_lie_between_arterials_of_400_to_800_metres(town: OsmMap) -> None:
    big = town.lines(town.select("highway", "primary", "secondary"))
    faces = shapely.get_parts(shapely.polygonize(shapely.get_parts(shapely.union_all(big))))
    side = np.sqrt(shapely.area(faces[shapely.area(faces) > 60_000]))
    assert 400 < np.median(side) < 800


def test_signals_stand_on_streets_and_control_crossing_ways(town: OsmMap) -> None:
    value = "traffic_signals"
    graph = town.walking()
    signals = [n for n, tags in town.node_tags.items() if tags.get("highway") == value]
    assert len(signals) >= 10
    assert all(n in graph for n in signals)
    crossings = town.select("footway", "crossing")
    controlled = [w for w in crossings.values() if w[1].get("crossing") == value]
    assert len(controlled) >= 8
    for nodes, _ in controlled:
        assert any(town.node_tags.get(n, {}).get("crossing") == value for n in nodes)


def test_most_streets_have_no_pavement_of_their_own(town: OsmMap) -> None:
    streets = town.select("highway", "primary", "secondary", "tertiary", "residential")
    length = dict(zip(streets, shapely.length(town.lines(streets)), strict=True))
    separate = sum(length[i] for i, w in streets.items() if w[1].get("sidewalk") == "separate")
    assert 0.05 < separate / sum(length.values()) < 0.4


def test_streets_compounds_parks_and_the_river_have_names_in_both_languages(town: OsmMap) -> None:
    for key, values in (
        ("residential", ()),
        ("leisure", ("park",)),
        ("waterway", ("river",)),
        ("highway", ("primary", "secondary", "tertiary")),
    ):
        for _, tags in town.select(key, *values).values():
            assert "name" in tags, tags
            assert tags["name:en"].isprintable()
    names = [tags["name"] for _, tags in town.select("residential").values()]
    assert len(set(names)) == len(names)


def test_there_is_nothing_personal_in_the_map(town: OsmMap) -> None:
    keys = {k for _, tags in town.ways.values() for k in tags}
    keys |= {k for tags in town.node_tags.values() for k in tags}
    assert not {k for k in keys if "phone" in k or "operator" in k or "contact" in k}
