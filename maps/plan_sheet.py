"""The change sheet of a plan that a street office signs: old grid, new grid, buildings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from openpyxl import Workbook
from openpyxl.styles import Alignment, Border, Font, PatternFill, Side
from openpyxl.utils import get_column_letter

from maps.messages import messages

_TOTALS = ("grids", "households", "people", "buildings", "broken")
_NAMES = 30
"""Buildings named in one row of the print; the workbook has all."""
_INK = "1D2733"
_HEAD = "14304D"


@dataclass(frozen=True, slots=True)
class ChangeSheet:
    """What a sheet says.

    Attributes
    ----------
    city : str
    before, after : str
        Names of the plans; ``before`` is empty where there was none.
    date : str
        When the sheet was made, as it is printed.
    language : str
    compared : mapping
        ``totals`` (before, after), ``grids`` and ``moved``, as the comparison of plans gives them.
    """

    city: str
    before: str
    after: str
    date: str
    language: str
    compared: Mapping[str, Any]

    @property
    def words(self) -> dict[str, str]:
        """Words of the sheet's language."""
        return messages(self.language)

    @property
    def title(self) -> str:
        """The line at the head of the sheet."""
        return self.words["sheet_title"].format(plan=self.after)

    def about(self) -> list[tuple[str, str]]:
        """Pairs below the title: what is compared with what, and when."""
        words = self.words
        return [
            (words["sheet_city"], self.city),
            (words["sheet_before"], self.before or "–"),
            (words["sheet_after"], self.after),
            (words["sheet_date"], self.date),
        ]

    def totals(self) -> tuple[list[str], list[list[Any]]]:
        """Head and rows of the table of totals."""
        words, totals = self.words, self.compared["totals"]
        before, after = totals["before"] or {}, totals["after"] or {}
        rows: list[list[Any]] = []
        for key in _TOTALS:
            if key in before or key in after:
                was, now = before.get(key) or 0, after.get(key) or 0
                name = words["plan_broken_short" if key == "broken" else key]
                rows.append([name, was, now, now - was])
        head = ["", words["totals_before"], words["totals_after"], words["sheet_difference"]]
        return head, rows

    def grids(self) -> tuple[list[str], list[list[Any]]]:
        """Head and rows of the grids that change."""
        words = self.words
        head = [
            words["compare_from"],
            words["compare_to"],
            words["sheet_households_before"],
            words["sheet_households_after"],
            words["sheet_people_before"],
            words["sheet_people_after"],
        ]
        keys = (
            "code_before",
            "code_after",
            "households_before",
            "households_after",
            "people_before",
            "people_after",
        )
        rows = [[_shown(grid.get(key)) for key in keys] for grid in self.compared["grids"]]
        return head, rows

    def moves(self) -> tuple[list[str], list[list[Any]]]:
        """Head and rows of old grid → new grid, each with the buildings that make the move."""
        words = self.words
        head = [
            words["compare_from"],
            words["compare_to"],
            words["buildings"],
            words["households"],
            words["people"],
            words["sheet_which"],
        ]
        pairs: dict[tuple[Any, Any], list[Mapping[str, Any]]] = {}
        for one in self.compared["moved"]:
            pairs.setdefault((one.get("from"), one.get("to")), []).append(one)
        rows: list[list[Any]] = []
        for (old, new), some in pairs.items():
            names = [_named(one) for one in some[:_NAMES]]
            if len(some) > _NAMES:
                names.append(words["sheet_more_names"].format(n=len(some) - _NAMES))
            rows.append(
                [
                    _shown(old),
                    _shown(new),
                    len(some),
                    sum(one.get("households") or 0 for one in some),
                    sum(one.get("people") or 0 for one in some),
                    words["sheet_comma"].join(names),
                ]
            )
        return head, rows

    def moved(self) -> tuple[list[str], list[list[Any]]]:
        """Head and rows of the buildings that change grid."""
        words = self.words
        head = [
            words["compare_building"],
            words["compare_from"],
            words["compare_to"],
            words["households"],
            words["people"],
        ]
        rows = [
            [
                _named(one),
                _shown(one.get("from")),
                _shown(one.get("to")),
                one.get("households") or 0,
                one.get("people") or 0,
            ]
            for one in self.compared["moved"]
        ]
        return head, rows


def _named(one: Mapping[str, Any]) -> str:
    return str(one.get("name") or one.get("building_code") or one["building"])


def _shown(value: Any) -> Any:
    return "–" if value is None else value


def change_sheet_xlsx(sheet: ChangeSheet) -> bytes:
    """Write the sheet as a workbook: totals, grids, buildings, each on a page of its own.

    Parameters
    ----------
    sheet : ChangeSheet
    """
    words = sheet.words
    book = Workbook()
    first = book.active
    first.title = words["sheet_totals"]
    first["A1"] = sheet.title
    first["A1"].font = Font(size=16, bold=True, color=_INK)
    for row, (name, value) in enumerate(sheet.about(), start=3):
        first.cell(row, 1, name)
        first.cell(row, 2, _text(value))
    _fill(first, 8, *sheet.totals())
    for place, who in enumerate(("made", "checked", "office")):
        first.cell(16 + place * 2, 1, words[f"sheet_sign_{who}"])
        first.cell(16 + place * 2, 2).border = Border(bottom=Side(style="thin"))
    for name, (head, rows) in (
        (words["compare_grids"], sheet.grids()),
        (words["compare_moved"], sheet.moved()),
    ):
        page = book.create_sheet(name[:31])
        _fill(page, 1, head, rows)
        page.freeze_panes = "A2"
        page.auto_filter.ref = page.dimensions
        page.print_title_rows = "1:1"
    for page in book.worksheets:
        page.page_setup.paperSize = page.PAPERSIZE_A4
        page.page_setup.fitToWidth = 1
        page.page_setup.fitToHeight = 0
        page.sheet_properties.pageSetUpPr.fitToPage = True
        _widths(page)
    out = BytesIO()
    book.save(out)
    return out.getvalue()


def _fill(page: Any, top: int, head: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    for column, name in enumerate(head, start=1):
        cell = page.cell(top, column, name)
        cell.font = Font(bold=True, color="FFFFFF")
        cell.fill = PatternFill("solid", start_color=_HEAD)
        cell.alignment = Alignment(wrap_text=True, vertical="center")
    for row, values in enumerate(rows, start=top + 1):
        for column, value in enumerate(values, start=1):
            cell = page.cell(row, column, value if isinstance(value, int) else _text(value))
            if isinstance(value, int):
                cell.number_format = "#,##0"


def _text(value: Any) -> str:
    """A text that no spreadsheet takes for a formula, whatever a name begins with."""
    text = str(value)
    return f"'{text}" if text[:1] in "=+-@\t\r" else text


def _widths(page: Any) -> None:
    for column in range(1, page.max_column + 1):
        letter = get_column_letter(column)
        longest = max(
            (
                sum(2 if ord(c) > 255 else 1 for c in str(cell.value or ""))
                for cell in page[letter][1:]
            ),
            default=8,
        )
        page.column_dimensions[letter].width = min(max(longest + 3, 10), 44)
