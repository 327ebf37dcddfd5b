"""Publishing: check what a publication shows, make the next edition of it, take it off the net."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import orjson
from sqlalchemy import Connection, text

from data.circles import City, Travel
from data.editions.base_map import pack_base_map
from data.editions.checklist import CheckedStation, check_stations, read_candidates
from data.editions.edition import Edition, keep_edition, next_number
from data.editions.publications import Publication, hold_publication, read_publication
from data.errors import Fault, InvalidRowError
from data.opening import TIME_ZONE

MOST_STATIONS = 1000
"""Stations in one edition; a larger city publishes by district."""
FORMAT = 1
"""Of the content of an edition; what reads old editions looks at it."""

Unready = Literal["refuse", "leave_out"]


def checked_stations(
    connection: Connection, publication: Publication, city: City, travel: Travel
) -> list[CheckedStation]:
    """Every station the publication could show, with its check list.

    Parameters
    ----------
    connection : Connection
    publication : Publication
    city : City
    travel : Travel
        How people walk to an entrance.
    """
    rows = read_candidates(connection, publication.kinds, publication.area)
    today = dt.datetime.now(TIME_ZONE).date()
    left_out = set(publication.left_out)
    return [
        CheckedStation(s.row, s.checks, s.row["id"] in left_out)
        for s in check_stations(city, travel, rows, today=today)
    ]


def allow_stations(connection: Connection, publication: Publication) -> int:
    """Mark as public every station the publication shows; gives how many were not before.

    A new ledger marks none; to press a button for each of three hundred would be no check.
    """
    rows = read_candidates(connection, publication.kinds, publication.area)
    wanted = [row["id"] for row in rows if row["id"] not in set(publication.left_out)]
    done = connection.execute(
        text("UPDATE stations SET published = true WHERE id = ANY(:ids) AND NOT published"),
        {"ids": wanted},
    )
    return int(done.rowcount)


def preview_edition(
    connection: Connection,
    publication: Publication,
    city: City,
    travel: Travel,
    *,
    unready: Unready = "leave_out",
) -> Edition:
    """Make the edition that publishing would make now, without keeping it.

    Raises
    ------
    InvalidRowError
        As `publish`.
    """
    number = next_number(connection, publication.id)
    checked = checked_stations(connection, publication, city, travel)
    return _made(connection, publication, checked, number, editor="", unready=unready)


def publish(
    connection: Connection,
    slug: str,
    city: City,
    travel: Travel,
    *,
    version: int,
    editor: str,
    unready: Unready = "refuse",
) -> Edition:
    """Publish the next edition; the short address shows it from now on.

    Parameters
    ----------
    connection : Connection
        Inside one transaction.
    slug : str
    city : City
    travel : Travel
    version : int
        Version of the publication that was seen.
    editor : str
    unready : {"refuse", "leave_out"}
        What to do about stations whose check list has a bad line.

    Raises
    ------
    NotFoundError, StaleRowError
        If the publication is unknown, or changed meanwhile.
    InvalidRowError
        If no station is left, or `unready` is ``refuse`` and one is not ready; every station's
        bad checks are listed.
    """
    publication = hold_publication(connection, slug, version)
    number = next_number(connection, publication.id)
    checked = checked_stations(connection, publication, city, travel)
    edition = _made(connection, publication, checked, number, editor=editor, unready=unready)
    keep_edition(connection, publication.id, edition)
    connection.execute(
        text(
            "UPDATE publications SET state = 'published', current_number = :number,"
            " version = version + 1, updated_at = now() WHERE id = :id"
        ),
        {"id": publication.id, "number": number},
    )
    return edition


def withdraw(connection: Connection, slug: str, *, version: int) -> Publication:
    """Take a publication off the net; its editions are kept and it can be published again.

    Raises
    ------
    NotFoundError, StaleRowError
    InvalidRowError
        If it is not published.
    """
    publication = hold_publication(connection, slug, version)
    if publication.state != "published":
        raise InvalidRowError(
            f"The publication {slug} is not published.", remedy="There is nothing to take off."
        )
    connection.execute(
        text(
            "UPDATE publications SET state = 'withdrawn', version = version + 1,"
            " updated_at = now() WHERE id = :id"
        ),
        {"id": publication.id},
    )
    return read_publication(connection, slug)


def _made(
    connection: Connection,
    publication: Publication,
    checked: Sequence[CheckedStation],
    number: int,
    *,
    editor: str,
    unready: Unready,
) -> Edition:
    wanted = [station for station in checked if not station.left_out]
    if unready == "refuse":
        _refuse_unready(wanted)
    shown = [station.row for station in wanted if station.ready]
    if not shown:
        raise InvalidRowError(
            "No station is left to publish.",
            remedy="Choose kinds and area that have open stations, and mend what the check list "
            "shows.",
        )
    if len(shown) > MOST_STATIONS:
        raise InvalidRowError(
            f"{len(shown)} stations are too many for one phone page.",
            remedy=f"Publish by area, at most {MOST_STATIONS} stations each.",
        )
    city = connection.execute(text("SELECT name, is_sample, attribution FROM city")).one_or_none()
    published_at = dt.datetime.now(dt.UTC).replace(microsecond=0)
    content: dict[str, Any] = {
        "format": FORMAT,
        "slug": publication.slug,
        "title": publication.title,
        "title_en": publication.title_en or publication.title,
        "number": number,
        "published_at": published_at.isoformat().replace("+00:00", "Z"),
        "city": city.name if city else "",
        "is_sample": bool(city and city.is_sample),
        "attribution": city.attribution if city else "",
        "kinds": list(publication.kinds),
        "stations": [_published(row) for row in shown],
    }
    base_map = pack_base_map(connection, np.array([[row["lon"], row["lat"]] for row in shown]))
    digest = hashlib.sha256(
        orjson.dumps([content, base_map], option=orjson.OPT_SORT_KEYS)
    ).hexdigest()
    return Edition(number, published_at, editor, digest, content, base_map)


def _published(row: Mapping[str, Any]) -> dict[str, Any]:
    """Write only what the public sees of a station: no code, no source, no version."""
    return {
        "id": row["id"],
        "kind": row["kind"],
        "name": row["name"],
        "address": row["address"],
        "community": row["community"],
        "lon": row["lon"],
        "lat": row["lat"],
        "hours": row["opening_hours"],
        "facilities": list(row["facilities"]),
        "verified_on": row["verified_on"].isoformat() if row["verified_on"] else None,
        "photo": row["photo"],
    }


_REASONS = {
    "public": ("is not marked as public", "Set published on the station."),
    "personal": ("holds a mobile number", "Take the number out of name, address and hours."),
    "entrance": (
        "lies farther than 30 m from a walkable street",
        "Move the point to the entrance, or correct the streets.",
    ),
    "hours": ("has no readable opening hours", "Give them: Mo-Su 08:00-20:00; PH off."),
    "facilities": ("lists no facility", "Say what riders find there."),
}


def _refuse_unready(stations: Sequence[CheckedStation]) -> None:
    faults = tuple(
        Fault(
            f"stations.{station.row['id']}.{check.key}",
            station.row["name"],
            _REASONS[check.key][0],
            _REASONS[check.key][1],
        )
        for station in stations
        for check in station.checks
        if check.verdict == "bad"
    )
    if faults:
        count = sum(not station.ready for station in stations)
        raise InvalidRowError(
            f"{count} of {len(stations)} stations are not ready: "
            f"{faults[0].value} {faults[0].reason}.",
            remedy="Mend them, leave them out, or publish with unready=leave_out.",
            faults=faults,
        )
