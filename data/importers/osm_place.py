"""`read_place`: a city straight from OpenStreetMap's servers, by name or by box, through OSMnx.

OSMnx asks the servers politely (slots, pauses, large areas in pieces) and keeps their answers in
its cache; those raw answers are written as an ordinary map file and read by `read_osm`, so that a
downloaded city takes the very path that a file takes.
"""

from __future__ import annotations

import json
import socket
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import osmium
import shapely

from data.errors import SourceFileError
from data.importers.osm import PARTS, OsmCity, read_osm
from data.importers.osm_kinds import FEATURE_KEYS

Progress = Callable[[str, float], None]
Box = tuple[float, float, float, float]

REACH_TIMEOUT_S = 5.0
"""How long to wait for a server to answer at all before saying that there is no internet."""

_REMEDY = (
    "Check the internet connection or name another Overpass server; without internet, download "
    "an extract (.osm.pbf) elsewhere and import the file."
)
_FEATURES: dict[str, bool | str | list[str]] = {
    **{key: True for key in FEATURE_KEYS if key not in {"highway", "boundary"}},
    "boundary": "administrative",
}


def read_place(
    place: str | Box,
    *,
    progress: Progress | None = None,
    parts: Collection[str] = PARTS,
    admin_levels: Mapping[int, str] | None = None,
    overpass_url: str | None = None,
    keep: Path | None = None,
) -> OsmCity:
    """Download and read a place.

    Parameters
    ----------
    place : str or tuple of float
        Name as for OpenStreetMap's search, or west, south, east and north in WGS84 degrees.
    progress, parts, admin_levels
        As for `data.importers.osm.read_osm`.
    overpass_url : str, optional
        Overpass API to ask, for instance ``https://overpass.example.org/api``; default is
        OSMnx's.
    keep : Path, optional
        Where to keep the downloaded map, ending in ``.osm.pbf``.

    Raises
    ------
    SourceFileError
        If there is no internet, the server refuses, no place has that name, or the box is none.
    """
    import osmnx

    def report(stage: str, share: float) -> None:
        if progress is not None:
            progress(stage, share)

    with (
        tempfile.TemporaryDirectory(prefix="gridcircle-place-") as folder,
        _osmnx_settings(Path(folder), overpass_url),
    ):
        report("Looking up the place", 0.0)
        area = box(place) if not isinstance(place, str) else _named(place)
        _must_answer(osmnx.settings.overpass_url.rstrip("/") + "/status")
        report("Downloading streets", 0.1)
        _into_cache(
            lambda: osmnx.graph_from_polygon(area, custom_filter='["highway"]', retain_all=True)
        )
        report("Downloading buildings, land and water", 0.3)
        _into_cache(lambda: osmnx.features_from_polygon(area, _FEATURES))
        file = keep or Path(folder) / "place.osm.pbf"
        _write_map(_answers(Path(folder)), file)
        report("Downloaded", 0.5)
        city = read_osm(
            file,
            progress=lambda stage, share: report(stage, 0.5 + share / 2),
            parts=parts,
            admin_levels=admin_levels,
        )
    return replace(city, name=place if isinstance(place, str) else city.name)


def box(bounds: Box) -> shapely.Polygon:
    """Make a polygon of a box of WGS84 degrees.

    Raises
    ------
    SourceFileError
        If west is not below east, south not below north, or a number is out of range.
    """
    west, south, east, north = bounds
    if not (-180 <= west < east <= 180 and -90 <= south < north <= 90):
        raise SourceFileError(
            f"{bounds} is no box of longitudes and latitudes.",
            remedy="Give west, south, east, north in degrees, for example 118.0 36.9 118.2 37.1.",
        )
    return shapely.box(west, south, east, north)


def _named(place: str) -> shapely.Polygon:
    import osmnx

    _must_answer(osmnx.settings.nominatim_url)
    try:
        return osmnx.geocode_to_gdf(place).union_all()
    except (ValueError, TypeError) as error:
        raise SourceFileError(
            f"OpenStreetMap knows no area named {place!r}.",
            remedy="Add district and city to the name, or give a box of coordinates.",
        ) from error
    except OSError as error:
        raise _unreachable(osmnx.settings.nominatim_url, error) from error


def _must_answer(url: str) -> None:
    """Ask a server for anything: OSMnx itself waits minutes before it finds that none is there."""
    if not url.startswith(("http://", "https://")):
        raise _unreachable(url, ValueError("its address does not begin with http"))
    request = urllib.request.Request(url, headers={"User-Agent": "Gridcircle"})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=REACH_TIMEOUT_S):  # noqa: S310
            pass
    except urllib.error.HTTPError:
        # It answered: whatever it thinks of this request, it is there.
        return
    except (OSError, ValueError) as error:
        raise _unreachable(url, error) from error


def _unreachable(url: str, error: Exception) -> SourceFileError:
    return SourceFileError(f"The map server {url} cannot be reached: {error}.", remedy=_REMEDY)


def _into_cache(ask: Callable[[], Any]) -> None:
    """Let OSMnx fetch what it needs; in its cache-only mode it then stops by an interrupt."""
    import osmnx

    try:
        ask()
    except InterruptedError:
        return
    except (OSError, ValueError) as error:
        raise _unreachable(osmnx.settings.overpass_url, error) from error


@contextmanager
def _osmnx_settings(cache: Path, overpass_url: str | None) -> Iterator[None]:
    """Set up OSMnx for the block, and give the process back what it changes."""
    from osmnx import settings

    ours: dict[str, Any] = {
        "cache_folder": cache,
        "use_cache": True,
        "cache_only_mode": True,
        "http_user_agent": "Gridcircle (through OSMnx)",
        "http_accept_language": "zh,en",
    }
    if overpass_url is not None:
        ours["overpass_url"] = overpass_url
    before = {name: getattr(settings, name) for name in ours}
    # OSMnx pins the server's address by replacing this function for the whole process.
    resolve = socket.getaddrinfo
    try:
        for name, value in ours.items():
            setattr(settings, name, value)
        yield
    finally:
        socket.getaddrinfo = resolve
        for name, value in before.items():
            setattr(settings, name, value)


def _answers(cache: Path) -> dict[tuple[str, int], dict[str, Any]]:
    """All elements of the Overpass answers in the cache, by kind and id."""
    found: dict[tuple[str, int], dict[str, Any]] = {}
    for file in sorted(cache.glob("*.json")):
        answer = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(answer, dict):
            continue  # the place search answers with a list
        for element in answer.get("elements", []):
            found[element["type"], element["id"]] = element
    return found


def _write_map(elements: Mapping[tuple[str, int], dict[str, Any]], file: Path) -> None:
    """Write Overpass elements as a map file: nodes, ways, relations, each by id."""
    mutable = osmium.osm.mutable
    header = osmium.io.Header()
    header.set("sorting", "Type_then_ID")
    with osmium.SimpleWriter(str(file), header=header, overwrite=True) as writer:
        order = {"node": 0, "way": 1, "relation": 2}
        for kind, number in sorted(elements, key=lambda key: (order[key[0]], key[1])):
            element = elements[kind, number]
            tags = element.get("tags", {})
            if kind == "node":
                place = (element["lon"], element["lat"])
                writer.add_node(mutable.Node(id=number, location=place, tags=tags))
            elif kind == "way":
                writer.add_way(mutable.Way(id=number, nodes=element["nodes"], tags=tags))
            else:
                members = [(m["type"][0], m["ref"], m["role"]) for m in element["members"]]
                writer.add_relation(mutable.Relation(id=number, members=members, tags=tags))
