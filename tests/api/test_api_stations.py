"""Stations over HTTP: versions, refusals, history."""

from __future__ import annotations

import threading

import httpx
import pytest
from town import lonlat

LON, LAT = lonlat(300, 300)
NEW = {
    "kind": "rider_station",
    "name": "小哥驿站",
    "lon": LON,
    "lat": LAT,
    "opening_hours": "Mo-Su 07:00-22:00",
    "facilities": ["water", "rest"],
}


@pytest.fixture
def made(client: httpx.Client) -> dict:
    answer = client.post("/api/v1/stations", json=NEW)
    assert answer.status_code == 201, answer.text
    return answer.json()


def address(station: dict) -> str:
    return f"/api/v1/stations/{station['id']}"


def test_a_new_station_is_found_at_its_location_with_its_version_as_etag(client):
    answer = client.post("/api/v1/stations", json=NEW)
    assert answer.status_code == 201
    assert answer.headers["content-type"] == "application/geo+json"
    assert answer.headers["etag"] == '"1"'
    again = client.get(answer.headers["location"])
    assert again.json() == answer.json()
    assert again.headers["etag"] == '"1"'
    known = client.get(answer.headers["location"], headers={"If-None-Match": '"1"'})
    assert (known.status_code, known.content) == (304, b"")


def test_what_was_read_can_be_changed_and_sent_back(client, made):
    made["properties"]["name"] = "改名驿站"
    answer = client.put(address(made), json=made, headers={"If-Match": '"1"'})
    assert answer.status_code == 200, answer.text
    assert answer.json()["properties"]["name"] == "改名驿站"
    assert answer.json()["geometry"] == made["geometry"]
    assert answer.headers["etag"] == '"2"'


def test_a_patch_changes_the_fields_it_names_and_no_other(client, made):
    answer = client.patch(
        address(made),
        json={"status": "closed", "opening_hours": None},
        headers={"If-Match": '"1"', "Content-Type": "application/merge-patch+json"},
    )
    before, after = made["properties"], answer.json()["properties"]
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"status", "opening_hours", "version", "updated_at"}


def test_places_are_counted_changed_and_unknown_again(client, made):
    assert made["properties"]["places"] is None
    answer = client.patch(address(made), json={"places": 24}, headers={"If-Match": '"1"'})
    assert answer.json()["properties"]["places"] == 24
    wrong = client.patch(address(made), json={"places": -1}, headers={"If-Match": '"2"'})
    assert wrong.status_code == 422
    assert "places" in wrong.text
    half = client.patch(address(made), json={"places": 1.5}, headers={"If-Match": '"2"'})
    assert half.status_code == 422
    none = client.patch(address(made), json={"places": None}, headers={"If-Match": '"2"'})
    assert none.json()["properties"]["places"] is None


def test_the_second_of_two_editors_gets_the_present_row_and_nothing_is_lost(client, made):
    # QFieldCloud#429
    first = client.patch(address(made), json={"name": "甲"}, headers={"If-Match": '"1"'})
    second = client.patch(address(made), json={"name": "乙"}, headers={"If-Match": '"1"'})
    assert first.status_code == 200
    assert second.status_code == 412
    problem = second.json()
    assert second.headers["content-type"] == "application/problem+json"
    assert problem["type"] == "/api/v1/problems/stale-row"
    assert problem["present"] == first.json()
    assert second.headers["etag"] == first.headers["etag"]
    third = client.patch(
        address(made), json={"address": "乙路"}, headers={"If-Match": second.headers["etag"]}
    )
    assert third.json()["properties"]["name"] == "甲"
    assert third.json()["properties"]["address"] == "乙路"


def test_of_editors_at_the_same_moment_one_wins_and_the_others_get_412(client, url, made):
    statuses: list[int] = []
    start = threading.Barrier(8)

    def write(number: int) -> None:
        with httpx.Client(base_url=url, timeout=300) as own:
            start.wait()
            answer = own.patch(
                address(made), json={"name": f"n{number}"}, headers={"If-Match": '"1"'}
            )
            statuses.append(answer.status_code)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200] + [412] * 7
    history = client.get(f"/api/v1/history/stations/{made['id']}").json()
    assert [c["operation"] for c in history["changes"]] == ["update", "insert"]


