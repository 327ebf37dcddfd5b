"""Kept audits: made, listed, read, compared, drawn as tiles."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from sqlalchemy import Connection, text

from data.audits.city_place import place_of
from data.audits.conduct import Audit, conduct
from data.audits.inputs import inputs_of
from data.audits.place import Place
from data.circles import City
from data.database import Database
from data.errors import NotFoundError
from geo.rulesets import RuleSet

DRAWN_LEVELS = ("district", "street", "community")
"""Levels whose outlines are kept with an audit."""
_HOME_COLUMNS = (
    ("code", "text"),
    ("name", "text"),
    ("households", "float8"),
    ("people", "float8"),
    ("estimated", "boolean"),
    ("covered", "boolean"),
    ("minutes", "float8"),
    ("over_minutes", "float8"),
    ("second_minutes", "float8"),
    ("straight_m", "float8"),
    ("station", "text"),
    ("station_name", "text"),
    ("reason", "text"),
    ("false_circle", "boolean"),
    ("zone", "int"),
)


@dataclass(frozen=True, slots=True)
class KeptAudit:
    """An audit as it is kept.

    Attributes
    ----------
    id : int
    created_at : str
        ISO 8601.
    actor : str
    summary : dict
    """

    id: int
    created_at: str
    actor: str
    summary: dict[str, Any]


def run_audit(database: Database, city: City, rules: RuleSet, *, actor: str) -> tuple[int, bool]:
    """Audit the city and keep the result whole.

    The same inputs and rules give the same digest; such an audit is kept once.

    Parameters
    ----------
    database : Database
    city : City
    rules : RuleSet
    actor : str

    Returns
    -------
    int
        Number of the audit.
    bool
        Whether it is new.
    """
    with database.connect() as connection:
        place = place_of(connection, city)
    found = conduct(place, rules)
    with database.transaction(actor=actor) as connection:
        number = connection.execute(
            text(
                "INSERT INTO audits (actor, digest, rule_set, rule_version, network_version,"
                " verdict, summary, shapes) VALUES (:actor, :digest, :rule_set, :rule_version,"
                " :network, :verdict, CAST(:summary AS jsonb), CAST(:shapes AS jsonb))"
                " ON CONFLICT (digest) DO NOTHING RETURNING id"
            ),
            {
                "actor": actor,
                "digest": found.summary["digest"],
                "rule_set": rules.name,
                "rule_version": rules.version,
                "network": place.network.version,
                "verdict": found.summary["verdict"],
                "summary": json.dumps(found.summary, ensure_ascii=False),
                "shapes": json.dumps(_outlines(place)),
            },
        ).scalar_one_or_none()
        if number is None:
            known: int = connection.execute(
                text("SELECT id FROM audits WHERE digest = :digest"),
                {"digest": found.summary["digest"]},
            ).scalar_one()
            return known, False
        _write_homes(connection, number, city, place, found)
        _write_inputs(connection, number, place)
    return int(number), True


def _outlines(place: Place) -> dict[str, list[str]]:
    return {
        level: [
            shapely.to_wkt(shapely.simplify(shape, 1e-5), rounding_precision=6)
            for shape in place.shapes[level]
        ]
        for level in DRAWN_LEVELS
        if level in place.shapes
    }


def _write_homes(
    connection: Connection, number: int, city: City, place: Place, found: Audit
) -> None:
    homes = found.homes
    if "covered" not in homes or not len(homes):
        return
    values: dict[str, list[Any]] = {}
    for column, kind in _HOME_COLUMNS:
        cells = homes[column].tolist()
        values[column] = (
            [None if math.isnan(cell) else cell for cell in cells] if kind == "float8" else cells
        )
    levels = list(place.areas)
    areas = [
        json.dumps(dict(zip(levels, row, strict=True)), ensure_ascii=False)
        for row in homes[levels].itertuples(index=False, name=None)
    ]
    names = ", ".join(column for column, _ in _HOME_COLUMNS)
    casts = ", ".join(f"CAST(:{column} AS {kind}[])" for column, kind in _HOME_COLUMNS)
    connection.execute(
        text(
            f"INSERT INTO audit_homes (audit_id, building_id, {names}, areas, geom)"
            f" SELECT :audit, building, {names}, areas, ST_SetSRID(ST_MakePoint(lon, lat), 4326)"
            f" FROM unnest(CAST(:building AS bigint[]), {casts}, CAST(:areas AS jsonb[]),"
            " CAST(:lon AS float8[]), CAST(:lat AS float8[]))"
            f" AS given (building, {names}, areas, lon, lat)"
        ),
        {
            "audit": number,
            "building": city.buildings.ids.tolist(),
            **values,
            "areas": areas,
            "lon": homes["lon"].tolist(),
            "lat": homes["lat"].tolist(),
        },
    )
    connection.execute(text("ANALYZE audit_homes"))


def _write_inputs(connection: Connection, number: int, place: Place) -> None:
    """Keep what the audit was made from; parts that another audit has are kept once."""
    for part, content in inputs_of(place).items():
        digest = hashlib.sha256(content).hexdigest()
        connection.execute(
            text(
                "INSERT INTO audit_inputs (digest, content) VALUES (:digest, :content)"
                " ON CONFLICT (digest) DO NOTHING"
            ),
            {"digest": digest, "content": content},
        )
        connection.execute(
            text("INSERT INTO audit_parts VALUES (:audit, :part, :digest)"),
            {"audit": number, "part": part, "digest": digest},
        )


def audit_inputs(connection: Connection, number: int) -> dict[str, bytes] | None:
    """What an audit was made from, as `data.audits.inputs.inputs_of` wrote it; None if not kept."""
    rows = connection.execute(
        text(
            "SELECT part, content FROM audit_parts JOIN audit_inputs USING (digest)"
            " WHERE audit_id = :id"
        ),
        {"id": number},
    ).all()
    return {row.part: bytes(row.content) for row in rows} or None


def last_audit(connection: Connection, rule_set: str, *, before: int | None = None) -> int | None:
    """Number of the newest audit by a rule set, of those made before another."""
    number: int | None = connection.execute(
        text(
            "SELECT max(id) FROM audits WHERE rule_set = :rule_set"
            " AND (CAST(:before AS bigint) IS NULL OR id < :before)"
        ),
        {"rule_set": rule_set, "before": before},
    ).scalar_one()
    return number


def list_audits(
    connection: Connection, *, limit: int, offset: int
) -> tuple[list[dict[str, Any]], int]:
    """Give the newest audits and how many there are."""
    matched: int = connection.execute(text("SELECT count(*) FROM audits")).scalar_one()
    rows = connection.execute(
        text(
            "SELECT id, created_at, actor, digest, rule_set, rule_version, network_version,"
            " verdict, summary->'rule_set'->>'title_zh' AS title_zh,"
            " summary->'rule_set'->>'title_en' AS title_en, summary->>'unit' AS unit,"
            " (SELECT jsonb_build_object('numerator', r->'numerator', 'denominator',"
            "  r->'denominator', 'value', r->'value')"
            "  FROM jsonb_array_elements(summary->'rules') r"
            "  WHERE r->>'id' = summary->>'main_rule') AS main"
            " FROM audits ORDER BY id DESC LIMIT :limit OFFSET :offset"
        ),
        {"limit": limit, "offset": offset},
    ).mappings()
    return [{**row, "created_at": row["created_at"].isoformat()} for row in rows], matched


def no_audit(number: int) -> NotFoundError:
    """What is raised where there is no audit of a number."""
    return NotFoundError(f"There is no audit {number}.", remedy="List them by /api/v1/audits.")


def read_audit(connection: Connection, number: int) -> KeptAudit:
    """Read one audit.

    Raises
    ------
    NotFoundError
        If there is none of this number.
    """
    row = connection.execute(
        text("SELECT id, created_at, actor, summary FROM audits WHERE id = :id"), {"id": number}
    ).one_or_none()
    if row is None:
        raise no_audit(number)
    return KeptAudit(row.id, row.created_at.isoformat(), row.actor, row.summary)


def audit_homes(connection: Connection, number: int) -> pd.DataFrame:
    """Buildings of an audit as `data.audits.conduct.Audit.homes` has them."""
    names = ", ".join(column for column, _ in _HOME_COLUMNS)
    frame = pd.DataFrame(
        connection.execute(
            text(
                f"SELECT building_id, {names}, areas, ST_X(geom) AS lon, ST_Y(geom) AS lat"
                " FROM audit_homes WHERE audit_id = :id ORDER BY building_id"
            ),
            {"id": number},
        )
        .mappings()
        .all(),
        columns=["building_id", *(c for c, _ in _HOME_COLUMNS), "areas", "lon", "lat"],
    )
    areas = pd.DataFrame(frame.pop("areas").tolist(), index=frame.index)
    for column, kind in _HOME_COLUMNS:
        if kind == "float8":
            frame[column] = frame[column].astype(float)
        elif kind == "boolean":
            frame[column] = frame[column].astype(bool)
    return pd.concat([frame, areas], axis=1)


def audit_shapes(connection: Connection, number: int) -> dict[str, NDArray[np.object_]]:
    """Outlines of the areas as they were."""
    kept: Mapping[str, list[str]] = connection.execute(
        text("SELECT shapes FROM audits WHERE id = :id"), {"id": number}
    ).scalar_one()
    return {level: np.asarray(shapely.from_wkt(texts), object) for level, texts in kept.items()}


def audit_places(
    connection: Connection,
    number: int,
    bounds: tuple[float, float, float, float],
    *,
    by_households: bool,
    most: int,
    false_circles: bool = False,
) -> tuple[list[Any], bool]:
    """Homes of an audit in a box, those outside the circle first, as compact rows.

    With ``false_circles`` only those inside the circle on the map and outside on foot.
    Homes have households; where the audit counts buildings (``by_households`` false), all are.

    Returns
    -------
    list
        Rows of id, lon, lat, reason ("" inside), minutes, households, name.
    bool
        Whether there were more than ``most``.
    """
    west, south, east, north = bounds
    rows = connection.execute(
        text(
            "SELECT building_id, round(ST_X(geom)::numeric, 6)::float8 AS lon,"
            " round(ST_Y(geom)::numeric, 6)::float8 AS lat, reason, minutes, households,"
            " CASE WHEN name = '' THEN code ELSE name END AS name"
            " FROM audit_homes WHERE audit_id = :id"
            " AND geom && ST_MakeEnvelope(:west, :south, :east, :north, 4326)"
            " AND (false_circle OR NOT :false_circles)"
            " AND (reason <> '' OR (covered AND (households > 0 OR NOT :by_households)))"
            " ORDER BY covered, households DESC NULLS LAST, building_id LIMIT :most"
        ),
        {
            "id": number,
            "by_households": by_households,
            "west": west,
            "south": south,
            "east": east,
            "north": north,
            "most": most + 1,
            "false_circles": false_circles,
        },
    ).all()
    return [list(row) for row in rows[:most]], len(rows) > most
