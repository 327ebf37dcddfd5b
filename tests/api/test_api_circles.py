"""Catchments, coverage, gaps and single walks over HTTP."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import geopandas as gpd
import httpx
import pytest
import shapely
from morecantile import tms
from running import running
from tile_reader import read_tile
from town import buildings, lonlat

from data.database import Database
from data.settings import Settings

QUAD = tms.get("WebMercatorQuad")
LON, LAT = lonlat(400, 500)


def station_id(client: httpx.Client, code: str) -> int:
    features = client.get("/api/v1/stations").json()["features"]
    return next(f["id"] for f in features if f["properties"]["code"] == code)


def polygon_of(feature: dict) -> shapely.Geometry:
    return shapely.from_geojson(json.dumps(feature["geometry"]))


def ask(client: httpx.Client, **body: object) -> dict:
    answer = client.post("/api/v1/catchments", json=body)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/geo+json"
    return answer.json()


def test_a_station_has_one_polygon_for_each_cutoff_with_what_it_rests_on(client):
    station = station_id(client, "S1")
    answer = ask(client, station_id=station, minutes=[10, 15])
    network = client.get("/api/v1/city").json()["network"]["version"]
    assert [f["properties"]["minutes"] for f in answer["features"]] == [10, 15]
    for feature in answer["features"]:
        properties = feature["properties"]
        assert properties["station"]["id"] == station
        assert properties["network_version"] == network
        assert (properties["profile"], properties["speed_mps"], properties["waits"]) == (
            "norm",
            1.0,
            "none",
        )
        assert properties["false_inside"] == properties["false_outside"] == 0
        assert polygon_of(feature).covers(shapely.Point(properties["point"]))
    ten, fifteen = answer["features"]
    assert ten["properties"]["households"] < fifteen["properties"]["households"]
    assert polygon_of(fifteen).buffer(1e-7).covers(polygon_of(ten))


def test_the_polygon_that_was_sent_holds_exactly_the_buildings_counted(client):
    for code in ("S1", "S2", "S3"):
        for feature in ask(client, station_id=station_id(client, code), minutes=[5, 10, 15])[
            "features"
        ]:
            polygon = polygon_of(feature)
            inside = [
                building
                for building in buildings()
                if polygon.covers(shapely.point_on_surface(shapely.from_wkt(building["wkt"])))
            ]
            assert len(inside) == feature["properties"]["buildings"]
            assert feature["properties"]["households"] == sum(
                int(b["households"] or 0) for b in inside
            )


def test_any_point_of_the_map_can_be_asked_what_if(client):
    (feature,) = ask(client, lon=LON, lat=LAT, minutes=[10])["features"]
    assert feature["properties"]["station"] is None
    assert feature["properties"]["point"] == pytest.approx([LON, LAT], abs=1e-7)
    assert "lines" not in feature
    (with_lines,) = ask(client, lon=LON, lat=LAT, minutes=[10], lines=True)["features"]
    assert with_lines["lines"]["type"] == "MultiLineString"
    assert with_lines["geometry"] == feature["geometry"]


def test_the_answer_is_the_same_alone_and_among_others_and_at_any_time(client, url):
    alone = ask(client, lon=LON, lat=LAT, minutes=[10])["features"]
    both = ask(client, lon=LON, lat=LAT, minutes=[5, 10, 15])["features"]
    assert both[1] == alone[0]

    minutes = [n + 0.5 for n in range(1, 9)]
    one_by_one = [ask(client, lon=LON, lat=LAT, minutes=[m])["features"][0] for m in minutes]

    def again(number: int) -> list[dict]:
        # Eight cutoffs in another order each time: nothing of it has been kept.
        order = minutes[number:] + minutes[:number]
        with httpx.Client(base_url=url, timeout=300) as own:
            features = ask(own, lon=LON, lat=LAT, minutes=order)["features"]
        return sorted(features, key=lambda f: f["properties"]["minutes"])

    with ThreadPoolExecutor(8) as pool:
        assert all(features == one_by_one for features in pool.map(again, range(8)))


def test_a_point_off_the_network_is_a_named_problem_and_not_a_square(client):
    # Valhalla#4459, GH#1686
    lon, lat = lonlat(5000, 5000)
    answer = client.post("/api/v1/catchments", json={"lon": lon, "lat": lat})
    assert answer.status_code == 422
    assert answer.json()["type"] == "/api/v1/problems/off-network"
    assert "street" in answer.json()["remedy"]


@pytest.mark.parametrize(
    ("body", "status", "slug"),
    [
        ({}, 422, "invalid-request"),
        ({"lon": 118.1}, 422, "invalid-request"),
        ({"lon": 118.1, "lat": 36.95, "station_id": 1}, 422, "invalid-request"),
        ({"lon": 118.1, "lat": 136.95}, 422, "invalid-request"),
        ({"lon": 118.1, "lat": 36.95, "minutes": []}, 422, "invalid-request"),
        ({"lon": 118.1, "lat": 36.95, "minutes": [0]}, 422, "invalid-request"),
        ({"lon": 118.1, "lat": 36.95, "minutes": [1e9]}, 422, "invalid-request"),
        ({"lon": 118.1, "lat": 36.95, "profile": "horse"}, 422, "profile"),
        ({"lon": 118.1, "lat": 36.95, "waits": "long"}, 422, "profile"),
        ({"lon": 118.1, "lat": 36.95, "speed_mps": -1}, 422, "invalid-request"),
        ({"lon": 118.1, "lat": 36.95, "speed": 1}, 422, "invalid-request"),
        ({"lon": 118.1, "lat": 36.95, "method": "hull"}, 422, "invalid-request"),
        ({"station_id": 10**9}, 404, "not-found"),
    ],
)
def test_a_wrong_question_gets_a_problem_with_a_remedy(client, body, status, slug):
    answer = client.post("/api/v1/catchments", json=body)
    assert answer.status_code == status, answer.text
    assert answer.json()["type"] == f"/api/v1/problems/{slug}"
    assert answer.json()["remedy"]


def test_speed_profile_and_waits_change_what_is_reached(client):
    def reached(**how: object) -> float:
        (feature,) = ask(client, lon=LON, lat=LAT, minutes=[10], **how)["features"]
        return feature["properties"]["reached_m"]

    norm = reached()
    assert reached(speed_mps=1.2) == reached(profile="adult") > norm > reached(profile="elderly")


def test_coverage_sums_by_level_and_leads_to_its_tiles(client, tmp_path):
    answer = client.get("/api/v1/coverage", params={"minutes": 10, "level": "community"}).json()
    rows = {row["code"]: row for row in answer["rows"]}
    assert set(rows) == {"C1", "C2", None}
    for name in ("buildings", "households", "covered", "gap", "unsnapped", "disconnected"):
        assert sum(row[name] for row in answer["rows"]) == answer["totals"][name]
    assert answer["totals"]["unsnapped"] == answer["totals"]["disconnected"] == 1
    assert answer["parameters"]["minutes"] == 10
    assert answer["parameters"]["network_version"]
    seen = {}
    for tile in QUAD.tiles(*lonlat(0, 0), *lonlat(1500, 1000), [14]):
        address = answer["tiles"].format(z=tile.z, x=tile.x, y=tile.y)
        body = client.get(address).content
        layers = read_tile(tmp_path, tile.z, tile.x, tile.y, body)
        if layers:
            frame = layers["buildings"]
            seen |= dict(zip(frame["name"], frame["state"], strict=True))
            assert (frame["minutes"] - frame["seconds"] / 60).abs().max() < 0.06
            covered = frame["state"] == "covered"
            assert (frame.loc[covered, "seconds"] <= 600).all()
    assert sum(state == "covered" for state in seen.values()) == answer["totals"]["covered"]
    assert sum(state == "gap" for state in seen.values()) == answer["totals"]["gap"]


def test_below_zoom_14_coverage_comes_as_squares_with_the_same_sums(client, tmp_path):
    answer = client.get("/api/v1/coverage", params={"minutes": 10}).json()
    for z in (0, 9, 13):
        households = covered = 0
        west, south = lonlat(0, 0)
        east, north = lonlat(5100, 5100)
        for tile in QUAD.tiles(west, south, east, north, [z]):
            body = client.get(answer["tiles"].format(z=z, x=tile.x, y=tile.y)).content
            layers = read_tile(tmp_path, z, tile.x, tile.y, body)
            if layers:
                households += int(layers["cells"]["households"].sum())
                covered += int(layers["cells"]["covered_households"].sum())
                assert layers["cells"]["share"].between(0, 1).all()
        assert households == answer["totals"]["households"]
        assert covered == answer["totals"]["covered_households"]


def test_levels_come_in_pages_with_most_uncovered_households_first(client):
    params = {"minutes": 5, "level": "grid", "limit": 2}
    page = client.get("/api/v1/coverage", params=params)
    rows = page.json()["rows"]
    rows += client.get(page.links["next"]["url"]).json()["rows"]
    uncovered = [row["households"] - row["covered_households"] for row in rows]
    assert uncovered == sorted(uncovered, reverse=True)


def test_gap_zones_are_ranked_polygons_of_the_same_run(client):
    params = {"minutes": 5, "kinds": "rider_station"}
    run = client.get("/api/v1/coverage", params=params).json()
    zones = client.get("/api/v1/coverage/gaps", params=params).json()
    assert zones["run"] == run["run"]
    assert [f["properties"]["rank"] for f in zones["features"]] == list(
        range(1, len(zones["features"]) + 1)
    )
    households = [f["properties"]["households"] for f in zones["features"]]
    assert households == sorted(households, reverse=True)
    assert sum(households) == run["totals"]["gap_households"]
    assert all(f["properties"]["nearest_station_name"] == "小哥驿站东" for f in zones["features"])
    link = next(link["href"] for link in run["links"] if link["rel"] == "related")
    assert client.get(link).json()["features"] == zones["features"]


def test_without_a_station_coverage_is_zero_and_everything_is_a_gap(client):
    answer = client.get(
        "/api/v1/coverage", params={"kinds": "red_station", "status": "planned"}
    ).json()
    assert answer["totals"]["stations"] == 0
    assert answer["totals"]["covered_share"] == 0
    gaps = client.get(
        "/api/v1/coverage/gaps", params={"kinds": "red_station", "status": "planned"}
    ).json()
    assert sum(f["properties"]["households"] for f in gaps["features"]) > 0


def test_a_new_station_changes_coverage_at_once(client):
    before = client.get("/api/v1/coverage", params={"minutes": 5}).json()
    lon, lat = lonlat(1400, 900)
    made = client.post(
        "/api/v1/stations", json={"kind": "red_station", "name": "新驿站", "lon": lon, "lat": lat}
    )
    during = client.get("/api/v1/coverage", params={"minutes": 5}).json()
    client.delete(made.headers["location"], headers={"If-Match": made.headers["etag"]})
    after = client.get("/api/v1/coverage", params={"minutes": 5}).json()
    assert during["totals"]["covered"] > before["totals"]["covered"] == after["totals"]["covered"]
    assert during["run"] != before["run"]


def test_a_building_knows_its_walk_to_each_kind(client):
    building = client.get("/api/v1/layers/buildings", params={"area": "C2"}).json()["features"][0]
    walks = client.get(f"/api/v1/coverage/building/{building['id']}").json()["features"]
    assert {w["properties"]["kind"] for w in walks} == {
        "service_centre",
        "red_station",
        "rider_station",
    }
    seconds = [w["properties"]["seconds"] for w in walks]
    assert seconds == sorted(seconds)
    assert all(w["geometry"]["type"] == "LineString" for w in walks)
    one = client.get(
        f"/api/v1/coverage/building/{building['id']}", params={"kinds": "red_station"}
    ).json()
    assert [w["properties"]["kind"] for w in one["features"]] == ["red_station"]
    assert client.get("/api/v1/coverage/building/99999999").status_code == 404


@pytest.mark.parametrize(
    "query",
    ["kinds=palace", "minutes=0", "minutes=x", "level=planet", "profile=horse", "waits=9",
     "status=gone", "speed_mps=99", "limit=0"],
)  # fmt: skip
def test_a_wrong_coverage_question_gets_a_problem(client, query):
    answer = client.get(f"/api/v1/coverage?{query}")
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["remedy"]


def test_many_at_the_same_time_get_one_run(client, url):
    def get(_: int) -> tuple[int, int]:
        with httpx.Client(base_url=url, timeout=300) as own:
            answer = own.get("/api/v1/coverage", params={"minutes": 11}).json()
            return answer["run"], answer["totals"]["covered"]

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(get, range(8)))) == 1


def test_ready_counts_what_is_loaded(client):
    ask(client, lon=LON, lat=LAT)
    answer = client.get("/ready")
    assert answer.status_code == 200
    assert answer.json()["city"]["buildings"] == len(buildings())
    assert answer.json()["database"]["postgis"].startswith("3.")
    assert answer.json()["reasons"] == []


def test_without_a_network_the_service_is_up_but_not_ready_and_says_why(
    database: Database, tmp_path: Path
):
    settings = Settings.load(home=tmp_path, database_url=database.url)
    with running(settings, database) as url, httpx.Client(base_url=url, timeout=300) as client:
        assert client.get("/health").status_code == 200
        ready = client.get("/ready")
        assert ready.status_code == 503
        answer = client.post("/api/v1/catchments", json={"lon": 1, "lat": 1})
        assert answer.status_code == 503
        assert answer.json()["type"] == "/api/v1/problems/network"
        assert answer.headers["retry-after"]
        assert any("walking network" in reason for reason in client.get("/ready").json()["reasons"])
        assert client.get("/api/v1/layers").status_code == 200
        assert client.get("/api/v1/coverage").status_code == 503


def test_openapi_describes_every_address_with_examples(client):
    document = client.get("/api/v1/openapi.json").json()
    paths = document["paths"]
    for path in ("/api/v1/catchments", "/api/v1/stations/{station_id}", "/api/v1/coverage/gaps"):
        assert path in paths
    for path, operations in paths.items():
        for method, operation in operations.items():
            assert operation.get("summary"), (method, path)
            assert operation.get("description"), (method, path)
            assert "default" in operation["responses"], (method, path)
            for answer in operation["responses"].values():
                for media_type, content in answer.get("content", {}).items():
                    told = content.get("schema", {}).get("type")
                    assert "json" not in media_type or told != "string", (method, path)
    schemas = document["components"]["schemas"]
    assert schemas["StationBody"]["example"]["kind"]
    assert schemas["CatchmentRequest"]["example"]["minutes"] == [10, 15]


def test_the_example_of_the_document_works(client):
    document = client.get("/api/v1/openapi.json").json()
    station = document["components"]["schemas"]["StationBody"]["example"]
    assert client.post("/api/v1/stations", json=station).status_code == 201


def test_frames_made_of_answers_are_ordinary_geojson(client):
    lon, lat = lonlat(400, 500)
    answer = ask(client, lon=lon, lat=lat, minutes=[10, 15])
    frame = gpd.GeoDataFrame.from_features(answer, crs=4326)
    assert list(frame["minutes"]) == [10, 15]
    assert frame.geometry.is_valid.all()
