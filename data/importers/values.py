"""Cells to values: numbers as people write them, refused where they are not numbers."""

from __future__ import annotations

import datetime as dt
import math
import re
import unicodedata

_UNIT = re.compile(r"(户|人|层|单元|个|座|席|平方米|平米|㎡|m2|m²|元)$")

_EMPTY = ("", "-", "—", "/", "nan", "NaT", "None", "<NA>", "无")
_DATE = re.compile(
    r"(\d{4})(?:\s*年\s*(\d{1,2})\s*月\s*(\d{1,2})\s*[日号]"
    r"|([-/.])(\d{1,2})\4(\d{1,2})|(\d{2})(\d{2}))(?:[T\s]+\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?)?"
)


class CellError(ValueError):
    """A cell is not what its column holds; the message is the reason, ``remedy`` what to write."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.remedy = remedy


def count(cell: object, *, least: int = 0, most: int = 100_000) -> int | None:
    """A whole number, or None for an empty cell.

    Full-width digits, thousands separators and a trailing unit (户, 人, 层) are read; words such
    as 约 (about) are refused, since a ledger must say how many.

    Raises
    ------
    CellError
        If the cell is no whole number between ``least`` and ``most``.
    """
    value = number(cell)
    if value is None:
        return None
    if value != int(value):
        raise CellError("is not a whole number", "Write a whole number, for example 300.")
    if not least <= value <= most:
        raise CellError(
            f"is not between {least} and {most:,}", "Correct the number or leave the cell empty."
        )
    return int(value)


def number(cell: object) -> float | None:
    """A number, or None for an empty cell.

    Raises
    ------
    CellError
        If the cell is no finite number.
    """
    text = unicodedata.normalize("NFKC", "" if cell is None else str(cell)).strip()
    if text in _EMPTY:
        return None
    text = _UNIT.sub("", text.replace(",", "").replace("，", "")).strip()
    try:
        value = float(text)
    except ValueError:
        raise CellError(
            "is not a number", "Write digits only, for example 300; leave unknown cells empty."
        ) from None
    if not math.isfinite(value):
        raise CellError("is not a finite number", "Leave unknown cells empty.")
    return value


def date(cell: object) -> dt.date | None:
    """A calendar day, or None for an empty cell.

    Read are ``2026-11-01``, ``2026/11/1``, ``2026.11.1``, ``20261101`` and ``2026年11月1日``, full
    width too; a time of day behind it is dropped.

    Raises
    ------
    CellError
        If the cell is no day, month and day in another order included.
    """
    text = unicodedata.normalize("NFKC", "" if cell is None else str(cell)).strip()
    if text in _EMPTY:
        return None
    match = _DATE.fullmatch(text)
    if match is None:
        raise CellError(
            "is not a date", "Write year, month, day: 2026-11-01 or 2026年11月1日; or leave empty."
        )
    year, *parts = (part for part in match.groups() if part and part.isdigit())
    month, day = parts
    try:
        return dt.date(int(year), int(month), int(day))
    except ValueError:
        raise CellError(
            "is not a day of the calendar", "Correct the month and the day, or leave it empty."
        ) from None
