"""Vector tiles: what is in them, read by GDAL; the same bytes every time."""

from __future__ import annotations

import math

import geopandas as gpd
import numpy as np
import pytest
import shapely
from morecantile import Tile as PeerTile
from morecantile import tms
from sqlalchemy import text
from tile_reader import read_tile
from town import LAT, LON, STATIONS, buildings, lonlat

from data.errors import NotFoundError
from data.tiles import BUILDINGS_FROM, MAX_ZOOM, Tile, base_tile, coverage_tile, layer_tile

QUAD = tms.get("WebMercatorQuad")


def tiles_of_town(z: int) -> list[Tile]:
    """Every tile of a zoom that touches the town's streets."""
    west, south = lonlat(0, 0)
    east, north = lonlat(1500, 1000)
    return [Tile(t.z, t.x, t.y) for t in QUAD.tiles(west, south, east, north, [z])]


@pytest.mark.parametrize(("z", "x", "y"), [(0, 0, 0), (3, 7, 0), (14, 13566, 6433), (20, 5, 9)])
def test_bounds_of_a_tile_are_those_of_the_tile_matrix_set(z, x, y):
    assert Tile(z, x, y).bounds() == pytest.approx(tuple(QUAD.bounds(PeerTile(x, y, z))), abs=1e-9)


@pytest.mark.parametrize(
    ("z", "x", "y"), [(-1, 0, 0), (MAX_ZOOM + 1, 0, 0), (2, 4, 0), (2, 0, 4), (2, -1, 0)]
)
def test_there_is_no_tile_outside_the_world(z, x, y):
    with pytest.raises(NotFoundError, match="no tile"):
        Tile(z, x, y)


def test_the_base_map_has_every_layer_with_kind_and_name(town, tmp_path):
    found: dict[str, set[tuple[str, str]]] = {}
    with town.connect() as connection:
        for tile in tiles_of_town(14):
            layers = read_tile(tmp_path, tile.z, tile.x, tile.y, base_tile(connection, tile))
            for name, frame in layers.items():
                names = frame.get("name", frame["kind"])
                found.setdefault(name, set()).update(zip(frame["kind"], names, strict=True))
    assert set(found) == {
        "water", "green", "rail", "roads", "barriers", "buildings", "compounds", "areas", "labels",
    }  # fmt: skip
    assert ("river", "清河") in found["water"]
    assert ("primary", "迎宾大道") in found["roads"]
    assert {("town", "试验镇"), ("compound", "杏花小区"), ("community", "城东社区")} <= found[
        "labels"
    ]


def test_a_lower_zoom_leaves_out_what_is_too_small_for_it(town, tmp_path):
    with town.connect() as connection:
        for z in (8, 10, 12, 13):
            kinds = set()
            for tile in tiles_of_town(z):
                layers = read_tile(tmp_path, z, tile.x, tile.y, base_tile(connection, tile))
                assert "buildings" not in layers
                if "roads" in layers:
                    kinds |= set(layers["roads"]["kind"])
            assert kinds == ({"primary"} if z < 13 else {"primary", "residential"})


@pytest.mark.parametrize("z", [14, 16])
def test_geometries_of_a_tile_are_those_of_the_rows_within_a_unit(town, tmp_path, z):
    truth = gpd.GeoSeries(
        shapely.from_wkt([b["wkt"] for b in buildings()]),
        index=[b["code"] for b in buildings()],
        crs=4326,
    ).to_crs(3857)
    unit_m = 2 * math.pi * 6378137 / 2**z / 4096
    seen = set()
    with town.connect() as connection:
        for tile in tiles_of_town(z):
            body = layer_tile(connection, "buildings", tile)
            layers = read_tile(tmp_path, z, tile.x, tile.y, body)
            bounds = shapely.box(*QUAD.xy_bounds(PeerTile(tile.x, tile.y, z)))
            expected = {code for code in truth.index if truth[code].within(bounds)}
            frame = layers["buildings"].set_index("code") if layers else gpd.GeoDataFrame()
            assert expected <= set(frame.index)
            seen |= expected
            for code in expected:
                drawn = frame.loc[code, "geometry"]
                assert drawn.hausdorff_distance(truth[code]) < 2 * unit_m
    assert len(seen) > 60


def test_twenty_requests_for_a_tile_give_the_same_bytes_also_after_rows_are_rewritten(town):
    (tile, *_) = tiles_of_town(14)
    with town.connect() as connection:
        bodies = {base_tile(connection, tile) for _ in range(20)}
    assert len(bodies) == 1
    with town.engine.begin() as connection:
        # A rewritten row moves to another place of the table: the order of reading changes.
        connection.execute(text("UPDATE base_features SET name = name WHERE id % 2 = 0"))
        connection.execute(text("SET LOCAL enable_indexscan = off"))
        connection.execute(text("SET LOCAL enable_bitmapscan = off"))
        assert base_tile(connection, tile) in bodies


def test_stations_come_with_what_a_card_shows(town, tmp_path):
    rows = {}
    with town.connect() as connection:
        for tile in tiles_of_town(12):
            layers = read_tile(
                tmp_path, 12, tile.x, tile.y, layer_tile(connection, "stations", tile)
            )
            if layers:
                rows |= layers["stations"].set_index("code").to_dict("index")
    assert set(rows) == {code for code, *_ in STATIONS}
    assert rows["S1"]["name"] == "城西党群服务中心"
    assert rows["S1"]["facilities"] == "rest,water"
    assert rows["S5"]["status"] == "closed"
    merc = gpd.GeoSeries([shapely.Point(lonlat(205, 203))], crs=4326).to_crs(3857)[0]
    assert rows["S1"]["geometry"].distance(merc) < 10


def test_an_unknown_layer_or_run_has_no_tiles(town):
    tile = Tile(14, 1, 1)
    with town.connect() as connection:
        with pytest.raises(NotFoundError):
            layer_tile(connection, "history", tile)
        with pytest.raises(NotFoundError):
            coverage_tile(connection, 99, tile)


def test_a_tile_of_an_empty_place_is_empty(town):
    with town.connect() as connection:
        assert base_tile(connection, Tile(14, 0, 0)) == b""


def test_a_tile_uses_the_spatial_index(town):
    """The plan must not read whole tables: that is what keeps a tile quick in a large city."""
    tile = tiles_of_town(BUILDINGS_FROM)[0]
    west, south, east, north = tile.bounds()
    with town.engine.begin() as connection:
        connection.execute(text("SET LOCAL enable_seqscan = off"))
        plan = "\n".join(
            connection.execute(
                text(
                    "EXPLAIN SELECT count(*) FROM base_features WHERE layer = 'road' AND"
                    f" min_zoom <= 10 AND geom && ST_MakeEnvelope({west}, {south}, {east},"
                    f" {north}, 4326)"
                )
            ).scalars()
        )
    assert "idx_base_features_geom" in plan


def test_the_middle_of_the_town_is_where_it_is_drawn(town, tmp_path):
    tile = QUAD.tile(LON, LAT, 16)
    with town.connect() as connection:
        body = base_tile(connection, Tile(16, tile.x, tile.y))
    drawn = read_tile(tmp_path, 16, tile.x, tile.y, body)["roads"].total_bounds
    corner = gpd.GeoSeries([shapely.Point(LON, LAT)], crs=4326).to_crs(3857)[0]
    assert np.hypot(drawn[0] - corner.x, drawn[1] - corner.y) < 2
