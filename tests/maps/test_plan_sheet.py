"""The change sheet: what is compared stands in the PDF and in the workbook."""

from __future__ import annotations

import re
import zlib
from io import BytesIO

import pytest
from openpyxl import load_workbook

from maps.plan_sheet import ChangeSheet, change_sheet_pdf, change_sheet_xlsx
from maps.print_fonts import files_for, font_parts

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
def test_the_print_holds_its_own_fonts_and_misses_no_character(
    language: str, caplog: pytest.LogCaptureFixture
) -> None:
    pdf = change_sheet_pdf(sheet(language))
    assert pdf.startswith(b"%PDF-")
    # fpdf2 warns of every character that no font has.
    assert not [r for r in caplog.records if "missing" in r.getMessage()]
    assert b"/FontFile2" in pdf
    assert written_codes(pdf) >= {ord(c) for c in "安棠县怡景小区5号楼2025379921002004016"}


def test_a_plan_that_changes_nothing_makes_a_sheet_that_says_so() -> None:
    nothing = {"totals": {"before": {}, "after": {}}, "grids": [], "moved": []}
    pdf = change_sheet_pdf(sheet(compared=nothing))
    assert written_codes(pdf) >= {ord(c) for c in "没有变化"}
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
    codes = written_codes(change_sheet_pdf(made))
    assert codes >= {ord(c) for c in "另有行见变更表"}
    book = load_workbook(BytesIO(change_sheet_xlsx(made)))
    assert book.worksheets[2].max_row == 9001


def test_every_character_has_a_file_and_files_are_there() -> None:
    assert len(font_parts()) > 90
    assert all(path.is_file() for path in font_parts())
    assert len(files_for("网格")) <= 3
    assert files_for("")[0].name.endswith("latin-400-normal.woff2")


def written_codes(pdf: bytes) -> set[int]:
    """Characters that the fonts' tables to Unicode (ISO 32000-1, 9.10.3) name."""
    codes: set[int] = set()
    for stream in re.findall(rb"stream\r?\n(.*?)\r?\nendstream", pdf, re.DOTALL):
        try:
            text = zlib.decompress(stream)
        except zlib.error:
            text = stream
        if b"beginbfchar" in text:
            codes |= {int(code, 16) for code in re.findall(rb"<\w+> <(\w{4})>", text)}
    return codes
