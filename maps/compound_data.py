"""A compound's gates, numbers and e-bike stops as GeoJSON (shapes too), CSV, KML and GPX."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from xml.etree import ElementTree as ET

import shapely

from data.editions.compound_editions import CompoundEdition
from data.editions.compound_map import as_geojson
from maps.messages import words_of
from maps.open_data import no_formula, xml_document, xml_text
from maps.print.compound import labelled_gates

_LANGUAGE = "zh"
"""Of the words in the files, as those of station maps."""


@dataclass(frozen=True, slots=True)
class _Place:
    kind: str
    name: str
    access: str
    hours: str
    lon: float
    lat: float


def _places(edition: CompoundEdition) -> list[_Place]:
    compound, words = edition.compound, words_of("compound", language=_LANGUAGE)
    labelled = labelled_gates(compound, _LANGUAGE)
    found = [
        _Place("gate", gate[1], words[gate[2]], gate[3], *map(_degrees, gate[4]))
        for gate in labelled
    ]
    for name, shape in compound.buildings:
        if name:
            middle = shapely.point_on_surface(shape)
            found.append(_Place("building", name, "", "", _degrees(middle.x), _degrees(middle.y)))
    found += [_Place("stop", name, "", "", *map(_degrees, at)) for name, at in compound.stops]
    return found


def _degrees(value: float) -> float:
    return round(value, 6)


def _title(edition: CompoundEdition) -> str:
    return words_of("compound", language=_LANGUAGE)["title"].format(n=edition.compound.name or "—")


def _source(edition: CompoundEdition, address: str) -> str:
    number = words_of("compound", language=_LANGUAGE)["edition"].format(n=edition.number)
    parts = number, edition.published_at.isoformat(), edition.compound.attribution, address
    return " · ".join(part for part in parts if part)


def _geojson(edition: CompoundEdition, address: str) -> bytes:
    """Outline, footprints, gates and stops, with edition and source."""
    about = {
        "title": _title(edition),
        "edition": edition.number,
        "published_at": edition.published_at.isoformat(),
        "source": address,
        "crs_note": "WGS84 longitude, latitude",
    }
    return as_geojson(edition.compound, about)


def _csv(edition: CompoundEdition, address: str) -> bytes:  # noqa: ARG001
    """CSV (RFC 4180) in UTF-8 with a byte order mark; a building stands at a point within it."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["kind", "name", "access", "opening_hours", "lon", "lat"])
    for place in _places(edition):
        words = place.kind, place.name, place.access, place.hours
        writer.writerow([*map(no_formula, words), place.lon, place.lat])
    return b"\xef\xbb\xbf" + out.getvalue().encode()


def _kml(edition: CompoundEdition, address: str) -> bytes:
    """KML 2.2 with a folder for gates, numbers and stops."""
    words = words_of("compound", language=_LANGUAGE)
    root = ET.Element("kml", xmlns="http://www.opengis.net/kml/2.2")
    document = ET.SubElement(root, "Document")
    ET.SubElement(document, "name").text = xml_text(_title(edition))
    ET.SubElement(document, "description").text = xml_text(_source(edition, address))
    places = _places(edition)
    for kind, title in (("gate", "gates"), ("building", "numbers"), ("stop", "stops")):
        folder = ET.SubElement(document, "Folder")
        ET.SubElement(folder, "name").text = xml_text(words[title])
        for place in (p for p in places if p.kind == kind):
            mark = ET.SubElement(folder, "Placemark")
            ET.SubElement(mark, "name").text = xml_text(place.name)
            if place.access:
                more = f"{place.access} {place.hours}".strip()
                ET.SubElement(mark, "description").text = xml_text(more)
            point = ET.SubElement(mark, "Point")
            ET.SubElement(point, "coordinates").text = f"{place.lon},{place.lat}"
    return xml_document(root)


def _gpx(edition: CompoundEdition, address: str) -> bytes:
    """GPX 1.1 with a waypoint for each gate, number and stop."""
    words = words_of("compound", language=_LANGUAGE)
    kinds = {"gate": words["gates"], "building": words["numbers"], "stop": words["stops"]}
    root = ET.Element(
        "gpx", xmlns="http://www.topografix.com/GPX/1/1", version="1.1", creator="Gridcircle"
    )
    about = ET.SubElement(root, "metadata")
    ET.SubElement(about, "name").text = xml_text(_title(edition))
    ET.SubElement(about, "desc").text = xml_text(_source(edition, address))
    ET.SubElement(about, "time").text = edition.published_at.isoformat()
    for place in _places(edition):
        point = ET.SubElement(root, "wpt", lat=str(place.lat), lon=str(place.lon))
        ET.SubElement(point, "name").text = xml_text(place.name)
        if place.access:
            more = f"{place.access} {place.hours}".strip()
            ET.SubElement(point, "desc").text = xml_text(more)
        ET.SubElement(point, "type").text = xml_text(kinds[place.kind])
    return xml_document(root)


COMPOUND_DATA: Mapping[str, tuple[str, Callable[[CompoundEdition, str], bytes]]] = MappingProxyType(
    {
        "map.geojson": ("application/geo+json", _geojson),
        "map.csv": ("text/csv; charset=utf-8", _csv),
        "map.kml": ("application/vnd.google-earth.kml+xml", _kml),
        "map.gpx": ("application/gpx+xml", _gpx),
    }
)
"""File name → media type and writer (edition, address of the map → bytes)."""
