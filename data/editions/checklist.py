"""What a station needs before riders are sent to it: one list of checks for each."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from sqlalchemy import Connection, text

from data.circles import City, Travel
from data.editions.photos import photos_of
from data.layers import area_id
from data.opening import is_readable

Verdict = Literal["good", "warning", "bad"]

ENTRANCE_MAX_M = 30.0
"""Farthest an entrance may lie from a walkable street. Our reading: what one sees from the kerb."""
VERIFIED_DAYS = 90
"""After so many days somebody should look again whether a station is still as written."""

_PHONE = re.compile(r"(?<!\d)(?:\+?86[- ]?)?1[3-9]\d[- ]?\d{4}[- ]?\d{4}(?!\d)")


@dataclass(frozen=True, slots=True)
class Check:
    """One line of a check list.

    Attributes
    ----------
    key : str
        public, personal, entrance, hours, facilities, verified or photo.
    verdict : {"good", "warning", "bad"}
        A station with a bad check is not published.
    value : float, int, str or None
        What was found: metres for the entrance, days for verified, the digest of the photo.
    """

    key: str
    verdict: Verdict
    value: float | int | str | None = None


@dataclass(frozen=True, slots=True)
class CheckedStation:
    """A station that a publication could show, with its check list.

    Attributes
    ----------
    row : mapping
        id, version, kind, name, address, opening_hours, facilities, verified_on, community,
        lon, lat, photo (digest, width and height, or None).
    checks : tuple of Check
    left_out : bool
        Whether the publisher took it off the map.
    """

    row: Mapping[str, Any]
    checks: tuple[Check, ...]
    left_out: bool = False

    @property
    def ready(self) -> bool:
        """Whether it may be published."""
        return all(check.verdict != "bad" for check in self.checks)


def days_since_verified(verified_on: dt.date | None, today: dt.date) -> int | None:
    """Days since somebody looked; None where nobody ever did."""
    return None if verified_on is None else max(0, (today - verified_on).days)


def read_candidates(
    connection: Connection, kinds: Sequence[str], area: str | None
) -> list[dict[str, Any]]:
    """Open stations of some kinds in an area (the whole city without one), by name.

    Raises
    ------
    NotFoundError
        If there is no such area.
    """
    inside = ""
    values: dict[str, Any] = {"kinds": list(kinds)}
    if area is not None:
        values["area"] = area_id(connection, area)
        inside = "AND ST_Covers((SELECT geom FROM areas WHERE id = :area), s.geom)"
    rows = connection.execute(
        text(
            "SELECT s.id, s.version, s.kind, s.name, s.address, s.opening_hours, s.facilities,"
            " s.published, s.verified_on, coalesce(a.name, '') AS community,"
            " round(ST_X(s.geom)::numeric, 6)::float8 AS lon,"
            " round(ST_Y(s.geom)::numeric, 6)::float8 AS lat"
            " FROM stations s LEFT JOIN areas a ON a.id = s.community_id"
            f" WHERE s.status = 'open' AND s.kind = ANY(:kinds) {inside}"
            " ORDER BY s.kind, s.name, s.id"
        ),
        values,
    )
    found = [dict(row) for row in rows.mappings()]
    photos = photos_of(connection, [row["id"] for row in found])
    return [row | {"photo": photos.get(row["id"])} for row in found]


def check_stations(
    city: City, travel: Travel, rows: Sequence[Mapping[str, Any]], *, today: dt.date
) -> list[CheckedStation]:
    """Check every station; see `Check` for the lines.

    Parameters
    ----------
    city : City
    travel : Travel
        How people walk there: decides which streets count.
    rows : sequence of mapping
        As `read_candidates` gives them.
    today : date
    """
    if not rows:
        return []
    lonlat = np.array([[row["lon"], row["lat"]] for row in rows])
    snapped = city.streets.snap(travel, lonlat)
    return [
        CheckedStation(row, tuple(_checks(row, edge, access_mm, today)))
        for row, edge, access_mm in zip(
            rows, snapped.edge.tolist(), snapped.access_mm.tolist(), strict=True
        )
    ]


def _checks(row: Mapping[str, Any], edge: int, access_mm: int, today: dt.date) -> list[Check]:
    metres = None if edge < 0 else round(access_mm / 1000, 1)
    near = metres is not None and metres <= ENTRANCE_MAX_M
    hours = row["opening_hours"]
    days = days_since_verified(row["verified_on"], today)
    fresh = days is not None and days <= VERIFIED_DAYS
    private = has_phone(row["name"]) or has_phone(row["address"]) or has_phone(hours or "")
    return [
        Check("public", "good" if row["published"] else "bad"),
        Check("personal", "bad" if private else "good"),
        Check("entrance", "good" if near else "bad", metres),
        Check("hours", "good" if is_readable(hours) else "bad", hours),
        Check("facilities", "good" if row["facilities"] else "bad", len(row["facilities"])),
        Check("verified", "good" if fresh else "warning", days),
        Check("photo", "good", (row["photo"] or {}).get("digest")),  # nobody needs one
    ]


def has_phone(words: str) -> bool:
    """Whether a mobile number stands in a text: it is somebody's, and never leaves."""
    return _PHONE.search(words) is not None
