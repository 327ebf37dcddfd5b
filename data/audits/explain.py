"""Explaining one home: its route, where time goes, what stands in the way, what else is near."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import shapely
from sqlalchemy import Connection, text

from data.audits.runs import KeptAudit, no_audit
from data.circles import City, Travel
from data.coverage_runs import Question
from data.errors import InvalidRowError, NotFoundError
from data.walks import Walks, _route
from geo.audit import hour_of
from geo.crs import project
from geo.rulesets import Rule, rule_set
from geo.search import reach_targets
from geo.standards import profile_named

LINKS_WITHIN_M = 200.0
"""Doubtful links this near the straight line may be what is missing, metres. Our reading."""
DETOUR = 1.5
"""Detour factors above this are told as such. Our reading."""


def explain_home(
    connection: Connection, city: City, walks: Walks, audit: KeptAudit, building_id: int
) -> dict[str, Any]:
    """Explain why a building is inside or outside, with the city as it is now.

    Parameters
    ----------
    connection : Connection
    city : City
    walks : Walks
    audit : KeptAudit
    building_id : int

    Returns
    -------
    dict
        ``home`` (as audited), ``walk`` (minutes and metres in parts, route as GeoJSON),
        ``straight`` (metres, detour factor, line), ``blocks`` (what the straight line crosses),
        ``alternatives`` (the next stations), ``links`` (doubtful links near the line), ``stale``
        (whether streets have changed since the audit).

    Raises
    ------
    NotFoundError
        If the audit has no such building, or it is gone now.
    """
    home = (
        connection.execute(
            text(
                "SELECT building_id, code, name, households, estimated, covered, minutes,"
                " over_minutes, second_minutes, straight_m, station, station_name, reason,"
                " false_circle, zone, areas FROM audit_homes"
                " WHERE audit_id = :audit AND building_id = :building"
            ),
            {"audit": audit.id, "building": building_id},
        )
        .mappings()
        .one_or_none()
    )
    if home is None:
        raise NotFoundError(
            f"Audit {audit.id} has no building {building_id}.",
            remedy="Choose a building on the map of the audit.",
        )
    rule = main_rule(audit)
    answer: dict[str, Any] = {
        "audit": audit.id,
        "home": dict(home),
        "cutoff_minutes": rule.cutoff_s / 60,
        "stale": city.network.version
        not in {i["version"] for i in audit.summary["inputs"] if i["kind"] == "network"},
        "walk": None,
        "straight": None,
        "blocks": [],
        "alternatives": [],
        "links": [],
    }
    key = rule.walk
    if key is None:
        return answer
    travel = Travel(profile_named(key.profile), key.waits)
    row = city.buildings.row(building_id)
    rows = counted_stations(connection, city, key.stations, key.facility, key.at)
    if not len(rows):
        return answer
    nearest = _nearest(city, travel, row, rows, rule.cutoff_s)
    answer["alternatives"] = nearest[1:4]
    question = Question(key.stations, min(rule.cutoff_s / 60, 120.0), travel)
    if nearest:
        station = nearest[0]["row"]
        point, seconds = nearest[0]["point"], nearest[0]["seconds"]
    else:
        found = walks.coverage(city, question)
        station, point = int(found.station[row]), int(found.point[row])
        seconds = float(found.seconds[row])
        if station >= 0 and station not in rows:
            station = -1
    if station >= 0:
        walk = _route(city, travel, point, station, seconds)
        if walk is not None:
            way, line = walk
            speed = travel.profile.speed_mps
            access_m = way.origin_access_m + way.destination_access_m
            answer["walk"] = {
                "station": str(city.stations.code[station]),
                "station_name": str(city.stations.name[station]),
                "minutes": round(way.seconds / 60, 2),
                "metres": round(way.street_m + access_m, 1),
                "access_minutes": round(access_m / speed / 60, 2),
                "street_minutes": round((way.seconds - way.waiting_s - access_m / speed) / 60, 2),
                "waiting_minutes": round(way.waiting_s / 60, 2),
                "geometry": line,
            }
    _straight(connection, city, row, rows, station, answer, audit)
    for other in answer["alternatives"]:
        del other["row"], other["point"]
    return answer


def main_rule(audit: KeptAudit) -> Rule:
    """The rule of walking that an audit is about.

    Raises
    ------
    InvalidRowError
        If it has none.
    """
    return _main_rule(audit.id, audit.summary["rule_set"], audit.summary["main_rule"])


def read_main_rule(connection: Connection, audit_id: int) -> Rule:
    """The rule of walking that a kept audit is about, without reading all that it found.

    Raises
    ------
    NotFoundError
        If there is no such audit.
    InvalidRowError
        If it has none.
    """
    row = connection.execute(
        text(
            "SELECT summary->'rule_set' AS rules, summary->>'main_rule' AS main FROM audits"
            " WHERE id = :id"
        ),
        {"id": audit_id},
    ).one_or_none()
    if row is None:
        raise no_audit(audit_id)
    return _main_rule(audit_id, row.rules, row.main)


def _main_rule(audit_id: int, rules: dict[str, Any], main: str | None) -> Rule:
    read = rule_set(rules, origin=f"audit {audit_id}")
    found = next((r for r in read.rules if r.id == main), None)
    if found is None:
        raise InvalidRowError("The audit has no rule of walking.", remedy="Choose another.")
    return found


def counted_stations(
    connection: Connection, city: City, kinds: tuple[str, ...], facility: str, at: str
) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Rows of the stations that count under a rule."""
    rows = city.stations.chosen(kinds)
    if not facility and not at:
        return rows
    from data.audits.week import open_week

    found = {
        row.id: row
        for row in connection.execute(text("SELECT id, facilities, opening_hours FROM stations"))
    }
    kept = []
    for row in rows.tolist():
        about = found.get(int(city.stations.ids[row]))
        if about is None or (facility and facility not in about.facilities):
            continue
        if at and open_week([about.opening_hours])[0, hour_of(at)] != 1:
            continue
        kept.append(row)
    return np.array(kept, np.int64)


