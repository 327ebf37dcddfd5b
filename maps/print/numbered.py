"""A foot with the number of the page and of all pages, once that is known."""

from __future__ import annotations

from typing import Any

from reportlab.lib import colors
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas


def numbered(font: str, foot: str, *, margin_mm: float) -> type[Canvas]:
    """Make the canvas of a document that writes a foot on each page.

    Parameters
    ----------
    font : str
        Known to reportlab.
    foot : str
        Stands at the left.
    margin_mm : float
        Left and right.
    """

    class Numbered(Canvas):  # type: ignore[misc]
        def __init__(self, *arguments: Any, **named: Any) -> None:
            super().__init__(*arguments, **named)
            self._pages: list[dict[str, Any]] = []

        def showPage(self) -> None:  # noqa: N802 — reportlab's name
            self._pages.append(dict(self.__dict__))
            self._startPage()

        def save(self) -> None:
            for page in self._pages:
                self.__dict__.update(page)
                self.setFont(font, 8)
                self.setFillColor(colors.HexColor("#56616e"))
                self.drawString(margin_mm * mm, 9 * mm, foot)
                right = self._pagesize[0] - margin_mm * mm
                self.drawRightString(right, 9 * mm, f"{self._pageNumber} / {len(self._pages)}")
                super().showPage()
            super().save()

    return Numbered
