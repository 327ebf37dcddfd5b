"""What a courier needs to find a door in a compound: gates, building numbers, where to stop."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
import shapely
from numpy.typing import NDArray
from sqlalchemy import Connection, text

from data.editions.checklist import has_phone
from data.errors import NotFoundError

AROUND_M = 60.0
"""How far around its outline the streets are drawn."""
STOPS_M = 150.0
"""How far from its outline a place to stop an e-bike is still of use."""
_STOP_WORDS = "(停车|充电|换电|e-?bike|parking|charg)"


@dataclass(frozen=True, slots=True)
class CompoundMap:
    """One compound with what lies in it; geometries in WGS84 degrees.

    Attributes
    ----------
    id : int
    name, community : str
    outline : shapely.Geometry
    buildings : list of (str, shapely.Geometry)
        Number or name, and footprint.
    gates : list of (str, str, str, tuple of float)
        Name, access (all, residents, emergency), opening hours, place.
    stops : list of (str, tuple of float)
        Where e-bikes may stop, charge or swap batteries: stations and patrol points that say so.
    rides, walks : list of ndarray
        Ways for e-bikes, and ways for feet only.
    """

    id: int
    name: str
    community: str
    outline: shapely.Geometry
    buildings: list[tuple[str, shapely.Geometry]]
    gates: list[tuple[str, str, str, tuple[float, float]]]
    stops: list[tuple[str, tuple[float, float]]]
    rides: list[NDArray[np.float64]]
    walks: list[NDArray[np.float64]]
    attribution: str


def read_compound_map(connection: Connection, compound_id: int) -> CompoundMap:
    """Read one compound.

    Raises
    ------
    NotFoundError
        If there is none.
    """
    row = connection.execute(
        text(
            "SELECT c.name, coalesce(a.name, '') AS community, ST_AsBinary(c.geom) AS geom,"
            " coalesce((SELECT attribution FROM city), '') AS attribution"
            " FROM compounds c LEFT JOIN areas a ON a.id = c.community_id WHERE c.id = :id"
        ),
        {"id": compound_id},
    ).one_or_none()
    if row is None:
        raise NotFoundError(
            f"There is no compound {compound_id}.", remedy="List the layer compounds."
        )
    near = "(SELECT geom FROM compounds WHERE id = :id)"
    buildings = connection.execute(
        text(
            "SELECT coalesce(nullif(b.name, ''), b.address) AS name, ST_AsBinary(b.geom) AS geom"
            " FROM buildings b WHERE b.compound_id = :id"
            " ORDER BY b.id LIMIT 2000"
        ),
        {"id": compound_id},
    ).all()
    gates = connection.execute(
        text(
            "SELECT name, access, coalesce(opening_hours, '') AS hours, ST_X(geom) AS lon,"
            " ST_Y(geom) AS lat FROM gates WHERE compound_id = :id ORDER BY id"
        ),
        {"id": compound_id},
    ).all()
    stops = connection.execute(
        text(
            "SELECT name, ST_X(geom) AS lon, ST_Y(geom) AS lat FROM ("
            "  SELECT name, geom FROM stations WHERE status = 'open' AND published"
            "   AND facilities && ARRAY['parking', 'ebike_charging', 'battery_swap']"
            "  UNION ALL SELECT coalesce(nullif(name, ''), kind), geom FROM patrol_points"
            f"   WHERE kind ~* '{_STOP_WORDS}' OR name ~* '{_STOP_WORDS}') p"
            f" WHERE p.geom && ST_Expand({near}, 0.003)"
            f" AND ST_DWithin(p.geom::geography, {near}::geography, :metres)"
            " ORDER BY name, lon LIMIT 40"
        ),
        {"id": compound_id, "metres": STOPS_M},
    ).all()
    edges = connection.execute(
        text(
            "SELECT (e.flags & 6) <> 0 AS ride, ST_AsBinary(e.geom) AS geom FROM network_edges e"
            " JOIN network_versions v ON v.version = e.network_version AND v.is_current"
            f" WHERE e.geom && ST_Expand({near}, 0.0015) AND (e.flags & 7) <> 0"
            f" AND ST_DWithin(e.geom::geography, {near}::geography, :metres)"
        ),
        {"id": compound_id, "metres": AROUND_M},
    ).all()
    lines = {True: list[NDArray[np.float64]](), False: list[NDArray[np.float64]]()}
    for edge in edges:
        lines[edge.ride].append(shapely.get_coordinates(shapely.from_wkb(bytes(edge.geom))))
    return CompoundMap(
        compound_id,
        row.name,
        row.community,
        shapely.from_wkb(bytes(row.geom)),
        [
            (
                "" if has_phone(b.name) else _number(b.name, row.name),
                shapely.from_wkb(bytes(b.geom)),
            )
            for b in buildings
        ],
        [("" if has_phone(g.name) else g.name, g.access, g.hours, (g.lon, g.lat)) for g in gates],
        [(s.name, (s.lon, s.lat)) for s in stops if not has_phone(s.name)],
        lines[True],
        lines[False],
        row.attribution,
    )


_NUMBER = re.compile(r"(\d{1,5}[A-Za-z]?(?:-\d{1,3})?)\s*(?:号楼|号院|栋|幢|座|号|楼)?$")


def _number(words: str, compound: str) -> str:
    """Give the number at the end of a building's name or address; else what is not the compound.

    "梧桐花园 3号楼" is 3, "兴业路 26 号" is 26, "会所" stays.
    """
    found = _NUMBER.search(words.strip())
    return found[1] if found else words.removeprefix(compound).strip()


def as_geojson(compound: CompoundMap, about: dict[str, Any] | None = None) -> bytes:
    """Write outline, buildings, gates and stops as a FeatureCollection.

    Parameters
    ----------
    compound : CompoundMap
    about : dict, optional
        Further members: of which edition it is.
    """

    def feature(kind: str, geometry: Any, **properties: Any) -> dict[str, Any]:
        shape = orjson.Fragment(shapely.to_geojson(geometry))
        return {"type": "Feature", "geometry": shape, "properties": {"kind": kind, **properties}}

    return orjson.dumps(
        {
            "type": "FeatureCollection",
            "name": compound.name,
            "attribution": compound.attribution,
            **(about or {}),
            "features": [
                feature("compound", compound.outline, name=compound.name),
                *(feature("building", g, number=name) for name, g in compound.buildings),
                *(
                    feature("gate", shapely.Point(at), name=name, access=access, hours=hours)
                    for name, access, hours, at in compound.gates
                ),
                *(feature("stop", shapely.Point(at), name=name) for name, at in compound.stops),
            ],
        }
    )
