"""Published navigation maps of compounds: numbered, frozen, at an address that stays."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from sqlalchemy import Connection, text

from data.editions.compound_map import CompoundMap, read_compound_map
from data.errors import NotFoundError


@dataclass(frozen=True, slots=True)
class CompoundEdition:
    """One published map.

    Attributes
    ----------
    number : int
        From 1 in each compound.
    published_at : datetime
    editor : str
        Stays inside.
    compound : CompoundMap
        As it was then.
    """

    number: int
    published_at: dt.datetime
    editor: str
    compound: CompoundMap


def publish_compound(connection: Connection, compound_id: int, *, editor: str) -> CompoundEdition:
    """Publish a compound as it is now, in the caller's transaction.

    Earlier editions stay; those taken down do not come back.

    Raises
    ------
    NotFoundError
        If there is no such compound.
    """
    # One at a time, so that no number is given twice.
    connection.execute(
        text("SELECT 1 FROM compounds WHERE id = :id FOR UPDATE"), {"id": compound_id}
    )
    compound = read_compound_map(connection, compound_id)
    number = connection.execute(
        text(
            "INSERT INTO compound_editions (compound_id, number, editor, content)"
            " SELECT :id, coalesce(max(number), 0) + 1, :editor, CAST(:content AS jsonb)"
            " FROM compound_editions WHERE compound_id = :id RETURNING number"
        ),
        {"id": compound_id, "editor": editor, "content": json.dumps(_content(compound))},
    ).scalar_one()
    return read_compound_edition(connection, compound_id, number)


def withdraw_compound(connection: Connection, compound_id: int) -> int:
    """Take all editions of a compound off the net; gives how many.

    Raises
    ------
    NotFoundError
        If none is public.
    """
    taken = connection.execute(
        text(
            "UPDATE compound_editions SET withdrawn = true"
            " WHERE compound_id = :id AND NOT withdrawn"
        ),
        {"id": compound_id},
    ).rowcount
    if not taken:
        raise _none(compound_id, None)
    return taken


def read_compound_edition(
    connection: Connection, compound_id: int, number: int | None = None
) -> CompoundEdition:
    """Read an edition that is public, the newest by default.

    Raises
    ------
    NotFoundError
        If there is none, or it was taken down.
    """
    row = connection.execute(
        text(
            "SELECT number, published_at, editor, content FROM compound_editions"
            " WHERE compound_id = :id AND NOT withdrawn"
            " AND (CAST(:number AS integer) IS NULL OR number = :number)"
            " ORDER BY number DESC LIMIT 1"
        ),
        {"id": compound_id, "number": number},
    ).one_or_none()
    if row is None:
        raise _none(compound_id, number)
    return CompoundEdition(row.number, row.published_at, row.editor, _compound(row.content))


def public_compounds(connection: Connection) -> list[dict[str, Any]]:
    """Published compound maps for whoever looks for them: id, name, newest edition and its date."""
    rows = connection.execute(
        text(
            "SELECT DISTINCT ON (compound_id) compound_id AS id, content ->> 'name' AS name,"
            " number, published_at FROM compound_editions WHERE NOT withdrawn"
            " ORDER BY compound_id, number DESC"
        )
    )
    return [dict(row) for row in rows.mappings()]


def _none(compound_id: int, number: int | None) -> NotFoundError:
    which = f"edition {number}" if number else "map"
    return NotFoundError(
        f"No {which} of compound {compound_id} is public.",
        remedy="Publish it at the publisher's desk.",
    )


def _content(compound: CompoundMap) -> dict[str, Any]:
    def shape(geometry: shapely.Geometry) -> str:
        return str(shapely.to_wkb(geometry, hex=True))

    return {
        "id": compound.id,
        "name": compound.name,
        "community": compound.community,
        "outline": shape(compound.outline),
        "buildings": [[name, shape(geometry)] for name, geometry in compound.buildings],
        "gates": compound.gates,
        "stops": compound.stops,
        "rides": [line.tolist() for line in compound.rides],
        "walks": [line.tolist() for line in compound.walks],
        "attribution": compound.attribution,
    }


def _compound(content: dict[str, Any]) -> CompoundMap:
    return CompoundMap(
        content["id"],
        content["name"],
        content["community"],
        shapely.from_wkb(content["outline"]),
        [(name, shapely.from_wkb(geometry)) for name, geometry in content["buildings"]],
        [(name, access, hours, tuple(at)) for name, access, hours, at in content["gates"]],
        [(name, tuple(at)) for name, at in content["stops"]],
        [np.array(line) for line in content["rides"]],
        [np.array(line) for line in content["walks"]],
        content["attribution"],
    )
