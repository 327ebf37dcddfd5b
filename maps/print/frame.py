"""A map in a frame of a sheet: streets, names, marks kept apart, scale bar and north."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from reportlab.lib.colors import HexColor

from data.editions.base_map import decode
from geo.crs import project, projected_crs
from maps.print.sheet import INK, MM, NAVY, PAPER, QUIET, RULE, Sheet

_LAND = "#f3f0e8"
_WATER = "#bcd9ea"
_GREEN = "#d5e7c8"
_RAIL = "#a9a29a"
_CASE = "#c9bfae"
_MINOR_CASE = "#ddd6c9"


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
