"""The history of a row: who changed what and when, any earlier state, and giving it back."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import shapely
from sqlalchemy import Connection, text

from data.constraints import refusals_explained
from data.errors import InvalidRowError, NotFoundError, StaleRowError
from data.layers import read_feature
from data.models import EDITED_TABLES, Base

Side = Literal["before", "after"]

_OWN = ("id", "version", "updated_at")
"""Columns that a restored row does not take from its history."""


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of the history.

    Attributes
    ----------
    id : int
        Number of the entry; later entries have higher numbers.
    table : str
    row_id : int
    operation : str
        ``insert``, ``update`` or ``delete``.
    actor : str
        Who.
    at : datetime
        When the transaction began.
    before, after : mapping or None
        The whole row at a delete (before) and an insert (after); at an update the columns that
        changed. Geometry as hexadecimal EWKB.
    """

    id: int
    table: str
    row_id: int
    operation: str
    actor: str
    at: dt.datetime
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None

    @property
    def version(self) -> int:
        """Version of the row that this change made, or that it deleted."""
        image = self.after or self.before or {}
        return int(image["version"])

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, geometry as GeoJSON."""
        return {
            "id": self.id,
            "table": self.table,
            "row_id": self.row_id,
            "operation": self.operation,
            "actor": self.actor,
            "at": self.at.isoformat(),
            "version": self.version,
            "before": _readable(self.before),
            "after": _readable(self.after),
        }


@dataclass(frozen=True, slots=True)
class Restored:
    """A row given back.

    Attributes
    ----------
    row_id : int
    version : int
        Its version now.
    unlinked : tuple of str
        Columns left empty because the row they referred to is gone.
    """

    row_id: int
    version: int
    unlinked: tuple[str, ...]


def row_history(
    connection: Connection,
    table: str,
    row_id: int,
    *,
    limit: int = 100,
    older_than: int | None = None,
) -> list[Change]:
    """List the changes of one row, newest first; empty for a row that never was.

    Parameters
    ----------
    connection : Connection
        Reading is enough.
    table : str
        One of `data.models.EDITED_TABLES`.
    row_id : int
        Also of a row that has been deleted.
    limit : int
        At most so many.
    older_than : int, optional
        Only entries with a lower number: the next page.

    Raises
    ------
    NotFoundError
        If the table keeps no history.
    """
    _known(table)
    rows = connection.execute(
        text(
            "SELECT id, table_name, row_id, operation, actor, at, before, after FROM history"
            " WHERE table_name = :table AND row_id = :row"
            " AND (CAST(:older AS bigint) IS NULL OR id < :older)"
            " ORDER BY id DESC LIMIT :limit"
        ),
        {"table": table, "row": row_id, "older": older_than, "limit": limit},
    )
    return [Change(*row) for row in rows]


def list_changes(
    connection: Connection,
    *,
    table: str | None = None,
    actor: str | None = None,
    limit: int = 100,
    older_than: int | None = None,
) -> list[Change]:
    """List the changes of all rows, newest first.

    Parameters
    ----------
    connection : Connection
        Reading is enough.
    table : str, optional
        Only of one of `data.models.EDITED_TABLES`.
    actor : str, optional
        Only by this one.
    limit : int
        At most so many.
    older_than : int, optional
        Only entries with a lower number: the next page.

    Raises
    ------
    NotFoundError
        If the table keeps no history.
    """
    where = ["true"]
    if table is not None:
        _known(table)
        where.append("table_name = :table")
    if actor is not None:
        where.append("actor = :actor")
    if older_than is not None:
        where.append("id < :older")
    rows = connection.execute(
        text(
            "SELECT id, table_name, row_id, operation, actor, at, before, after FROM history"
            f" WHERE {' AND '.join(where)} ORDER BY id DESC LIMIT :limit"
        ),
        {"table": table, "actor": actor, "older": older_than, "limit": limit},
    )
    return [Change(*row) for row in rows]


def read_change(connection: Connection, history_id: int) -> Change:
    """Read one entry of the history.

    Raises
    ------
    NotFoundError
        If there is none of this number.
    """
    row = connection.execute(
        text(
            "SELECT id, table_name, row_id, operation, actor, at, before, after FROM history"
            " WHERE id = :id"
        ),
        {"id": history_id},
    ).one_or_none()
    if row is None:
        raise NotFoundError(
            f"The history has no change number {history_id}.",
            remedy="List /api/v1/history for the numbers there are.",
        )
    return Change(*row)


def row_at(
    connection: Connection, table: str, row_id: int, history_id: int, *, side: Side
) -> dict[str, Any] | None:
    """Return the whole row as it was just before or after one change; None where it was not.

    Raises
    ------
    NotFoundError
        If the row has no such entry.
    """
    _known(table)
    rows = connection.execute(
        text(
            "SELECT id, operation, after FROM history"
            " WHERE table_name = :table AND row_id = :row AND id <= :entry ORDER BY id"
        ),
        {"table": table, "row": row_id, "entry": history_id},
    ).all()
    if not rows or rows[-1].id != history_id:
        raise NotFoundError(
            f"Row {row_id} of {table} has no change number {history_id}.",
            remedy="See the history of the row for the numbers it has.",
        )
    image: dict[str, Any] | None = None
    for entry in rows if side == "after" else rows[:-1]:
        changed = entry.operation == "update"
        image = {**(image or {}), **entry.after} if changed else entry.after
    return image


def restore(
    connection: Connection,
    table: str,
    row_id: int,
    history_id: int,
    *,
    side: Side = "before",
) -> Restored:
    """Give a row back the state it had before (or after) one change; a deleted row comes back.

    The row keeps its id; its version rises as with every change, and the history gains an entry.

    Parameters
    ----------
    connection : Connection
        Inside `Database.transaction`.
    table : str
        One of `data.models.EDITED_TABLES`.
    row_id : int
        The row.
    history_id : int
        The change.
    side : {"before", "after"}
        ``before`` undoes the change and all later ones; ``after`` undoes only the later ones.

    Raises
    ------
    NotFoundError
        If the row has no such entry.
    InvalidRowError
        If there was no row then, or it breaks a rule that has come since.
    ConflictError
        If its code has been given to another row, or a row it belongs to is gone.
    """
    image = row_at(connection, table, row_id, history_id, side=side)
    if image is None:
        raise InvalidRowError(
            f"There was no row {row_id} of {table} {side} change {history_id}.",
            remedy="Delete the row if it should not be, or choose another change.",
        )
    columns = Base.metadata.tables[table].columns
    image = {name: value for name, value in image.items() if name in columns}
    unlinked = _unlink(connection, table, image)
    names = [name for name in image if name not in _OWN]
    listed = ", ".join(f'"{name}"' for name in names)
    taken = ", ".join(f'r."{name}"' for name in names)
    record = f"jsonb_populate_record(NULL::{table}, CAST(:image AS jsonb)) r"
    bound = {"row": row_id, "image": json.dumps(image), "table": table}
    with refusals_explained():
        version = connection.scalar(
            text(
                f"UPDATE {table} t SET ({listed}) = ROW ({taken}) FROM {record}"
                " WHERE t.id = :row RETURNING t.version"
            ),
            bound,
        )
        if version is None:
            # Versions go on where they ended, so that what was read before the delete is stale.
            version = connection.scalar(
                text(
                    f"INSERT INTO {table} (id, version, {listed}) SELECT :row, 1 +"
                    " (SELECT max((before ->> 'version')::int) FROM history"
                    "   WHERE table_name = :table AND row_id = :row AND operation = 'delete'),"
                    f" {taken} FROM {record} RETURNING version"
                ),
                bound,
            )
    return Restored(row_id, int(version or 1), unlinked)


def restore_change(
    connection: Connection, history_id: int, *, version: int, side: Side = "before"
) -> tuple[Change, Restored]:
    """Give the row of one change back the state it had before (or after) it, unless it is stale.

    Parameters
    ----------
    connection : Connection
        Inside `Database.transaction`.
    history_id : int
        The change.
    version : int
        Version of the row as the caller saw it; of a deleted row the last it had.
    side : {"before", "after"}
        As for `restore`.

    Returns
    -------
    tuple of Change and Restored

    Raises
    ------
    StaleRowError
        If the row is at another version by now; it holds the present row.
    NotFoundError, InvalidRowError, ConflictError
        As for `restore`.
    """
    change = read_change(connection, history_id)
    table, row = change.table, change.row_id
    # The row is held against other writers until the transaction ends; one that is gone may be
    # given back by another meanwhile, who then is told by the key.
    present = connection.scalar(
        text(f"SELECT version FROM {table} WHERE id = :row FOR UPDATE"), {"row": row}
    )
    last = row_history(connection, table, row, limit=1)[0]
    at = present if present is not None else last.version
    if at != version:
        if present is not None:
            feature, state = read_feature(connection, table, row), f"at version {at}"
        else:
            feature = {
                "type": "Feature",
                "id": f"{table}/{row}",
                "geometry": None,
                "properties": {"id": row, "version": at, "deleted": True},
            }
            state = f"deleted, at version {at}"
        raise StaleRowError(
            f"Row {row} of {table} is {state}, not at {version}: somebody changed it meanwhile.",
            present=feature,
            remedy=f"Look at the present row, then restore again with version {at}.",
        )
    return change, restore(connection, table, row, history_id, side=side)


def _unlink(connection: Connection, table: str, image: dict[str, Any]) -> tuple[str, ...]:
    """Empty the references of `image` to rows that are gone, where they may be empty."""
    gone = []
    for column in Base.metadata.tables[table].columns:
        for key in column.foreign_keys:
            value = image.get(column.name)
            if value is None or not column.nullable:
                continue
            found = connection.scalar(
                text(f"SELECT 1 FROM {key.column.table.name} WHERE id = :id"), {"id": value}
            )
            if found is None:
                image[column.name] = None
                gone.append(column.name)
    return tuple(gone)


def _known(table: str) -> None:
    if table not in EDITED_TABLES:
        raise NotFoundError(
            f"No history is kept of {table}.", remedy=f"Use one of: {', '.join(EDITED_TABLES)}."
        )


def _readable(image: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if image is None:
        return None
    readable = dict(image)
    if isinstance(readable.get("geom"), str):
        readable["geom"] = json.loads(shapely.to_geojson(shapely.from_wkb(readable["geom"])))
    return readable
