"""A sheet of paper: millimetres from the top left, text that fits, a map in a frame, a QR code."""

from __future__ import annotations

import io
import math
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pypdfium2
import segno
from numpy.typing import NDArray
from PIL import Image, ImageOps
from reportlab.lib.colors import HexColor
from reportlab.lib.utils import ImageReader
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfgen.canvas import Canvas

from data.editions.base_map import decode
from geo.crs import project, projected_crs
from maps.print.font import can_write, font_for

_PDFIUM = threading.Lock()  # PDFium is not safe for several threads
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
_LAND = "#f3f0e8"
_WATER = "#bcd9ea"
_GREEN = "#d5e7c8"
_RAIL = "#a9a29a"
_CASE = "#c9bfae"
_MINOR_CASE = "#ddd6c9"


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


@dataclass(frozen=True, slots=True)
class Frame:
    """A map's place on the sheet and how metres become millimetres there.

    Attributes
    ----------
    x, y, width, height : float
        Millimetres from the top left.
    crs : str
    west, north : float
        Metres at the frame's left top corner.
    mm_per_m : float
    """

    x: float
    y: float
    width: float
    height: float
    crs: str
    west: float
    north: float
    mm_per_m: float

    @classmethod
    def around(
        cls,
        x: float,
        y: float,
        width: float,
        height: float,
        lonlat: NDArray[np.float64],
        *,
        margin_mm: float,
        least_m: float,
    ) -> Frame:
        """Fit places into a frame, at least ``least_m`` wide and high, ``margin_mm`` from edges."""
        crs = projected_crs([*lonlat.min(axis=0), *lonlat.max(axis=0)]).to_string()
        xy = project(lonlat, crs)
        low, high = xy.min(axis=0), xy.max(axis=0)
        middle = (low + high) / 2
        span = np.maximum(high - low, least_m)
        scale = float(min((width - 2 * margin_mm) / span[0], (height - 2 * margin_mm) / span[1]))
        return cls(
            x, y, width, height, crs,
            float(middle[0] - width / 2 / scale), float(middle[1] + height / 2 / scale), scale,
        )  # fmt: skip

    def on_paper(self, lonlat: NDArray[np.float64]) -> NDArray[np.float64]:
        """Millimetres on the sheet of WGS84 degrees, shape (n, 2)."""
        xy = project(lonlat, self.crs)
        return np.column_stack(
            [
                self.x + (xy[:, 0] - self.west) * self.mm_per_m,
                self.y + (self.north - xy[:, 1]) * self.mm_per_m,
            ]
        )

    def on_canvas(self, sheet: Sheet) -> tuple[float, float, float, float]:
        """Left, bottom, width and height in the points of a PDF."""
        bottom = sheet.height_mm - self.y - self.height
        return self.x * MM, bottom * MM, self.width * MM, self.height * MM

    @property
    def denominator(self) -> int:
        """The n of the scale 1 : n."""
        return round(1000 / self.mm_per_m)


def draw_base_map(sheet: Sheet, frame: Frame, base: dict[str, Any], *, pen: float = 1.0) -> None:
    """Draw the packed base map inside a frame; ``pen`` widens all lines."""
    canvas = sheet.canvas
    canvas.saveState()
    _clip(sheet, frame)
    sheet.box(frame.x, frame.y, frame.width, frame.height, fill=_LAND)
    for name, colour in (("green", _GREEN), ("water", _WATER)):
        for rings in base[name]:
            draw_line(sheet, frame, [decode(ring) for ring in rings], fill=colour)
    minor = [decode(line) for line in base["minor"]]
    main = [decode(line) for line in base["main"]]
    grow = min(1.6, max(0.55, frame.mm_per_m / 0.05)) * pen
    for lines, colour, wide in (
        (minor, _MINOR_CASE, 0.75), (main, _CASE, 1.45), (minor, PAPER, 0.5), (main, PAPER, 1.05),
    ):  # fmt: skip
        for line in lines:
            draw_line(sheet, frame, [line], stroke=colour, line_mm=wide * grow)
    for line in base["rail"]:
        draw_line(sheet, frame, [decode(line)], stroke=_RAIL, line_mm=0.4 * pen, dash=(1.6, 1.0))
    canvas.restoreState()