def _nearest(
    city: City,
    travel: Travel,
    row: int,
    rows: np.ndarray[Any, np.dtype[np.int64]],
    cutoff_s: float,
) -> list[dict[str, Any]]:
    """The nearest stations by walking, a little beyond the cutoff too."""
    points = city.buildings.points_of(row)
    costs = city.streets.impedance(travel)
    door = city.demand(travel).snapped.take(points)
    found = reach_targets(
        city.network, costs, city.snapped_stations(travel).take(rows), door, cutoff_s=3 * cutoff_s
    )
    best: dict[int, tuple[int, int]] = {}
    for s in range(len(rows)):
        for k in range(found.offsets[s], found.offsets[s + 1]):
            cost = int(found.cost_mm[k])
            if s not in best or cost < best[s][0]:
                best[s] = cost, points.start + int(found.target[k])
    ranked = sorted(best.items(), key=lambda item: (item[1][0], item[0]))
    return [
        {
            "row": int(rows[s]),
            "point": point,
            "code": str(city.stations.code[rows[s]]),
            "name": str(city.stations.name[rows[s]]),
            "kind": str(city.stations.kind[rows[s]]),
            "seconds": cost / 1000 / costs.speed_mps,
            "minutes": round(cost / 1000 / costs.speed_mps / 60, 2),
        }
        for s, (cost, point) in ranked[:4]
    ]


def _straight(
    connection: Connection,
    city: City,
    row: int,
    rows: np.ndarray[Any, np.dtype[np.int64]],
    station: int,
    answer: dict[str, Any],
    audit: KeptAudit,
) -> None:
    """The straight line to the station nearest by it, what it crosses, and links beside it."""
    crs = city.network.crs
    home = project(city.buildings.lonlat[row : row + 1], crs)[0]
    places = project(city.stations.lonlat[rows], crs)
    away = np.hypot(*(places - home).T)
    nearest = int(rows[int(away.argmin())])
    ends = np.stack([city.buildings.lonlat[row], city.stations.lonlat[nearest]])
    line = shapely.linestrings(ends)
    metres = float(away.min())
    walk = answer["walk"]
    factor = None
    if walk is not None and station >= 0:
        own = float(
            np.hypot(*(project(city.stations.lonlat[station : station + 1], crs)[0] - home))
        )
        factor = round(walk["metres"] / own, 2) if own > 1 else None
    answer["straight"] = {
        "metres": round(metres, 1),
        "station": str(city.stations.code[nearest]),
        "station_name": str(city.stations.name[nearest]),
        "detour": factor,
        "is_detour": bool(factor and factor > DETOUR),
        "geometry": json.loads(shapely.to_geojson(line)),
    }
    answer["blocks"] = [
        dict(found)
        for found in connection.execute(
            text(
                "WITH way AS (SELECT ST_GeomFromText(:line, 4326) AS line)"
                " SELECT layer, kind, name, count(*) AS times,"
                " min(ST_Distance(ST_Intersection(geom, line)::geography,"
                " ST_StartPoint(line)::geography)) AS metres"
                " FROM base_features, way WHERE geom && line"
                " AND layer IN ('barrier', 'water', 'rail') AND ST_Intersects(geom, line)"
                " GROUP BY layer, kind, name ORDER BY metres LIMIT 12"
            ),
            {"line": shapely.to_wkt(line, rounding_precision=8)},
        ).mappings()
    ]
    for block in answer["blocks"]:
        block["metres"] = round(float(block["metres"] or 0))
    links = np.array(audit.summary.get("links", []), float).reshape(-1, 2, 2)
    if len(links):
        path = shapely.linestrings(project(ends, crs))
        xy = project(links.reshape(-1, 2), crs).reshape(-1, 2, 2)
        near = np.flatnonzero(
            shapely.distance(shapely.points(xy.mean(axis=1)), path) <= LINKS_WITHIN_M
        )
        answer["links"] = [
            {
                "metres": round(float(np.hypot(*(xy[k, 1] - xy[k, 0]))), 1),
                "line": links[k].tolist(),
            }
            for k in near[:10].tolist()
        ]
