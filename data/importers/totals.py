"""Known totals of communities from a ledger, spread over the buildings no ledger counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from sqlalchemy import Connection, Row, text

from data.database import Database
from data.errors import SourceFileError
from data.importers.headers import match_headers
from data.importers.households import estimate_missing
from data.importers.keep import write
from data.importers.personal_data import leave_out, masked
from data.importers.report import ImportReport, LeftOutColumn, Reject
from data.importers.tables import read_table
from data.importers.values import CellError, count

Progress = Callable[[str, float], None]

_LIMITS = {"households": (0, 1_000_000), "people": (0, 5_000_000)}


@dataclass(frozen=True, slots=True)
class _Total:
    """One good row."""

    row: int
    code: str
    name: str
    households: int
    people: int | None


def import_totals(
    database: Database,
    path: Path | str,
    *,
    actor: str,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> ImportReport:
    """Keep the totals of communities, and estimate their buildings so that they add up to them.

    Surveyed counts of buildings are never touched: what is left of a total goes to the other
    residential buildings of the community, by floor area, marked as estimated. Buildings without
    a total keep their plain estimate. Later imports of ledgers spread what is left then.

    Parameters
    ----------
    database : Database
    path : Path
        CSV or XLSX with the code (or the name) of a community and its households; people too where
        known.
    actor : str
        Who does this, for the history.
    dry_run : bool
        Do everything, report, and keep nothing.
    progress : callable, optional
        Told stage and share done.

    Returns
    -------
    ImportReport
        ``read`` counts rows; ``updated`` and ``unchanged`` count buildings.

    Raises
    ------
    SourceFileError
        If the file cannot be read, or has no community or no households.
    """
    path = Path(path)
    report = ImportReport("totals", path.name)
    if progress is not None:
        progress("Reading the totals", 0.1)
    frame, left = leave_out(read_table(path, "areas").frame)
    match = match_headers(list(frame.columns), "areas")
    column = {f: c for f, c in match.column.items() if f in ("code", "name", *_LIMITS)}
    report.left_out_columns += left
    report.left_out_columns += [
        LeftOutColumn(str(name), "no field of totals")
        for name in frame.columns
        if name not in column.values()
    ]
    report.warnings += match.hints
    report.read = len(frame)
    if "households" not in column or not {"code", "name"} & set(column):
        raise SourceFileError(
            f"{path.name} needs a column of households, and the code or the name of the community; "
            f"it has {', '.join(frame.columns)}.",
            remedy="Name them 社区编码 and 户数, or as docs/importing.md lists them.",
        )
    rows = _rows(frame, column, report)

    def store(connection: Connection) -> None:
        if progress is not None:
            progress("Spreading the totals", 0.5)
        communities = _communities(connection, rows, column, report)
        if not communities:
            return
        _keep(connection, communities, path)
        updated, unchanged = estimate_missing(connection, communities=set(communities))
        report.updated += updated
        report.unchanged += unchanged

    return write(database, store, report, path, actor=actor, dry_run=dry_run)


def _rows(frame: pd.DataFrame, column: dict[str, str], report: ImportReport) -> list[_Total]:
    good = []
    for row in frame.index:
        cells = {field: str(frame.at[row, name]).strip() for field, name in column.items()}
        numbers: dict[str, int | None] = {}
        faults = []
        for field, (least, most) in _LIMITS.items():
            try:
                numbers[field] = count(cells.get(field), least=least, most=most)
            except CellError as error:
                faults.append(
                    Reject(row, column[field], masked(cells[field]), str(error), error.remedy)
                )
        code, name = cells.get("code", "").removesuffix(".0"), cells.get("name", "")
        if not code and not name:
            faults.append(
                Reject(
                    row,
                    column.get("code", column.get("name", "")),
                    "",
                    "is empty",
                    "Name the community by its code.",
                )
            )
        households = numbers.get("households")
        if not faults and households is None:
            faults.append(
                Reject(row, column["households"], "", "is empty", "Give the number of households.")
            )
        report.rejected += faults
        if not faults and households is not None:
            good.append(_Total(row, code, name, households, numbers.get("people")))
    return good


def _communities(
    connection: Connection, rows: list[_Total], column: dict[str, str], report: ImportReport
) -> dict[int, _Total]:
    """Total by id of its community; what cannot be goes to the report."""
    known = connection.execute(
        text("""
            SELECT a.id, a.code, a.name, a.level,
                   coalesce(sum(b.households) FILTER (WHERE b.households_source = 'surveyed'), 0)
                       AS surveyed,
                   coalesce(sum(b.people) FILTER (WHERE b.people_source = 'surveyed'), 0)
                       AS surveyed_people,
                   count(b.id) FILTER (WHERE b.households_source <> 'surveyed'
                       AND b.kind IN ('high_rise', 'multi_storey', 'bungalow')) AS open
              FROM areas a LEFT JOIN buildings b ON b.community_id = a.id
             GROUP BY a.id ORDER BY a.id
        """)
    ).all()
    by_code = {area.code: area for area in known}
    by_name: dict[str, list[Row[Any]]] = {}
    for area in known:
        if area.level == "community":
            by_name.setdefault(area.name, []).append(area)
    found: dict[int, _Total] = {}
    for total in rows:
        named = by_name.get(total.name, [])
        only = named[0] if len(named) == 1 else None
        place: Row[Any] | None = by_code.get(total.code) if total.code else only
        fault = _fault(total, place, found, namesakes=len(named))
        if fault is not None:
            field, reason, remedy = fault
            value = {"code": total.code or total.name}.get(field) or getattr(total, field)
            name = column.get(field) or column.get("name", field)
            report.rejected.append(Reject(total.row, name, value, reason, remedy))
        elif place is not None:
            found[place.id] = total
    return found


def _fault(
    total: _Total, area: Row[Any] | None, found: dict[int, _Total], *, namesakes: int
) -> tuple[str, str, str] | None:
    """Field, reason and remedy of what is wrong with a row; None where nothing is."""
    if area is None and not total.code and namesakes > 1:
        return "name", f"is the name of {namesakes} communities", "Give the code."
    if area is None:
        return (
            "code",
            "is no area that is known",
            "Import the communities first (gridcircle import layer FILE --as areas), "
            "or correct the code.",
        )
    if area.level != "community":
        return (
            "code",
            f"is a {area.level}, not a community",
            "Give the total of each community; that of a larger area cannot be spread.",
        )
    if area.id in found:
        return (
            "code",
            f"stands in row {found[area.id].row} already",
            "Give each community one row.",
        )
    for field, surveyed in (("households", area.surveyed), ("people", area.surveyed_people)):
        value = getattr(total, field)
        if value is not None and value < surveyed:
            return (
                field,
                f"is less than the {surveyed} {field} that ledgers count there",
                "Correct the total, or the ledger of the buildings.",
            )
    if total.households > area.surveyed and not area.open:
        return (
            "households",
            f"leaves {total.households - area.surveyed} households and no residential building "
            "without a surveyed count to give them to",
            "Import the buildings first, with kinds: high-rise, multi-storey or bungalow.",
        )
    return None


def _keep(connection: Connection, communities: dict[int, _Total], path: Path) -> None:
    connection.execute(
        text("""
            INSERT INTO community_totals AS t (area_id, households, people, source)
            SELECT * FROM unnest(CAST(:area AS bigint[]), CAST(:households AS int[]),
                                 CAST(:people AS int[]), CAST(:source AS text[]))
            ON CONFLICT (area_id) DO UPDATE
               SET households = excluded.households, people = excluded.people,
                   source = excluded.source, updated_at = now()
             WHERE (t.households, t.people) IS DISTINCT FROM (excluded.households, excluded.people)
        """),
        {
            "area": list(communities),
            "households": [total.households for total in communities.values()],
            "people": [total.people for total in communities.values()],
            "source": [f"file:{path.name}"] * len(communities),
        },
    )
