"""What riders report wrong: kept with place and time, never with who."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import Connection, text

from data.editions.edition import Edition
from data.editions.models import REPORT_REASONS
from data.errors import ConflictError, Fault, InvalidRowError, NotFoundError

LONGEST_NOTE = 200
MOST_OPEN = 50
"""Open reports of one station; a publisher who has so many needs no more."""

_CONTACT = re.compile(
    r"\+?\d[\d\s-]{5,}\d|[\w.+-]+@[\w-]+\.[\w.]+|(?<![A-Za-z])[京津沪渝冀豫云辽黑湘皖鲁"
    r"新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼][A-Z][A-Z0-9]{5,6}"
)


def without_personal_data(note: str) -> str:
    """Take long numbers, mail addresses and plates out of a note, and line breaks."""
    return _CONTACT.sub("…", " ".join(note.split()))[:LONGEST_NOTE]


def add_report(
    connection: Connection, slug: str, edition: Edition, station_id: int, reason: str, note: str
) -> int:
    """Keep one report; gives its number.

    Parameters
    ----------
    connection : Connection
    slug : str
    edition : Edition
        The one the rider looked at.
    station_id : int
    reason : str
        Of `data.editions.models.REPORT_REASONS`.
    note : str
        Whatever looks like a number of somebody is taken out.

    Raises
    ------
    InvalidRowError
        If the reason is unknown or the note too long.
    NotFoundError
        If the edition has no such station.
    ConflictError
        If the station has very many open reports already.
    """
    if reason not in REPORT_REASONS:
        raise InvalidRowError(
            f"The reason {reason[:40]!r} is unknown.",
            remedy=f"Use one of: {', '.join(REPORT_REASONS)}.",
            faults=(Fault("reason", reason[:40], "is not in the list", ", ".join(REPORT_REASONS)),),
        )
    if len(note) > LONGEST_NOTE:
        raise InvalidRowError(
            f"The note has {len(note)} characters.",
            remedy=f"Write at most {LONGEST_NOTE}.",
            faults=(Fault("note", note[:40], "is too long", f"At most {LONGEST_NOTE}."),),
        )
    station = next((s for s in edition.content["stations"] if s["id"] == station_id), None)
    if station is None:
        raise NotFoundError(
            f"This map has no station {station_id}.", remedy="Open the map again and choose one."
        )
    made = connection.execute(
        text(
            "INSERT INTO problem_reports (publication_id, edition, station_id, station_name, lon,"
            " lat, reason, note)"
            " SELECT p.id, :edition, :station_id, :name, :lon, :lat, :reason, :note"
            " FROM publications p WHERE p.slug = :slug AND"
            " (SELECT count(*) FROM problem_reports r WHERE r.publication_id = p.id"
            "   AND r.station_id = :station_id AND r.state = 'open') < :most RETURNING id"
        ),
        {
            "slug": slug,
            "edition": edition.number,
            "station_id": station_id,
            "name": station["name"],
            "lon": station["lon"],
            "lat": station["lat"],
            "reason": reason,
            "note": without_personal_data(note),
            "most": MOST_OPEN,
        },
    ).scalar_one_or_none()
    if made is None:
        raise ConflictError(
            "Many people have reported this station already; somebody will look.",
            remedy="Thank you; there is nothing more to do.",
        )
    return int(made)


def list_reports(
    connection: Connection, publication_id: int, *, state: str | None = None, limit: int = 500
) -> list[dict[str, Any]]:
    """Reports of a publication, open ones first, the newest first."""
    rows = connection.execute(
        text(
            "SELECT id, edition, station_id, station_name, lon, lat, reason, note, at, state,"
            " resolved_at, resolved_by FROM problem_reports WHERE publication_id = :id"
            " AND (CAST(:state AS text) IS NULL OR state = :state)"
            " ORDER BY state, at DESC, id DESC LIMIT :limit"
        ),
        {"id": publication_id, "state": state, "limit": limit},
    )
    return [dict(row) for row in rows.mappings()]


def resolve_report(
    connection: Connection, publication_id: int, report_id: int, *, actor: str
) -> dict[str, Any]:
    """Mark a report as dealt with; once is enough, twice changes nothing.

    Raises
    ------
    NotFoundError
        If the publication has no such report.
    """
    connection.execute(
        text(
            "UPDATE problem_reports SET state = 'resolved', resolved_at = now(),"
            " resolved_by = :actor WHERE id = :id AND publication_id = :publication"
            " AND state = 'open'"
        ),
        {"id": report_id, "publication": publication_id, "actor": actor},
    )
    row = (
        connection.execute(
            text(
                "SELECT id, edition, station_id, station_name, lon, lat, reason, note, at, state,"
                " resolved_at, resolved_by FROM problem_reports"
                " WHERE id = :id AND publication_id = :publication"
            ),
            {"id": report_id, "publication": publication_id},
        )
        .mappings()
        .one_or_none()
    )
    if row is None:
        raise NotFoundError(
            f"There is no report {report_id} here.", remedy="List the reports of the publication."
        )
    return dict(row)
