"""The poster of a station map: map, legend, scale, north, table of stations, QR code, edition."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from data.editions.edition import Edition
from data.opening import TIME_ZONE
from maps.messages import words_of
from maps.print.frame import Frame, draw_base_map, draw_names, draw_north, draw_scale_bar, spread
from maps.print.sheet import GOLD, INK, KIND_COLOURS, NAVY, PAPER, QUIET, RULE, Sheet
from maps.public_page import PublicStation, public_stations, public_words


@dataclass(frozen=True, slots=True)
class Paper:
    """Size of a sheet and of what is written on it.

    Attributes
    ----------
    width_mm, height_mm : float
    text : float
        1 makes the table's names 3.1 mm high (9 point).
    columns : int
        Of the table.
    compact : bool
        Whether a row of the table is name and hours only.
    """

    width_mm: float
    height_mm: float
    text: float
    columns: int
    compact: bool = False


PAPERS: Mapping[str, Paper] = MappingProxyType(
    {
        "a4": Paper(210, 297, 1.0, 2),
        "a3": Paper(297, 420, 1.2, 3),
        # For chat groups: as wide as a phone, text as large as there.
        "phone": Paper(120, 0, 1.12, 2, compact=True),
    }
)
"""Sheets by name; a height of 0 grows with the table."""

"""Words on paper, by language."""


def poster(edition: Edition, paper: str, language: str, *, address: str) -> bytes:
    """Draw the poster of an edition as vector PDF.

    Parameters
    ----------
    edition : Edition
    paper : str
        Key of `PAPERS`.
    language : str
    address : str
        What the QR code leads to: the short address, the same for every edition.

    Returns
    -------
    bytes
        PDF; the same edition gives the same bytes. Stations that find no room below the map
        follow on further pages.
    """
    words = words_of("poster", language=language)
    size = PAPERS[paper]
    content = edition.content
    published = edition.published_at.astimezone(TIME_ZONE).date()
    # "90 days" count from the day of the edition: paper does not know today.
    listed = public_stations(edition, language, published)
    title = content["title"] if language == "zh" else content["title_en"]
    line = words["edition"].format(n=edition.number, d=published.isoformat())
    rows = [_Entry.of(at, station, words) for at, station in enumerate(listed, start=1)]
    about = words["data"].format(a=content["attribution"])
    kinds = public_words(language)
    t = size.text
    edge = 5.0 if size.compact else 8 * t
    width = size.width_mm - 2 * edge
    row_mm = (8.8 if size.compact else 12.6) * t
    head_mm, foot_mm = 25 * t, 26 * t
    grows = not size.height_mm
    map_mm = width * 1.12 if grows else 0.0
    per_column = math.ceil(len(rows) / size.columns)
    if grows:
        height = head_mm + map_mm + per_column * row_mm + foot_mm + 3 * edge
    else:
        height = size.height_mm
        room = height - head_mm - foot_mm - 3 * edge
        # The map takes what the table leaves, but never less than half.
        map_mm = max(room * 0.5, room - per_column * row_mm)
    names = [name for *_, name, _ in edition.base_map["names"]]
    sheet = Sheet(
        size.width_mm,
        height,
        title=f"{title} · {line}",
        words=[
            title, line, content["city"], about, *words.values(), *names, *kinds.values(), address,
            "0123456789…□", *(part for row in rows for part in row.words),
        ],
    )  # fmt: skip
    _head(sheet, title, f"{content['city']} · {line} · {words['stations'].format(n=len(rows))}",
          head_mm, edge, t)  # fmt: skip
    top = head_mm + edge * 0.7
    _map(sheet, edition, rows, edge, top, width, map_mm, t, words, kinds)
    y = top + map_mm + edge * 0.8
    bottom = height - foot_mm - edge * 0.3
    first = max(1, int((bottom - y) / row_mm + 1e-6)) * size.columns
    pages = [rows[:first]]
    later = max(1, int((height - 2 * edge - head_mm * 0.5 - 8 * t) / row_mm)) * size.columns
    pages += [rows[at : at + later] for at in range(first, len(rows), later)]
    _table(sheet, pages[0], edge, y, width, size, row_mm, t)
    _foot(sheet, edge, height - foot_mm, width, foot_mm, t, words, about, address)
    for number, page in enumerate(pages[1:], start=2):
        sheet.next_page()
        sheet.box(0, 0, sheet.width_mm, head_mm * 0.5, fill=NAVY)
        sheet.text(edge, head_mm * 0.33, title, 4.6 * t, colour=PAPER, bold=True, width=width * 0.6)
        sheet.text(
            sheet.width_mm - edge, head_mm * 0.33,
            f"{line} · {words['page'].format(a=number, b=len(pages))}", 3 * t,
            colour="#c9d7e5", align="right",
        )  # fmt: skip
        _table(sheet, page, edge, head_mm * 0.5 + edge, width, size, row_mm, t)
    return sheet.finish()


@dataclass(frozen=True, slots=True)
class _Entry:
    """A row of the table, its words ready."""

    number: str
    station: PublicStation
    hours: str
    what: str
    verified: str

    @classmethod
    def of(cls, number: int, station: PublicStation, words: Mapping[str, str]) -> _Entry:
        day = station.row["verified_on"]
        return cls(
            str(number),
            station,
            station.hours_words or words["hours_unknown"],
            "、".join(station.facility_words) if words["n"] == "北" else
            ", ".join(station.facility_words),
            words["verified"].format(d=day) if day else words["never"],
        )  # fmt: skip

    @property
    def words(self) -> tuple[str, ...]:
        row = self.station.row
        return (row["name"], row["address"], row["community"], self.hours, self.what, self.verified)


def _head(sheet: Sheet, title: str, line: str, high: float, edge: float, t: float) -> None:
    sheet.box(0, 0, sheet.width_mm, high, fill=NAVY)
    sheet.box(0, high, sheet.width_mm, 1.1 * t, fill=GOLD)
    size = 9.2 * t
    while sheet.width_of(title, size) > sheet.width_mm - 2 * edge and size > 4 * t:
        size *= 0.94
    sheet.text(edge, high * 0.55, title, size, colour=PAPER, bold=True,
               width=sheet.width_mm - 2 * edge)  # fmt: skip
    sheet.text(edge, high * 0.83, line, 3.5 * t, colour="#c9d7e5", width=sheet.width_mm - 2 * edge)


def _map(
    sheet: Sheet, edition: Edition, rows: list[_Entry], x: float, y: float, width: float,
    height: float, t: float, words: Mapping[str, str], kinds: Mapping[str, str],
) -> None:  # fmt: skip
    lonlat = np.array([[r.station.row["lon"], r.station.row["lat"]] for r in rows])
    frame = Frame.around(x, y, width, height, lonlat, margin_mm=12 * t, least_m=600)
    draw_base_map(sheet, frame, edition.base_map, pen=t**0.5)
    size = (5.6 if len(rows) <= 30 else 4.5) * t
    places = frame.on_paper(lonlat)
    marks = spread(places, size * 1.02, frame)
    taken = [
        (mx - size / 2, my - size / 2, mx + size / 2, my + size / 2) for mx, my in marks.tolist()
    ]
    key_wide, key_high = _legend(sheet, frame, rows, t, kinds)
    taken.append((x + width - key_wide - 3, y + height - key_high - 3, x + width, y + height))
    taken.append((x, y + height - 9 * t, x + width * 0.3, y + height))
    taken.append((x + width - 16 * t, y, x + width, y + 16 * t))
    if edition.content["is_sample"]:
        wide = sheet.width_of(words["sample"], 2.4 * t) + 4 * t
        taken.append((x, y, x + wide + 4, y + 8 * t))
        sheet.box(x + 2, y + 2, wide, 4.6 * t, fill="#fcefc7", radius=1)
        sheet.text(x + 2 + 2 * t, y + 2 + 3.2 * t, words["sample"], 2.4 * t, colour="#6b4a00")
    draw_names(sheet, frame, edition.base_map["names"], taken, size_mm=2.5 * t)
    for (px, py), (mx, my) in zip(places.tolist(), marks.tolist(), strict=True):
        if abs(px - mx) + abs(py - my) > size * 0.25:
            sheet.leader(px, py, mx, my, 0.3 * t)
    for at, (mx, my) in enumerate(marks.tolist()):
        sheet.mark(mx, my, size, rows[at].station.row["kind"], str(at + 1))
    draw_scale_bar(sheet, frame, size_mm=2.5 * t, words_m=words["m"], words_km=words["km"])
    draw_north(sheet, x + width - 8 * t, y + 8 * t, 11 * t, words["n"])
    sheet.box(x, y, width, height, stroke=INK, line_mm=0.3)


def _legend(
    sheet: Sheet, frame: Frame, rows: list[_Entry], t: float, kinds: Mapping[str, str]
) -> tuple[float, float]:  # fmt: skip
    there = [k for k in KIND_COLOURS if any(r.station.row["kind"] == k for r in rows)]
    labels = [kinds[f"kind_{kind}"] for kind in there]
    wide = max(sheet.width_of(label, 2.8 * t) for label in labels) + 11 * t
    high = (len(there) * 4.8 + 3.2) * t
    x = frame.x + frame.width - wide - 2.5
    y = frame.y + frame.height - high - 2.5
    sheet.box(x, y, wide, high, fill=PAPER, stroke=RULE, radius=1)
    for at, (kind, label) in enumerate(zip(there, labels, strict=True)):
        row = y + (at * 4.8 + 5.6) * t
        sheet.mark(x + 4.4 * t, row - 1.4 * t, 3.8 * t, kind, "")
        sheet.text(x + 8.2 * t, row - 0.4 * t, label, 2.8 * t)
    return wide, high


def _table(
    sheet: Sheet, rows: list[_Entry], x: float, y: float, width: float, paper: Paper,
    row_mm: float, t: float,
) -> None:  # fmt: skip
    columns, compact = paper.columns, paper.compact
    gap = 4 * t
    wide = (width - gap * (columns - 1)) / columns
    per_column = math.ceil(len(rows) / columns)
    for at, row in enumerate(rows):
        column, line = divmod(at, per_column)
        left = x + column * (wide + gap)
        top = y + line * row_mm
        station = row.station.row
        sheet.mark(left + 2.9 * t, top + 3.3 * t, 5.2 * t, station["kind"], row.number)
        text_x, room = left + 7 * t, wide - 7 * t
        sheet.text(text_x, top + 4.1 * t, station["name"], 3.1 * t, bold=True, width=room)
        where = station["address"] or station["community"]
        used = sheet.width_of(station["name"], 3.1 * t) + 3 * t
        if where and used + sheet.width_of(where, 2.35 * t) <= room:
            sheet.text(text_x + room, top + 4.1 * t, where, 2.35 * t, colour=QUIET, align="right")
        sheet.text(text_x, top + 7.7 * t, row.hours, 2.35 * t, width=room)
        if not compact:
            seen = sheet.width_of(row.verified, 2.2 * t)
            sheet.text(text_x, top + 11 * t, row.what, 2.2 * t, colour=QUIET,
                       width=room - seen - 2 * t)  # fmt: skip
            sheet.text(text_x + room, top + 11 * t, row.verified, 2.2 * t, colour=QUIET,
                       align="right")  # fmt: skip
        if line + 1 < per_column:
            sheet.box(text_x, top + row_mm - 0.25 * t, room, 0.12, fill=RULE)


def _foot(
    sheet: Sheet, x: float, y: float, width: float, high: float, t: float,
    words: Mapping[str, str], about: str, address: str,
) -> None:  # fmt: skip
    sheet.box(0, y, sheet.width_mm, high, fill="#eef2f6")
    side = high - 4 * t
    sheet.qr(x, y + 2 * t, side, address)
    left = x + side + 4 * t
    room = width - side - 4 * t
    sheet.text(left, y + 7.6 * t, words["scan"], 4.6 * t, bold=True, colour=NAVY, width=room)
    sheet.text(left, y + 12.8 * t, words["scan_more"], 2.9 * t, colour=QUIET, width=room)
    sheet.text(left, y + 17.6 * t, address, 2.7 * t, colour=INK, width=room)
    sheet.text(left, y + 22.2 * t, about, 2.2 * t, colour=QUIET, width=room)
