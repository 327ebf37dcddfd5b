"""Writing a draft as an OSM file: WGS84, numbered from one, sorted, always the same bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import osmium
import pyproj
from numpy.typing import NDArray

from data.sample.draft import OsmDraft

Points = NDArray[np.float64]

_TIMESTAMP = "2026-01-01T00:00:00Z"


class Place:
    """Where on Earth the ground of a sample city lies.

    Parameters
    ----------
    centre_lonlat : tuple of float
        WGS84 degrees of the ground's origin.
    """

    def __init__(self, centre_lonlat: tuple[float, float]) -> None:
        lon, lat = centre_lonlat
        self._to_lonlat = pyproj.Transformer.from_crs(
            f"+proj=tmerc +lon_0={lon} +lat_0={lat} +k=1 +x_0=0 +y_0=0 +datum=WGS84 +units=m",
            "EPSG:4326",
            always_xy=True,
        )

    def lonlat(self, xy: Points) -> Points:
        """Ground metres to degrees, rounded to the 1e-7 of an OSM file (about a centimetre)."""
        lon, lat = self._to_lonlat.transform(xy[:, 0], xy[:, 1])
        return np.round(np.column_stack((lon, lat)), 7)


def write_osm(draft: OsmDraft, place: Place, path: Path) -> tuple[int, int, int]:
    """Write a draft as ``.osm.pbf``.

    Node, way and relation numbers are their places in the draft plus one.

    Parameters
    ----------
    draft : OsmDraft
    place : Place
    path : Path
        Overwritten if it is there.

    Returns
    -------
    nodes, ways, relations : int
        How many were written.
    """
    header = osmium.io.Header()
    header.set("generator", "gridcircle sample: a made-up city")
    header.set("sorting", "Type_then_ID")
    lonlat = place.lonlat(np.array(draft.xy))
    header.add_box(osmium.osm.Box(*(float(x) for x in (*lonlat.min(axis=0), *lonlat.max(axis=0)))))
    mutable = osmium.osm.mutable
    with osmium.SimpleWriter(str(path), header=header, overwrite=True) as writer:
        for i, at in enumerate(lonlat.tolist()):
            writer.add_node(
                mutable.Node(
                    id=i + 1,
                    location=at,
                    version=1,
                    timestamp=_TIMESTAMP,
                    tags=draft.node_tags.get(i, {}),
                )
            )
        for i, (nodes, tags) in enumerate(draft.ways):
            writer.add_way(
                mutable.Way(
                    id=i + 1,
                    nodes=[n + 1 for n in nodes],
                    version=1,
                    timestamp=_TIMESTAMP,
                    tags=tags,
                )
            )
        for i, (members, tags) in enumerate(draft.relations):
            writer.add_relation(
                mutable.Relation(
                    id=i + 1,
                    members=[("w", way + 1, role) for way, role in members],
                    version=1,
                    timestamp=_TIMESTAMP,
                    tags=tags,
                )
            )
    return len(draft.xy), len(draft.ways), len(draft.relations)
