"""Tiles over HTTP: entity tags, revalidation, refusals."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from morecantile import tms
from town import LAT, LON, lonlat

_TILE = tms.get("WebMercatorQuad").tile(LON, LAT, 14)
TILE = f"{_TILE.z}/{_TILE.x}/{_TILE.y}"


@pytest.mark.parametrize("path", [f"base/{TILE}", f"layers/stations/{TILE}"])
def test_twenty_identical_requests_get_one_etag_and_the_same_bytes(url, path):
    # Martin#3219
    def get(_: int) -> tuple[str, bytes]:
        with httpx.Client(base_url=url, timeout=300) as own:
            answer = own.get(f"/tiles/{path}.mvt", headers={"Accept-Encoding": "identity"})
            return answer.headers["etag"], answer.content

    with ThreadPoolExecutor(8) as pool:
        answers = set(pool.map(get, range(20)))
    assert len(answers) == 1
    ((etag, body),) = answers
    assert body
    assert etag.startswith('"')


def test_a_tile_that_the_client_has_is_not_sent_again(client):
    first = client.get(f"/tiles/base/{TILE}.mvt")
    assert first.headers["content-type"] == "application/vnd.mapbox-vector-tile"
    assert "no-cache" in first.headers["cache-control"]
    again = client.get(f"/tiles/base/{TILE}.mvt", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    other = client.get(f"/tiles/base/{TILE}.mvt", headers={"If-None-Match": '"other"'})
    assert other.content == first.content


def test_a_changed_row_changes_its_tile_at_once_and_back_again(client):
    path = f"/tiles/layers/stations/{TILE}.mvt"
    before = client.get(path).headers["etag"]
    lon, lat = lonlat(50, 60)
    made = client.post(
        "/api/v1/stations", json={"kind": "red_station", "name": "新", "lon": lon, "lat": lat}
    )
    during = client.get(path).headers["etag"]
    client.delete(made.headers["location"], headers={"If-Match": made.headers["etag"]})
    after = client.get(path).headers["etag"]
    assert before == after != during


@pytest.mark.parametrize(
    "path",
    [
        "base/2/4/0.mvt",
        "base/25/0/0.mvt",
        "base/-1/0/0.mvt",
        "base/a/b/c.mvt",
        "base/14/1/1",
        f"layers/secrets/{TILE}.mvt",
        f"coverage/123456/{TILE}.mvt",
    ],
)
def test_a_tile_that_cannot_be_is_a_problem(client, path):
    answer = client.get(f"/tiles/{path}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
