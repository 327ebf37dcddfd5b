"""Navigation maps of compounds: every building's number, every gate, a code that leads to one."""

from __future__ import annotations

import csv
import dataclasses
import datetime as dt
import html
import io
import re
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree as ET

import httpx
import numpy as np
import pypdfium2
import pytest
import shapely
import zxingcpp
from PIL import Image
from sqlalchemy import text
from town import point

from data.database import Database
from data.editions.compound_map import _number, read_compound_map
from geo.datums import to_wgs84
from maps.compound_page import compound_page


@pytest.fixture(scope="module")
def compound(town: Database) -> int:
    with town.transaction("test") as connection:
        connection.execute(
            text(
                "INSERT INTO patrol_points (code, kind, name, geom, source) VALUES"
                " ('P1', '电动车停车点', '南门外停车点', ST_GeomFromText(:near, 4326), 'town'),"
                " ('P2', '水井', '水井', ST_GeomFromText(:near, 4326), 'town'),"
                " ('P3', '充电桩', '远处充电桩', ST_GeomFromText(:far, 4326), 'town')"
            ),
            {"near": point(120, 0), "far": point(1200, 900)},
        )
        return connection.execute(text("SELECT id FROM compounds")).scalar_one()


def test_the_sheet_names_buildings_gates_and_stops(client: httpx.Client, compound: int) -> None:
    answer = client.get(f"/publish/compounds/{compound}/map.pdf")
    assert answer.headers["content-type"] == "application/pdf"
    document = pypdfium2.PdfDocument(answer.content)
    assert len(document) == 1
    words = document[0].get_textpage().get_text_range()
    for said in ("杏花小区 导航图", "城西社区", "南门", "可通行", "南门外停车点", "0-0", "1-1"):
        assert said in words, said
    assert "水井" not in words
    assert "远处充电桩" not in words
    english = client.get(f"/publish/compounds/{compound}/map.pdf?lang=en").content
    assert "open to all" in pypdfium2.PdfDocument(english)[0].get_textpage().get_text_range()


def test_its_code_leads_to_the_gate(client: httpx.Client, compound: int) -> None:
    png = client.get(f"/publish/compounds/{compound}/map.png").content
    (code,) = zxingcpp.read_barcodes(Image.open(io.BytesIO(png)))
    query = parse_qs(urlsplit(code.text).query)
    at = [float(part) for part in query["to"][0].split(",")[:2]]
    gate = client.get("/api/v1/layers/gates").json()["features"][0]["geometry"]["coordinates"]
    assert to_wgs84(np.array([at]), "gcj02")[0] == pytest.approx(gate, abs=2e-6)


def test_the_same_as_geojson(client: httpx.Client, compound: int) -> None:
    found = client.get(f"/publish/compounds/{compound}/map.geojson").json()
    kinds = [f["properties"]["kind"] for f in found["features"]]
    assert kinds.count("compound") == 1
    assert kinds.count("gate") == 1
    assert kinds.count("stop") == 1
    assert kinds.count("building") == 5


def test_the_page_stands_alone_and_needs_no_script(client: httpx.Client, compound: int) -> None:
    answer = client.get(f"/publish/compounds/{compound}/map.html")
    assert answer.headers["content-type"].startswith("text/html")
    page = answer.text
    for said in ("杏花小区 导航图", "城西社区", "南门", "可通行", "南门外停车点", ">0-0<", ">1-1<"):
        assert said in page, said
    assert "水井" not in page
    assert "远处充电桩" not in page
    assert "<script" not in page
    assert not re.search(r"(?:src|href)=[\"'](?!#|data:|https://(?:uri.amap|api.map.baidu|apis.map.qq"
                         r"|maps.apple).com/)", page)  # fmt: skip
    assert len(answer.content) < 100_000
    gate = client.get("/api/v1/layers/gates").json()["features"][0]["geometry"]["coordinates"]
    address = html.unescape(re.search(r'href="(https://uri.amap[^"]+)"', page)[1])
    at = [float(part) for part in parse_qs(urlsplit(address).query)["to"][0].split(",")[:2]]
    assert to_wgs84(np.array([at]), "gcj02")[0] == pytest.approx(gate, abs=2e-6)
    english = client.get(f"/publish/compounds/{compound}/map.html?lang=en")
    assert "open to all" in english.text
    assert english.headers["content-language"] == "en"


def test_without_a_gate_the_apps_are_sent_to_the_compound(
    client: httpx.Client, compound: int, town: Database
) -> None:
    with town.connect() as connection:
        found = read_compound_map(connection, compound)
    page = compound_page(
        dataclasses.replace(found, gates=[], stops=[]), "zh", today=dt.date(2026, 11, 1)
    )
    assert "没有登记大门" in page
    address = html.unescape(re.search(r'href="(https://uri.amap[^"]+)"', page)[1])
    at = [float(part) for part in parse_qs(urlsplit(address).query)["to"][0].split(",")[:2]]
    assert found.outline.contains(shapely.Point(to_wgs84(np.array([at]), "gcj02")[0]))
    assert page.count("https://uri.amap") == 1


