"""Layers over HTTP: pages with links, filters, refusals."""

from __future__ import annotations

import pytest
from town import buildings, lonlat


def test_the_list_names_every_layer_in_two_languages_with_an_address_that_works(client):
    layers = client.get("/api/v1/layers").json()["layers"]
    assert [layer["name"] for layer in layers][:3] == ["areas", "compounds", "gates"]
    for layer in layers:
        assert all(layer["title"][language] for language in ("zh", "en"))
        answer = client.get(layer["links"][0]["href"], params={"limit": 1})
        assert answer.json()["numberMatched"] == layer["count"]


def test_following_the_next_links_reads_the_whole_layer_once(client):
    ids, url = [], "/api/v1/layers/buildings?limit=20"
    while url:
        answer = client.get(url)
        page = answer.json()
        assert page["type"] == "FeatureCollection"
        assert page["numberReturned"] == len(page["features"]) <= 20
        ids += [f["id"] for f in page["features"]]
        in_body = {link["rel"]: link["href"] for link in page["links"]}
        in_header = {rel: link["url"] for rel, link in answer.links.items()}
        assert in_body == in_header
        url = in_body.get("next")
    assert len(ids) == len(set(ids)) == len(buildings())
    assert "prev" in in_body


def test_a_feature_has_its_version_as_etag(client):
    feature = client.get("/api/v1/layers/compounds").json()["features"][0]
    answer = client.get(f"/api/v1/layers/compounds/{feature['id']}")
    assert answer.json() == feature
    assert answer.headers["etag"] == '"1"'


def test_bbox_area_and_kind_filter_together(client):
    west, south = lonlat(0, 0)
    east, north = lonlat(1500, 440)
    answer = client.get(
        "/api/v1/layers/buildings",
        params={
            "bbox": f"{west},{south},{east},{north}",
            "area": "C1",
            "kind": "multi_storey,high_rise",
            "limit": 500,
        },
    )
    expected = {
        b["code"] for b in buildings() if b["community"] == "C1" and int(str(b["code"])[3:]) < 4
    }
    assert {f["properties"]["code"] for f in answer.json()["features"]} == expected


@pytest.mark.parametrize(
    ("query", "status", "slug"),
    [
        ("buildings?bbox=1,2,3", 422, "coordinates"),
        ("buildings?bbox=37,118,36,119", 422, "coordinates"),
        ("buildings?bbox=a,b,c,d", 422, "coordinates"),
        ("buildings?limit=0", 422, "invalid-request"),
        ("buildings?limit=100000", 422, "invalid-request"),
        ("buildings?offset=-1", 422, "invalid-request"),
        ("buildings?area=nowhere", 404, "not-found"),
        ("residents", 404, "not-found"),
        ("history", 404, "not-found"),
        ("buildings/123456789", 404, "not-found"),
        ("buildings/0", 422, "invalid-request"),
        ("buildings/one", 422, "invalid-request"),
        ("buildings/99999999999999999999", 422, "invalid-request"),
    ],
)
def test_a_question_that_makes_no_sense_gets_a_problem_with_a_remedy(client, query, status, slug):
    answer = client.get(f"/api/v1/layers/{query}")
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["type"] == f"/api/v1/problems/{slug}"
    assert problem["remedy"]
    assert client.get(problem["type"]).json()["status"] == status


def test_search_finds_across_layers(client):
    found = client.get("/api/v1/search", params={"q": "城西"}).json()["features"]
    assert [f["properties"]["layer"] for f in found] == ["stations", "areas"]
    assert client.get("/api/v1/search", params={"q": " "}).status_code == 422


def test_the_city_says_what_it_is_and_holds(client):
    city = client.get("/api/v1/city").json()
    assert (city["name"], city["is_sample"]) == ("试验镇", True)
    assert city["counts"]["buildings"] == len(buildings())
    assert city["counts"]["households"] == sum(int(b["households"] or 0) for b in buildings())
    assert city["bounds"] == pytest.approx([*lonlat(-50, -50), *lonlat(1550, 1050)])
    assert city["attribution"]


def test_profiles_name_their_speed_and_source(client):
    answer = client.get("/api/v1/profiles").json()
    norm = next(p for p in answer["profiles"] if p["name"] == "norm")
    assert norm["speed_mps"] == 1.0
    assert all(p["source"] and p["label"]["zh"] for p in answer["profiles"])
    assert answer["defaults"]["profile"] == "norm"
