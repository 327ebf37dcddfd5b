"""Many rows into one table by their key: new ones inserted, changed ones updated, others left."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, cast

import geopandas as gpd
import numpy as np
import pandas as pd
import psycopg
import shapely
from geoalchemy2 import Geometry
from sqlalchemy import Connection, text

from data.constraints import refusals_explained
from data.errors import InvalidRowError
from data.importers.report import UpsertCounts
from data.models import EDITED_TABLES, Base

__all__ = ["UpsertCounts", "upsert"]

_INTEGERS = {"int2": 2**15, "int4": 2**31, "int8": 2**63}
_SET_BY_DATABASE = {"id", "version", "updated_at"}


@dataclass(frozen=True, slots=True)
class _Column:
    """A column of the table as PostgreSQL knows it."""

    name: str
    kind: str
    default: str | None
    required: bool

    @property
    def value(self) -> str:
        """SQL of the incoming value; an empty cell means the default where there must be one."""
        incoming = f'i."{self.name}"'
        if self.required and self.default is not None:
            return f"coalesce({incoming}, {self.default})"
        return incoming


def upsert(
    connection: Connection,
    table: str,
    frame: pd.DataFrame,
    *,
    source: str,
    key: Literal["code", "id"] = "code",
    replace_source: bool = False,
) -> UpsertCounts:
    """Bring `table` to the rows of `frame`, matched by key, in the caller's transaction.

    Only columns that `frame` has are written. Where a column must have a value and has a default,
    an empty cell means the default. A row that is as it should be is not touched: it keeps
    version and history. Geometries are compared byte by byte.

    A column ``<name>_code`` fills ``<name>_id`` with the id of the row of that code in the table
    that ``<name>_id`` refers to: ``parent_code`` of areas (parents may be in the same frame),
    ``compound_code`` of gates, ``building_code`` of entrances …

    Parameters
    ----------
    connection : Connection
        Inside `Database.transaction`.
    table : str
        One of `data.models.EDITED_TABLES`.
    frame : DataFrame or GeoDataFrame
        Columns as in the table. The geometry is the active geometry column, EPSG:4326;
        polygons become multipolygons where the table holds those, heights are dropped.
    source : str
        Where the rows come from; written to ``source``.
    key : {"code", "id"}
        Column that names a row.
    replace_source : bool
        Also delete the rows of the same source that `frame` does not hold.

    Returns
    -------
    UpsertCounts
        Inserted, updated and deleted rows as the database counted them; unchanged is the rest of
        `frame`.

    Raises
    ------
    InvalidRowError
        If a key is missing or twice in `frame`, a code names no row, or a row breaks a rule of
        the table. Nothing is half-written: the transaction has to end.
    """
    if table not in EDITED_TABLES:
        raise ValueError(f"{table} is not a table of rows with a code.")
    columns = _columns(connection, table)
    frame, codes = _checked(table, frame, columns, key)
    with refusals_explained(), connection.begin_nested():
        return _write(
            connection, table, frame, columns, codes, source, key, replace_source=replace_source
        )


def _columns(connection: Connection, table: str) -> dict[str, _Column]:
    rows = connection.execute(
        text(
            "SELECT a.attname, t.typname, pg_get_expr(d.adbin, d.adrelid), a.attnotnull"
            "  FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid"
            "  LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum"
            " WHERE a.attrelid = to_regclass(:table) AND a.attnum > 0 AND NOT a.attisdropped"
            " ORDER BY a.attnum"
        ),
        {"table": table},
    )
    return {name: _Column(name, kind, default, must) for name, kind, default, must in rows}


def _checked(
    table: str, frame: pd.DataFrame, columns: dict[str, _Column], key: str
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Frame with the geometry in ``geom``, and the tables that its code columns refer to."""
    if isinstance(frame, gpd.GeoDataFrame) and frame.active_geometry_name:
        crs = frame.crs
        if crs is not None and crs.to_epsg() != 4326:
            raise ValueError(f"{table} needs EPSG:4326, not {crs.to_string()}.")
        name = frame.active_geometry_name
        frame = pd.DataFrame(frame).rename(columns={name: "geom"})
    codes = {
        name: link
        for name in frame.columns
        if name not in columns and (link := _referred(table, name)) is not None
    }
    unknown = [str(c) for c in frame.columns if c not in columns and c not in codes]
    forbidden = [str(c) for c in frame.columns if c in _SET_BY_DATABASE - {key} | {"source"}]
    if unknown or forbidden:
        raise ValueError(f"{table} takes no column {', '.join(unknown + forbidden)}.")
    if key not in frame.columns:
        raise ValueError(f"The rows for {table} have no column {key}.")
    keys = frame[key]
    if keys.isna().any():
        raise InvalidRowError(
            f"{table}: {int(keys.isna().sum())} rows have no {key}.",
            remedy="Give every row a code of its own.",
        )
    twice = keys[keys.duplicated()]
    if len(twice):
        raise InvalidRowError(
            f"{table}: the same {key} stands in more than one row: {_some(twice)}.",
            remedy="Keep one row for each code.",
        )
    return frame.reset_index(drop=True), codes