def test_a_published_map_is_frozen_and_its_code_leads_to_its_page(
    client: httpx.Client, compound: int, town: Database
) -> None:
    address = f"/s/c/{compound}"
    assert client.get(address).status_code == 404
    assert client.get(f"/publish/compounds/{compound}/edition").json()["number"] is None
    made = client.post(f"/publish/compounds/{compound}/editions")
    assert made.status_code == 201, made.text
    assert (made.json()["number"], made.json()["address"]) == (1, address)
    page = client.get(address)
    assert "杏花小区 导航图" in page.text
    assert "第 1 版" in page.text
    assert "<script" not in page.text
    for form in re.findall(rf'href="({address}[^"]*)"', page.text):
        assert client.get(form).status_code == 200, form
    again = client.get(address, headers={"If-None-Match": page.headers["etag"]})
    assert again.status_code == 304
    assert 'href="/' not in client.get(f"{address}/map.html").text
    for name in ("qr.png", "map.png"):
        (code,) = zxingcpp.read_barcodes(
            Image.open(io.BytesIO(client.get(f"{address}/{name}").content))
        )
        assert code.text == f"{str(client.base_url).rstrip('/')}{address}"
        assert httpx.get(code.text).status_code == 200
    # What changes inside shows with the next edition only.
    with town.transaction("test") as connection:
        connection.execute(
            text("UPDATE gates SET name = '新南门' WHERE compound_id = :id"), {"id": compound}
        )
    assert "新南门" not in client.get(address).text
    assert client.post(f"/publish/compounds/{compound}/editions").json()["number"] == 2
    assert "新南门" in client.get(address).text
    assert "新南门" not in client.get(f"{address}/editions/1").text
    assert client.post(f"/publish/compounds/{compound}/withdraw").json()["withdrawn"] == 2
    assert client.post(f"/publish/compounds/{compound}/withdraw").status_code == 404
    assert client.get(address).status_code == 404
    assert client.get(f"{address}/editions/1").status_code == 404
    assert client.post(f"/publish/compounds/{compound}/editions").json()["number"] == 3
    assert client.get(address).status_code == 200
    assert client.post("/publish/compounds/999/editions").status_code == 404
    assert client.get(f"{address}/map.exe").status_code == 422


def test_a_compound_that_is_not_there_is_404(client: httpx.Client) -> None:
    assert client.get("/publish/compounds/999/map.pdf").status_code == 404
    assert client.get("/publish/compounds/1/map.exe").status_code == 422


@pytest.mark.parametrize(
    ("words", "number"),
    [("梧桐花园 3号楼", "3"), ("兴业路 26 号", "26"), ("12栋", "12"), ("3-2", "3-2"),
     ("会所", "会所"), ("杏花小区会所", "会所"), ("A", "A"), ("", ""), ("5A号楼", "5A")],
)  # fmt: skip
def test_numbers_of_buildings(words: str, number: str) -> None:
    assert _number(words, "杏花小区") == number


@pytest.fixture(scope="module")
def published(client: httpx.Client, compound: int) -> str:
    """Address of a published compound."""
    client.post(f"/publish/compounds/{compound}/editions").raise_for_status()
    return f"/s/c/{compound}"


def test_open_data_holds_gates_numbers_and_stops_in_every_form(
    client: httpx.Client, published: str
) -> None:
    features = client.get(f"{published}/map.geojson").json()
    assert features["edition"] >= 1
    assert features["source"].endswith(published)
    gate = next(f for f in features["features"] if f["properties"]["kind"] == "gate")
    rows = list(
        csv.DictReader(io.StringIO(client.get(f"{published}/map.csv").text.lstrip("\ufeff")))
    )
    assert [row["kind"] for row in rows] == ["gate", *["building"] * 5, "stop"]
    assert rows[0]["access"] == "可通行"
    at = [float(rows[0]["lon"]), float(rows[0]["lat"])]
    assert at == pytest.approx(gate["geometry"]["coordinates"], abs=1e-6)
    numbers = {row["name"] for row in rows if row["kind"] == "building"}
    assert {"0-0", "1-1"} <= numbers
    shapes = {
        f["properties"]["number"]: shapely.geometry.shape(f["geometry"])
        for f in features["features"]
        if f["properties"]["kind"] == "building"
    }
    for row in rows:
        if row["kind"] == "building":
            place = shapely.Point(float(row["lon"]), float(row["lat"]))
            assert shapes[row["name"]].distance(place) < 1e-6
    kml = ET.fromstring(client.get(f"{published}/map.kml").content)
    spaces = {"k": "http://www.opengis.net/kml/2.2", "g": "http://www.topografix.com/GPX/1/1"}
    assert [len(f.findall("k:Placemark", spaces)) for f in kml.iterfind(".//k:Folder", spaces)] == [
        1, 5, 1,
    ]  # fmt: skip
    gpx = ET.fromstring(client.get(f"{published}/map.gpx").content)
    points = gpx.findall("g:wpt", spaces)
    assert len(points) == 7
    assert float(points[0].get("lat") or 0) == pytest.approx(at[1])
    for name, kind in (
        ("map.csv", "text/csv"), ("map.kml", "application/vnd.google-earth.kml+xml"),
        ("map.gpx", "application/gpx+xml"), ("map.geojson", "application/geo+json"),
    ):  # fmt: skip
        answer = client.get(f"{published}/{name}")
        assert answer.headers["content-type"].startswith(kind)
        assert answer.headers["access-control-allow-origin"] == "*"
        tag = {"If-None-Match": answer.headers["etag"]}
        assert client.get(f"{published}/{name}", headers=tag).status_code == 304


