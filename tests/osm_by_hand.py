"""Tiny OpenStreetMap files drawn by hand, in metres, one for each rule."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import quoteattr

LON, LAT = 118.1, 36.95
_X = 1 / (111_320 * math.cos(math.radians(LAT)))
_Y = 1 / 110_990  # degrees of latitude in a metre at 37° north, WGS84


def lonlat(x: float, y: float) -> tuple[float, float]:
    """Degrees of a point ``x`` metres east and ``y`` metres north of the corner of the map."""
    return round(LON + x * _X, 7), round(LAT + y * _Y, 7)


@dataclass
class OsmByHand:
    """Nodes, ways and relations as XML; a node at the same place is the same node."""

    elements: dict[str, list[str]] = field(
        default_factory=lambda: {"node": [], "way": [], "relation": []}
    )
    places: dict[tuple[float, float], int] = field(default_factory=dict)
    last: int = 0

    def node(self, x: float, y: float, **tags: str) -> int:
        """A node at metres x, y; keys are written with ``__`` for a colon."""
        if (x, y) in self.places and not tags:
            return self.places[x, y]
        self.last += 1
        lon, lat = lonlat(x, y)
        self.elements["node"].append(
            f'<node id="{self.last}" version="1" lon="{lon:.7f}" lat="{lat:.7f}">'
            f"{_tags(tags)}</node>"
        )
        self.places.setdefault((x, y), self.last)
        return self.last

    def way(self, *places: tuple[float, float] | int, **tags: str) -> int:
        """A way through places in metres, or through node ids."""
        nodes = [p if isinstance(p, int) else self.node(*p) for p in places]
        self.last += 1
        refs = "".join(f'<nd ref="{n}"/>' for n in nodes)
        self.elements["way"].append(f'<way id="{self.last}" version="1">{refs}{_tags(tags)}</way>')
        return self.last

    def ring(self, west: float, south: float, east: float, north: float, **tags: str) -> int:
        """A closed way around a box."""
        corners = [(west, south), (east, south), (east, north), (west, north), (west, south)]
        return self.way(*corners, **tags)

    def relation(self, *members: tuple[str, int, str], **tags: str) -> int:
        """A relation of (``node``/``way``/``relation``, id, role)."""
        self.last += 1
        listed = "".join(f'<member type="{k}" ref="{i}" role="{r}"/>' for k, i, r in members)
        self.elements["relation"].append(
            f'<relation id="{self.last}" version="1">{listed}{_tags(tags)}</relation>'
        )
        return self.last

    def xml(self, order: tuple[str, ...] = ("node", "way", "relation")) -> str:
        """The whole file."""
        body = "\n".join(line for kind in order for line in self.elements[kind])
        return f'<?xml version="1.0" encoding="UTF-8"?>\n<osm version="0.6">\n{body}\n</osm>\n'

    def write(self, folder: Path, name: str = "map.osm") -> Path:
        """Write the file and return its path."""
        path = folder / name
        path.write_text(self.xml(), encoding="utf-8")
        return path


def _tags(tags: dict[str, str]) -> str:
    return "".join(
        f"<tag k={quoteattr(k.replace('__', ':'))} v={quoteattr(v)}/>" for k, v in tags.items()
    )
