"""What an import did: counts, refused rows with reason and remedy, columns left out, warnings."""

from __future__ import annotations

import csv
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

REJECT_COLUMNS = ("row", "field", "value", "reason", "remedy")

_TOLD = 20
"""Refused rows told one by one; of the others how many."""
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


@dataclass(frozen=True, slots=True)
class Reject:
    """One row that was refused, and why.

    Attributes
    ----------
    row : int or str
        Row number in the file as a spreadsheet shows it (the header is row 1), or the key of a
        feature in files without rows.
    field : str
        Column as the file names it; empty where the row as a whole is at fault.
    value : object
        What stands there.
    reason, remedy : str
        What is wrong, and what to do about it.
    reason_zh, remedy_zh : str
        The same in Chinese; empty where the reader of the row has no Chinese for it.
    """

    row: int | str
    field: str
    value: Any
    reason: str
    remedy: str = ""
    reason_zh: str = ""
    remedy_zh: str = ""


@dataclass(frozen=True, slots=True)
class LeftOutColumn:
    """A column of the file that was not read, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class UpsertCounts:
    """Rows of a table that `data.importers.upsert.upsert` wrote or found as they were."""

    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    deleted: int = 0


@dataclass(slots=True)
class ImportReport:
    """Report of one import, filled while it runs.

    Attributes
    ----------
    kind : str
        What was imported: osm, areas, buildings, stations, households …
    file : str
        Name of the file.
    read : int
        Rows or features read.
    inserted, updated, unchanged, deleted : int
        Rows written, and rows found as they were.
    rejected : list of Reject
    left_out_columns : list of LeftOutColumn
        Columns not read: unknown, or refused as personal data.
    warnings : list of str
    dry_run : bool
        Whether nothing was kept.
    """

    kind: str
    file: str = ""
    read: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    deleted: int = 0
    rejected: list[Reject] = field(default_factory=list)
    left_out_columns: list[LeftOutColumn] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    dry_run: bool = False

    @property
    def changed(self) -> bool:
        """Whether the import changed anything."""
        return bool(self.inserted or self.updated or self.deleted)

    def count(self, counts: UpsertCounts) -> None:
        """Add the counts of one table."""
        self.inserted += counts.inserted
        self.updated += counts.updated
        self.unchanged += counts.unchanged
        self.deleted += counts.deleted

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain JSON values."""
        report = asdict(self)
        for reject in report["rejected"]:
            if not isinstance(reject["value"], str | int | float | bool | None):
                reject["value"] = str(reject["value"])
            for name in ("reason_zh", "remedy_zh"):
                if not reject[name]:
                    del reject[name]
        return report

    def told(self) -> list[str]:
        """Lines for whoever only used the file: warnings, refused rows, personal columns."""
        lines = [f"{self.file}: {warning}" for warning in self.warnings]
        lines += [
            f"{self.file} row {one.row}: {one.field} {one.value!r} {one.reason}. {one.remedy}"
            for one in self.rejected[:_TOLD]
        ]
        if len(self.rejected) > _TOLD:
            lines.append(f"{self.file}: {len(self.rejected) - _TOLD} more rows were rejected.")
        lines += [
            f"{self.file}: column {left.name!r} was left out: {left.reason}."
            for left in self.left_out_columns
            if "personal" in left.reason
        ]
        return lines

    def write_rejects(self, path: Path) -> None:
        """Write the refused rows as CSV with a byte order mark, which Excel needs for Chinese.

        Cells that a spreadsheet would run as a formula begin with an apostrophe.
        """
        with path.open("w", encoding="utf-8-sig", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(REJECT_COLUMNS)
            for reject in self.rejected:
                cells = (reject.row, reject.field, reject.value, reject.reason, reject.remedy)
                writer.writerow(map(_inert, cells))


def _inert(value: object) -> str:
    text = "" if value is None else str(value)
    runs = text.startswith(("=", "+", "-", "@", "\t", "\r")) and not _NUMBER.fullmatch(text)
    return f"'{text}" if runs else text