def test_another_site_may_frame_the_embed_and_nothing_else(
    client: httpx.Client, published: str
) -> None:
    embed = client.get(f"{published}/embed")
    assert "frame-ancestors *" in embed.headers["content-security-policy"]
    assert '<base target="_blank">' in embed.text
    assert 'class="forms"' not in embed.text
    page = client.get(published)
    assert "frame-ancestors 'self'" in page.headers["content-security-policy"]
    assert "<base" not in page.text


def test_older_editions_keep_all_their_forms_with_their_number(
    client: httpx.Client, published: str, compound: int, town: Database
) -> None:
    first = client.get(f"/publish/compounds/{compound}/edition").json()["number"]
    with town.transaction("test") as connection:
        connection.execute(
            text("UPDATE gates SET name = '改名门' WHERE compound_id = :id"), {"id": compound}
        )
    second = client.post(f"/publish/compounds/{compound}/editions").json()["number"]
    assert second == first + 1

    def words(address: str) -> str:
        pdf = pypdfium2.PdfDocument(client.get(address).content)
        found: str = pdf[0].get_textpage().get_text_range()
        return found

    newest, old = words(f"{published}/map.pdf"), words(f"{published}/editions/{first}/map.pdf")
    assert f"第 {second} 版" in newest
    assert "改名门" in newest
    assert f"第 {first} 版" in old
    assert "改名门" not in old
    page = client.get(f"{published}/editions/{first}").text
    assert "已不是最新" in page
    assert "noindex" in page
    forms = re.findall(rf'href="({published}/editions/{first}/[^"]*)"', page)
    assert len(forms) == 8
    for form in forms:
        assert client.get(form).status_code == 200, form
    assert "已不是最新" not in client.get(f"{published}/editions/{second}").text
    png = client.get(f"{published}/editions/{first}/map.png").content
    (code,) = zxingcpp.read_barcodes(Image.open(io.BytesIO(png)))
    assert code.text.endswith(published)  # the code leads to the newest, always
    assert client.get(f"{published}/editions/{second + 1}/map.pdf").status_code == 404


def test_a3_is_the_same_sheet_larger(client: httpx.Client, published: str) -> None:
    small, large = (
        pypdfium2.PdfDocument(client.get(f"{published}/{name}").content)[0]
        for name in ("map.pdf", "map-a3.pdf")
    )
    assert [round(side / 72 * 25.4) for side in large.get_size()] == [297, 420]
    assert small.get_textpage().get_text_range() == large.get_textpage().get_text_range()
    pictures = [
        page.render(scale=400 / page.get_width()).to_pil().convert("L").resize((400, 560))
        for page in (small, large)
    ]
    first, second = (np.asarray(picture).astype(float) for picture in pictures)
    assert np.abs(first - second).mean() < 6


def test_published_compounds_are_found_at_the_well_known_address(
    client: httpx.Client, published: str, compound: int
) -> None:
    (one,) = client.get("/.well-known/gridcircle-stations").json()["compounds"]
    assert one["id"] == compound
    assert one["name"] == "杏花小区"
    assert one["url"].endswith(published)
    assert httpx.get(one["geojson"]).status_code == 200


def test_taking_down_a_compound_shows_at_once(
    client: httpx.Client, published: str, compound: int
) -> None:
    for _ in range(3):
        assert client.get(published).status_code == 200  # on the shelf now
    client.post(f"/publish/compounds/{compound}/withdraw").raise_for_status()
    assert client.get(published).status_code == 404
    assert client.get(f"{published}/map.csv").status_code == 404
    assert client.get("/.well-known/gridcircle-stations").json()["compounds"] == []
