"""Buildings, compounds, gates, areas, base map, premises and barriers of hand-drawn maps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import geopandas as gpd
import pytest
import shapely

from data import models
from data.importers.osm import PARTS, OsmCity, read_osm
from tests.osm_by_hand import OsmByHand, lonlat


@pytest.fixture
def drawn() -> OsmByHand:
    return OsmByHand()


def read(drawn: OsmByHand, folder: Path, **options: Any) -> OsmCity:
    return read_osm(drawn.write(folder), **options)


def row(frame: gpd.GeoDataFrame, code: str) -> dict[str, Any]:
    return frame.set_index("code").loc[code].to_dict()


# --- buildings ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tags", "kind"),
    [
        ({"building": "apartments", "building:levels": "18"}, "high_rise"),
        ({"building": "apartments", "building:levels": "10"}, "high_rise"),
        ({"building": "apartments", "building:levels": "9"}, "multi_storey"),
        ({"building": "apartments"}, "multi_storey"),
        ({"building": "residential", "building:levels": "6"}, "multi_storey"),
        ({"building": "house"}, "bungalow"),
        ({"building": "house", "building:levels": "2"}, "bungalow"),
        ({"building": "yes", "building:flats": "36", "building:levels": "6"}, "multi_storey"),
        ({"building": "yes", "amenity": "school", "building:levels": "12"}, "public"),
        ({"building": "school"}, "public"),
        ({"building": "retail"}, "commercial"),
        ({"building": "yes", "shop": "supermarket"}, "commercial"),
        ({"building": "warehouse"}, "industrial"),
        ({"building": "yes"}, "other"),
        ({"building": "garage"}, "other"),
    ],
    ids=str,
)
def test_the_kind_of_a_building_follows_use_then_floors(
    drawn: OsmByHand, tmp_path: Path, tags: dict[str, str], kind: str
) -> None:
    way = drawn.ring(0, 0, 30, 12, **{k.replace(":", "__"): v for k, v in tags.items()})
    found = row(read(drawn, tmp_path).buildings, f"osm:way/{way}")
    assert found["kind"] == kind
    assert kind in models.BUILDING_KINDS


def test_a_building_without_a_use_on_residential_ground_is_a_home(
    drawn: OsmByHand, tmp_path: Path
) -> None:
    drawn.ring(0, 0, 200, 200, landuse="residential")
    block = drawn.ring(10, 10, 60, 24, building="yes")
    cottage = drawn.ring(100, 100, 110, 108, building="yes")
    tower = drawn.ring(150, 150, 170, 170, building="yes", building__levels="24")
    away = drawn.ring(400, 0, 450, 14, building="yes")
    homes = read(drawn, tmp_path).buildings
    kinds = [row(homes, f"osm:way/{w}")["kind"] for w in (block, cottage, tower, away)]
    assert kinds == ["multi_storey", "bungalow", "high_rise", "other"]


@pytest.mark.parametrize(
    ("tags", "floors", "source"),
    [
        ({"building__levels": "6"}, 6, "surveyed"),
        ({"building__levels": "5.5"}, 5, "surveyed"),
        ({"building__levels": "4;6"}, 6, "surveyed"),
        ({"height": "18.2 m"}, 6, "estimated"),
        ({"building__levels": "6", "height": "30"}, 6, "surveyed"),
        ({"building__levels": "0"}, None, "none"),
        ({"building__levels": "many"}, None, "none"),
        ({}, None, "none"),
    ],
    ids=str,
)
def test_floors_say_where_they_are_from(
    drawn: OsmByHand, tmp_path: Path, tags: dict[str, str], floors: int | None, source: str
) -> None:
    drawn.ring(0, 0, 30, 12, building="apartments", **tags)
    found = read(drawn, tmp_path).buildings.iloc[0]
    assert (found["floors"] == floors) if floors is not None else found.isna()["floors"]
    assert found["floors_source"] == source


def test_households_come_from_flats_only_and_people_never(drawn: OsmByHand, tmp_path: Path) -> None:
    with_flats = drawn.ring(0, 0, 30, 12, building="apartments", building__flats="36")
    without = drawn.ring(50, 0, 80, 12, building="apartments", building__levels="6")
    homes = read(drawn, tmp_path).buildings
    surveyed, unknown = (row(homes, f"osm:way/{w}") for w in (with_flats, without))
    assert (surveyed["households"], surveyed["households_source"]) == (36, "surveyed")
    assert unknown["households_source"] == "none"
    assert homes["people"].isna().all()
    assert set(homes["people_source"]) == {"none"}


def test_numbers_out_of_range_are_reported_and_left_out(drawn: OsmByHand, tmp_path: Path) -> None:
    way = drawn.ring(0, 0, 30, 12, building="yes", building__levels="tall", building__flats="-")
    city = read(drawn, tmp_path)
    assert {(p.element, p.detail, p.kept) for p in city.problems} == {
        (f"way/{way}", "tall", True),
        (f"way/{way}", "-", True),
    }


def test_a_courtyard_building_is_one_building_with_its_hole(
    drawn: OsmByHand, tmp_path: Path
) -> None:
    outer = drawn.ring(0, 0, 60, 60, building="apartments")
    inner = drawn.ring(20, 20, 40, 40)
    relation = drawn.relation(
        ("way", outer, "outer"), ("way", inner, "inner"), type="multipolygon", building="apartments"
    )
    homes = read(drawn, tmp_path).buildings
    assert homes["code"].tolist() == [f"osm:relation/{relation}"]
    shape = homes.geometry.iloc[0]
    assert shape.geom_type == "MultiPolygon"
    assert not shape.covers(shapely.Point(lonlat(30, 30)))


@pytest.mark.parametrize("gone", ["no", "demolished", "construction"])
def test_buildings_that_do_not_stand_are_left_out(
    drawn: OsmByHand, tmp_path: Path, gone: str
) -> None:
    drawn.ring(0, 0, 30, 12, building=gone)
    assert read(drawn, tmp_path).buildings.empty


def test_the_address_follows_the_order_of_its_script(drawn: OsmByHand, tmp_path: Path) -> None:
    here = drawn.ring(0, 0, 9, 9, building="yes", addr__street="人民路", addr__housenumber="12号")
    there = drawn.ring(20, 0, 29, 9, building="yes", addr__street="Main St", addr__housenumber="7")
    homes = read(drawn, tmp_path).buildings
    assert row(homes, f"osm:way/{here}")["address"] == "人民路12号"
    assert row(homes, f"osm:way/{there}")["address"] == "Main St 7"


def test_staircase_entrances_are_the_units_of_a_building(drawn: OsmByHand, tmp_path: Path) -> None:
    doors = [drawn.node(x, 0, entrance="staircase", ref=str(i + 1)) for i, x in enumerate((10, 30))]
    back = drawn.node(20, 12, entrance="yes")
    drawn.node(5, 0, entrance="emergency")
    drawn.node(300, 300, entrance="yes")
    way = drawn.way(
        (0, 0), doors[0], doors[1], (40, 0), (40, 12), back, (0, 12), (0, 0), building="apartments"
    )
    city = read(drawn, tmp_path)
    assert row(city.buildings, f"osm:way/{way}")["units"] == 2
    assert city.entrances["code"].tolist() == [f"osm:node/{n}" for n in (*doors, back)]
    assert city.entrances["unit"].tolist() == ["1", "2", ""]
    assert set(city.entrances["building_code"]) == {f"osm:way/{way}"}


# --- compounds, gates, barriers ----------------------------------------------------------------


def test_a_compound_has_a_name_a_wall_or_a_gate(drawn: OsmByHand, tmp_path: Path) -> None:
    named = drawn.ring(0, 0, 80, 80, landuse="residential", name="阳光花园", residential="new")
    walled = drawn.ring(100, 0, 180, 80, landuse="residential")
    drawn.way((101, 1), (179, 1), (179, 79), (101, 79), barrier="wall")
    gated = drawn.ring(200, 0, 280, 80, landuse="residential")
    drawn.node(240, 0, barrier="gate")
    fenced = drawn.ring(300, 0, 380, 80, landuse="residential", barrier="fence")
    drawn.ring(400, 0, 480, 80, landuse="residential")  # only a colour on the map
    compounds = read(drawn, tmp_path).compounds
    assert compounds["code"].tolist() == [f"osm:way/{w}" for w in (named, walled, gated, fenced)]
    assert compounds["walled"].tolist() == [False, True, False, True]
    assert compounds["kind"].tolist() == ["new", "unknown", "unknown", "unknown"]
    assert set(compounds["kind"]) <= set(models.COMPOUND_KINDS)


def test_gates_belong_to_the_compound_whose_outline_they_are_on(
    drawn: OsmByHand, tmp_path: Path
) -> None:
    west = drawn.ring(0, 0, 80, 80, landuse="residential")
    east = drawn.ring(100, 0, 180, 80, landuse="residential")
    on = drawn.node(40, 0, barrier="gate", name="南门", opening_hours="06:00-22:00")
    beside = drawn.node(184, 40, barrier="lift_gate", access="private")
    closed = drawn.node(100, 40, barrier="gate", access="no")
    drawn.way((300, 0), (300, 50), (300, 90), barrier="wall")
    elsewhere = drawn.node(300, 50, barrier="gate")
    drawn.node(600, 0, barrier="gate")  # in no wall: a gate on a road
    drawn.node(40, 80, barrier="bollard")
    gates = read(drawn, tmp_path).gates
    assert gates["code"].tolist() == [f"osm:node/{n}" for n in (on, beside, closed, elsewhere)]
    owners = gates["compound_code"].fillna("").tolist()
    assert owners == [f"osm:way/{west}", f"osm:way/{east}", f"osm:way/{east}", ""]
    assert gates["access"].tolist() == ["all", "residents", "emergency", "all"]
    assert gates.iloc[0][["name", "opening_hours"]].tolist() == ["南门", "06:00-22:00"]
    assert set(gates["access"]) <= set(models.GATE_ACCESS)


def kinds_of_barriers(city: OsmCity) -> dict[str, str]:
    return dict(zip(city.barriers.lines["source_key"], city.barriers.lines["kind"], strict=True))


def test_walls_water_railways_and_motorways_stop_access_legs(
    drawn: OsmByHand, tmp_path: Path
) -> None:
    wall = drawn.way((0, 0), (50, 0), barrier="wall")
    river = drawn.way((0, 10), (50, 10), waterway="river")
    rail = drawn.way((0, 20), (50, 20), railway="rail")
    fast = drawn.way((0, 30), (50, 30), highway="motorway")
    coast = drawn.way((0, 35), (50, 35), natural="coastline")
    lake = drawn.ring(0, 40, 50, 60, natural="water")
    gated = drawn.ring(0, 100, 80, 180, landuse="residential")
    drawn.node(40, 100, barrier="gate")
    drawn.ring(200, 100, 280, 180, landuse="residential", name="no gate is known")
    assert kinds_of_barriers(read(drawn, tmp_path)) == {
        f"way/{wall}": "wall",
        f"way/{river}": "river",
        f"way/{rail}": "railway",
        f"way/{fast}": "motorway",
        f"way/{coast}": "water",
        f"way/{lake}": "water",
        f"way/{gated}": "compound",
    }


@pytest.mark.parametrize(
    "tags",
    [
        {"waterway": "river", "tunnel": "culvert"},
        {"waterway": "stream"},
        {"railway": "subway", "tunnel": "yes"},
        {"railway": "rail", "bridge": "viaduct"},
        {"railway": "tram"},
        {"railway": "disused"},
        {"highway": "motorway", "bridge": "yes"},
        {"barrier": "kerb"},
        {"leisure": "swimming_pool", "closed": "yes"},
    ],
    ids=str,
)
def test_what_runs_above_or_below_the_ground_stops_nobody(
    drawn: OsmByHand, tmp_path: Path, tags: dict[str, str]
) -> None:
    drawn.ring(0, 0, 50, 50, **tags)
    assert kinds_of_barriers(read(drawn, tmp_path)) == {}


def test_a_wall_is_open_at_gates_and_where_an_open_way_passes(
    drawn: OsmByHand, tmp_path: Path
) -> None:
    drawn.node(50, 0, barrier="gate")
    drawn.node(100, 0, barrier="gate", access="no")
    drawn.way((0, 0), (50, 0), (100, 0), (150, 0), (300, 0), barrier="wall")
    drawn.way((50, -50), (50, 0), (50, 50), highway="footway")
    drawn.way((100, -50), (100, 0), (100, 50), highway="footway")
    drawn.way((150, -50), (150, 0), (150, 50), highway="footway")
    drawn.way((200, -50), (200, 50), highway="footway")  # crosses without a node of its own
    drawn.way((250, -50), (250, 50), highway="footway", tunnel="yes")
    city = read(drawn, tmp_path)
    openings = city.barriers.openings
    places = {kind: set() for kind in ("gate", "way")}
    for kind, point in zip(openings["kind"], openings.geometry, strict=True):
        places[kind].add((point.x, point.y))
    assert places["gate"] == {lonlat(50, 0)}
    assert {x for x, _ in places["way"]} == {lonlat(x, 0)[0] for x in (50, 150, 200)}


def test_water_cut_off_by_the_edge_of_the_extract_still_stops_access_legs(
    drawn: OsmByHand, tmp_path: Path
) -> None:
    bank = drawn.way((0, 0), (100, 0))
    river = drawn.relation(
        ("way", bank, "outer"), ("way", 999_999, "outer"), type="multipolygon", natural="water"
    )
    drawn.way((0, -20), (100, -20), highway="residential")
    city = read(drawn, tmp_path)
    assert kinds_of_barriers(city) == {f"way/{bank}": "water"}
    assert [p.element for p in city.problems] == [f"relation/{river}"]


# --- areas -------------------------------------------------------------------------------------


def nested(drawn: OsmByHand, levels: tuple[str, str, str]) -> list[int]:
    outer = drawn.ring(0, 0, 900, 900)
    middle = drawn.ring(0, 0, 900, 450)
    inner = drawn.ring(0, 0, 450, 450)
    names = ("桓台县", "索镇街道", "城南社区")
    return [
        drawn.relation(
            ("way", ring, "outer"), type="boundary", boundary="administrative",
            admin_level=level, name=name,
        )
        for ring, level, name in zip((outer, middle, inner), levels, names, strict=True)
    ]  # fmt: skip


def test_areas_in_china_are_levels_6_8_and_10_nested_by_place(
    drawn: OsmByHand, tmp_path: Path
) -> None:
    drawn.ring(-100, -100, 1000, 1000, boundary="administrative", admin_level="5", name="淄博市")
    district, street, community = (f"osm:relation/{n}" for n in nested(drawn, ("6", "8", "10")))
    areas = read(drawn, tmp_path).areas
    assert areas["level"].tolist() == ["district", "street", "community"]
    assert areas["code"].tolist() == [district, street, community]
    assert areas["parent_code"].fillna("").tolist() == ["", district, street]
    assert areas["name"].tolist() == ["桓台县", "索镇街道", "城南社区"]


def test_levels_can_be_named_by_the_caller(drawn: OsmByHand, tmp_path: Path) -> None:
    nested(drawn, ("4", "6", "9"))
    areas = read(drawn, tmp_path, admin_levels={4: "district", 9: "community"}).areas
    assert areas["level"].tolist() == ["district", "community"]
    assert areas["parent_code"].tolist()[1] == areas["code"].tolist()[0]


def test_areas_are_coded_by_ref_where_each_has_its_own(drawn: OsmByHand, tmp_path: Path) -> None:
    for i, ref in enumerate(("370321001", "370321002")):
        ring = drawn.ring(i * 100, 0, i * 100 + 100, 100)
        drawn.relation(
            ("way", ring, "outer"), type="boundary", boundary="administrative", admin_level="8",
            name=f"街道{i}", ref__xzqh=ref,
        )  # fmt: skip
    unnamed = drawn.ring(0, 300, 100, 400)
    relation = drawn.relation(
        ("way", unnamed, "outer"), type="boundary", boundary="administrative", admin_level="10",
    )  # fmt: skip
    areas = read(drawn, tmp_path).areas
    assert areas["code"].tolist() == ["370321001", "370321002", f"osm:relation/{relation}"]


# --- base map and premises ---------------------------------------------------------------------


def test_the_base_map_holds_roads_water_green_rail_walls_and_names(
    drawn: OsmByHand, tmp_path: Path
) -> None:
    ways = {
        ("road", "primary"): drawn.way((0, 0), (50, 0), highway="primary", name="人民路"),
        ("road", "path"): drawn.way((0, 5), (50, 5), highway="footway"),
        ("road", "pedestrian"): drawn.ring(60, 0, 90, 30, highway="pedestrian", area="yes"),
        ("water", "river"): drawn.way((0, 10), (50, 10), waterway="river"),
        ("water", "water"): drawn.ring(0, 20, 50, 40, natural="water"),
        ("green", "park"): drawn.ring(0, 50, 50, 90, leisure="park", name="人民公园"),
        ("rail", "rail"): drawn.way((0, 95), (50, 95), railway="rail"),
        ("rail", "tunnel"): drawn.way((0, 99), (50, 99), railway="subway", tunnel="yes"),
        ("barrier", "wall"): drawn.way((0, 110), (50, 110), barrier="wall"),
    }
    suburb = drawn.node(20, 20, place="suburb", name="城南")
    drawn.node(30, 30, place="suburb")  # has no name to show
    base = read(drawn, tmp_path).base
    found = {(layer, kind, key) for layer, kind, key in
             zip(base["layer"], base["kind"], base["source_key"], strict=True)}  # fmt: skip
    expected = {(layer, kind, f"way/{way}") for (layer, kind), way in ways.items()}
    expected |= {
        ("label", "suburb", f"node/{suburb}"),
        ("label", "park", f"way/{ways['green', 'park']}"),
    }
    assert found == expected
    assert set(base["layer"]) <= set(models.BASE_LAYERS)
    assert base["min_zoom"].between(0, 22).all()
    by_key = base.set_index("source_key")
    assert (
        by_key.loc[f"way/{ways['road', 'primary']}", "min_zoom"]
        < (by_key.loc[f"way/{ways['road', 'path']}", "min_zoom"])
    )
    assert by_key.loc[f"way/{ways['road', 'pedestrian']}"].geometry.geom_type == "Polygon"


def test_candidate_premises_are_points_with_the_footprint_of_whole_buildings(
    drawn: OsmByHand, tmp_path: Path
) -> None:
    vacant = drawn.node(0, 0, shop="vacant", name="旧超市")
    closed = drawn.node(10, 0, disused__shop="bakery")
    office = drawn.node(20, 0, office="property_management", name="物业")
    shop = drawn.node(30, 0, shop="convenience")
    drawn.node(40, 0, amenity="bench")
    hall = drawn.ring(50, 0, 80, 10, building="yes", amenity="community_centre", name="文化中心")
    premises = read(drawn, tmp_path).premises
    assert dict(zip(premises["code"], premises["kind"], strict=True)) == {
        f"osm:node/{vacant}": "vacant_shop",
        f"osm:node/{closed}": "vacant_shop",
        f"osm:node/{office}": "property_office",
        f"osm:node/{shop}": "shop",
        f"osm:way/{hall}": "community_centre",
    }
    assert premises["area_m2"].isna().sum() == 4
    assert row(premises, f"osm:way/{hall}")["area_m2"] == pytest.approx(300, rel=0.01)
    assert set(premises.geometry.geom_type) == {"Point"}


# --- all of it ---------------------------------------------------------------------------------


def test_frames_carry_the_columns_of_their_tables(drawn: OsmByHand, tmp_path: Path) -> None:
    drawn.way((0, 0), (50, 0), highway="residential")
    city = read(drawn, tmp_path)
    for name in ("buildings", "entrances", "compounds", "gates", "areas", "premises"):
        table = models.Base.metadata.tables[name].columns.keys()
        frame = getattr(city, name)
        assert frame.crs == "EPSG:4326"
        for column in frame.columns:
            known = column in table or column.removesuffix("_code") + "_id" in table
            assert known or column == "geometry", (name, column)
    base = set(city.base.columns) - {"geometry"}
    assert base <= set(models.Base.metadata.tables["base_features"].columns.keys())


@pytest.mark.parametrize("part", [*PARTS, "none of them"])
def test_a_part_that_is_not_wanted_is_empty(drawn: OsmByHand, tmp_path: Path, part: str) -> None:
    drawn.way((0, -5), (50, -5), highway="residential")
    drawn.ring(0, 0, 100, 100, landuse="residential", name="院")
    drawn.ring(10, 10, 30, 20, building="yes", shop="mall")
    drawn.way((0, 110), (100, 110), waterway="river")
    nested(drawn, ("6", "8", "10"))
    city = read(drawn, tmp_path, parts=[part] if part in PARTS else [])
    filled = {
        "network": len(city.ways.source) > 0,
        "buildings": len(city.buildings) > 0,
        "areas": len(city.areas) > 0,
        "base": len(city.base) > 0,
        "premises": len(city.premises) > 0,
        "barriers": len(city.barriers.lines) > 0,
    }
    wanted = {part, "barriers"} if part in {"compounds", "base"} else {part}
    assert {name for name, is_filled in filled.items() if is_filled} == wanted & filled.keys()


def test_contacts_and_operators_are_never_read(drawn: OsmByHand, tmp_path: Path) -> None:
    drawn.node(0, 0, shop="convenience", name="小卖部", operator="王小明", phone="13800000000")
    drawn.ring(
        0, 10, 30, 20, building="yes", name="综合楼", contact__phone="13911111111", owner="李雷",
        email="x@example.org", operator="王小明",
    )  # fmt: skip
    city = read(drawn, tmp_path)
    shown = " ".join(
        getattr(city, name).to_csv() for name in ("buildings", "premises", "base", "compounds")
    )
    assert "小卖部" in shown
    for secret in ("王小明", "13800000000", "13911111111", "李雷", "example"):
        assert secret not in shown


def test_an_unknown_part_is_refused(drawn: OsmByHand, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="streets"):
        read(drawn, tmp_path, parts=("streets",))
