"""Map files as people have them: other formats, other order, cut, broken, or none at all."""

from __future__ import annotations

import bz2
import gzip
from pathlib import Path

import numpy as np
import osmium
import pytest
import shapely

from data.errors import SourceFileError
from data.importers.osm import OsmCity, read_osm
from data.importers.osm_problems import count_by_reason
from tests.osm_by_hand import OsmByHand, lonlat


def small_town() -> OsmByHand:
    drawn = OsmByHand()
    drawn.node(50, 0, barrier="gate", name="东门", access="private")
    drawn.node(40, 0, highway="crossing", crossing="traffic_signals")
    drawn.ring(0, 0, 50, 100, landuse="residential", name="阳光花园, 一期 100%=好")
    drawn.way((50, 0), (60, 0), (90, 0), highway="residential", name="人民路")
    drawn.way((90, 0), (90, 90), highway="footway")
    drawn.ring(10, 10, 40, 22, building="apartments", building__levels="6")
    outer, inner = drawn.ring(100, 0, 200, 90), drawn.ring(130, 30, 160, 60)
    drawn.relation(
        ("way", outer, "outer"), ("way", inner, "inner"), type="multipolygon", natural="water"
    )
    return drawn


def alike(one: OsmCity, other: OsmCity) -> None:
    for name in ("buildings", "entrances", "compounds", "gates", "areas", "base", "premises"):
        left, right = getattr(one, name), getattr(other, name)
        assert left.drop(columns="geometry").equals(right.drop(columns="geometry")), name
        assert shapely.equals_exact(left.geometry.values, right.geometry.values).all(), name
    for name in one.ways.__slots__:
        assert np.array_equal(getattr(one.ways, name), getattr(other.ways, name)), name
    assert one.barriers.lines.geometry.geom_equals(other.barriers.lines.geometry).all()
    assert one.problems == other.problems


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, OsmCity]:
    path = small_town().write(tmp_path_factory.mktemp("town"))
    return path, read_osm(path)


def test_names_survive_whatever_characters_they_hold(town: tuple[Path, OsmCity]) -> None:
    assert town[1].compounds["name"].tolist() == ["阳光花园, 一期 100%=好"]
    assert town[1].problems == []


@pytest.mark.parametrize("ending", [".osm.gz", ".osm.bz2", ".osm.pbf"])
def test_every_format_gives_the_same_city(
    town: tuple[Path, OsmCity], tmp_path: Path, ending: str
) -> None:
    path, city = town
    copy = tmp_path / f"map{ending}"
    if ending == ".osm.pbf":
        with osmium.SimpleWriter(str(copy)) as writer:
            osmium.apply(str(path), writer)
    else:
        pack = gzip.compress if ending == ".osm.gz" else bz2.compress
        copy.write_bytes(pack(path.read_bytes()))
    alike(read_osm(copy), city)


def test_reading_twice_gives_the_same_city(town: tuple[Path, OsmCity]) -> None:
    alike(read_osm(town[0]), town[1])


def test_ways_may_stand_before_their_nodes(town: tuple[Path, OsmCity], tmp_path: Path) -> None:
    path = tmp_path / "map.osm"
    path.write_text(small_town().xml(("relation", "way", "node")), encoding="utf-8")
    alike(read_osm(path), town[1])


def test_elements_may_stand_in_any_order(town: tuple[Path, OsmCity], tmp_path: Path) -> None:
    drawn = small_town()
    for lines in drawn.elements.values():
        lines.reverse()
    alike(read_osm(drawn.write(tmp_path)), town[1])


def test_new_objects_of_an_editor_keep_their_ids_below_zero(tmp_path: Path) -> None:
    drawn = OsmByHand()
    street = drawn.way((0, 0), (90, 0), highway="residential")
    outer, inner = drawn.ring(100, 0, 200, 90), drawn.ring(130, 30, 160, 60)
    lake = drawn.relation(
        ("way", outer, "outer"), ("way", inner, "inner"), type="multipolygon", natural="water"
    )
    path = tmp_path / "new.osm"
    path.write_text(drawn.xml().replace('id="', 'id="-').replace('ref="', 'ref="-'))
    city = read_osm(path)
    assert city.ways.source.tolist() == [-street]
    assert f"relation/-{lake}" in set(city.base["source_key"])
    assert city.problems == []
    assert city.ways.lonlat[city.ways.nodes].tolist() == [list(lonlat(0, 0)), list(lonlat(90, 0))]


