"""Scripts, styles and fonts of the pages: all of them here, none asked of another host."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

from branca.element import Element
from folium.elements import JSCSSMixin

from geo.errors import GridcircleError

STATIC = Path(__file__).parent / "static"
MANIFEST = STATIC / "vendor" / "SHA256SUMS"
"""Digest of every third-party file, as ``sha256sum`` writes and checks it."""

LOCAL: Mapping[str, str | None] = MappingProxyType(
    {
        "leaflet": "vendor/leaflet/leaflet.js",
        "leaflet_css": "vendor/leaflet/leaflet.css",
        "protomaps": "vendor/protomaps-leaflet/protomaps-leaflet.js",
        "leaflet_geoman_js": "vendor/leaflet-geoman/leaflet-geoman.js",
        "leaflet_geoman_css": "vendor/leaflet-geoman/leaflet-geoman.css",
        "noto_css": "vendor/noto-sans-sc/400.css",
        "gridcircle_css": "gridcircle/gridcircle.css",
        "navigation_css": "gridcircle/navigation.css",
        "plans_css": "gridcircle/plans.css",
        "scenarios_css": "gridcircle/scenarios.css",
        # For Folium's own markers and pop-ups, which no page uses.
        "jquery": None,
        "bootstrap": None,
        "bootstrap_css": None,
        "glyphicons_css": None,
        "awesome_markers": None,
        "awesome_markers_css": None,
        "awesome_markers_font_css": None,
        "awesome_rotate_css": None,
    }
)
"""What Folium and its plugins link, by their name of it → our file; None where it is left out."""


class AssetError(GridcircleError):
    """A page would load a file that is not kept here, or one that is not what it was."""


@lru_cache(maxsize=256)
def asset(name: str) -> str:
    """Address of a file below ``static`` with the digest of its bytes, so that it may be kept.

    Raises
    ------
    AssetError
        If there is no such file: a page never links what is not here.
    """
    try:
        content = (STATIC / name).read_bytes()
    except OSError as error:
        raise AssetError(
            f"The page file {name} is missing.",
            remedy="Install Gridcircle again, or run maps/static/vendor.sh for third-party files.",
        ) from error
    return f"/static/{name}?v={hashlib.sha256(content).hexdigest()[:12]}"


def localise(root: Element) -> None:
    """Let every part of a Folium page link our files where Folium links other hosts.

    Parameters
    ----------
    root : Element
        Map or figure, changed in place; parts added later are not.

    Raises
    ------
    AssetError
        If a part links a file that `LOCAL` does not know: a plugin that is not kept here yet.
    """
    for part in _parts(root):
        if isinstance(part, JSCSSMixin):
            # On the part, not on its class: other users of Folium in this process keep theirs.
            part.default_js = _local_links(part.default_js)
            part.default_css = _local_links(part.default_css)


def broken_files() -> list[str]:
    """Third-party files that are missing, changed, or not in `MANIFEST`; sorted."""
    listed = {}
    for line in MANIFEST.read_text("utf-8").splitlines():
        digest, _, name = line.partition("  ")
        listed[name] = digest
    folder = MANIFEST.parent
    found = {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and path != MANIFEST
    }
    return sorted(name for name in listed.keys() | found if listed.get(name) != found.get(name))


def _parts(root: Element) -> Iterator[Element]:
    yield root
    for child in root._children.values():  # noqa: SLF001 — Branca has no other way down
        yield from _parts(child)


def _local_links(links: list[tuple[str, str]]) -> list[tuple[str, str]]:
    local = []
    for name, address in links:
        if name not in LOCAL:
            raise AssetError(
                f"The page part {name!r} would be loaded from {address}.",
                remedy="Keep it: see maps/static/vendor.sh and maps.assets.LOCAL.",
            )
        file = LOCAL[name]
        if file is not None:
            local.append((name, asset(file)))
    return local
