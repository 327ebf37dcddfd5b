"""Publishing by HTTP, and what the public then sees: only that, with tags that save the way."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import io
import json
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree as ET

import httpx
import pytest
from sqlalchemy import text
from town import lonlat

from data.database import Database

SLUG = "town-riders"


@pytest.fixture(scope="module")
def published(client: httpx.Client, town: Database) -> dict:
    with town.transaction("test") as connection:
        connection.execute(
            text("UPDATE stations SET opening_hours = 'Mo-Su 08:00-22:00', verified_on = :day"),
            {"day": dt.datetime.now(dt.UTC).date()},
        )
    made = client.post(
        "/api/v1/publications",
        json={
            "slug": SLUG,
            "title": "试验镇小哥驿站",
            "title_en": "Riders of Test Town",
            "kinds": ["rider_station", "red_station"],
        },
    )
    assert made.status_code == 201, made.text
    assert client.get(f"/s/{SLUG}").status_code == 404
    answer = client.post(
        f"/api/v1/publications/{SLUG}/editions", headers={"If-Match": made.headers["etag"]}
    )
    assert answer.status_code == 201, answer.text
    return answer.json()


def ids(client: httpx.Client) -> dict[str, int]:
    features = client.get(f"/s/{SLUG}/stations.geojson").json()["features"]
    return {f["properties"]["name"]: f["id"] for f in features}


def test_the_check_list_is_given_station_by_station(client, published) -> None:
    found = client.get(f"/api/v1/publications/{SLUG}/stations").json()
    assert (found["ready"], found["not_ready"], found["left_out"]) == (2, 0, 0)
    checks = found["stations"][0]["checks"]
    assert [c["key"] for c in checks] == [
        "public", "personal", "entrance", "hours", "facilities", "verified", "photo",
    ]  # fmt: skip
    assert checks[2]["value"] < 30


def test_publishing_names_the_version_seen(client, published) -> None:
    address = f"/api/v1/publications/{SLUG}/editions"
    assert client.post(address).status_code == 428
    stale = client.post(address, headers={"If-Match": '"1"'})
    assert stale.status_code == 412
    assert stale.json()["present"]["properties"]["version"] == published["version"]


def test_the_page_is_whole_without_a_script(client, published) -> None:
    page = client.get(f"/s/{SLUG}")
    assert page.status_code == 200
    html = page.text
    assert html.count('class="rs-card"') == 2
    for words in ("小哥驿站东", "每天 08:00–22:00", "饮水", "uri.amap.com/navigation", "第 1 版"):
        assert words in html
    assert 'lang="zh-CN"' in html
    english = client.get(f"/s/{SLUG}?lang=en").text
    assert "Riders of Test Town" in english
    assert "daily 08:00–22:00" in english
    for internal in ('"S2"', "S3", ">local<", "town</"):
        assert internal not in html


def test_a_page_known_already_is_not_sent_again(client, published) -> None:
    for address in (f"/s/{SLUG}", f"/s/{SLUG}/feed.json", f"/s/{SLUG}/1"):
        for encoding in ("identity", "gzip", "br"):
            first = client.get(address, headers={"Accept-Encoding": encoding})
            assert first.headers.get("content-encoding", "identity") == encoding
            assert "max-age" in first.headers["cache-control"]
            again = client.get(
                address,
                headers={"Accept-Encoding": encoding, "If-None-Match": first.headers["etag"]},
            )
            assert again.status_code == 304
            assert not again.content
            assert again.headers["etag"] == first.headers["etag"]
            other = client.get(address, headers={"If-None-Match": '"x"'})
            assert other.status_code == 200


def test_public_answers_carry_the_guards_headers(client, published) -> None:
    for _ in range(2):  # made, then from the shelf
        page = client.get(f"/s/{SLUG}")
        assert page.headers["x-content-type-options"] == "nosniff"
        assert "script-src 'self' 'sha256" in page.headers["content-security-policy"]
        assert "frame-ancestors 'self'" in page.headers["content-security-policy"]
        embed = client.get(f"/s/{SLUG}/embed")
        assert "frame-ancestors *" in embed.headers["content-security-policy"]
        feed = client.get(f"/s/{SLUG}/feed.json")
        assert feed.headers["access-control-allow-origin"] == "*"
        assert client.head(f"/s/{SLUG}").content == b""


def test_a_host_that_is_not_ours_gets_nothing_from_the_shelf(client, published) -> None:
    client.get(f"/s/{SLUG}")
    assert client.get(f"/s/{SLUG}", headers={"Host": "evil.example"}).status_code == 400


def test_open_data_agree_in_all_forms(client, published) -> None:
    base = f"/s/{SLUG}"
    geojson = client.get(f"{base}/stations.geojson").json()
    want = {(f["properties"]["name"], *f["geometry"]["coordinates"]) for f in geojson["features"]}
    assert geojson["edition"] == 1
    assert len(want) == 2
    rows = csv.DictReader(
        io.StringIO(client.get(f"{base}/stations.csv").content.decode("utf-8-sig"))
    )
    assert {(r["name"], float(r["lon"]), float(r["lat"])) for r in rows} == want
    kml = ET.fromstring(client.get(f"{base}/stations.kml").content)
    space = {"k": "http://www.opengis.net/kml/2.2"}
    places = kml.findall(".//k:Placemark", space)
    assert {
        (p.findtext("k:name", None, space),
         *map(float, p.findtext(".//k:coordinates", None, space).split(",")))
        for p in places
    } == want  # fmt: skip
    gpx = ET.fromstring(client.get(f"{base}/stations.gpx").content)
    space = {"g": "http://www.topografix.com/GPX/1/1"}
    assert {
        (p.findtext("g:name", None, space), float(p.get("lon")), float(p.get("lat")))
        for p in gpx.findall("g:wpt", space)
    } == want
    feed = client.get(f"{base}/feed.json").json()
    assert feed["version"] == "https://jsonfeed.org/version/1.1"
    assert {(i["_station"]["name"], i["_station"]["lon"], i["_station"]["lat"])
            for i in feed["items"]} == want  # fmt: skip
    known = client.get("/.well-known/gridcircle-stations").json()["maps"]
    assert [one["slug"] for one in known] == [SLUG]
    assert client.get(urlsplit(known[0]["feed"]).path).status_code == 200


def test_times_come_from_the_network_and_not_as_the_crow_flies(client, published) -> None:
    lon, lat = lonlat(690, 103)  # on the west bank: the station on the east is over the bridge
    answer = client.post(f"/s/{SLUG}/nearest", json={"lon": lon, "lat": lat, "edition": 1})
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    times = {s["id"]: s for s in answer.json()["stations"]}
    east = times[ids(client)["小哥驿站东"]]
    assert east["walk_s"] == pytest.approx(397 + 797 + 100 + 13, rel=0.1)  # straight: 507 m
    assert east["ride_s"] == pytest.approx(east["walk_s"] / (15 / 3.6), rel=0.02)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"lon": 200, "lat": 0}, 422),
        ({"lon": 118.1}, 422),
        ({"lon": 118.1, "lat": 36.95, "edition": 99}, 404),
        ({"lon": 118.1, "lat": 36.95, "name": "x"}, 422),
        ({"lon": 0.0, "lat": 0.0}, 422),
    ],
)
def test_a_place_that_makes_no_sense_is_refused(client, published, body, status) -> None:
    answer = client.post(f"/s/{SLUG}/nearest", json=body)
    assert answer.status_code == status
    assert answer.json()["remedy"]


def test_pages_and_forms_that_do_not_exist_are_404(client, published) -> None:
    for address in ("/s/none-such", f"/s/{SLUG}/2", f"/s/{SLUG}/x.exe", f"/s/{SLUG}/1/x", "/s/%00"):
        assert client.get(address).status_code == 404, address


def test_everything_a_page_names_is_there(client, published) -> None:
    import re

    html = client.get(f"/s/{SLUG}").text
    own = set(re.findall(r'(?:href|src)="(/[^"#]*)"', html))
    assert len(own) > 8
    for address in own:
        assert client.get(address.replace("&amp;", "&")).status_code == 200, address
    manifest = client.get(f"/s/{SLUG}/manifest.webmanifest").json()
    for icon in manifest["icons"]:
        assert client.get(icon["src"]).status_code == 200
    worker = client.get("/s/sw.js")
    assert worker.headers["content-type"].startswith("text/javascript")


def test_the_single_file_asks_nothing_of_anybody(client, published) -> None:
    html = client.get(f"/s/{SLUG}/map.html").text
    assert '<link rel="stylesheet"' not in html
    assert ' src="/' not in html
    assert "L.map(" in html


def test_a_report_is_kept_without_persons_and_shown_to_the_publisher(client, published) -> None:
    station = ids(client)["小哥驿站东"]
    sent = client.post(
        f"/s/{SLUG}/reports",
        json={"station": station, "edition": 1, "reason": "broken", "note": "找我 13812345678"},
    )
    assert sent.status_code == 201, sent.text
    form = client.post(
        f"/s/{SLUG}/reports",
        content=f"station={station}&edition=1&reason=closed&note=%E9%97%A8%E9%94%81%E4%BA%86&lang=zh",
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    assert form.status_code == 200
    assert "谢谢" in form.text
    reports = client.get(f"/api/v1/publications/{SLUG}/reports").json()["reports"]
    assert [(r["reason"], r["note"]) for r in reports] == [
        ("closed", "门锁了"),
        ("broken", "找我 …"),
    ]
    assert set(reports[0]) == {
        "id", "edition", "station_id", "station_name", "lon", "lat", "reason", "note", "at",
        "state", "resolved_at", "resolved_by",
    }  # fmt: skip
    done = client.post(f"/api/v1/publications/{SLUG}/reports/{reports[0]['id']}/resolve")
    assert done.json()["state"] == "resolved"
    left = client.get(f"/api/v1/publications/{SLUG}/reports?state=open").json()["reports"]
    assert len(left) == 1


def test_a_flood_of_reports_is_stopped_and_says_for_how_long(client, published) -> None:
    station = ids(client)["小哥驿站东"]
    body = {"station": station, "reason": "other"}
    codes = []
    for _ in range(16):
        answer = client.post(f"/s/{SLUG}/reports", json=body)
        codes.append(answer.status_code)
    assert codes[-1] == 429
    assert 0 < int(answer.headers["retry-after"]) <= 600
    wrong = client.post(f"/s/{SLUG}/reports", content=b"x", headers={"Content-Type": "text/plain"})
    assert wrong.status_code == 400
    bad = client.post(f"/s/{SLUG}/reports", json={"station": "x", "reason": "other"})
    assert bad.status_code == 422


def test_what_is_taken_down_is_gone_at_once_and_comes_back_with_the_next_edition(
    client, published
) -> None:
    assert client.get(f"/s/{SLUG}").status_code == 200
    now = client.get(f"/api/v1/publications/{SLUG}")
    down = client.post(
        f"/api/v1/publications/{SLUG}/withdraw", headers={"If-Match": now.headers["etag"]}
    )
    assert down.status_code == 200
    assert client.get(f"/s/{SLUG}").status_code == 404
    assert client.get(f"/s/{SLUG}/1").status_code == 404
    again = client.post(
        f"/api/v1/publications/{SLUG}/editions", headers={"If-Match": down.headers["etag"]}
    )
    assert again.json()["number"] == 2
    assert "第 2 版" in client.get(f"/s/{SLUG}").text
    old = client.get(f"/s/{SLUG}/1").text
    assert "已不是最新" in old
    listed = client.get(f"/api/v1/publications/{SLUG}").json()["editions"]
    assert [e["number"] for e in listed] == [2, 1]


def test_packed_answers_are_the_same_as_plain_ones(client, published) -> None:
    plain = client.get(f"/s/{SLUG}", headers={"Accept-Encoding": "identity"})
    with client.stream("GET", f"/s/{SLUG}", headers={"Accept-Encoding": "gzip"}) as packed:
        raw = b"".join(packed.iter_raw())
    assert gzip.decompress(raw) == plain.content
    refused = client.get(f"/s/{SLUG}", headers={"Accept-Encoding": "br;q=0, gzip;q=0.5"})
    assert refused.headers["content-encoding"] == "gzip"
    assert json.loads(client.get(f"/s/{SLUG}/feed.json").content)["items"]
    assert parse_qs("lang=zh")


def test_names_that_would_be_markup_or_formulas_stay_words(client, published, town) -> None:
    hostile = '</script><img src=x onerror=alert(1)>"&<b>'
    with town.transaction("test") as connection:
        connection.execute(
            text("UPDATE stations SET name = :name, address = '=HYPERLINK(1)' WHERE code = 'S2'"),
            {"name": hostile},
        )
    seen = client.get(f"/api/v1/publications/{SLUG}").headers["etag"]
    again = client.post(f"/api/v1/publications/{SLUG}/editions", headers={"If-Match": seen})
    assert again.status_code == 201, again.text
    for form in ("", "/map.html", "/embed"):
        html = client.get(f"/s/{SLUG}{form}").text
        assert "<img src=x" not in html
        assert "&lt;/script&gt;&lt;img" in html
    assert hostile in [
        f["properties"]["name"]
        for f in client.get(f"/s/{SLUG}/stations.geojson").json()["features"]
    ]
    for form in ("stations.kml", "stations.gpx"):
        assert hostile in "".join(ET.fromstring(client.get(f"/s/{SLUG}/{form}").content).itertext())
    rows = client.get(f"/s/{SLUG}/stations.csv").content.decode("utf-8-sig")
    assert "'=HYPERLINK" in rows
    poster = client.get(f"/s/{SLUG}/poster-a4.pdf", timeout=600)  # drawn anew, names and all
    assert poster.content.startswith(b"%PDF")
