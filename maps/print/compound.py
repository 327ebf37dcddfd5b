"""The navigation map of a compound: gates, building numbers, where e-bikes may stop."""

from __future__ import annotations

import datetime as dt
from typing import Literal

import numpy as np
import shapely

from data.editions.compound_map import CompoundMap
from data.opening import hours_in_words
from maps.deeplinks import deep_links
from maps.messages import words_of
from maps.print.frame import Frame, draw_line, draw_north, draw_scale_bar
from maps.print.sheet import GOLD, INK, NAVY, PAPER, QUIET, RULE, Sheet

GATE_COLOURS = {"all": "#0a6b3d", "residents": "#a45f00", "emergency": "#8c2a22"}


def labelled_gates(
    compound: CompoundMap, language: str
) -> list[tuple[str, str, str, str, tuple[float, float]]]:
    """Letter, name, access, hours in words, and place of each gate, as they stand on every form."""
    own = words_of("compound", language=language)
    return [
        (
            chr(65 + at % 26),
            name or own["unnamed"].format(l=chr(65 + at % 26)),
            access,
            hours_in_words(hours, language),
            place,
        )
        for at, (name, access, hours, place) in enumerate(compound.gates)
    ]


def compound_sheet(
    compound: CompoundMap,
    language: str,
    *,
    today: dt.date,
    address: str | None = None,
    number: int | None = None,
    paper: Literal["a4", "a3"] = "a4",
) -> bytes:
    """Draw a compound on A4 or A3, vector PDF.

    Parameters
    ----------
    compound : CompoundMap
    language : str
    today : date
        Printed on the sheet.
    address : str, optional
        Of the published page, which the QR code then leads to instead of the first open gate.
    number : int, optional
        Of the edition, printed beside the title and at the foot.
    paper : {"a4", "a3"}
    """
    own, shared = words_of("compound", language=language), words_of("poster", language=language)
    title = own["title"].format(n=compound.name or "—")
    about = own["printed"].format(d=today.isoformat(), a=compound.attribution)
    if number is not None:
        about = f"{own['edition'].format(n=number)} · {about}"
    below = " · ".join(part for part in (compound.community, own["edition"].format(n=number) if
                                         number is not None else "") if part)  # fmt: skip
    gates = labelled_gates(compound, language)
    main = next((gate for gate in gates if gate[2] == "all"), gates[0] if gates else None)
    go = own["go"].format(g=main[1]) if main else ""
    go_more = own["go_more"]
    if address is not None:
        go, go_more = own["scan"], address.split("://")[-1]
    sheet = Sheet(
        210,
        297,
        title=title,
        enlarged=2**0.5 if paper == "a3" else 1.0,
        words=[
            title, below, about, "0123456789", go, go_more, *own.values(), *shared.values(), "—…□P",
            *(part for gate in gates for part in gate[:4]), *(name for name, _ in compound.stops),
            *(name for name, _ in compound.buildings), "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        ],
    )  # fmt: skip
    sheet.box(0, 0, 210, 27, fill=NAVY)
    sheet.box(0, 27, 210, 1.2, fill=GOLD)
    sheet.text(10, 15.5, title, 9.5, colour=PAPER, bold=True, width=190)
    sheet.text(10, 23, below, 3.8, colour="#c9d7e5", width=190)
    frame = Frame.around(
        10, 34, 190, 190, shapely.get_coordinates(compound.outline), margin_mm=14, least_m=60
    )
    _ground(sheet, frame, compound)
    _buildings(sheet, frame, compound)
    for letter, _, access, _, place in gates:
        x, y = frame.on_paper(np.array([place]))[0].tolist()
        sheet.circle(x, y, 3.4, fill=GATE_COLOURS[access], stroke=PAPER, line_mm=0.6)
        sheet.text(x, y + 1.35, letter, 3.8, colour=PAPER, bold=True, align="centre")
    for _, place in compound.stops:
        x, y = frame.on_paper(np.array([place]))[0].tolist()
        if frame.x < x < frame.x + frame.width and frame.y < y < frame.y + frame.height:
            sheet.box(x - 3, y - 3, 6, 6, fill="#1a5fb4", stroke=PAPER, line_mm=0.6, radius=1)
            sheet.text(x, y + 1.6, "P", 4.4, colour=PAPER, bold=True, align="centre")
    draw_scale_bar(sheet, frame, size_mm=2.8, words_m=shared["m"], words_km=shared["km"])
    draw_north(sheet, 191, 43, 12, shared["n"])
    sheet.box(10, 34, 190, 190, stroke=INK, line_mm=0.3)
    y = 231.0
    sheet.text(10, y, own["gates"], 3.8, bold=True, colour=NAVY)
    for letter, name, access, hours, _ in gates[:7]:
        y += 6
        sheet.circle(12.6, y - 1.2, 2.5, fill=GATE_COLOURS[access])
        sheet.text(12.6, y - 0.1, letter, 3, colour=PAPER, bold=True, align="centre")
        line = f"{name} · {own[access]}" + (f" · {hours}" if hours else "")
        sheet.text(17, y, line, 3.4, width=72)
    if not gates:
        sheet.text(10, y + 6, own["no_gates"], 3.4, colour=QUIET)
    y = 231.0
    sheet.text(94, y, own["stops"], 3.8, bold=True, colour=NAVY)
    for name, _ in compound.stops[:5]:
        y += 6
        sheet.box(94, y - 3.4, 4.4, 4.4, fill="#1a5fb4", radius=0.8)
        sheet.text(96.2, y - 0.1, "P", 3.2, colour=PAPER, bold=True, align="centre")
        sheet.text(100, y, name, 3.4, width=56)
    if not compound.stops:
        y = sheet.paragraph(94, y + 1.5, own["no_stops"], 3.4, 62, colour=QUIET)
    y = max(y + 8, 262.0)
    sheet.box(94, y - 1.6, 10, 1.9, fill=PAPER, stroke="#b9b1a3")
    sheet.text(107, y, own["ride"], 3.2)
    for part in range(4):
        sheet.box(126 + part * 2.6, y - 1, 1.6, 0.7, fill="#8a8378")
    sheet.text(139, y, own["walk"], 3.2)
    if address is None and main is not None:
        (links,) = deep_links([main[4]], [f"{compound.name}{main[1]}"])
        target: str | None = links[0].url
    else:
        target = address
    if target is not None:
        sheet.qr(162, 229, 38, target)
        sheet.text(181, 271, go, 3.2, bold=True, align="centre", width=46)
        sheet.text(181, 276, go_more, 2.8, colour=QUIET, align="centre", width=46)
    sheet.box(10, 283, 190, 0.2, fill=RULE)
    sheet.text(10, 289, about, 2.6, colour=QUIET, width=190)
    return sheet.finish()


def _ground(sheet: Sheet, frame: Frame, compound: CompoundMap) -> None:
    canvas = sheet.canvas
    canvas.saveState()
    path = canvas.beginPath()
    path.rect(*frame.on_canvas(sheet))
    canvas.clipPath(path, stroke=0)
    sheet.box(frame.x, frame.y, frame.width, frame.height, fill="#e9e5db")
    for part in shapely.get_parts(compound.outline):
        draw_line(sheet, frame, [shapely.get_coordinates(part.exterior)], fill="#f7f4ec")
    wide = float(np.clip(4.5 * frame.mm_per_m, 1.0, 3.6))
    for line in compound.rides:
        draw_line(sheet, frame, [line], stroke="#cfc7b8", line_mm=wide + 0.5)
    for line in compound.rides:
        draw_line(sheet, frame, [line], stroke=PAPER, line_mm=wide)
    for line in compound.walks:
        draw_line(sheet, frame, [line], stroke="#8a8378", line_mm=0.5, dash=(1.4, 1.1))
    for part in shapely.get_parts(compound.outline):
        draw_line(sheet, frame, [shapely.get_coordinates(part.exterior)], stroke="#6a625a",
                  line_mm=0.9)  # fmt: skip
    canvas.restoreState()


def _buildings(sheet: Sheet, frame: Frame, compound: CompoundMap) -> None:
    for _, shape in compound.buildings:
        for part in shapely.get_parts(shape):
            ring = [shapely.get_coordinates(part.exterior)]
            draw_line(sheet, frame, ring, fill="#d3c6b1", stroke="#a4967d", line_mm=0.2)
    if not compound.buildings:
        return
    middles = shapely.get_coordinates(shapely.point_on_surface([g for _, g in compound.buildings]))
    places = frame.on_paper(middles).tolist()
    size = 5.0
    while size > 2.0 and _crowded(sheet, compound, places, size):
        size *= 0.88
    for (name, _), (x, y) in zip(compound.buildings, places, strict=True):
        if name:
            sheet.text(x, y + size * 0.36, name, size, bold=True, align="centre", halo="#f7f4ec")


def _crowded(sheet: Sheet, compound: CompoundMap, places: list[list[float]], size: float) -> bool:
    """Whether numbers would touch each other."""
    boxes = np.array(
        [
            (x - sheet.width_of(name, size) / 2, y - size / 2,
             x + sheet.width_of(name, size) / 2, y + size / 2)
            for (name, _), (x, y) in zip(compound.buildings, places, strict=True)
        ]
    )  # fmt: skip
    tree = shapely.STRtree(shapely.box(*boxes.T))
    pairs = tree.query(shapely.box(*boxes.T), predicate="intersects")
    return bool(pairs.shape[1] > len(boxes))