def _referred(table: str, code_column: str) -> str | None:
    """Table that ``<name>_id`` refers to, for a column ``<name>_code``."""
    if not str(code_column).endswith("_code"):
        return None
    column = Base.metadata.tables[table].columns.get(_linked(code_column))
    if column is None:
        return None
    return next((fk.column.table.name for fk in column.foreign_keys), None)


def _some(values: Iterable[Any], most: int = 5) -> str:
    distinct = list(dict.fromkeys(map(str, values)))
    more = f" and {len(distinct) - most} more" if len(distinct) > most else ""
    return ", ".join(distinct[:most]) + more


def _write(
    connection: Connection,
    table: str,
    frame: pd.DataFrame,
    columns: dict[str, _Column],
    codes: dict[str, str],
    source: str,
    key: str,
    *,
    replace_source: bool,
) -> UpsertCounts:
    rounds = _rounds(table, frame, codes, key)
    own = [columns[name] for name in frame.columns if name in columns]
    _receive(connection, table, frame, own, list(codes), rounds)

    written = [columns[_linked(code)] for code in codes]
    written += [column for column in own if column.name != key]
    names = [column.name for column in written] + ["source"]
    values = [column.value for column in written] + ["CAST(:source AS text)"]
    here = ", ".join(f't."{name}"' for name in names)
    update = text(
        f"UPDATE {table} t SET ({_listed(names)}) = ROW ({', '.join(values)}) FROM incoming i"
        f" WHERE t.{key} = i.{key} AND i.round = :round"
        f" AND ({here}) IS DISTINCT FROM ({', '.join(values)})"
    )
    insert = text(
        f"INSERT INTO {table} ({_listed([key, *names])})"
        f" SELECT i.{key}, {', '.join(values)} FROM incoming i"
        f" WHERE i.round = :round AND NOT EXISTS"
        f" (SELECT 1 FROM {table} t WHERE t.{key} = i.{key})"
        f" ON CONFLICT ({key}) DO NOTHING"
    )
    inserted = updated = deleted = 0
    for number in range(int(rounds.max(initial=0)) + 1):
        bound = {"source": source, "round": number}
        for code, target in codes.items():
            _resolve(connection, table, code, target, key, number)
        new = connection.execute(insert, bound).rowcount
        inserted += new
        # After the insert, so that rows which another transaction put in meanwhile are seen too:
        # they take our values.
        if new < int((rounds == number).sum()):
            updated += connection.execute(update, bound).rowcount
    if replace_source:
        deleted = connection.execute(
            text(
                f"DELETE FROM {table} t WHERE t.source = :source AND NOT EXISTS"
                f" (SELECT 1 FROM incoming i WHERE i.{key} = t.{key})"
            ),
            {"source": source},
        ).rowcount
    connection.execute(text("DROP TABLE incoming"))
    return UpsertCounts(inserted, updated, len(frame) - inserted - updated, deleted)


def _linked(code: str) -> str:
    return code.removesuffix("_code") + "_id"


