"""A made town, small enough to check by head and by brute force.

Streets are a lattice with 100 m meshes, 1,500 m by 1,000 m. A river runs from north to south
between x = 700 and x = 800; one bridge crosses it, at y = 500. Every other mesh holds a building.
West of the river lies one community, east of it another. One station of each kind stands west,
a rider station east. Far off lie an island of the network with a building, and a building that is
near no street at all.
"""

from __future__ import annotations

import math

import numpy as np
from sqlalchemy import Connection, text

from data.network_store import store_network
from geo.network import EdgeFlag, Ways, build_network

LON, LAT = 118.1, 36.95
_X = 1 / (111_320 * math.cos(math.radians(LAT)))
_Y = 1 / 110_990  # degrees of latitude in a metre at 37° north, WGS84

COLUMNS, ROWS = 16, 11
MESH_M = 100
BRIDGE_ROW = 5
RIVER_FROM, RIVER_TO = 7, 8
"""Columns of the banks."""

STATIONS = (
    # code, kind, name, status, x, y
    ("S1", "service_centre", "城西党群服务中心", "open", 205, 203),
    ("S2", "red_station", "红色驿站一号", "open", 598, 900),
    ("S3", "rider_station", "小哥驿站东", "open", 1197, 103),
    ("S4", "rider_station", "未来驿站", "planned", 1400, 900),
    ("S5", "red_station", "旧驿站", "closed", 400, 500),
)


def lonlat(x: float, y: float) -> tuple[float, float]:
    """Degrees of a point ``x`` metres east and ``y`` metres north of the town's corner."""
    return LON + x * _X, LAT + y * _Y


def _ring(x0: float, y0: float, x1: float, y1: float) -> str:
    corners = ((x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0))
    return "((" + ", ".join("{:.9f} {:.9f}".format(*lonlat(x, y)) for x, y in corners) + "))"


def polygon(x0: float, y0: float, x1: float, y1: float) -> str:
    """WKT of an upright rectangle, as a multipolygon."""
    return f"MULTIPOLYGON({_ring(x0, y0, x1, y1)})"


def point(x: float, y: float) -> str:
    """WKT of a point."""
    return "POINT({:.9f} {:.9f})".format(*lonlat(x, y))


def line(*points: tuple[float, float]) -> str:
    """WKT of a line."""
    return "LINESTRING(" + ", ".join("{:.9f} {:.9f}".format(*lonlat(*p)) for p in points) + ")"


def buildings() -> list[dict[str, object]]:
    """Buildings of the town: every other mesh, an island's one, and one without a street."""
    rows: list[dict[str, object]] = []
    for column in range(COLUMNS - 1):
        for row in range(ROWS - 1):
            if column == RIVER_FROM or (column + row) % 2:
                continue
            x, y = column * MESH_M + 40, row * MESH_M + 50
            rows.append(
                {
                    "code": f"B{column:02}{row:02}",
                    "name": f"{column}-{row}号楼",
                    "households": 10 + column + row if column != 3 else None,
                    "people": 25 + column,
                    "community": "C1" if column < RIVER_FROM else "C2",
                    "wkt": polygon(x, y, x + 12, y + 12),
                }
            )
    rows.append(
        {
            "code": "BISLE",
            "name": "岛上楼",
            "households": 7,
            "people": 15,
            "community": None,
            "wkt": polygon(3010, 40, 3020, 50),
        }
    )
    rows.append(
        {
            "code": "BFAR",
            "name": "远处楼",
            "households": 5,
            "people": 9,
            "community": None,
            "wkt": polygon(5000, 5000, 5010, 5010),
        }
    )
    return rows


def ways() -> Ways:
    """Streets of the town as an importer would read them."""
    places: dict[tuple[int, int], int] = {}
    lines: list[list[int]] = []

    def node(x: int, y: int) -> int:
        return places.setdefault((x, y), len(places))

    for column in range(COLUMNS):
        lines.append([node(column * MESH_M, row * MESH_M) for row in range(ROWS)])
    for row in range(ROWS):
        west = [node(column * MESH_M, row * MESH_M) for column in range(RIVER_FROM + 1)]
        east = [node(column * MESH_M, row * MESH_M) for column in range(RIVER_TO, COLUMNS)]
        lines += [west + east] if row == BRIDGE_ROW else [west, east]
    lines.append([node(3000, 0), node(3000, 100)])
    nodes = np.array([n for way in lines for n in way], np.int32)
    offsets = np.cumsum([0] + [len(way) for way in lines]).astype(np.int64)
    lonlats = np.array([lonlat(x, y) for x, y in places])
    count = len(lines)
    return Ways(
        lonlat=lonlats,
        offsets=offsets,
        nodes=nodes,
        flags=np.full(
            count, EdgeFlag.WALK | EdgeFlag.RIDE_FORWARD | EdgeFlag.RIDE_BACKWARD, np.uint16
        ),
        source=np.arange(1, count + 1, dtype=np.int64),
        blocked=np.zeros(len(places), np.bool_),
        waits=np.zeros(len(places), np.float32),
        way_waits=np.zeros(count, np.float32),
    )


