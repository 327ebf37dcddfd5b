"""Layers as GeoJSON: lists, filters, one feature."""

from __future__ import annotations

import itertools

import geopandas as gpd
import pytest
import shapely
from shapely.geometry import box, shape
from town import buildings, lonlat

from data.errors import NotFoundError
from data.layers import LAYERS, list_features, list_layers, read_feature
from data.models import Base
from geo.errors import CoordinateError


def test_every_layer_lists_columns_that_its_table_has():
    for layer in LAYERS.values():
        columns = Base.metadata.tables[layer.name].columns
        own = {c for c in layer.columns if isinstance(c, str)}
        assert own <= set(columns.keys()), layer.name


def test_the_list_of_layers_says_how_many_features_there_are_and_where(town):
    with town.connect() as connection:
        found = {s.layer.name: s for s in list_layers(connection)}
    assert found["buildings"].count == len(buildings())
    assert found["stations"].count == 5
    assert found["patrol_points"].count == 0
    assert found["patrol_points"].bounds is None
    west, south, east, north = found["areas"].bounds
    assert (west, south) == pytest.approx(lonlat(-50, -50))
    assert (east, north) == pytest.approx(lonlat(1550, 1050))


def test_a_bbox_finds_what_touches_it_and_nothing_else(town):
    window = box(*lonlat(130, 130), *lonlat(460, 455))
    frame = gpd.GeoSeries(shapely.from_wkt([b["wkt"] for b in buildings()]))
    expected = {
        b["code"] for b, hit in zip(buildings(), frame.intersects(window), strict=True) if hit
    }
    with town.connect() as connection:
        page = list_features(connection, "buildings", bbox=window.bounds)
    assert {f["properties"]["code"] for f in page.features} == expected
    assert 0 < len(expected) < len(buildings())
    assert all(shape(f["geometry"]).intersects(window) for f in page.features)


@pytest.mark.parametrize("area", ["C1", "T1", "D1"])
def test_an_area_finds_what_lies_in_it_or_in_the_areas_below_it(town, area):
    inside = {"C1": {"C1"}, "T1": {"C1", "C2"}, "D1": {"C1", "C2"}}[area]
    expected = {b["code"] for b in buildings() if b["community"] in inside}
    with town.connect() as connection:
        page = list_features(connection, "buildings", area=area, limit=10_000)
        by_id = list_features(
            connection,
            "buildings",
            area=str(
                next(
                    f["id"]
                    for f in list_features(connection, "areas").features
                    if f["properties"]["code"] == area
                )
            ),
            limit=10_000,
        )
        stations = list_features(connection, "stations", area=area)
        gates = list_features(connection, "gates", area=area)
    assert {f["properties"]["code"] for f in page.features} == expected
    assert by_id == page
    assert stations.matched == (3 if area == "C1" else 5)
    assert gates.matched == 1


def test_kinds_filter_by_any_of_them_and_areas_by_level(town):
    with town.connect() as connection:
        stations = list_features(connection, "stations", kinds=["red_station", "rider_station"])
        communities = list_features(connection, "areas", kinds=["community"])
        nothing = list_features(connection, "entrances", kinds=["x"])
    assert stations.matched == 4
    assert [f["properties"]["name"] for f in communities.features] == ["城西社区", "城东社区"]
    assert nothing.matched == 0


def test_pages_put_together_are_the_whole_layer_without_doubles(town):
    with town.connect() as connection:
        pages = [
            list_features(connection, "buildings", limit=17, offset=start)
            for start in range(0, 100, 17)
        ]
    ids = list(itertools.chain.from_iterable([f["id"] for f in p.features] for p in pages))
    assert len(ids) == len(set(ids)) == len(buildings()) == pages[0].matched
    assert ids == sorted(ids)


def test_a_feature_carries_names_of_what_it_lies_in(town):
    with town.connect() as connection:
        page = list_features(connection, "buildings", where={"code": "B0000"})
        feature = read_feature(connection, "buildings", page.features[0]["id"])
    assert feature == page.features[0]
    properties = feature["properties"]
    assert (properties["community"], properties["compound"], properties["grid"]) == (
        "城西社区",
        "杏花小区",
        "N1",
    )
    assert feature["geometry"]["type"] == "MultiPolygon"


@pytest.mark.parametrize(
    "bbox",
    [(118.2, 36.0, 118.1, 37.0), (36.9, 118.0, 37.0, 118.1), (float("nan"), 0, 1, 1)],
)
def test_a_bbox_with_swapped_axes_or_corners_is_refused(town, bbox):
    with town.connect() as connection, pytest.raises(CoordinateError, match="bbox"):
        list_features(connection, "buildings", bbox=bbox)


def test_an_unknown_layer_area_field_or_feature_is_not_found(town):
    with town.connect() as connection:
        for call in (
            lambda: list_features(connection, "people"),
            lambda: list_features(connection, "history"),
            lambda: list_features(connection, "buildings", area="C9"),
            lambda: list_features(connection, "buildings", where={"id; DROP TABLE areas": 1}),
            lambda: read_feature(connection, "buildings", 10**9),
        ):
            with pytest.raises(NotFoundError):
                call()
