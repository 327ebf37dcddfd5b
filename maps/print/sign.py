"""The sign on a station's door: what it offers, when, its circle, and the way to the whole map."""

from __future__ import annotations

from typing import Any

import numpy as np
import shapely

from data.editions.edition import Edition
from data.opening import TIME_ZONE
from maps.messages import words_of
from maps.print.frame import Frame, draw_base_map, draw_line, draw_names, draw_north, draw_scale_bar
from maps.print.sheet import GOLD, INK, KIND_COLOURS, NAVY, PAPER, QUIET, RULE, Sheet
from maps.public_page import public_stations, public_words


def door_sign(
    edition: Edition,
    station_id: int,
    language: str,
    *,
    address: str,
    base_map: dict[str, Any],
    circle: dict[str, Any] | None,
    minutes: int,
    photo: bytes | None = None,
) -> bytes:
    """Draw the sign of one station on A4, vector PDF.

    Parameters
    ----------
    edition : Edition
    station_id : int
        Of a station of the edition.
    language : str
    address : str
        What the QR code leads to.
    base_map : dict
        Packed around the station.
    circle : dict or None
        GeoJSON geometry of its catchment; None where no street is near.
    minutes : int
        Of the catchment.
    photo : bytes, optional
        Of the station, stands beside the hours.
    """
    published = edition.published_at.astimezone(TIME_ZONE).date()
    station = next(
        s for s in public_stations(edition, language, published) if s.row["id"] == station_id
    )
    own, shared, kinds = (
        words_of("sign", language=language),
        words_of("poster", language=language),
        public_words(language),
    )
    row = station.row
    line = shared["edition"].format(n=edition.number, d=published.isoformat())
    hours = station.hours_words or shared["hours_unknown"]
    caption = own["circle"].format(n=minutes)
    about = shared["data"].format(a=edition.content["attribution"])
    verified = (
        shared["verified"].format(d=row["verified_on"]) if row["verified_on"] else shared["never"]
    )
    foot = f"{edition.content['city']} · {line} · {verified}"
    sheet = Sheet(
        210,
        297,
        title=f"{row['name']} · {line}",
        words=[
            row["name"], row["address"], row["community"], hours, caption, about, foot, address,
            *own.values(), *shared.values(), *kinds.values(), *station.facility_words,
            *(name for *_, name, _ in base_map["names"]), "0123456789…□",
        ],
    )  # fmt: skip
    colour = KIND_COLOURS[row["kind"]]
    sheet.box(0, 0, 210, 62, fill=NAVY)
    sheet.box(0, 62, 210, 2, fill=GOLD)
    badge = sheet.width_of(station.kind_words, 6) + 12
    sheet.box(12, 11, badge, 11, fill=colour, radius=5.5)
    sheet.text(12 + badge / 2, 18.7, station.kind_words, 6, colour=PAPER, bold=True, align="centre")
    size = 17.0
    while sheet.width_of(row["name"], size) > 186 and size > 9:
        size *= 0.95
    sheet.text(12, 43, row["name"], size, colour=PAPER, bold=True, width=186)
    where = row["address"] or row["community"]
    sheet.text(12, 54.5, where, 5, colour="#c9d7e5", width=186)
    y = 74.0
    wide = 186.0 if photo is None else 118.0
    if photo is not None:
        sheet.picture(136, 71, 62, 46.5, photo)
        sheet.box(136, 71, 62, 46.5, stroke=RULE, line_mm=0.3)
    sheet.text(12, y + 4, own["hours"], 4.4, colour=QUIET)
    y += 5
    rules = [rule.strip() for rule in hours.replace("；", ";").split(";")]
    for rule in rules[:4]:
        y = sheet.paragraph(12, y, rule, 8.2 if len(rules) == 1 else 6.6, wide, bold=True, most=2)
    y += 5
    sheet.text(12, y + 4, own["offers"], 4.4, colour=QUIET)
    y = _offers(sheet, station.facility_words, 12, y + 8, wide, colour) + 6
    if photo is not None:
        y = max(y, 71 + 46.5 + 5)
    high = 297 - 52 - y
    frame = Frame.around(12, y, 186, high, _around(row, circle), margin_mm=7, least_m=300)
    draw_base_map(sheet, frame, base_map, pen=1.0)
    place = frame.on_paper(np.array([[row["lon"], row["lat"]]]))[0]
    px, py = float(place[0]), float(place[1])
    taken = [
        (px - 6, py - 13, px + 6, py),
        (12.0, y + high - 10, 80.0, y + high),
        (180.0, y, 198.0, y + 18),
    ]
    if circle is not None:
        _circle(sheet, frame, circle)
    label = sheet.width_of(caption, 3.6) + 8
    taken.append((12, y, 12 + label, y + 9))
    draw_names(sheet, frame, base_map["names"], taken, size_mm=2.9)
    sheet.pin(px, py, 12, colour, "")
    sheet.box(14, y + 2, label - 2, 7, fill=PAPER, radius=1.2)
    sheet.text(17, y + 6.7, caption, 3.6, bold=True, colour=NAVY)
    draw_scale_bar(sheet, frame, size_mm=2.8, words_m=shared["m"], words_km=shared["km"])
    draw_north(sheet, 190, y + 8.5, 12, shared["n"])
    sheet.box(12, y, 186, high, stroke=INK, line_mm=0.3)
    sheet.box(0, 249, 210, 48, fill="#eef2f6")
    sheet.qr(12, 252.5, 40, address)
    sheet.text(58, 264, shared["scan"], 8, bold=True, colour=NAVY, width=140)
    sheet.text(58, 272.5, shared["scan_more"], 4.4, colour=QUIET, width=140)
    sheet.text(58, 280.5, address, 3.6, width=140)
    sheet.text(58, 286.5, foot, 3.2, colour=QUIET, width=140)
    sheet.text(58, 291.5, about, 2.6, colour=QUIET, width=140)
    return sheet.finish()


def _around(row: Any, circle: dict[str, Any] | None) -> np.ndarray:
    here = np.array([[row["lon"], row["lat"]]])
    if circle is None:
        return here
    shape = shapely.geometry.shape(circle)
    return here if shape.is_empty else np.vstack([here, shapely.get_coordinates(shape)])


def _circle(sheet: Sheet, frame: Frame, circle: dict[str, Any]) -> None:
    sheet.canvas.saveState()
    path = sheet.canvas.beginPath()
    path.rect(*frame.on_canvas(sheet))
    sheet.canvas.clipPath(path, stroke=0)
    for part in shapely.get_parts(shapely.geometry.shape(circle)):
        rings = [part.exterior, *part.interiors]
        draw_line(
            sheet, frame, [shapely.get_coordinates(ring) for ring in rings], fill="#1a73e8",
            alpha=0.16,
        )  # fmt: skip
        draw_line(
            sheet, frame, [shapely.get_coordinates(part.exterior)], stroke="#1a5fb4", line_mm=0.7
        )
    sheet.canvas.restoreState()


def _offers(
    sheet: Sheet, offers: tuple[str, ...], x: float, y: float, width: float, colour: str
) -> float:
    size = 6.0 if len(offers) <= 10 else 4.8
    left = x
    for offer in offers:
        wide = sheet.width_of(offer, size) + size * 1.3
        if left + wide > x + width:
            left, y = x, y + size * 2.05
        sheet.box(left, y, wide, size * 1.75, fill="#f4ede2", stroke=colour, radius=size * 0.4)
        sheet.text(left + wide / 2, y + size * 1.22, offer, size, align="centre")
        left += wide + size * 0.5
    return y + size * 1.75