def draw_line(
    sheet: Sheet,
    frame: Frame,
    parts: Sequence[NDArray[np.float64]],
    *,
    stroke: str | None = None,
    fill: str | None = None,
    line_mm: float = 0.3,
    dash: tuple[float, float] | None = None,
    alpha: float = 1.0,
) -> None:
    """Draw a line or an area (its rings) given in WGS84 degrees."""
    canvas = sheet.canvas
    path = canvas.beginPath()
    for part in parts:
        points = frame.on_paper(part)
        points[:, 1] = sheet.height_mm - points[:, 1]
        points *= MM
        path.moveTo(*points[0])
        for point in points[1:]:
            path.lineTo(*point)
        if fill is not None:
            path.close()
    sheet._ink(fill, stroke, line_mm)  # noqa: SLF001 — the sheet's own pen
    canvas.setLineCap(1)
    canvas.setLineJoin(1)
    canvas.setDash([part * MM for part in dash] if dash else [])
    canvas.setFillAlpha(alpha)
    canvas.drawPath(path, fill=int(fill is not None), stroke=int(stroke is not None), fillMode=0)
    canvas.setFillAlpha(1)
    canvas.setDash([])


def _clip(sheet: Sheet, frame: Frame) -> None:
    path = sheet.canvas.beginPath()
    path.rect(*frame.on_canvas(sheet))
    sheet.canvas.clipPath(path, stroke=0)


def draw_names(
    sheet: Sheet,
    frame: Frame,
    names: Sequence[Sequence[Any]],
    taken: list[tuple[float, float, float, float]],
    *,
    size_mm: float,
    most: int = 60,
) -> None:
    """Write names (lon, lat, text, rank) where there is room, the more important first.

    Parameters
    ----------
    sheet : Sheet
    frame : Frame
    names : sequence
    taken : list of (left, top, right, bottom)
        Boxes that stay free, in millimetres; those of names are added.
    size_mm : float
    most : int
    """
    if not names:
        return
    places = frame.on_paper(np.array([[lon, lat] for lon, lat, *_ in names]))
    written = 0
    for (x, y), (_, _, words, rank) in zip(places.tolist(), names, strict=True):
        high = size_mm * (1.2 if rank == 0 else 1.0)
        half = sheet.width_of(words, high) / 2 + 0.6
        box = (x - half, y - high * 0.75, x + half, y + high * 0.75)
        inside = (
            frame.x < box[0] and box[2] < frame.x + frame.width
            and frame.y < box[1] and box[3] < frame.y + frame.height
        )  # fmt: skip
        if not inside or any(_overlap(box, other) for other in taken):
            continue
        taken.append(box)
        sheet.text(
            x, y + high * 0.36, words, high, colour=QUIET, bold=rank == 0, align="centre",
            halo="#f6f4ee",
        )  # fmt: skip
        written += 1
        if written == most:
            return