def _listed(names: list[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _rounds(
    table: str, frame: pd.DataFrame, codes: dict[str, str], key: str
) -> np.ndarray[Any, np.dtype[np.int32]]:
    """Round in which each row is written: rows that others of this frame refer to come first."""
    rounds = np.zeros(len(frame), dtype=np.int32)
    own = [code for code, target in codes.items() if target == table]
    if not own or key != "code" or not len(frame):
        return rounds
    row_of = {code: row for row, code in enumerate(frame["code"])}
    above = frame[own[0]].map(row_of)
    parent = above.fillna(-1).to_numpy(dtype=np.int64)
    pending = parent >= 0
    while pending.any():
        rounds[pending] += 1
        still = pending.copy()
        still[pending] = pending[parent[pending]]
        if np.array_equal(still, pending):
            raise InvalidRowError(
                f"{table}: {_some(frame.loc[pending, 'code'])} lie in each other in a circle.",
                remedy=f"Correct the column {own[0]}.",
            )
        pending = still
    return rounds


def _resolve(
    connection: Connection, table: str, code: str, target: str, key: str, number: int
) -> None:
    """Fill the id column of one code column for the rows of one round."""
    name = _linked(code)
    bound = {"round": number}
    connection.execute(
        text(
            f'UPDATE incoming i SET "{name}" = r.id FROM {target} r'
            f' WHERE r.code = i."{code}" AND i.round = :round'
        ),
        bound,
    )
    missing = connection.execute(
        text(
            f'SELECT i.{key}, i."{code}" FROM incoming i'
            f' WHERE i."{code}" IS NOT NULL AND i."{name}" IS NULL AND i.round = :round LIMIT 6'
        ),
        bound,
    ).all()
    if missing:
        unknown = _some(f"{named} (of {row})" for row, named in missing)
        raise InvalidRowError(
            f"{table}: {code} names no row of {target}: {unknown}.",
            remedy=f"Import the {target} first, or correct the code.",
        )


def _receive(
    connection: Connection,
    table: str,
    frame: pd.DataFrame,
    own: list[_Column],
    codes: list[str],
    rounds: np.ndarray[Any, np.dtype[np.int32]],
) -> None:
    """Copy the frame into the temporary table ``incoming``, with columns typed as in `table`."""
    listed = _listed([column.name for column in own])
    added = "".join(f', NULL::text AS "{code}", NULL::int8 AS "{_linked(code)}"' for code in codes)
    connection.execute(
        text(
            f"CREATE TEMP TABLE incoming ON COMMIT DROP AS"
            f" SELECT {listed}, 0 AS round{added} FROM {table} WITH NO DATA"
        )
    )
    copied = [*own, *(_Column(code, "text", None, required=False) for code in codes)]
    cells = [_cells(table, frame[column.name], column) for column in copied]
    names = _listed([column.name for column in copied])
    driver = cast("psycopg.Connection[Any]", connection.connection.driver_connection)
    with (
        driver.cursor() as cursor,
        cursor.copy(f"COPY incoming ({names}, round) FROM STDIN") as copy,
    ):
        for row in zip(*cells, rounds.tolist(), strict=True):
            copy.write_row(row)
    connection.execute(text("ANALYZE incoming"))


def _cells(table: str, values: pd.Series, column: _Column) -> list[Any]:
    """Python values of one column; None where empty."""
    if column.kind == "geometry":
        return _geometries(table, values.to_numpy(dtype=object))
    if column.kind in _INTEGERS:
        return _integers(table, values, column)
    empty = values.isna().to_numpy()
    cells = values.astype(object).tolist()
    return [None if gone else cell for cell, gone in zip(cells, empty, strict=True)]


def _geometries(table: str, shapes: np.ndarray[Any, np.dtype[np.object_]]) -> list[Any]:
    shapes = shapely.force_2d(shapes)
    kind = cast("Geometry", Base.metadata.tables[table].columns["geom"].type)
    if kind.geometry_type == "MULTIPOLYGON":
        single = shapely.get_type_id(shapes) == shapely.GeometryType.POLYGON
        shapes[single] = shapely.multipolygons(shapes[single, np.newaxis])
    hexes = shapely.to_wkb(shapely.set_srid(shapes, 4326), hex=True, include_srid=True)
    cells: list[Any] = hexes.tolist()
    return cells


def _integers(table: str, values: pd.Series, column: _Column) -> list[Any]:
    numbers = pd.to_numeric(values, errors="coerce")
    bound = _INTEGERS[column.kind]
    fits = numbers.eq(np.floor(numbers)) & numbers.lt(bound) & numbers.ge(-bound)
    wrong = values.notna() & ~fits
    if wrong.any():
        raise InvalidRowError(
            f"{table}.{column.name}: {_some(values[wrong])} is not a whole number in range.",
            remedy="Give a whole number.",
        )
    return [None if pd.isna(number) else int(number) for number in numbers.tolist()]
