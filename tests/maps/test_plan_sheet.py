"""The change sheet: what is compared stands in the PDF and in the workbook."""

from __future__ import annotations

from io import BytesIO

import pypdfium2 as pdfium
import pytest
from openpyxl import load_workbook

from maps.plan_sheet import ChangeSheet, change_sheet_xlsx
from maps.print.change_sheet import change_sheet_pdf

COMPARED = {
    "totals": {
        "before": {"grids": 3, "households": 900, "people": 2500, "buildings": 40, "broken": 2},
        "after": {"grids": 4, "households": 900, "people": 2500, "buildings": 40, "broken": 0},
    },
    "grids": [
        {
            "code_before": "379921002004007",
            "code_after": "379921002004007",
            "households_before": 310,
            "households_after": 280,
            "people_before": 725,
            "people_after": 660,
        },
        {"code_before": None, "code_after": "379921002004016", "households_after": 30},
    ],
    "moved": [
        {
            "building": 5,
            "name": "=怡景小区5号楼",
            "from": "379921002004007",
            "to": "379921002004016",
            "households": 30,
            "people": 65,
        }
    ],
}


def sheet(language: str = "zh", compared: dict[str, object] = COMPARED) -> ChangeSheet:
    return ChangeSheet("安棠县", "2025 年网格", "2026 年方案", "2026-11-21", language, compared)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_workbook_has_every_grid_and_building(language: str) -> None:
    book = load_workbook(BytesIO(change_sheet_xlsx(sheet(language))))
    totals, grids, moved = book.worksheets
    assert [cell.value for cell in grids[2]][:4] == [
        "379921002004007",
        "379921002004007",
        310,
        280,
    ]
    assert grids.max_row == 3
    assert grids.cell(3, 1).value == "–"
    assert [cell.value for cell in moved[2]][1:] == ["379921002004007", "379921002004016", 30, 65]
    assert [c.value for c in totals["D"] if isinstance(c.value, int)] == [1, 0, 0, 0, -2]


def test_a_name_that_looks_like_a_formula_stays_text() -> None:
    book = load_workbook(BytesIO(change_sheet_xlsx(sheet())))
    cell = book.worksheets[2].cell(2, 1)
    assert cell.data_type == "s"
    assert "怡景小区5号楼" in str(cell.value)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_print_holds_its_own_fonts_and_misses_no_character(language: str) -> None:
    pdf = change_sheet_pdf(sheet(language))
    assert pdf.startswith(b"%PDF-")
    assert b"/FontFile2" in pdf
    text = text_of(pdf)
    # A box stands for every character that the font has not.
    assert "□" not in text
    for written in ("安棠县", "=怡景小区5号楼", "2025年网格", "379921002004016", "−2"):
        assert written in text


def test_a_plan_that_changes_nothing_makes_a_sheet_that_says_so() -> None:
    nothing = {"totals": {"before": {}, "after": {}}, "grids": [], "moved": []}
    pdf = change_sheet_pdf(sheet(compared=nothing))
    assert "没有变化" in text_of(pdf)
    book = load_workbook(BytesIO(change_sheet_xlsx(sheet(compared=nothing))))
    assert book.worksheets[2].max_row == 1


def test_a_large_change_prints_in_seconds_and_says_what_it_leaves_to_the_workbook() -> None:
    many = [
        {
            "building": n,
            "name": f"{n}号楼",
            "from": f"{n % 900:015}",
            "to": f"{n % 900 + 1:015}",
            "households": 1,
            "people": 2,
        }
        for n in range(9000)
    ]
    made = sheet(compared=COMPARED | {"moved": many})
    _, rows = made.moves()
    assert len(rows) == 900
    assert sum(row[2] for row in rows) == 9000
    assert "另有100行" in text_of(change_sheet_pdf(made))
    book = load_workbook(BytesIO(change_sheet_xlsx(made)))
    assert book.worksheets[2].max_row == 9001


def text_of(pdf: bytes) -> str:
    document = pdfium.PdfDocument(pdf)
    pages = [page.get_textpage().get_text_bounded() for page in document]
    return "".join("".join(pages).split())
