"""The sample takes the very path that real data takes: our own importers read it whole."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest

from data.importers.headers import match_headers
from data.importers.osm import OsmCity, read_osm
from data.importers.stations import read_stations
from data.sample import SampleFiles
from geo.network import build_network
from tests.data.sample.conftest import rows


@pytest.fixture(scope="module")
def city(county: SampleFiles) -> OsmCity:
    return read_osm(county.osm)


def test_it_is_read_without_a_problem(city: OsmCity) -> None:
    assert not len(city.problems)


def test_compounds_have_their_kinds_walls_and_gates(city: OsmCity) -> None:
    kinds = city.compounds["kind"].value_counts().to_dict()
    assert kinds == {
        "new": 32,
        "courtyard": 34,
        "work_unit": 18,
        "urban_village": 12,
        "suburban": 9,
    }
    assert city.compounds["walled"].sum() == 32 + 34 + 18
    assert {"all", "residents", "emergency"} == set(city.gates["access"])


def test_buildings_join_the_ledger_by_code(city: OsmCity, county: SampleFiles) -> None:
    homes = rows(county.buildings)
    kinds = {"高层": "high_rise", "多层": "multi_storey", "平房": "bungalow"}
    expected = {k: sum(r["类型"] == k for r in homes) for k in kinds}
    counted = city.buildings["kind"].value_counts()
    for title, kind in kinds.items():
        assert counted[kind] == expected[title]


def test_the_network_is_one_piece_in_the_chinese_zone(city: OsmCity) -> None:
    network = build_network(city.ways, source="sample")
    assert network.crs == "EPSG:4548"
    assert (network.node_component == 0).all()
    assert len(network.node_xy) > 8_000


def test_every_column_of_the_ledgers_is_known_or_plainly_no_personal_data(
    county: SampleFiles,
) -> None:
    stations = match_headers(list(rows(county.stations)[0]), "stations")
    assert not stations.unknown
    buildings = match_headers(list(rows(county.buildings)[0]), "buildings")
    assert set(buildings.unknown) <= {"社区", "小区"}


def test_no_station_is_refused(county: SampleFiles) -> None:
    stations, report = read_stations(county.stations)
    assert not report.rejected
    assert not report.warnings
    assert stations["kind"].value_counts().to_dict() == {
        "red_station": 57,
        "service_centre": 10,
        "rider_station": 9,
    }


def test_compounds_of_the_layer_are_those_of_the_map(city: OsmCity, county: SampleFiles) -> None:
    layer = gpd.read_file(county.compounds).set_index("编码")
    same = city.compounds.set_index("code")
    assert set(layer.index) == set(same.index)
    areas = layer.geometry.to_crs(4548).area
    assert np.allclose(areas, same.geometry.to_crs(4548).area.loc[areas.index], rtol=0.01)
