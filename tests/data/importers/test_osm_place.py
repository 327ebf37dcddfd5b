"""A place by name or box through OSMnx: without internet, and from a server on this machine."""

from __future__ import annotations

import http.server
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import osmnx
import pytest

from data.errors import SourceFileError
from data.importers.osm import read_osm
from data.importers.osm_place import read_place
from tests.osm_by_hand import OsmByHand, lonlat

BOX = (*lonlat(-50, -50), *lonlat(250, 250))


def town() -> OsmByHand:
    drawn = OsmByHand()
    drawn.node(50, 0, barrier="gate", name="东门")
    drawn.ring(0, 0, 50, 100, landuse="residential", name="阳光花园")
    drawn.way((50, 0), (60, 0), (90, 0), highway="residential")
    drawn.ring(10, 10, 40, 22, building="apartments", building__levels="6")
    outer, inner = drawn.ring(100, 0, 200, 90), drawn.ring(130, 30, 160, 60)
    drawn.relation(
        ("way", outer, "outer"), ("way", inner, "inner"), type="multipolygon", natural="water"
    )
    return drawn


def overpass_answer(path: Path) -> dict[str, Any]:
    """A map file as the Overpass API tells it."""
    import osmium

    elements: list[dict[str, Any]] = []
    for element in osmium.FileProcessor(str(path)):
        common = {"id": element.id, "tags": dict(element.tags)}
        if element.is_node():
            place = {"lat": element.location.lat, "lon": element.location.lon}
            elements.append({"type": "node", **common, **place})
        elif element.is_way():
            elements.append({"type": "way", **common, "nodes": [n.ref for n in element.nodes]})
        else:
            kinds = {"n": "node", "w": "way", "r": "relation"}
            members = [
                {"type": kinds[m.type], "ref": m.ref, "role": m.role} for m in element.members
            ]
            elements.append({"type": "relation", **common, "members": members})
    return {"version": 0.6, "elements": elements}


@pytest.fixture
def overpass(tmp_path: Path) -> Iterator[tuple[str, list[str]]]:
    """A server on this machine that answers as the Overpass API does, and what it was asked."""
    answer = json.dumps(overpass_answer(town().write(tmp_path))).encode()
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._say(b"Connected as: 1\nCurrent time: x\nAnnounced endpoint: none\n"
                      b"Rate limit: 2\n2 slots available now.\n", "text/plain")  # fmt: skip

        def do_POST(self) -> None:
            asked.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self._say(answer, "application/json")

        def _say(self, body: bytes, kind: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            """Say nothing on the terminal."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/api", asked
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_box_is_downloaded_and_read_like_a_file(
    overpass: tuple[str, list[str]], tmp_path: Path
) -> None:
    url, asked = overpass
    kept = tmp_path / "kept.osm.pbf"
    told: list[float] = []
    city = read_place(
        BOX, overpass_url=url, keep=kept, progress=lambda _, share: told.append(share)
    )
    from_file = read_osm(tmp_path / "map.osm")
    for name in ("buildings", "compounds", "gates", "base"):
        ours, theirs = getattr(city, name), getattr(from_file, name)
        assert ours.drop(columns="geometry").equals(theirs.drop(columns="geometry"))
        assert ours.geometry.geom_equals(theirs.geometry).all()
    assert city.ways.source.tolist() == from_file.ways.source.tolist()
    assert len(asked) == 2  # streets, and everything else
    assert read_osm(kept).buildings["code"].tolist() == city.buildings["code"].tolist()
    assert told == sorted(told)


def test_osmnx_is_left_as_it_was(overpass: tuple[str, list[str]]) -> None:
    before = {name: getattr(osmnx.settings, name) for name in dir(osmnx.settings) if name[0] != "_"}
    resolve = socket.getaddrinfo
    read_place(BOX, overpass_url=overpass[0], parts=("network",))
    assert {name: getattr(osmnx.settings, name) for name in before} == before
    assert socket.getaddrinfo is resolve


def test_without_a_server_the_error_says_what_to_do() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with pytest.raises(SourceFileError, match="cannot be reached") as error:
        read_place(BOX, overpass_url=f"http://127.0.0.1:{port}/api")
    assert ".osm.pbf" in error.value.remedy


def test_without_internet_a_name_is_answered_by_an_error_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A name under .invalid never resolves (RFC 2606): this machine's own network stays out of it.
    monkeypatch.setattr(osmnx.settings, "nominatim_url", "https://search.invalid/")
    with pytest.raises(SourceFileError, match="cannot be reached") as error:
        read_place("桓台县")
    assert error.value.remedy


@pytest.mark.parametrize(
    "box", [(1, 1, 1, 2), (118.2, 36.9, 118.1, 37.0), (118, 36.9, 500, 37), (36, 118, 37, 119)]
)
def test_a_box_that_is_none_is_refused(box: tuple[float, float, float, float]) -> None:
    with pytest.raises(SourceFileError, match="no box"):
        read_place(box)
