"""Photos by HTTP: publishers put them, the next edition shows them, erased ones are gone."""

from __future__ import annotations

import datetime as dt
import io

import httpx
import pypdfium2
import pytest
from PIL import Image
from sqlalchemy import text

from data.database import Database

SLUG = "photo-riders"


def jpeg(colour: str = "green", size: tuple[int, int] = (1200, 900)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, "JPEG")
    return out.getvalue()


@pytest.fixture(scope="module")
def station(client: httpx.Client, town: Database) -> int:
    with town.transaction("test") as connection:
        connection.execute(
            text("UPDATE stations SET opening_hours = 'Mo-Su 08:00-22:00', verified_on = :day"),
            {"day": dt.datetime.now(dt.UTC).date()},
        )
        found = connection.execute(
            text(
                "SELECT id FROM stations WHERE kind = 'rider_station' AND status = 'open'"
                " ORDER BY id LIMIT 1"
            )
        ).scalar_one()
    client.post(
        "/api/v1/publications",
        json={"slug": SLUG, "title": "有照片的地图", "kinds": ["rider_station"]},
    ).raise_for_status()
    return int(found)


def publish(client: httpx.Client) -> int:
    tag = client.get(f"/api/v1/publications/{SLUG}").headers["etag"]
    answer = client.post(f"/api/v1/publications/{SLUG}/editions", headers={"If-Match": tag})
    answer.raise_for_status()
    return int(answer.json()["number"])


def shown(client: httpx.Client, number: int | None = None) -> str | None:
    """Address of the photo in an edition's open data."""
    at = f"/s/{SLUG}" if number is None else f"/s/{SLUG}/{number}"
    (feature,) = client.get(f"{at}/stations.geojson").json()["features"]
    found: str | None = feature["properties"].get("photo")
    return None if found is None else "/s/" + found.split("/s/", 1)[1]


def test_from_upload_to_erasure(client: httpx.Client, station: int) -> None:
    address = f"/api/v1/stations/{station}/photo"
    assert publish(client) == 1
    assert shown(client) is None
    assert client.get(address).status_code == 404

    made = client.put(address, content=jpeg(), headers={"Content-Type": "image/jpeg"})
    assert made.status_code == 201, made.text
    first = made.json()
    assert (first["width"], first["height"]) == (1024, 768)
    kept = client.get(address)
    assert kept.headers["content-type"] == "image/webp"
    assert client.get(address, headers={"If-None-Match": kept.headers["etag"]}).status_code == 304
    check = client.get(f"/api/v1/publications/{SLUG}/stations").json()["stations"][0]["checks"][-1]
    assert check == {"key": "photo", "verdict": "good", "value": first["digest"]}
    # Nothing is public before an edition shows it.
    public = f"/s/{SLUG}/photos/{first['digest']}.webp"
    assert client.get(public).status_code == 404
    assert "api/v1/stations" in client.get(f"/publish/{SLUG}/preview").text

    assert publish(client) == 2
    assert shown(client) == public
    answer = client.get(public)
    assert answer.content == kept.content
    assert answer.headers["content-type"] == "image/webp"
    assert answer.headers["x-content-type-options"] == "nosniff"
    tag = {"If-None-Match": answer.headers["etag"]}
    assert client.get(public, headers=tag).status_code == 304
    page = client.get(f"/s/{SLUG}").text
    assert f'loading="lazy" decoding="async" width="1024" height="768" src="{public}"' in page
    assert ".webp" not in client.get(f"/s/{SLUG}/map.html").text
    item = client.get(f"/s/{SLUG}/feed.json").json()["items"][0]
    assert item["image"].endswith(public)
    # Another map does not show it.
    assert client.get(public.replace(SLUG, "no-such-map")).status_code == 404

    second = client.put(address, content=jpeg("red")).json()
    assert publish(client) == 3
    assert shown(client, 2) == public  # older editions keep theirs
    assert shown(client, 3) == public.replace(first["digest"], second["digest"])
    assert client.get(public).status_code == 200

    assert client.delete(address).json() == {"removed": 1, "erased": False}
    assert client.delete(address).status_code == 404
    assert publish(client) == 4
    assert shown(client) is None
    assert client.get(shown(client, 3) or "").status_code == 200
    assert client.delete(f"{address}?erase=true").json() == {"removed": 2, "erased": True}
    for number in (2, 3):
        assert client.get(shown(client, number) or "").status_code == 404
    told = client.get(f"/api/v1/stations/{station}/photos").json()["photos"]
    assert [(one["digest"], one["erased"]) for one in told] == [
        (second["digest"], True),
        (first["digest"], True),
    ]
    assert all(one["added_by"] and one["removed_by"] for one in told)


def test_the_door_sign_shows_the_photo(client: httpx.Client, station: int) -> None:
    def green(pdf: bytes) -> int:
        image = pypdfium2.PdfDocument(pdf)[0].render(scale=1).to_pil().convert("RGB")
        return sum(
            count
            for count, (r, g, b) in image.getcolors(1 << 24) or []
            if g > 240 and r < 20 and b < 20
        )

    sign = f"/s/{SLUG}/stations/{station}/sign.pdf"
    publish(client)
    assert green(client.get(sign).content) == 0
    client.put(f"/api/v1/stations/{station}/photo", content=jpeg("#00ff00"))
    publish(client)
    with_photo = client.get(sign).content
    assert green(with_photo) > 10_000
    client.delete(f"/api/v1/stations/{station}/photo?erase=true").raise_for_status()
    assert green(client.get(sign).content) == 0


@pytest.mark.parametrize(
    ("content", "status", "kind"),
    [
        (b"", 422, "unreadable-file"),
        (b"nonsense", 422, "unreadable-file"),
        (jpeg()[:2000], 422, "unreadable-file"),
        (jpeg(size=(50, 50)), 422, "unreadable-file"),
        (b"\0" * ((8 << 20) + 2), 413, "body-too-large"),
    ],
)
def test_what_is_no_photo_is_refused(
    client: httpx.Client, station: int, content: bytes, status: int, kind: str
) -> None:
    answer = client.put(f"/api/v1/stations/{station}/photo", content=content)
    assert answer.status_code == status, answer.text
    assert answer.json()["type"].endswith(kind)
    assert answer.json()["remedy"]
    if status == 422:
        assert answer.json()["detail_zh"]
        assert answer.json()["remedy_zh"]


def test_a_photo_of_no_station_and_a_body_for_another_address(client: httpx.Client) -> None:
    assert client.put("/api/v1/stations/999999/photo", content=jpeg()).status_code == 404
    # Only photos may be larger than other bodies.
    large = b"\0" * ((1 << 20) + 1)
    assert client.post("/api/v1/stations", content=large).status_code == 413


@pytest.mark.parametrize("name", ["x.webp", "0" * 24 + ".jpg", "0" * 24 + ".webp", "%00"])
def test_an_unknown_photo_is_not_found(client: httpx.Client, station: int, name: str) -> None:
    assert client.get(f"/s/{SLUG}/photos/{name}").status_code == 404
