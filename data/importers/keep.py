"""The last step of every import: rows into their table, located, noted, in one transaction."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
from sqlalchemy import Connection, text

from data.database import Database
from data.importers.report import ImportReport
from data.importers.upsert import upsert
from data.location import locate


def keep(
    database: Database,
    table: str,
    frame: pd.DataFrame,
    report: ImportReport,
    path: Path,
    *,
    actor: str,
    dry_run: bool = False,
    before: Callable[[Connection], None] | None = None,
) -> ImportReport:
    """Upsert rows by code, after what ``before`` looks up for the report; see `write`."""

    def rows(connection: Connection) -> None:
        if before is not None:
            before(connection)
        if len(frame):
            report.count(upsert(connection, table, frame, source=f"file:{path.name}"))

    return write(database, rows, report, path, actor=actor, dry_run=dry_run)


def write(
    database: Database,
    rows: Callable[[Connection], None],
    report: ImportReport,
    path: Path,
    *,
    actor: str,
    dry_run: bool = False,
) -> ImportReport:
    """Run ``rows``, find compound, community and grid of everything, and note the import.

    Parameters
    ----------
    database : Database
    rows : callable
        Writes what was read and fills the report.
    report : ImportReport
    path : Path
        The file, whose digest is noted.
    actor : str
        Who does this, for the history.
    dry_run : bool
        Do everything, report, and keep nothing.
    """
    with database.transaction(actor) as connection:
        kept = connection.begin_nested()
        rows(connection)
        locate(connection)
        if dry_run:
            kept.rollback()
            report.dry_run = True
            return report
        note_import(connection, report, path, actor=actor)
    return report


def note_import(connection: Connection, report: ImportReport, path: Path, *, actor: str) -> None:
    """Note an import with the digest of its file."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    connection.execute(
        text(
            "INSERT INTO imports (actor, kind, file_name, file_sha256, report)"
            " VALUES (:actor, :kind, :file_name, :sha256, CAST(:report AS jsonb))"
        ),
        {
            "actor": actor,
            "kind": report.kind,
            "file_name": path.name,
            "sha256": digest,
            "report": json.dumps(report.to_dict(), ensure_ascii=False),
        },
    )