def test_what_is_missing_is_named_and_the_rest_of_a_way_is_used(tmp_path: Path) -> None:
    drawn = OsmByHand()
    way = drawn.way(
        (0, 0), (10, 0), 900_001, (30, 0), (40, 0), 900_002, (60, 0), highway="residential"
    )
    short = drawn.way((0, 0), 900_003, highway="footway")
    point = drawn.way((0, 0), (0, 0), highway="footway")
    house = drawn.way((0, 0), (9, 0), 900_004, (0, 9), (0, 0), building="yes")
    open_house = drawn.way((0, 0), (9, 0), (9, 9), (0, 9), building="yes")
    knot = drawn.way((20, 20), (29, 29), (29, 20), (20, 29), (20, 20), building="yes")
    ring = drawn.ring(300, 300, 400, 400)
    lake = drawn.relation(
        ("way", ring, "outer"), ("way", 900_005, "outer"), type="multipolygon", natural="water"
    )
    city = read_osm(drawn.write(tmp_path))
    assert city.ways.source.tolist() == [way, way]
    assert np.diff(city.ways.offsets).tolist() == [2, 2]
    assert city.buildings["code"].tolist() == [f"osm:way/{knot}"]
    assert city.buildings.geometry.is_valid.all()
    found = {(p.element, p.kept) for p in city.problems}
    assert found >= {
        (f"way/{way}", True),
        (f"way/{short}", False),
        (f"way/{point}", False),
        (f"way/{house}", False),
        (f"way/{open_house}", False),
        (f"way/{knot}", True),
        (f"relation/{lake}", False),
    }
    assert sum(count_by_reason(city.problems).values()) == len(city.problems)


def test_a_node_without_coordinates_is_reported(tmp_path: Path) -> None:
    drawn = small_town()
    drawn.elements["node"].append('<node id="99999"><tag k="shop" v="yes"/></node>')
    city = read_osm(drawn.write(tmp_path))
    assert [p.element for p in city.problems] == ["node/99999"]


def test_of_two_versions_of_an_element_the_later_counts(tmp_path: Path) -> None:
    drawn = small_town()
    way = drawn.way((300, 0), (390, 0), highway="residential")
    drawn.elements["way"].append(drawn.elements["way"][-1].replace("residential", "motorway"))
    assert way not in read_osm(drawn.write(tmp_path)).ways.source.tolist()


BROKEN: dict[str, bytes] = {
    "empty.osm": b"",
    "empty.osm.pbf": b"",
    "words.osm": b"id,lon,lat\n1,2,3\n",
    "words.osm.pbf": b"id,lon,lat\n1,2,3\n" * 100,
    "page.osm": b"<html><body>503</body></html>",
    "nothing.osm": b'<osm version="0.6"></osm>',
    "untagged.osm": b'<osm version="0.6"><node id="1" lat="1" lon="2"/></osm>',
    "cut.osm": b'<osm version="0.6"><node id="1" lat="1" lon="2"/>',
    "not_a_number.osm": b'<osm version="0.6"><node id="1" lat="abc" lon="2"/></osm>',
    "not_packed.osm.gz": b"<osm/>",
    "table.csv": b"id,lon,lat\n",
}


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("parts", [("network",), ("network", "buildings")], ids=len)
def test_a_file_that_is_no_map_is_refused_with_a_remedy(
    tmp_path: Path, name: str, parts: tuple[str, ...]
) -> None:
    path = tmp_path / name
    path.write_bytes(BROKEN[name])
    with pytest.raises(SourceFileError, match=name) as error:
        read_osm(path, parts=parts)
    assert error.value.remedy


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_download_that_was_cut_short_is_refused(
    town: tuple[Path, OsmCity], tmp_path: Path, share: float
) -> None:
    whole = tmp_path / "whole.osm.pbf"
    with osmium.SimpleWriter(str(whole)) as writer:
        osmium.apply(str(town[0]), writer)
    data = whole.read_bytes()
    cut = tmp_path / "cut.osm.pbf"
    cut.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(SourceFileError, match="cut"):
        read_osm(cut)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceFileError, match="no file"):
        read_osm(tmp_path / "absent.osm.pbf")
    folder = tmp_path / "folder.osm"
    folder.mkdir()
    with pytest.raises(SourceFileError, match="folder"):
        read_osm(folder)


def test_a_history_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "past.osh"
    path.write_text(small_town().xml())
    history = tmp_path / "past.osm.pbf"
    target = osmium.io.File(str(history), "osh.pbf")
    header = osmium.io.Header()
    header.has_multiple_object_versions = True
    with osmium.SimpleWriter(target, header=header) as writer:
        osmium.apply(osmium.io.Reader(osmium.io.File(str(path), "osm")), writer)
    with pytest.raises(SourceFileError, match="history"):
        read_osm(history)


def test_no_temporary_file_is_left_behind(
    town: tuple[Path, OsmCity], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    read_osm(town[0])
    broken = tmp_path / "broken.osm"
    broken.write_text("<osm")
    with pytest.raises(SourceFileError):
        read_osm(broken)
    assert [p.name for p in tmp_path.iterdir()] == ["broken.osm"]


def test_progress_names_stages_and_never_goes_back(town: tuple[Path, OsmCity]) -> None:
    told: list[tuple[str, float]] = []
    read_osm(town[0], progress=lambda stage, share: told.append((stage, share)))
    shares = [share for _, share in told]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0.0, 1.0)
    assert all(stage for stage, _ in told)
