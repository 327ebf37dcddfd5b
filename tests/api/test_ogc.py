"""OGC API Features and Tiles, asked as QGIS asks: by GDAL's own client and by its requests."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

import geopandas as gpd
import httpx
import pytest
import shapely
from morecantile import tms
from sqlalchemy import text
from tile_reader import read_tile
from town import LAT, LON, STATIONS, buildings, lonlat

COLLECTIONS = {
    "areas", "base_features", "buildings", "compounds", "coverage", "entrances", "gates", "grids",
    "network_edges", "patrol_points", "plan_communities", "plan_grids", "premises", "stations",
}  # fmt: skip


def test_the_landing_page_leads_to_everything_and_every_link_works(client):
    landing = client.get("/ogc/", headers={"Accept": "application/json"}).json()
    rels = {link["rel"] for link in landing["links"]}
    assert {"self", "service-desc", "service-doc", "conformance", "data"} <= rels
    for link in landing["links"]:
        if not link.get("templated"):
            assert client.get(link["href"]).status_code == 200, link


def test_it_conforms_to_features_and_tiles(client):
    classes = set(client.get("/ogc/conformance").json()["conformsTo"])
    for name in (
        "ogcapi-features-1/1.0/conf/core",
        "ogcapi-features-1/1.0/conf/geojson",
        "ogcapi-tiles-1/1.0/conf/core",
        "ogcapi-tiles-1/1.0/conf/mvt",
    ):
        assert f"http://www.opengis.net/spec/{name}" in classes


def test_the_views_and_nothing_else_are_collections(client):
    found = client.get("/ogc/collections").json()["collections"]
    assert {c["id"] for c in found} == COLLECTIONS
    for collection in found:
        for link in collection["links"]:
            if not link.get("templated"):
                assert client.get(link["href"]).status_code == 200, link
    assert client.get("/ogc/collections/public.history").status_code == 404


def read_by_gdal(url: str, layer: str, bbox: tuple[float, ...] | None, into: Path) -> list[str]:
    """Read a layer with GDAL's client; in a process of its own, as it holds Python's lock."""
    program = (
        "import pyogrio, sys, json\n"
        "url, layer, bbox, into = json.loads(sys.argv[1])\n"
        "bbox = tuple(bbox) if bbox else None\n"
        "pyogrio.read_dataframe(url, layer=layer, bbox=bbox).to_file(into, driver='GPKG')\n"
        "print(json.dumps([name for name, _ in pyogrio.list_layers(url)]))\n"
    )
    asked = json.dumps([f"OAPIF:{url}/ogc", layer, bbox, str(into)])
    done = subprocess.run(
        [sys.executable, "-c", program, asked],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_gdal_opens_it_by_its_address_and_reads_the_layers(url, tmp_path):
    layers = read_by_gdal(url, "buildings", None, tmp_path / "all.gpkg")
    assert set(layers) == COLLECTIONS
    frame = gpd.read_file(tmp_path / "all.gpkg")
    truth = gpd.GeoSeries(
        shapely.from_wkt([b["wkt"] for b in buildings()]), index=[b["code"] for b in buildings()]
    )
    assert set(frame["code"]) == set(truth.index)
    for code, geometry in frame.set_index("code").geometry.items():
        assert geometry.symmetric_difference(truth[code]).area < 1e-14
    window = (*lonlat(0, 0), *lonlat(320, 320))
    read_by_gdal(url, "buildings", window, tmp_path / "part.gpkg")
    part = gpd.read_file(tmp_path / "part.gpkg")
    assert set(part["code"]) == set(truth.index[truth.intersects(shapely.box(*window))])


def test_items_are_paged_filtered_and_counted(client):
    page = client.get("/ogc/collections/buildings/items", params={"limit": 30}).json()
    assert (page["numberMatched"], page["numberReturned"]) == (len(buildings()), 30)
    ids = [f["id"] for f in page["features"]]
    while page and (following := [x["href"] for x in page["links"] if x["rel"] == "next"]):
        page = client.get(following[0]).json()
        ids += [f["id"] for f in page["features"]]
    assert len(ids) == len(set(ids)) == len(buildings())
    rider = client.get(
        "/ogc/collections/stations/items", params={"filter": "kind = 'rider_station'"}
    ).json()
    assert {f["properties"]["code"] for f in rider["features"]} == {
        code for code, kind, *_ in STATIONS if kind == "rider_station"
    }
    one = client.get("/ogc/collections/stations/items", params={"code": "S1"}).json()["features"]
    assert (
        client.get(f"/ogc/collections/stations/items/{one[0]['id']}").json()["id"] == one[0]["id"]
    )


def test_capacity_cost_and_facilities_are_columns(client, town):
    with town.transaction("test") as connection:
        connection.execute(text("UPDATE stations SET places = 12 WHERE code = 'S1'"))
        connection.execute(
            text(
                "INSERT INTO premises (code, kind, name, area_m2, cost, facilities, source, geom)"
                " VALUES ('P1', 'shop', '临街铺', 60, 80000, '{rest,water}', 'test',"
                " ST_SetSRID(ST_MakePoint(:lon, :lat), 4326)),"
                " ('P2', 'shop', '', NULL, NULL, NULL, 'test',"
                " ST_SetSRID(ST_MakePoint(:lon, :lat), 4326))"
            ),
            {"lon": LON, "lat": LAT},
        )

    def items(name: str, query: str = "") -> dict[str, dict]:
        found = client.get(f"/ogc/collections/{name}/items{query}").json()["features"]
        return {f["properties"]["code"]: f["properties"] for f in found}

    assert items("stations")["S1"]["places"] == 12
    assert items("stations", "?filter=places%20%3E%2010").keys() == {"S1"}
    premises = items("premises")
    assert (premises["P1"]["cost"], premises["P1"]["facilities"]) == (80000, "rest;water")
    assert (premises["P2"]["cost"], premises["P2"]["facilities"]) == (None, None)
    # The layer's own answer has the same.
    layer = client.get("/api/v1/layers/premises").json()["features"]
    own = {f["properties"]["code"]: f["properties"] for f in layer}
    assert (own["P1"]["cost"], own["P1"]["facilities"]) == (80000, ["rest", "water"])
    assert own["P2"]["facilities"] is None
    queryables = client.get("/ogc/collections/premises/queryables").json()["properties"]
    assert {"cost", "facilities", "area_m2"} <= queryables.keys()


def test_tiles_hold_the_collection_under_its_name(client, tmp_path):
    tile = tms.get("WebMercatorQuad").tile(LON, LAT, 14)
    answer = client.get(
        f"/ogc/collections/compounds/tiles/WebMercatorQuad/{tile.z}/{tile.x}/{tile.y}"
    )
    assert answer.headers["content-type"] == "application/vnd.mapbox-vector-tile"
    layers = read_tile(tmp_path, tile.z, tile.x, tile.y, answer.content)
    assert list(layers["compounds"]["code"]) == ["K1"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("collections/nothing", 404),
        ("collections/nothing/items", 404),
        ("collections/stations/items/999999", 404),
        ("collections/stations/items?bbox=1,2", 422),
        ("collections/stations/items?filter=a%20%3D%3D", 422),
        ("collections/stations/items?area_m2=large", 422),
        ("collections/stations/items?sortby=nothing", 422),
        ("collections/stations/items?datetime=yesterday", 422),
        ("collections/stations/items?limit=1000000", 422),
        ("collections/stations/tiles/Elsewhere/1/1/1", 422),
        ("nothing", 404),
    ],
)
def test_errors_are_problem_documents_here_too(client, path, status):
    answer = client.get(f"/ogc/{path}")
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_filter_cannot_write(client):
    for attack in (
        "name = 'x'; DELETE FROM stations",
        "code = 'S1') OR (SELECT count(*) FROM public.history) > (0",
        "setval('history_id_seq', 1) > 0",
        "pg_sleep(5) = 'x'",
    ):
        client.get("/ogc/collections/stations/items", params={"filter": attack})
    assert client.get("/api/v1/stations").json()["numberMatched"] >= len(STATIONS)


@pytest.mark.parametrize(
    "path",
    ["", "conformance", "collections", "collections/stations", "collections/stations/items",
     "collections/stations/queryables", "tileMatrixSets", "collections/areas/tiles", "api.html"],
)  # fmt: skip
def test_pages_for_people_name_no_other_host_in_anything_that_loads(client, url, path):
    answer = client.get(f"/ogc/{path}", headers={"Accept": "text/html"})
    assert answer.headers["content-type"].startswith("text/html")
    assert "<script" not in answer.text
    for address in re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?([^"'\s>)]+)""", answer.text):
        assert address.startswith((url, "/", "data:")), address


def test_a_large_answer_does_not_keep_others_waiting(client, url):
    """tipg works on a loop of its own: /health answers while it writes."""

    def seconds(own: httpx.Client, path: str, **params: Any) -> float:
        began = time.perf_counter()
        assert own.get(path, params=params).status_code == 200
        return time.perf_counter() - began

    def slow(_: int) -> float:
        with httpx.Client(base_url=url, timeout=300) as own:
            return seconds(own, "/ogc/collections/buildings/items", limit=10_000, f="geojson")

    with ThreadPoolExecutor(4) as pool:
        answers = pool.map(slow, range(8))
        waits = [seconds(client, "/health") for _ in range(20)]
    # A share, so that whatever else the machine does slows both.
    assert median(waits) < median(answers) / 4
