"""A sheet of paper: millimetres from the top left, text that fits, boxes, marks, a QR code."""

from __future__ import annotations

import io
from collections.abc import Iterable

import segno
from PIL import Image, ImageOps
from reportlab.lib.colors import HexColor
from reportlab.lib.utils import ImageReader
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfgen.canvas import Canvas

from maps.print.font import can_write, font_for

MM = 72 / 25.4

INK = "#17212c"
QUIET = "#4d5a68"
NAVY = "#14304d"
GOLD = "#f0b849"
PAPER = "#ffffff"
RULE = "#d9d3c7"
KIND_COLOURS = {
    "service_centre": "#1d4f7c",
    "red_station": "#b5302b",
    "rider_station": "#a45f00",
}
_NOT_FIRST = frozenset("，。；：、！？）》”’·…")
"""Marks that begin no line (GB/T 15834)."""


class Sheet:
    """One PDF being drawn.

    Parameters
    ----------
    width_mm, height_mm : float
    words : iterable of str
        Everything that will be written, so that the font can be cut to it.
    title : str
        Of the document, for readers and screen readers.
    enlarged : float
        How many times larger the paper is than what is drawn: 2 ** 0.5 puts A4 on A3.
    """

    def __init__(
        self,
        width_mm: float,
        height_mm: float,
        *,
        words: Iterable[str],
        title: str,
        enlarged: float = 1.0,
    ) -> None:
        self.width_mm = width_mm
        self.height_mm = height_mm
        self.font = font_for(frozenset("".join(words)))
        self._out = io.BytesIO()
        # invariant: the same edition gives the same bytes.
        self.enlarged = enlarged
        size = width_mm * MM * enlarged, height_mm * MM * enlarged
        self.canvas = Canvas(self._out, pagesize=size, invariant=1, lang="zh-CN")
        if enlarged != 1:
            self.canvas.scale(enlarged, enlarged)
        self.canvas.setTitle(title)
        self.canvas.setCreator("Gridcircle")

    def next_page(self) -> None:
        """Begin another page."""
        self.canvas.showPage()
        if self.enlarged != 1:
            self.canvas.scale(self.enlarged, self.enlarged)

    def finish(self) -> bytes:
        """Close the document."""
        self.canvas.save()
        return self._out.getvalue()

    def box(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        *,
        fill: str | None = None,
        stroke: str | None = None,
        line_mm: float = 0.2,
        radius: float = 0,
    ) -> None:
        """Draw a rectangle; ``x`` and ``y`` are its left and top."""
        self._ink(fill, stroke, line_mm)
        self.canvas.roundRect(
            x * MM,
            (self.height_mm - y - height) * MM,
            width * MM,
            height * MM,
            radius * MM,
            fill=int(fill is not None),
            stroke=int(stroke is not None),
        )

    def circle(
        self, x: float, y: float, radius: float, *, fill: str | None, stroke: str | None = None,
        line_mm: float = 0.3,
    ) -> None:  # fmt: skip
        """Draw a disc."""
        self._ink(fill, stroke, line_mm)
        self.canvas.circle(
            x * MM,
            (self.height_mm - y) * MM,
            radius * MM,
            fill=int(fill is not None),
            stroke=int(stroke is not None),
        )

    def width_of(self, words: str, size_mm: float) -> float:
        """Millimetres that a line of text takes; ``size_mm`` is the height of its letters."""
        return float(pdfmetrics.stringWidth(can_write(words), self.font, size_mm * MM)) / MM

    def text(
        self,
        x: float,
        y: float,
        words: str,
        size_mm: float,
        *,
        colour: str = INK,
        bold: bool = False,
        align: str = "left",
        width: float | None = None,
        halo: str | None = None,
    ) -> None:
        """Write one line with its baseline at ``y``; with a width it is cut to fit."""
        words = can_write(words)
        if width is not None and self.width_of(words, size_mm) > width:
            while words and self.width_of(words + "…", size_mm) > width:
                words = words[:-1]
            words += "…"
        if align != "left":
            wide = self.width_of(words, size_mm)
            x -= wide if align == "right" else wide / 2
        if halo is not None:
            self._write(x, y, words, size_mm, halo, mode=1, line_mm=size_mm * 0.22)
        # The packed font has one weight; a thin outline in the same colour makes it bold.
        self._write(x, y, words, size_mm, colour, mode=2 if bold else 0, line_mm=size_mm * 0.035)

    def _write(
        self, x: float, y: float, words: str, size_mm: float, colour: str, *, mode: int,
        line_mm: float,
    ) -> None:  # fmt: skip
        # The way of drawing text outlives a text object; saved and restored, it stays here.
        self.canvas.saveState()
        line = self.canvas.beginText(x * MM, (self.height_mm - y) * MM)
        line.setFont(self.font, size_mm * MM)
        line.setFillColor(HexColor(colour))
        line.setStrokeColor(HexColor(colour))
        line.setTextRenderMode(mode)
        self.canvas.setLineWidth(line_mm * MM)
        self.canvas.setLineJoin(1)
        line.textOut(words)
        self.canvas.drawText(line)
        self.canvas.restoreState()

    def lines(self, words: str, size_mm: float, width: float, *, most: int = 99) -> list[str]:
        """Break text into lines that fit; Chinese breaks anywhere, Latin between words."""
        found: list[str] = []
        rest = can_write(words).strip()
        while rest and len(found) < most:
            end = len(rest)
            if self.width_of(rest, size_mm) > width:
                end = 1
                while end < len(rest) and self.width_of(rest[: end + 1], size_mm) <= width:
                    end += 1
                end = _word_break(rest, end)
                # A mark that may begin no line hangs over the end of this one.
                while rest[end : end + 1] in _NOT_FIRST:
                    end += 1
            if len(found) == most - 1 and end < len(rest):
                found.append(rest[: max(1, end - 1)].rstrip() + "…")
                return found
            found.append(rest[:end].strip())
            rest = rest[end:].strip()
        return found

    def paragraph(
        self, x: float, y: float, words: str, size_mm: float, width: float, *,
        colour: str = INK, bold: bool = False, most: int = 99, leading: float = 1.45,
    ) -> float:  # fmt: skip
        """Write lines from ``y`` (top) on; gives where the next thing may begin."""
        for line in self.lines(words, size_mm, width, most=most):
            y += size_mm * leading
            self.text(x, y - size_mm * 0.32, line, size_mm, colour=colour, bold=bold)
        return y

    def qr(self, x: float, y: float, side: float, address: str) -> None:
        """Draw a QR code with its quiet zone; level M survives a little dirt."""
        matrix = segno.make(address, error="m", micro=False).matrix
        self.box(x, y, side, side, fill=PAPER)
        cell = side / (len(matrix) + 8)  # four modules of quiet on each side (ISO/IEC 18004)
        self.canvas.setFillColor(HexColor("#000000"))
        path = self.canvas.beginPath()
        for row, modules in enumerate(matrix):
            start = None
            for column, dark in enumerate([*modules, 0]):
                if dark and start is None:
                    start = column
                elif not dark and start is not None:
                    left, top = x + (start + 4) * cell, y + (row + 4) * cell
                    path.rect(
                        left * MM,
                        (self.height_mm - top - cell) * MM,
                        (column - start) * cell * MM,
                        cell * MM,
                    )
                    start = None
        self.canvas.drawPath(path, fill=1, stroke=0)

    def picture(self, x: float, y: float, width: float, high: float, image: bytes) -> None:
        """Put a picture into a box, cut to its shape around the middle; WebP, JPEG or PNG."""
        with Image.open(io.BytesIO(image)) as opened:
            wanted = round(width / 25.4 * 300), round(high / 25.4 * 300)
            shape = width / high
            wide, tall = opened.size
            cut = (min(wide, round(tall * shape)), min(tall, round(wide / shape)))
            size = min(wanted, cut)
            fitted = ImageOps.fit(opened.convert("RGB"), size, Image.Resampling.LANCZOS)
        jpeg = io.BytesIO()
        fitted.save(jpeg, "JPEG", quality=88)
        jpeg.seek(0)
        self.canvas.drawImage(
            ImageReader(jpeg), x * MM, (self.height_mm - y - high) * MM, width * MM, high * MM
        )

    def pin(self, x: float, y: float, size: float, colour: str, label: str) -> None:
        """Draw a numbered marker whose tip is at the place."""
        radius = size * 0.42
        middle = y - size + radius
        self.canvas.setFillColor(HexColor(colour))
        self.canvas.setStrokeColor(HexColor(PAPER))
        self.canvas.setLineWidth(size * 0.07 * MM)
        path = self.canvas.beginPath()
        top = self.height_mm

        def at(px: float, py: float) -> tuple[float, float]:
            return px * MM, (top - py) * MM

        path.moveTo(*at(x, y))
        path.curveTo(*at(x - radius * 0.5, y - size * 0.3), *at(x - radius, middle + radius * 0.7),
                     *at(x - radius, middle))  # fmt: skip
        kappa = radius * 0.5523
        path.curveTo(*at(x - radius, middle - kappa), *at(x - kappa, middle - radius),
                     *at(x, middle - radius))  # fmt: skip
        path.curveTo(*at(x + kappa, middle - radius), *at(x + radius, middle - kappa),
                     *at(x + radius, middle))  # fmt: skip
        path.curveTo(*at(x + radius, middle + radius * 0.7), *at(x + radius * 0.5, y - size * 0.3),
                     *at(x, y))  # fmt: skip
        path.close()
        self.canvas.drawPath(path, fill=1, stroke=1)
        high = size * (0.42 if len(label) < 3 else 0.32)
        self.text(x, middle + high * 0.36, label, high, colour=PAPER, bold=True, align="centre")

    def mark(self, x: float, y: float, size: float, kind: str, label: str) -> None:
        """Draw a numbered mark: a disc, a square or a diamond, so that not only colour tells."""
        canvas = self.canvas
        half = size / 2
        corners = {
            "service_centre": [(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)],
            "rider_station": [(0.0, -1.18), (1.18, 0.0), (0.0, 1.18), (-1.18, 0.0)],
        }.get(kind)
        self._ink(KIND_COLOURS[kind], PAPER, size * 0.06)
        if corners is None:
            canvas.circle(x * MM, (self.height_mm - y) * MM, half * MM, fill=1, stroke=1)
        else:
            canvas.setLineJoin(1)
            path = canvas.beginPath()
            for at, (dx, dy) in enumerate(corners):
                point = ((x + dx * half) * MM, (self.height_mm - y - dy * half) * MM)
                if at:
                    path.lineTo(*point)
                else:
                    path.moveTo(*point)
            path.close()
            canvas.drawPath(path, fill=1, stroke=1)
        high = size * (0.56 if len(label) < 3 else 0.42)
        self.text(x, y + high * 0.36, label, high, colour=PAPER, bold=True, align="centre")

    def leader(self, x: float, y: float, mark_x: float, mark_y: float, wide: float) -> None:
        """Draw the line from a place to its mark, and a dot on the place."""
        self.canvas.setStrokeColor(HexColor(INK))
        self.canvas.setLineWidth(wide * MM)
        up = self.height_mm
        self.canvas.line(x * MM, (up - y) * MM, mark_x * MM, (up - mark_y) * MM)
        self.circle(x, y, wide * 1.6, fill=INK)

    def _ink(self, fill: str | None, stroke: str | None, line_mm: float) -> None:
        if fill is not None:
            self.canvas.setFillColor(HexColor(fill))
        if stroke is not None:
            self.canvas.setStrokeColor(HexColor(stroke))
            self.canvas.setLineWidth(line_mm * MM)


def _word_break(words: str, end: int) -> int:
    """Move a break back to before the word or number it would cut; a word too long is cut."""
    start = end
    while start > 0 and _sticks(words[start - 1]) and _sticks(words[start]):
        start -= 1
    return start or end


def _sticks(letter: str) -> bool:
    return letter in "–:" or (letter.isascii() and not letter.isspace() and letter not in ",;")
