"""Cells: they cover a community exactly, keep to enclosures, and change only where they must."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.cells import (
    BARRIER_KINDS,
    Surroundings,
    build_cells,
    components,
    coverage_faults,
    nearest_m,
)
from geo.crs import project, projected_crs
from geo.errors import CellError

SHARED = Path(__file__).parents[3] / "shared" / "data"
COMMUNITY = shapely.box(0, 0, 300, 200)


def house(x: float, y: float, width: float = 12, depth: float = 10) -> shapely.Polygon:
    return shapely.box(x, y, x + width, y + depth)


def rows_of_houses() -> list[shapely.Polygon]:
    return [house(20 + 40 * i, 20 + 45 * j) for i in range(7) for j in range(4)]


def line(*points: tuple[float, float]) -> shapely.LineString:
    return shapely.LineString(points)


def test_each_building_has_a_cell_and_the_cells_cover_the_community():
    cells = build_cells([COMMUNITY], rows_of_houses())
    assert len(cells) == 28
    assert sorted(cells.cell_of_building) == list(range(28))
    assert coverage_faults(cells, 0, COMMUNITY) == []
    assert cells.area_m2.sum() == pytest.approx(COMMUNITY.area, abs=0.01)
    assert cells.outer_m.sum() == pytest.approx(COMMUNITY.length, abs=0.01)


def test_a_point_belongs_to_the_nearest_building():
    homes = rows_of_houses()
    cells = build_cells([COMMUNITY], homes)
    points = shapely.points(np.random.default_rng(3).uniform((0, 0), (300, 200), (2000, 2)))
    distance = np.sort(shapely.distance(points[:, None], np.array(homes)[None, :]), axis=1)
    clear = distance[:, 1] - distance[:, 0] > 2
    nearest = shapely.distance(points[:, None], np.array(homes)[None, :]).argmin(axis=1)
    inside = shapely.intersects(cells.geometry[cells.cell_of_building[nearest]], points)
    assert inside[clear].all()


def test_a_cell_does_not_cross_a_street():
    street = line((0, 97), (300, 101))
    cells = build_cells(
        [COMMUNITY],
        rows_of_houses(),
        Surroundings(np.array([street]), np.array(["street"], object)),
    )
    sides = shapely.get_parts(
        shapely.polygonize([shapely.unary_union([street, COMMUNITY.boundary])])
    )
    overlap = shapely.area(shapely.intersection(cells.geometry[:, None], shapely.get_parts(sides)))
    assert (np.sort(overlap, axis=1)[:, 0] < 0.5).all()
    across = cells.kind == BARRIER_KINDS.index("street")
    assert cells.border_m[across].sum() == pytest.approx(street.length, abs=1)
    assert cells.strength[across].max() <= 0.15 + 1e-9


def test_the_strongest_line_of_several_on_one_border_counts():
    river = line((0, 97), (300, 97))
    around = Surroundings(np.array([river, river]), np.array(["street", "river"], object))
    cells = build_cells([COMMUNITY], rows_of_houses(), around)
    assert cells.strength.max() == pytest.approx(1.0)
    assert "street" not in {BARRIER_KINDS[k] for k in cells.kind}


def test_a_park_is_a_cell_and_a_strip_is_shared_out_among_the_buildings_near_it():
    homes = [house(x, y) for x in (20, 60) for y in (20, 160)]
    park, verge = shapely.box(115, 0, 300, 200), shapely.box(100, 0, 115, 200)
    lines = np.array([park.boundary, verge.boundary])
    cells = build_cells([COMMUNITY], homes, Surroundings(lines, np.full(2, "street", object)))
    assert coverage_faults(cells, 0, COMMUNITY) == []
    empty = np.setdiff1d(np.arange(len(cells)), cells.cell_of_building)
    assert len(empty) == 1  # the park
    assert cells.area_m2[empty[0]] == pytest.approx(park.area, abs=1)
    sharers = shapely.area(shapely.intersection(cells.geometry, verge)) > 100
    assert sharers.sum() == 2


def test_a_community_without_buildings_is_one_cell():
    cells = build_cells([COMMUNITY], [])
    assert len(cells) == 1
    assert coverage_faults(cells, 0, COMMUNITY) == []


def test_buildings_on_one_another_share_a_cell_and_none_is_lost():
    cells = build_cells([COMMUNITY], [house(50, 50), house(50, 50), house(200, 50)])
    assert cells.cell_of_building[0] == cells.cell_of_building[1]
    assert cells.count(np.array([10, 20, 5])).sum() == 35


def test_a_building_outside_every_community_is_said_to_be():
    cells = build_cells([COMMUNITY], [house(50, 50), house(900, 900)])
    assert cells.cell_of_building.tolist() == [0, -1]


def test_row_houses_with_party_walls_are_told_apart():
    homes = [house(20 + 6 * i, 80, width=6) for i in range(12)]
    cells = build_cells([COMMUNITY], homes)
    assert len(cells) == 12
    inner = shapely.area(shapely.intersection(cells.geometry[cells.cell_of_building], homes))
    assert (inner > 0.95 * shapely.area(homes)).all()


def test_points_stand_for_buildings_without_a_footprint():
    cells = build_cells([COMMUNITY], list(shapely.points([[50, 50], [200, 150], [250, 20]])))
    assert len(cells) == 3
    assert coverage_faults(cells, 0, COMMUNITY) == []


def test_cells_know_their_compound_and_exclusive_site():
    compound, market = shapely.box(10, 10, 150, 190), shapely.box(200, 100, 290, 190)
    around = Surroundings(
        compounds=np.array([compound]), walled=np.array([True]), sites=np.array([market])
    )
    homes = [*rows_of_houses(), house(230, 150)]
    cells = build_cells([COMMUNITY], homes[:28], around)
    inside = shapely.within(shapely.point_on_surface(np.array(homes[:28])), compound)
    assert ((cells.compound[cells.cell_of_building] == 0) == inside).all()
    assert (cells.site[cells.cell_of_building] >= 0).any()
    wall = cells.kind == BARRIER_KINDS.index("wall")
    assert cells.border_m[wall].sum() > 0.9 * compound.length


def test_neighbouring_communities_share_no_edge_and_keep_their_order():
    west, east = shapely.box(0, 0, 150, 200), shapely.box(150, 0, 300, 200)
    cells = build_cells([west, east], rows_of_houses())
    assert (np.diff(cells.community) >= 0).all()
    assert (cells.community[cells.edges[:, 0]] == cells.community[cells.edges[:, 1]]).all()
    for number, area in enumerate((west, east)):
        assert coverage_faults(cells, number, area) == []


def test_a_community_of_two_islands_has_two_components():
    islands = shapely.MultiPolygon([shapely.box(0, 0, 100, 100), shapely.box(200, 0, 300, 100)])
    cells = build_cells([islands], [house(20, 20), house(60, 60), house(220, 20)])
    assert coverage_faults(cells, 0, islands) == []
    assert len(np.unique(components(len(cells), cells.edges))) == 2


def test_the_order_of_buildings_does_not_matter():
    homes = rows_of_houses()
    mixed = np.random.default_rng(5).permutation(len(homes))
    first, second = (
        build_cells([COMMUNITY], homes),
        build_cells([COMMUNITY], np.array(homes)[mixed]),
    )
    for place, home in enumerate(mixed):
        a = first.geometry[first.cell_of_building[home]]
        b = second.geometry[second.cell_of_building[place]]
        assert a.symmetric_difference(b).area < 0.05


def test_the_distance_to_the_nearest_station_is_zero_inside_its_cell():
    cells = build_cells([COMMUNITY], rows_of_houses())
    metres = nearest_m(cells, np.array([[26.0, 25.0]]))
    assert metres[cells.cell_of_building[0]] == 0
    assert metres.max() > 200
    assert np.isinf(nearest_m(cells, np.empty((0, 2)))).all()


@pytest.mark.parametrize(
    ("area", "told"),
    [
        (shapely.Polygon(), "no area"),
        (shapely.Polygon([(0, 0), (10, 10), (10, 0), (0, 10)]), "not valid"),
    ],
)
def test_a_bad_outline_is_refused_by_name(area: shapely.Geometry, told: str):
    with pytest.raises(CellError, match=told):
        build_cells([COMMUNITY, area], [])


def test_an_unknown_kind_of_line_is_refused():
    with pytest.raises(CellError, match="moat"):
        build_cells(
            [COMMUNITY],
            [],
            Surroundings(np.array([line((0, 0), (1, 1))]), np.array(["moat"], object)),
        )


@st.composite
def towns(draw: st.DrawFn) -> tuple[shapely.Geometry, list[shapely.Geometry], Surroundings]:
    """A community, overlapping and touching buildings, and lines across them, of all kinds."""
    corner = st.integers(0, 300)
    homes = [
        house(x, y, w, d)
        for x, y, w, d in draw(
            st.lists(st.tuples(corner, corner, st.integers(1, 60), st.integers(1, 40)), max_size=25)
        )
    ]
    ends = draw(st.lists(st.tuples(corner, corner, corner, corner), max_size=8))
    lines = [line((a, b), (c, d)) for a, b, c, d in ends if (a, b) != (c, d)]
    kinds = draw(
        st.lists(
            st.sampled_from(["river", "rail", "street", "trunk"]),
            min_size=len(lines),
            max_size=len(lines),
        )
    )
    area = shapely.Polygon([(0, 0), (310, 15), (290, 180), (170, 160), (150, 300), (5, 280)])
    return area, homes, Surroundings(np.array(lines, object), np.array(kinds, object))


@settings(max_examples=60, deadline=None)
@given(towns())
def test_any_town_is_covered_exactly_and_no_building_is_lost(town):
    area, homes, around = town
    cells = build_cells([area], homes, around)
    assert coverage_faults(cells, 0, area) == []
    inside = shapely.intersects(area, shapely.point_on_surface(np.array(homes, object)))
    assert ((cells.cell_of_building >= 0) == inside).all()
    assert len(np.unique(components(len(cells), cells.edges))) == 1


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 27), st.floats(-4, 4), st.floats(-4, 4), st.floats(0.5, 1.4))
def test_only_the_neighbours_of_a_changed_building_move(which, dx, dy, size):
    homes = np.array(rows_of_houses())
    street = Surroundings(np.array([line((0, 97), (300, 101))]), np.array(["street"], object))
    before = build_cells([COMMUNITY], homes, street)
    changed = homes.copy()
    changed[which] = house(20 + 40 * (which // 4) + dx, 20 + 45 * (which % 4) + dy, 12 * size, 10)
    after = build_cells([COMMUNITY], changed, street)
    old, new = before.geometry[before.cell_of_building], after.geometry[after.cell_of_building]
    moved = shapely.area(shapely.symmetric_difference(old, new)) > 0.05
    touching = shapely.distance(old, old[which]) < 0.01
    assert not (moved & ~touching).any()


@pytest.mark.skipif(
    not (SHARED / "liechtenstein").exists(), reason="the Liechtenstein extract is not here"
)
def test_a_real_country_is_covered_community_by_community():
    from data.importers.osm import read_osm

    city = read_osm(
        SHARED / "liechtenstein" / "liechtenstein.osm.pbf", parts=("buildings", "base", "areas")
    )
    towns = city.areas[city.areas.level == "community"]
    crs = projected_crs(towns.total_bounds).to_wkt()

    def plane(shapes: object) -> np.ndarray:
        return shapely.transform(np.asarray(shapes, object), lambda xy: project(xy, crs))

    roads = city.base[(city.base.layer == "road") & city.base.kind.isin(["primary", "residential"])]
    rivers = city.base[city.base.layer == "water"]
    lines = [
        *roads.geometry,
        *(g if g.length and not g.area else g.boundary for g in rivers.geometry),
    ]
    kinds = ["street"] * len(roads) + ["river"] * len(rivers)
    areas, homes = plane(towns.geometry.array), plane(city.buildings.geometry.array)
    around = Surroundings(plane(np.array(lines, object)), np.array(kinds, object))
    cells = build_cells(areas, homes, around)
    for number, area in enumerate(areas):
        assert coverage_faults(cells, number, area) == []
    inside = cells.cell_of_building >= 0
    assert inside.mean() > 0.99
    assert len(np.unique(cells.cell_of_building[inside])) > 0.99 * inside.sum()


@pytest.mark.skipif(not (SHARED / "porto").exists(), reason="the Porto extract is not here")
def test_cells_between_real_streets_cover_their_area():
    from data.importers.osm import read_osm
    from geo.network import build_network

    net = build_network(
        read_osm(SHARED / "porto" / "porto.osm.pbf", parts=("network",)).ways, source="porto"
    )
    middle = np.median(net.edge_xy, axis=0)
    box = shapely.box(*(middle - 600), *(middle + 600))
    area = box.intersection(shapely.affinity.rotate(box, 40))
    streets = np.array(
        [
            shapely.LineString(net.edge_xy[a:b])
            for a, b in zip(net.edge_offsets[:-1], net.edge_offsets[1:], strict=True)
            if np.abs(net.edge_xy[a:b] - middle).max() < 900
        ]
    )
    near = net.edge_xy[np.abs(net.edge_xy - middle).max(axis=1) < 700]
    rng = np.random.default_rng(4)
    places = near[rng.integers(0, len(near), 900)] + rng.normal(0, 15, (900, 2))
    homes = shapely.buffer(shapely.points(places), 5, cap_style="square")
    cells = build_cells(
        [area], homes, Surroundings(streets, np.full(len(streets), "street", object))
    )
    assert coverage_faults(cells, 0, area) == []
    inside = shapely.intersects(area, shapely.point_on_surface(homes))
    assert ((cells.cell_of_building >= 0) == inside).all()
    assert len(np.unique(components(len(cells), cells.edges))) == 1