def seed_layers(connection: Connection) -> None:
    """Write the town's rows, without its walking network."""
    connection.execute(text("INSERT INTO city VALUES (1, '试验镇', true, '© 试验 contributors')"))
    areas = (
        ("D1", "district", "试验区", None, polygon(-50, -50, 1550, 1050)),
        ("T1", "street", "河畔街道", "D1", polygon(-50, -50, 1550, 1050)),
        ("C1", "community", "城西社区", "T1", polygon(-50, -50, 750, 1050)),
        ("C2", "community", "城东社区", "T1", polygon(750, -50, 1550, 1050)),
    )
    for code, level, name, parent, wkt in areas:
        connection.execute(
            text(
                "INSERT INTO areas (code, level, name, parent_id, geom, source) VALUES (:code,"
                " :level, :name, (SELECT id FROM areas WHERE code = :parent),"
                " ST_GeomFromText(:wkt, 4326), 'town')"
            ),
            {"code": code, "level": level, "name": name, "parent": parent, "wkt": wkt},
        )
    connection.execute(
        text(
            "INSERT INTO compounds (code, name, kind, walled, community_id, geom, source) VALUES"
            " ('K1', '杏花小区', 'new', true, (SELECT id FROM areas WHERE code = 'C1'),"
            " ST_GeomFromText(:wkt, 4326), 'town')"
        ),
        {"wkt": polygon(10, 10, 290, 290)},
    )
    connection.execute(
        text(
            "INSERT INTO gates (code, name, compound_id, geom, source) VALUES ('G1', '南门',"
            " (SELECT id FROM compounds), ST_GeomFromText(:wkt, 4326), 'town')"
        ),
        {"wkt": point(100, 10)},
    )
    for number, (x0, x1, community) in enumerate(
        ((0, 350, "C1"), (350, 700, "C1"), (800, 1150, "C2"), (1150, 1500, "C2")), start=1
    ):
        connection.execute(
            text(
                "INSERT INTO grids (code, name, kind, community_id, geom, source) VALUES (:code,"
                " :name, 'base', (SELECT id FROM areas WHERE code = :community),"
                " ST_GeomFromText(:wkt, 4326), 'town')"
            ),
            {
                "code": f"N{number}",
                "name": f"第{number}网格",
                "community": community,
                "wkt": polygon(x0, 0, x1, 1000),
            },
        )
    connection.execute(
        text(
            "INSERT INTO buildings (code, name, kind, households, households_source, people,"
            " people_source, community_id, geom, source) VALUES (:code, :name, 'multi_storey',"
            " :households, CASE WHEN CAST(:households AS int) IS NULL THEN 'none'"
            " ELSE 'surveyed' END, :people, 'surveyed',"
            " (SELECT id FROM areas WHERE code = :community), ST_GeomFromText(:wkt, 4326), 'town')"
        ),
        buildings(),
    )
    connection.execute(
        text(
            "UPDATE buildings b SET"
            " grid_id = (SELECT id FROM grids g WHERE ST_Intersects(g.geom, b.geom)"
            "            ORDER BY id LIMIT 1),"
            " compound_id = (SELECT id FROM compounds c WHERE ST_Intersects(c.geom, b.geom))"
        )
    )
    for code, kind, name, status, x, y in STATIONS:
        connection.execute(
            text(
                "INSERT INTO stations (code, kind, name, status, published, facilities, geom,"
                " community_id, source) VALUES (:code, :kind, :name, :status, true,"
                " ARRAY['rest', 'water'], ST_GeomFromText(:wkt, 4326),"
                " (SELECT id FROM areas WHERE code = :community), 'town')"
            ),
            {
                "code": code,
                "kind": kind,
                "name": name,
                "status": status,
                "wkt": point(x, y),
                "community": "C1" if x < 750 else "C2",
            },
        )
    base = [
        ("road", "residential", f"{row}号路", 13, line((0, row * MESH_M), (1500, row * MESH_M)))
        for row in range(ROWS)
    ]
    base.append(("road", "primary", "迎宾大道", 8, line((0, 500), (1500, 500))))
    base.append(("water", "river", "清河", 8, f"POLYGON{_ring(710, -50, 790, 1050)}"))
    base.append(("green", "park", "人民公园", 10, f"POLYGON{_ring(900, 600, 1000, 700)}"))
    base.append(("rail", "rail", "", 9, line((0, 1040), (1500, 1040))))
    base.append(("barrier", "wall", "", 14, line((10, 10), (290, 10))))
    # As an importer keeps the outline of a gated compound: a barrier that is never drawn.
    base.append(("barrier", "compound", "", 22, polygon(10, 10, 290, 290)))
    base.append(("label", "town", "试验镇", 6, point(750, 500)))
    connection.execute(
        text(
            "INSERT INTO base_features (source, source_key, layer, kind, name, min_zoom, geom)"
            " VALUES ('town', :key, :layer, :kind, :name, :zoom, ST_GeomFromText(:wkt, 4326))"
        ),
        [
            {"key": f"f{n}", "layer": la, "kind": k, "name": na, "zoom": z, "wkt": w}
            for n, (la, k, na, z, w) in enumerate(base)
        ],
    )


def seed_network(connection: Connection) -> str:
    """Write the town's walking network; gives its version."""
    return store_network(connection, build_network(ways(), source="town"))
