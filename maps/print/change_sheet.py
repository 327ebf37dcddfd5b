"""The change sheet of a plan as PDF: A4, with room for signatures."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any
from xml.sax.saxutils import escape

from reportlab.lib import colors
from reportlab.lib.enums import TA_CENTER, TA_RIGHT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.platypus import (
    CondPageBreak,
    Flowable,
    KeepTogether,
    Paragraph,
    SimpleDocTemplate,
    Spacer,
    Table,
)

from maps.plan_sheet import ChangeSheet
from maps.print.font import can_write, font_for
from maps.print.numbered import numbered

_ROWS = 800
"""Rows of one table of the print; the workbook has all."""
_MARGIN_MM = 16.0
_WIDTH_MM = A4[0] / mm - 2 * _MARGIN_MM
_FRAME_PT = 6.0
"""What reportlab leaves free around the frame of a page, points."""
_INK = colors.HexColor("#1d2733")
_HEAD = colors.HexColor("#14304d")
_BAND = colors.HexColor("#f5f3ee")
_LINE = colors.HexColor("#a9a498")


def change_sheet_pdf(sheet: ChangeSheet) -> bytes:
    """Print the sheet on A4; the text in it can be searched and copied.

    Parameters
    ----------
    sheet : ChangeSheet
    """
    words = sheet.words
    tables = [
        (words["sheet_totals"], *sheet.totals(), (40, 30, 30, 30)),
        (words["compare_grids"], *sheet.grids(), (44, 44, 22, 22, 22, 22)),
        (words["compare_moved"], *sheet.moves(), (33, 33, 18, 21, 15, 58)),
    ]
    signs = [words[f"sheet_sign_{who}"] for who in ("made", "checked", "office")]
    foot = can_write(f"{sheet.title} · {sheet.date}")
    printed = [foot, words["sheet_none"], words["sheet_more_rows"], *signs, "−,"]
    printed += [part for pair in sheet.about() for part in pair]
    for name, head, rows, _ in tables:
        printed += [name, *head, *(str(cell) for row in rows[:_ROWS] for cell in row)]
    page = _Page(font_for(frozenset("".join(printed))), sheet.language)
    story = [page.line(sheet.title, 18, align=TA_CENTER), Spacer(0, 3 * mm), page.about(sheet)]
    for name, head, rows, widths in tables:
        story += [CondPageBreak(70 * mm), Spacer(0, 5 * mm), page.line(name, 12)]
        if rows:
            story.append(page.table(head, rows[:_ROWS], widths))
        else:
            story.append(page.line(words["sheet_none"], 9))
        if len(rows) > _ROWS:
            story.append(page.line(words["sheet_more_rows"].format(n=len(rows) - _ROWS), 9))
    story.append(page.signatures(signs))
    out = io.BytesIO()
    document = SimpleDocTemplate(
        out,
        pagesize=A4,
        leftMargin=_MARGIN_MM * mm - _FRAME_PT,
        rightMargin=_MARGIN_MM * mm - _FRAME_PT,
        topMargin=_MARGIN_MM * mm,
        bottomMargin=18 * mm,
        title=can_write(sheet.title),
        author="Gridcircle",
        lang="zh-CN" if sheet.language == "zh" else "en",
    )
    document.build(story, canvasmaker=numbered(page.font, foot, margin_mm=_MARGIN_MM))
    return out.getvalue()


class _Page:
    """Parts of the sheet in its font."""

    def __init__(self, font: str, language: str) -> None:
        self.font = font
        self._wrap = "CJK" if language == "zh" else None

    def line(
        self, text: str, size: float, *, align: int = 0, colour: colors.Color = _INK
    ) -> Paragraph:
        """Write some words."""
        style = ParagraphStyle(
            "line",
            fontName=self.font,
            fontSize=size,
            leading=1.5 * size,
            alignment=align,
            textColor=colour,
            wordWrap=self._wrap,
        )
        return Paragraph(escape(can_write(text)), style)

    def about(self, sheet: ChangeSheet) -> Table:
        """Say what is compared with what, and when."""
        return Table(
            [[self.line(name, 10), self.line(value, 10)] for name, value in sheet.about()],
            colWidths=(34 * mm, (_WIDTH_MM - 34) * mm),
            style=[("VALIGN", (0, 0), (-1, -1), "TOP"), *_padded(1.5)],
        )

    def table(self, head: Sequence[str], rows: Sequence[Sequence[Any]], widths: Any) -> Table:
        """Write a table whose head stands on every page; numbers at the right."""
        aligns = [
            TA_RIGHT if any(isinstance(row[n], int) for row in rows) else 0
            for n in range(len(head))
        ]
        cells = [
            [
                self.line(cell, 9, align=at, colour=colors.white)
                for cell, at in zip(head, aligns, strict=True)
            ]
        ]
        cells += [
            [self.line(_written(cell), 9, align=at) for cell, at in zip(row, aligns, strict=True)]
            for row in rows
        ]
        share = _WIDTH_MM / sum(widths) * mm
        return Table(
            cells,
            colWidths=[width * share for width in widths],
            repeatRows=1,
            style=[
                ("BACKGROUND", (0, 0), (-1, 0), _HEAD),
                ("ROWBACKGROUNDS", (0, 1), (-1, -1), (colors.white, _BAND)),
                ("LINEBELOW", (0, 0), (-1, -1), 0.4, _LINE),
                ("VALIGN", (0, 0), (-1, -1), "TOP"),
                *_padded(2),
            ],
        )

    def signatures(self, names: Sequence[str]) -> Flowable:
        """Leave room to sign, on one page."""
        wide, gap = _WIDTH_MM / len(names) * mm, 8 * mm
        rules = [("LINEBELOW", (2 * n, 0), (2 * n, 0), 0.5, _LINE) for n in range(len(names))]
        cells = [part for name in names for part in (self.line(name, 10), "")]
        return KeepTogether(
            [
                Spacer(0, 12 * mm),
                Table(
                    [cells],
                    colWidths=[wide - gap, gap] * len(names),
                    rowHeights=[18 * mm],
                    style=[("VALIGN", (0, 0), (-1, -1), "TOP"), *_padded(0), *rules],
                ),
            ]
        )


def _padded(points: float) -> list[tuple[Any, ...]]:
    return [
        ("TOPPADDING", (0, 0), (-1, -1), points),
        ("BOTTOMPADDING", (0, 0), (-1, -1), points),
        ("LEFTPADDING", (0, 0), (-1, -1), 2 * points),
        ("RIGHTPADDING", (0, 0), (-1, -1), 2 * points),
    ]


def _written(cell: Any) -> str:
    return f"{cell:,}".replace("-", "−") if isinstance(cell, int) else str(cell)