@pytest.mark.parametrize(
    ("header", "status", "slug"),
    [
        (None, 428, "version-missing"),
        ("*", 428, "version-missing"),
        ("one", 400, "bad-header"),
        ('"x"', 400, "bad-header"),
        ('W/"1"', 200, None),
    ],
)
@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_a_write_must_name_the_version_it_saw(client, made, method, header, status, slug):
    body = {"PUT": NEW, "PATCH": {"name": "x"}, "DELETE": None}[method]
    headers = {} if header is None else {"If-Match": header}
    answer = client.request(method, address(made), json=body, headers=headers)
    assert answer.status_code == (204 if status == 200 and method == "DELETE" else status)
    if slug:
        assert answer.json()["type"] == f"/api/v1/problems/{slug}"
        assert answer.json()["remedy"]
        assert client.get(address(made)).json() == made


def test_a_deleted_station_is_gone_and_its_history_can_be_read(client, made):
    gone = client.delete(address(made), headers={"If-Match": '"1"'})
    assert (gone.status_code, gone.content) == (204, b"")
    assert client.get(address(made)).status_code == 404
    assert client.delete(address(made), headers={"If-Match": '"1"'}).status_code == 404
    history = client.get(f"/api/v1/history/stations/{made['id']}").json()
    assert [(c["operation"], c["actor"]) for c in history["changes"]] == [
        ("delete", "local"),
        ("insert", "local"),
    ]
    page = client.get(f"/api/v1/history/stations/{made['id']}?limit=1")
    older = client.get(page.links["next"]["url"]).json()
    assert page.json()["changes"] + older["changes"] == history["changes"]


def test_every_broken_rule_is_named_with_field_value_reason_and_remedy(client):
    wrong = NEW | {"kind": "red", "lat": 118.1, "opening_hours": "9点到17点", "name": ""}
    answer = client.post("/api/v1/stations", json=wrong)
    assert answer.status_code == 422
    problem = answer.json()
    assert problem["type"] == "/api/v1/problems/invalid-row"
    faults = {fault["field"]: fault for fault in problem["errors"]}
    assert set(faults) == {"kind", "lat", "opening_hours", "name"}
    assert all(fault["reason"] and fault["remedy"] for fault in faults.values())
    assert faults["opening_hours"]["value"] == "9点到17点"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({k: v for k, v in NEW.items() if k != "lon"}, "lon"),
        (NEW | {"lon": "east"}, "lon"),
        (NEW | {"nmae": "x"}, "nmae"),
        (NEW | {"facilities": "water"}, "facilities"),
        ({"type": "Feature", "geometry": {"type": "LineString", "coordinates": []}}, "body"),
    ],
)
def test_a_body_of_the_wrong_shape_is_refused_by_field(client, body, field):
    answer = client.post("/api/v1/stations", json=body)
    assert answer.status_code == 422
    assert field in {fault["field"] for fault in answer.json()["errors"]}


def test_null_is_refused_where_it_does_not_mean_unknown(client, made):
    answer = client.patch(address(made), json={"name": None}, headers={"If-Match": '"1"'})
    assert answer.status_code == 422
    assert "name cannot be null" in answer.text


def test_a_code_that_is_taken_is_a_conflict(client):
    answer = client.post("/api/v1/stations", json=NEW | {"code": "S1"})
    assert answer.status_code == 409
    assert answer.json()["type"] == "/api/v1/problems/conflict"


def test_stations_are_filtered_by_kind_status_facility_area_and_place(client):
    west, south = lonlat(0, 0)
    east, north = lonlat(1500, 1000)
    asked = {"bbox": f"{west},{south},{east},{north}", "area": "T1", "published": "true"}
    answer = client.get(
        "/api/v1/stations",
        params=asked | {"kind": "rider_station,red_station", "status": "open", "facility": "rest"},
    )
    assert {f["properties"]["code"] for f in answer.json()["features"]} == {"S2", "S3"}
    assert client.get("/api/v1/stations", params={"status": "shut"}).json()["features"] == []
