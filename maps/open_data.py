"""An edition as open data: GeoJSON, CSV, KML, GPX and a feed, for anybody and any program."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any
from xml.etree import ElementTree as ET

import orjson

from data.editions.edition import Edition
from maps.public_page import public_stations, public_words

_COLUMNS = (
    "id",
    "kind",
    "name",
    "address",
    "community",
    "lon",
    "lat",
    "opening_hours",
    "facilities",
    "verified_on",
)


def as_geojson(edition: Edition, base_url: str) -> bytes:
    """FeatureCollection (RFC 7946), WGS84, with edition and source."""
    content = edition.content
    return orjson.dumps(
        {
            "type": "FeatureCollection",
            **_about(edition, base_url),
            "features": [
                {
                    "type": "Feature",
                    "id": row["id"],
                    "geometry": {"type": "Point", "coordinates": [row["lon"], row["lat"]]},
                    "properties": {
                        k: v for k, v in _row(row).items() if k not in {"id", "lon", "lat"}
                    }
                    | _photo(row, base_url, "photo"),
                }
                for row in content["stations"]
            ],
        }
    )


def as_feed(edition: Edition, base_url: str) -> bytes:
    """JSON Feed 1.1: one item a station, for programs that look for what is new."""
    words = public_words("zh")
    listed = public_stations(edition, "zh", edition.published_at.date())
    return orjson.dumps(
        {
            "version": "https://jsonfeed.org/version/1.1",
            "title": edition.content["title"],
            "home_page_url": base_url,
            "feed_url": f"{base_url}/feed.json",
            "language": "zh-CN",
            "_gridcircle": _about(edition, base_url),
            "items": [
                {
                    "id": f"{base_url}#s{station.row['id']}",
                    "url": f"{base_url}#s{station.row['id']}",
                    "title": station.row["name"],
                    "content_text": "；".join(
                        part
                        for part in (
                            station.row["address"],
                            station.hours_words or words["unknown"],
                            "、".join(station.facility_words),
                        )
                        if part
                    ),
                    "date_published": edition.content["published_at"],
                    "tags": [station.kind_words],
                    "_station": _row(station.row),
                }
                | _photo(station.row, base_url, "image")
                for station in listed
            ],
        }
    )


def _photo(row: Mapping[str, Any], base_url: str, member: str) -> dict[str, str]:
    """Where the photo is, for stations that have one."""
    photo = row.get("photo")
    return {member: f"{base_url}/photos/{photo['digest']}.webp"} if photo else {}


def as_csv(edition: Edition, base_url: str) -> bytes:  # noqa: ARG001
    """CSV (RFC 4180) in UTF-8 with a byte order mark, so that spreadsheets read Chinese."""
    out = io.StringIO()
    writer = csv.DictWriter(out, _COLUMNS)
    writer.writeheader()
    for row in edition.content["stations"]:
        values = _row(row) | {"facilities": ";".join(row["facilities"])}
        writer.writerow({key: no_formula(value) for key, value in values.items()})
    return b"\xef\xbb\xbf" + out.getvalue().encode()


def as_kml(edition: Edition, base_url: str) -> bytes:
    """KML 2.2 with a folder a kind."""
    words = public_words("zh")
    root = ET.Element("kml", xmlns="http://www.opengis.net/kml/2.2")
    document = ET.SubElement(root, "Document")
    ET.SubElement(document, "name").text = xml_text(edition.content["title"])
    ET.SubElement(document, "description").text = xml_text(_source(edition, base_url))
    listed = public_stations(edition, "zh", edition.published_at.date())
    for kind in edition.content["kinds"]:
        folder = ET.SubElement(document, "Folder")
        ET.SubElement(folder, "name").text = words[f"kind_{kind}"]
        for station in (s for s in listed if s.row["kind"] == kind):
            place = ET.SubElement(folder, "Placemark", id=f"s{station.row['id']}")
            ET.SubElement(place, "name").text = xml_text(station.row["name"])
            ET.SubElement(place, "address").text = xml_text(station.row["address"])
            ET.SubElement(place, "description").text = xml_text(
                f"{station.hours_words}\n{'、'.join(station.facility_words)}"
            )
            extra = ET.SubElement(place, "ExtendedData")
            for key in ("opening_hours", "verified_on"):
                data = ET.SubElement(extra, "Data", name=key)
                ET.SubElement(data, "value").text = xml_text(str(_row(station.row)[key] or ""))
            point = ET.SubElement(place, "Point")
            at = f"{station.row['lon']},{station.row['lat']}"
            ET.SubElement(point, "coordinates").text = at
    return xml_document(root)


def as_gpx(edition: Edition, base_url: str) -> bytes:
    """GPX 1.1 with a waypoint a station, for navigation devices."""
    root = ET.Element(
        "gpx", xmlns="http://www.topografix.com/GPX/1/1", version="1.1", creator="Gridcircle"
    )
    about = ET.SubElement(root, "metadata")
    ET.SubElement(about, "name").text = xml_text(edition.content["title"])
    ET.SubElement(about, "desc").text = xml_text(_source(edition, base_url))
    ET.SubElement(about, "time").text = edition.content["published_at"]
    for station in public_stations(edition, "zh", edition.published_at.date()):
        row = station.row
        point = ET.SubElement(root, "wpt", lat=str(row["lat"]), lon=str(row["lon"]))
        ET.SubElement(point, "name").text = xml_text(row["name"])
        ET.SubElement(point, "desc").text = xml_text(
            f"{station.hours_words} {'、'.join(station.facility_words)}".strip()
        )
        ET.SubElement(point, "type").text = station.kind_words
    return xml_document(root)


DATA_FORMS: Mapping[str, tuple[str, Callable[[Edition, str], bytes]]] = MappingProxyType(
    {
        "stations.geojson": ("application/geo+json", as_geojson),
        "stations.csv": ("text/csv; charset=utf-8", as_csv),
        "stations.kml": ("application/vnd.google-earth.kml+xml", as_kml),
        "stations.gpx": ("application/gpx+xml", as_gpx),
        "feed.json": ("application/feed+json", as_feed),
    }
)
"""File name → media type and writer (edition, address of the map → bytes)."""


def _about(edition: Edition, base_url: str) -> dict[str, Any]:
    content = edition.content
    return {
        "title": content["title"],
        "edition": edition.number,
        "published_at": content["published_at"],
        "city": content["city"],
        "is_sample": content["is_sample"],
        "attribution": content["attribution"],
        "source": base_url,
        "crs_note": "WGS84 longitude, latitude",
    }


def _source(edition: Edition, base_url: str) -> str:
    content = edition.content
    return f"{content['city']} · {edition.number} · {content['published_at']} · {base_url}"


def _row(row: Mapping[str, Any]) -> dict[str, Any]:
    values = {**row, "opening_hours": row["hours"]}
    return {key: values[key] for key in _COLUMNS}


def no_formula(value: Any) -> Any:
    """Text that a spreadsheet would run as a formula, made text again."""
    return f"'{value}" if isinstance(value, str) and value[:1] in {"=", "+", "-", "@"} else value


def xml_text(words: str) -> str:
    """Leave out what XML 1.0 cannot hold."""
    return "".join(c for c in words if c in "\t\n\r" or (ord(c) >= 32 and c not in "\ufffe\uffff"))


def xml_document(root: ET.Element) -> bytes:
    """Write a document with its declaration, UTF-8."""
    body: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return body
