"""Editions: station maps as they left the service, kept and read back."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import Connection, text

from data.errors import NotFoundError


@dataclass(frozen=True, slots=True)
class Edition:
    """One edition as it left the service.

    Attributes
    ----------
    number : int
        From 1.
    published_at : datetime
    editor : str
        Who published it; not in `content`, for it does not leave.
    digest : str
        SHA-256 of content and base map, hexadecimal.
    content : dict
        Only what the public sees.
    base_map : dict
        As `data.editions.base_map.pack_base_map` makes it.
    """

    number: int
    published_at: dt.datetime
    editor: str
    digest: str
    content: dict[str, Any]
    base_map: dict[str, Any]


def list_editions(connection: Connection, publication_id: int) -> list[dict[str, Any]]:
    """Number, time, editor, digest and count of stations of each edition, the newest first."""
    rows = connection.execute(
        text(
            "SELECT number, published_at, editor, digest,"
            " jsonb_array_length(content -> 'stations') AS stations"
            " FROM editions WHERE publication_id = :id ORDER BY number DESC"
        ),
        {"id": publication_id},
    )
    return [dict(row) for row in rows.mappings()]


def read_edition(connection: Connection, slug: str, number: int | None = None) -> Edition:
    """Read a public edition: the current one, or an older one by number.

    Raises
    ------
    NotFoundError
        If there is no such publication or edition, or it has been taken off the net.
    """
    row = (
        connection.execute(
            text(
                "SELECT e.number, e.published_at, e.editor, e.digest, e.content, e.base_map"
                " FROM publications p JOIN editions e ON e.publication_id = p.id"
                " WHERE p.slug = :slug AND p.state = 'published'"
                " AND e.number = coalesce(CAST(:number AS integer), p.current_number)"
            ),
            {"slug": slug, "number": number},
        )
        .mappings()
        .one_or_none()
    )
    if row is None:
        which = "" if number is None else f" in edition {number}"
        raise NotFoundError(
            f"There is no station map {slug[:60]!r}{which}.",
            remedy="It may have been taken down; ask who gave you the address.",
        )
    return Edition(**row)


def public_maps(connection: Connection) -> list[dict[str, Any]]:
    """Published maps for whoever looks for them: slug, titles, edition, date, stations."""
    rows = connection.execute(
        text(
            "SELECT p.slug, e.content ->> 'title' AS title, e.content ->> 'title_en' AS title_en,"
            " e.number, e.published_at, jsonb_array_length(e.content -> 'stations') AS stations"
            " FROM publications p JOIN editions e"
            " ON e.publication_id = p.id AND e.number = p.current_number"
            " WHERE p.state = 'published' ORDER BY p.slug"
        )
    )
    return [dict(row) for row in rows.mappings()]


def keep_edition(connection: Connection, publication_id: int, edition: Edition) -> None:
    """Keep an edition; the database refuses a number that is taken."""
    connection.execute(
        text(
            "INSERT INTO editions (publication_id, number, published_at, editor, digest, content,"
            " base_map) VALUES (:publication_id, :number, :published_at, :editor, :digest,"
            " CAST(:content AS jsonb), CAST(:base_map AS jsonb))"
        ),
        {
            "publication_id": publication_id,
            "number": edition.number,
            "published_at": edition.published_at,
            "editor": edition.editor,
            "digest": edition.digest,
            "content": orjson.dumps(edition.content).decode(),
            "base_map": orjson.dumps(edition.base_map).decode(),
        },
    )


def next_number(connection: Connection, publication_id: int) -> int:
    """Give the number of the edition that is published next, from 1."""
    newest = connection.execute(
        text("SELECT max(number) FROM editions WHERE publication_id = :id"), {"id": publication_id}
    ).scalar_one()
    return (newest or 0) + 1
