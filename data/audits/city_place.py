"""A place out of the database: what an audit looks at, in the state the service holds."""

from __future__ import annotations

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from sqlalchemy import Connection, text

from data.audits.place import HomeRows, Place, SiteRows, StationRows, located
from data.audits.staff import with_workers, workers_in_plan
from data.circles import City
from data.models import AREA_LEVELS
from geo.audit import AreaTable

USED_TABLES = (
    "areas",
    "buildings",
    "compounds",
    "entrances",
    "gates",
    "grids",
    "premises",
    "stations",
)


def place_of(connection: Connection, city: City) -> Place:
    """Read the place an audit of the service looks at.

    Parameters
    ----------
    connection : Connection
    city : City
        Buildings, stations and streets of one state; names and areas are read beside it.
    """
    facts = connection.execute(text("SELECT name, is_sample, attribution FROM city")).one_or_none()
    homes = _homes(connection, city)
    rows, stations = _stations(connection, city)
    areas, shapes = _areas(connection, city, rows)
    return Place(
        facts.name if facts else "",
        bool(facts.is_sample) if facts else False,
        facts.attribution if facts else "",
        city.network,
        city.streets.barriers,
        city.streets.max_snap_m,
        homes,
        stations,
        _premises(connection),
        areas,
        shapes,
        [
            {"name": table, "kind": "layer", "part": table, "version": f"{changes} changes"}
            for table, changes in zip(USED_TABLES, city.versions.of(USED_TABLES), strict=True)
        ]
        + [
            {
                "name": "barriers",
                "kind": "layer",
                "part": "barriers",
                "version": str(city.versions.base),
            }
        ],
        [],
    )


def _texts(values: list[str | None]) -> NDArray[np.object_]:
    return np.array([value or "" for value in values], dtype=object)


def _homes(connection: Connection, city: City) -> HomeRows:
    buildings = city.buildings
    found = {
        row.id: row
        for row in connection.execute(
            text(
                "SELECT b.id, b.code, concat_ws(' ', NULLIF(c.name, ''), NULLIF(b.name, '')) AS"
                " name, b.households_source = 'estimated' AS estimated"
                " FROM buildings b LEFT JOIN compounds c ON c.id = b.compound_id"
            )
        )
    }
    rows = [found.get(int(i)) for i in buildings.ids]
    return HomeRows(
        _texts([row.code if row else None for row in rows]),
        _texts([row.name if row else None for row in rows]),
        buildings.lonlat,
        buildings.households,
        buildings.people,
        np.array([bool(row and row.estimated) for row in rows], np.bool_),
        buildings.point_building.astype(np.int32),
        buildings.point_lonlat,
    )


def _stations(connection: Connection, city: City) -> tuple[NDArray[np.int64], StationRows]:
    chosen = city.stations.chosen()
    found = {
        row.id: row
        for row in connection.execute(
            text(
                "SELECT id, area_m2, places, facilities, opening_hours, community_id FROM stations"
                " WHERE status = 'open'"
            )
        )
    }
    rows = [found.get(int(i)) for i in city.stations.ids[chosen]]
    community = np.array([(row.community_id if row else 0) or 0 for row in rows], np.int64)
    return community, StationRows(
        city.stations.code[chosen].astype(object),
        city.stations.name[chosen].astype(object),
        city.stations.kind[chosen].astype(object),
        city.stations.lonlat[chosen],
        np.array(
            [row.area_m2 if row and row.area_m2 is not None else np.nan for row in rows], float
        ),
        [frozenset(row.facilities if row else ()) for row in rows],
        [row.opening_hours if row else None for row in rows],
        np.array([row.places if row and row.places is not None else np.nan for row in rows], float),
    )


def _premises(connection: Connection) -> SiteRows:
    rows = connection.execute(
        text(
            "SELECT code, name, kind, cost, facilities, ST_X(geom) AS lon, ST_Y(geom) AS lat"
            " FROM premises ORDER BY id"
        )
    ).all()
    return SiteRows(
        _texts([row.code for row in rows]),
        _texts([row.name for row in rows]),
        _texts([row.kind for row in rows]),
        np.array([(row.lon, row.lat) for row in rows], float).reshape(-1, 2),
        np.array([np.nan if row.cost is None else row.cost for row in rows], float),
        [None if row.facilities is None else frozenset(row.facilities) for row in rows],
    )


def _areas(
    connection: Connection, city: City, station_community: NDArray[np.int64]
) -> tuple[dict[str, AreaTable], dict[str, NDArray[np.object_]]]:
    """Areas by level; a building belongs where its community, grid and compound say."""
    buildings = city.buildings
    rows = pd.DataFrame(
        connection.execute(
            text("SELECT id, code, level, name, parent_id, ST_AsBinary(geom) AS geom FROM areas")
        )
        .mappings()
        .all()
    )
    tables: dict[str, AreaTable] = {}
    shapes: dict[str, NDArray[np.object_]] = {}
    code_of: dict[int, str] = {}
    parent: dict[int, int] = {}
    level_of: dict[int, str] = {}
    if len(rows):
        code_of = dict(zip(rows["id"], rows["code"], strict=True))
        level_of = dict(zip(rows["id"], rows["level"], strict=True))
        parent = {
            int(i): int(p)
            for i, p in zip(rows["id"], rows["parent_id"], strict=True)
            if p is not None and not pd.isna(p)
        }

    def above(level: str, ids: NDArray[np.int64], number: dict[int, int]) -> NDArray[np.int32]:
        """Row of the area of a level that each community lies in."""
        keys, back = np.unique(ids, return_inverse=True)
        found = []
        for key in keys.tolist():
            area: int | None = key
            while area and level_of.get(area) != level:
                area = parent.get(area)
            found.append(number.get(area or 0, -1))
        return np.array(found, np.int32)[back] if len(keys) else np.zeros(0, np.int32)

    for level in AREA_LEVELS:
        some = rows[rows["level"] == level].sort_values("id") if len(rows) else rows
        if not len(some):
            continue
        number = {int(i): at for at, i in enumerate(some["id"])}
        tables[level] = AreaTable(
            some["code"].to_numpy(object),
            some["name"].to_numpy(object),
            _texts([code_of.get(parent.get(int(i), 0)) for i in some["id"]]),
            above(level, buildings.community, number),
            above(level, station_community, number),
        )
        shapes[level] = shapely.from_wkb([bytes(g) for g in some["geom"]])
    chosen = city.stations.chosen()
    workers = workers_in_plan(connection)
    for level, table, where, ids in (
        ("grid", "grids", "WHERE kind = 'base'", buildings.grid),
        ("compound", "compounds", "", buildings.compound),
    ):
        found = connection.execute(
            text(
                f"SELECT id, code, name, community_id, ST_AsBinary(geom) AS geom FROM {table}"
                f" {where} ORDER BY id"
            )
        ).all()
        if not found:
            continue
        number = {row.id: at for at, row in enumerate(found)}
        outlines = np.asarray(shapely.from_wkb([bytes(row.geom) for row in found]), object)
        tables[level] = AreaTable(
            _texts([row.code for row in found]),
            _texts([row.name for row in found]),
            _texts([code_of.get(row.community_id or 0) for row in found]),
            np.array([number.get(i, -1) for i in ids.tolist()], np.int32),
            located(outlines, city.stations.lonlat[chosen]),
            np.array([workers.get(row.code, np.nan) for row in found], float)
            if level == "grid" and workers
            else None,
        )
        shapes[level] = outlines
    return with_workers(tables), shapes
