"""What has changed in the database since last asked: one small question before every answer."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from types import MappingProxyType

import psycopg
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from data.database import Database

_CHANGES = text(
    """
    SELECT s::text AS snapshot,
           pg_snapshot_xmin(s)::text::bigint AS settled_below,
           (SELECT version FROM network_versions WHERE is_current) AS network,
           coalesce((SELECT max(id) FROM base_features), 0) AS base,
           coalesce((SELECT max(id) FROM imports), 0) AS imports,
           (SELECT md5(city::text) FROM city) AS city,
           (SELECT jsonb_object_agg(table_name, jsonb_build_array(seen, settled))
              FROM (SELECT table_name, count(*) AS seen,
                           count(*) FILTER (
                               WHERE transaction < pg_snapshot_xmin(s)::text::bigint
                           ) AS settled
                      FROM history WHERE transaction >= :settled_below
                     GROUP BY table_name) counted) AS tables
      FROM (SELECT pg_current_snapshot() AS s) now
    """
)


@dataclass(frozen=True, slots=True)
class DataVersions:
    """What every part of the database is at.

    Attributes
    ----------
    tables : mapping of str to int
        Changes so far of each table with history.
    network : str or None
        Current network version.
    base : int
        Newest base-map feature or barrier.
    imports : int
        Newest import.
    city : str
        Digest of the city's row.
    """

    tables: Mapping[str, int] = field(default_factory=dict)
    network: str | None = None
    base: int = 0
    imports: int = 0
    city: str = ""

    def of(self, tables: Iterable[str]) -> tuple[int, ...]:
        """Count the changes so far of some tables; equal tuples mean equal rows."""
        return tuple(self.tables.get(table, 0) for table in tables)

    @property
    def everything(self) -> str:
        """One word that differs whenever anything a tile shows does."""
        tables = ",".join(f"{name}:{count}" for name, count in sorted(self.tables.items()))
        return f"{self.network}|{self.base}|{self.imports}|{self.city}|{tables}"


class ChangeWatch:
    """Counts the changes of each table from the history that the database writes itself.

    Most answers need one question that touches no table: as long as PostgreSQL's snapshot reads
    the same, no transaction that writes has begun or ended. Otherwise the history rows of
    transactions that were not settled last time are counted again. Numbers given out in a
    sequence would not do: a transaction may commit after one with higher numbers.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._snapshot = ""
        self._settled_below = 0
        self._settled: Counter[str] = Counter()
        self._versions = DataVersions()

    def now(self, database: Database) -> DataVersions:
        """Look what a database is at now; a server that was restarted is asked once more."""
        try:
            with database.look() as connection:
                return self.read(connection)
        except (OperationalError, psycopg.OperationalError):
            with database.look() as connection:
                return self.read(connection)

    def read(self, connection: Connection) -> DataVersions:
        """Look what the database is at now.

        Parameters
        ----------
        connection : Connection
            In READ COMMITTED isolation; in a transaction of its own or before anything else.
        """
        # Past SQLAlchemy, whose share of so short a question is ten times the server's.
        with closing(connection.connection.cursor()) as cursor:
            cursor.execute("SELECT pg_current_snapshot()::text")
            (snapshot,) = cursor.fetchone() or ("",)
        with self._lock:
            if snapshot == self._snapshot:
                return self._versions
            row = connection.execute(_CHANGES, {"settled_below": self._settled_below}).one()
            counts: dict[str, list[int]] = row.tables or {}
            seen = self._settled + Counter({table: c[0] for table, c in counts.items()})
            self._settled += Counter({table: c[1] for table, c in counts.items()})
            self._settled_below = row.settled_below
            self._snapshot = row.snapshot
            versions = DataVersions(
                MappingProxyType(dict(seen)),
                row.network,
                row.base,
                row.imports,
                row.city or "",
            )
            # The same object as long as nothing differs: who holds it need not compare.
            if versions != self._versions:
                self._versions = versions
            return self._versions