def _overlap(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def spread(
    places: NDArray[np.float64], apart_mm: float, frame: Frame, *, rounds: int = 160
) -> NDArray[np.float64]:
    """Move marks apart until none covers another, each as near its place as that allows.

    Parameters
    ----------
    places : ndarray, shape (n, 2)
        Millimetres.
    apart_mm : float
        Least distance of two marks.
    frame : Frame
        Which they do not leave.
    rounds : int
        Most rounds; a crowd that has no room stays crowded.
    """
    marks = places.copy()
    # Marks at one place part in a fixed direction each: the same sheet every time.
    turn = np.arange(len(marks)) * 2.399963
    marks += np.column_stack([np.cos(turn), np.sin(turn)]) * 1e-3
    low = np.array([frame.x, frame.y]) + apart_mm * 0.6
    high = np.array([frame.x + frame.width, frame.y + frame.height]) - apart_mm * 0.6
    for _ in range(rounds):
        step = marks[:, None, :] - marks[None, :, :]
        distance = np.hypot(step[..., 0], step[..., 1])
        np.fill_diagonal(distance, np.inf)
        short = np.clip(apart_mm - distance, 0, None)
        if not short.any():
            break
        push = (step / np.maximum(distance, 1e-9)[..., None] * (short * 0.5)[..., None]).sum(axis=1)
        marks = np.clip(marks + push + (places - marks) * 0.01, low, high)
    return marks


def draw_scale_bar(
    sheet: Sheet, frame: Frame, *, size_mm: float, words_m: str, words_km: str
) -> None:
    """Draw a scale bar of a round length at the frame's left bottom."""
    longest_m = 0.22 * frame.width / frame.mm_per_m
    power = 10 ** math.floor(math.log10(longest_m))
    metres = next(power * n for n in (5, 2, 1) if power * n <= longest_m)
    long = metres * frame.mm_per_m
    x, y = frame.x + 3, frame.y + frame.height - 3
    label = f"{metres / 1000:g} {words_km}" if metres >= 1000 else f"{metres:g} {words_m}"
    wide = max(long, sheet.width_of(label, size_mm)) + 4
    sheet.box(x - 1.5, y - size_mm * 2.1 - 1, wide, size_mm * 2.1 + 2.5, fill=PAPER, radius=0.8)
    for part in range(4):
        sheet.box(
            x + long * part / 4, y - size_mm * 0.35, long / 4, size_mm * 0.35,
            fill=INK if part % 2 == 0 else PAPER, stroke=INK, line_mm=0.15,
        )  # fmt: skip
    sheet.text(x, y - size_mm * 0.7, label, size_mm)


def draw_north(sheet: Sheet, x: float, y: float, size: float, label: str) -> None:
    """Draw a north arrow in a disc; ``x`` and ``y`` are its middle."""
    sheet.circle(x, y, size / 2, fill=PAPER, stroke=RULE)
    canvas = sheet.canvas
    up = sheet.height_mm
    canvas.setFillColor(HexColor(NAVY))
    path = canvas.beginPath()
    path.moveTo(x * MM, (up - (y - size * 0.18)) * MM)
    path.lineTo((x + size * 0.17) * MM, (up - (y + size * 0.34)) * MM)
    path.lineTo(x * MM, (up - (y + size * 0.22)) * MM)
    path.lineTo((x - size * 0.17) * MM, (up - (y + size * 0.34)) * MM)
    path.close()
    canvas.drawPath(path, fill=1, stroke=0)
    sheet.text(x, y - size * 0.21, label, size * 0.26, bold=True, align="centre", colour=NAVY)


def as_png(pdf: bytes, *, width_px: int, page: int = 0) -> bytes:
    """Rasterise a page of a PDF.

    Parameters
    ----------
    pdf : bytes
    width_px : int
    page : int
    """
    with _PDFIUM:
        document = pypdfium2.PdfDocument(pdf)
        try:
            sheet = document[page]
            image = sheet.render(scale=width_px / sheet.get_width()).to_pil()
            # A page that is a hair wider than whole points is rounded up.
            image = image.crop((0, 0, width_px, image.height))
        finally:
            document.close()
    out = io.BytesIO()
    # 256 colours are enough for a flat map and make a third of the bytes.
    image.convert("RGB").quantize(256, dither=0).save(out, "PNG", optimize=True)
    return out.getvalue()


def qr_svg(address: str) -> bytes:
    """QR code as SVG with its quiet zone."""
    out = io.BytesIO()
    segno.make(address, error="m", micro=False).save(
        out, kind="svg", scale=8, border=4, light="#fff"
    )
    return out.getvalue()


def qr_png(address: str) -> bytes:
    """QR code as PNG with its quiet zone."""
    out = io.BytesIO()
    segno.make(address, error="m", micro=False).save(out, kind="png", scale=12, border=4)
    return out.getvalue()


def icon_png(side_px: int) -> bytes:
    """Draw the icon that a phone shows when the map is put on its home screen."""
    sheet = Sheet(64, 64, words=[""], title="Gridcircle")
    sheet.box(0, 0, 64, 64, fill=NAVY)
    sheet.pin(32, 54, 42, GOLD, "")
    drawn = Image.open(io.BytesIO(as_png(sheet.finish(), width_px=side_px)))
    out = io.BytesIO()
    drawn.crop((0, 0, side_px, side_px)).save(out, "PNG", optimize=True)
    return out.getvalue()
