"""Reading a ledger: CSV in any Chinese encoding, or XLSX with titles above its header."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path

import openpyxl
import pandas as pd
from openpyxl.utils.exceptions import InvalidFileException

from data.errors import SourceFileError
from data.importers.headers import match_headers

ENCODINGS = ("utf-8-sig", "gb18030", "utf-16")
"""Tried in this order; GB18030 holds GBK and GB2312."""
HEADER_WITHIN = 10
"""Rows looked through for the header."""
TABLE_ENDINGS = (".csv", ".txt", ".tsv", ".xlsx", ".xlsm")


@dataclass(frozen=True, slots=True)
class Table:
    """Cells of a ledger as text.

    Attributes
    ----------
    frame : DataFrame of str
        Indexed by the row number a spreadsheet shows; empty cells are ''.
    """

    frame: pd.DataFrame


def read_table(path: Path, layer: str) -> Table:
    """Read a CSV or XLSX ledger.

    Parameters
    ----------
    path : Path
    layer : str
        Section of ``headers.toml``; the row that matches most of its words is the header.

    Raises
    ------
    SourceFileError
        If the file cannot be read, is empty or has no header.
    """
    rows = _xlsx_rows(path) if path.suffix.lower() in (".xlsx", ".xlsm") else _csv_rows(path)
    filled = [(n, row) for n, row in enumerate(rows, start=1) if any(cell.strip() for cell in row)]
    if not filled:
        raise SourceFileError(f"{path.name} is empty.", remedy="Give a file with a header row.")
    best = max(
        filled[:HEADER_WITHIN],
        key=lambda item: len(match_headers([c for c in item[1] if c], layer).column),
    )
    header_at, header = best
    if not match_headers([c for c in header if c], layer).column:
        raise SourceFileError(
            f"{path.name}: no row among the first {HEADER_WITHIN} names a known column.",
            remedy="Name the columns as docs/importing.md lists them, for example id, lon, lat.",
        )
    width = len(header)
    names = [cell.strip() or f"column {i + 1}" for i, cell in enumerate(header)]
    twice = {name for name in names if names.count(name) > 1}
    names = [
        f"{n} ({i + 1})" if n in twice and i != names.index(n) else n for i, n in enumerate(names)
    ]
    body = [(n, row) for n, row in filled if n > header_at]
    frame = pd.DataFrame(
        [(row + [""] * width)[:width] for _, row in body],
        columns=names,
        index=[n for n, _ in body],
        dtype=str,
    )
    return Table(frame.apply(lambda column: column.str.strip()) if len(frame) else frame)


def _csv_rows(path: Path) -> list[list[str]]:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise SourceFileError(f"{path}: {error.strerror}.", remedy="Check the path.") from error
    for encoding in ENCODINGS:
        try:
            text = raw.decode(encoding)
        except UnicodeError:
            continue
        if "\x00" not in text:
            break
    else:
        raise SourceFileError(
            f"{path.name} is no text file in UTF-8, GBK or UTF-16.",
            remedy="Save it as CSV UTF-8 from the spreadsheet program.",
        )
    first = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = max(",\t;|，", key=first.count)
    return list(csv.reader(io.StringIO(text), delimiter=delimiter))


def _xlsx_rows(path: Path) -> list[list[str]]:
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except (InvalidFileException, OSError, KeyError, ValueError) as error:
        raise SourceFileError(
            f"{path.name} cannot be read as XLSX: {error}.", remedy="Save it anew as .xlsx or .csv."
        ) from error
    try:
        sheet = book.worksheets[0]
        return [[_text(cell) for cell in row] for row in sheet.iter_rows(values_only=True)]
    finally:
        book.close()


def _text(cell: object) -> str:
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell)
