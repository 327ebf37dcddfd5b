"""The report of an audit as PDF: A4, the packed Chinese font embedded, a plate a community."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.platypus import (
    Flowable,
    PageBreak,
    Paragraph,
    SimpleDocTemplate,
    Spacer,
    Table,
    TableStyle,
)

from maps.audit import DAYS, audit_words, change_in_words, unknown_in_words
from maps.audit_figures import COLOURS
from maps.audit_week import holiday_in_words, week_in_words
from maps.print.font import can_write, font_for
from maps.print.numbered import numbered

PLATES_MOST = 60
"""Communities with a map plate of their own: the worst first."""
ROWS_MOST = 400
_WIDTH = A4[0] - 28 * mm
_TONES = {"pass": "#1a7f4b", "fail": "#b5302b", "unknown": "#56616e"}


def audit_pdf(
    summary: Mapping[str, Any],
    homes: pd.DataFrame,
    shapes: Mapping[str, NDArray[np.object_]],
    *,
    language: str,
    made_on: str,
    public: bool = False,
) -> bytes:
    """Write the report as PDF.

    Parameters
    ----------
    summary, homes, shapes, language, made_on, public
        As in `maps.audit.report_page`.
    """
    words = audit_words(language)
    content = _Content(summary, words, language, made_on, public=public)
    story = content.front(homes, shapes)
    story += content.tables()
    story += content.plates(homes, shapes)
    font = font_for(frozenset("".join(content.letters)))
    content.set_font(font)
    out = io.BytesIO()
    document = SimpleDocTemplate(
        out,
        pagesize=A4,
        leftMargin=14 * mm,
        rightMargin=14 * mm,
        topMargin=14 * mm,
        bottomMargin=16 * mm,
        title=can_write(f"{words['report']} {summary['city']['name']}"),
        author="Gridcircle",
        lang="zh-CN" if language == "zh" else "en",
        invariant=1,
    )
    foot = can_write(f"{summary['city']['name']} · {made_on} · {summary['digest'][:12]}")
    document.build(
        [part.made(font) if isinstance(part, _Late) else part for part in story],
        canvasmaker=numbered(font, foot, margin_mm=14),
    )
    return out.getvalue()


class _Late(Flowable):  # type: ignore[misc]
    """A part of the story that is made once the font with its letters is."""

    def __init__(self, make: Any) -> None:
        super().__init__()
        self._make = make

    def made(self, font: str) -> Flowable:
        """Make it."""
        part: Flowable = self._make(font)
        return part


class _Content:
    """Gathers the parts of the report and the letters they need."""

    def __init__(
        self,
        summary: Mapping[str, Any],
        words: Mapping[str, str],
        language: str,
        made_on: str,
        *,
        public: bool,
    ) -> None:
        self.summary = summary
        self.words = words
        self.language = language
        self.made_on = made_on
        self.public = public
        self.letters: list[str] = [summary["city"]["name"], made_on, "·/%–∞≤…#+,.0123456789"]
        self.rules = {rule["id"]: rule for rule in summary["rule_set"]["rules"]}
        self.main = next((r for r in summary["rules"] if r["id"] == summary["main_rule"]), None)
        self.unit = words[summary["unit"]]

    def set_font(self, font: str) -> None:
        """Remember the font that is embedded."""
        self.font = font

    def text(self, words: object, size: float = 9, colour: str = "#1d2733") -> _Late:
        """A paragraph."""
        plain = can_write(str(words))
        self.letters.append(plain)
        escaped = plain.replace("&", "&amp;").replace("<", "&lt;")
        return _Late(
            lambda font: Paragraph(
                escaped,
                ParagraphStyle(
                    "p",
                    fontName=font,
                    fontSize=size,
                    leading=1.45 * size,
                    textColor=colors.HexColor(colour),
                    wordWrap="CJK" if self.language == "zh" else None,
                ),
            )
        )

    def heading(self, words: str) -> list[Flowable]:
        """A heading with room around it."""
        return [Spacer(1, 5 * mm), self.text(words, 13), Spacer(1, 2 * mm)]

    def table(self, head: list[str], rows: list[list[Any]], widths: list[float]) -> _Late:
        """A table whose head comes again on every page."""
        titles = [title[:1].upper() + title[1:] for title in head]
        cells = [[can_write(str(cell)) for cell in row] for row in [titles, *rows[:ROWS_MOST]]]
        self.letters += ["".join(row) for row in cells]

        def make(font: str) -> Flowable:
            style = ParagraphStyle(
                "c",
                fontName=font,
                fontSize=8,
                leading=11,
                wordWrap="CJK" if self.language == "zh" else None,
            )
            quiet = ParagraphStyle("h", parent=style, textColor=colors.HexColor("#56616e"))
            body = [
                [
                    Paragraph(
                        cell.replace("&", "&amp;").replace("<", "&lt;"), style if at else quiet
                    )
                    for cell in row
                ]
                for at, row in enumerate(cells)
            ]
            scale = _WIDTH / sum(widths)
            made = Table(body, colWidths=[w * scale for w in widths], repeatRows=1)
            made.setStyle(
                TableStyle(
                    [
                        ("LINEBELOW", (0, 0), (-1, 0), 1, colors.HexColor("#b9b4a8")),
                        ("LINEBELOW", (0, 1), (-1, -1), 0.4, colors.HexColor("#dcd8cf")),
                        ("VALIGN", (0, 0), (-1, -1), "TOP"),
                        ("TOPPADDING", (0, 0), (-1, -1), 2.5),
                        ("BOTTOMPADDING", (0, 0), (-1, -1), 2.5),
                    ]
                )
            )
            return made

        return _Late(make)

    def front(
        self, homes: pd.DataFrame, shapes: Mapping[str, NDArray[np.object_]]
    ) -> list[Flowable]:
        """Verdict, rules, map of the whole city."""
        s, w = self.summary, self.words
        title = w["public_report"] if self.public else w["report"]
        story: list[Flowable] = [self.text(title, 10, "#56616e"), self.text(s["city"]["name"], 20)]
        if s["city"]["is_sample"]:
            story.append(self.text(w["sample"], 9, "#8c1f1b"))
        story.append(Spacer(1, 3 * mm))
        story.append(self.text(w[f"verdict_{s['verdict']}"], 26, _TONES[s["verdict"]]))
        if self.main:
            story.append(
                self.text(
                    f"{self._title(self.main['id'])}{'：' if self.language == 'zh' else ': '}"
                    f"{_percent(self.main['value'])} · "
                    f"{_number(self.main['numerator'])} / {_number(self.main['denominator'])}"
                    f" {self.unit}",
                    11,
                )
            )
        rule_set = s["rule_set"]
        story.append(
            self.text(
                f"{w['rules']}: {rule_set['title_' + self.language]} ({rule_set['name']} "
                f"{rule_set['version']}) · {w['made']} {self.made_on}",
                8,
                "#56616e",
            )
        )
        if rule_set["note"]:
            story.append(self.text(rule_set["note"], 8, "#56616e"))
        story += self.heading(w["rules_title"])
        story.append(
            self.table(
                [w["rule"], w["verdict"], w["counted"], w["value"], w["required"], w["source"]],
                [
                    [
                        " · ".join((self._title(r["id"]), *unknown_in_words(r, w))),
                        w[f"verdict_{r['verdict']}"],
                        f"{_number(r['numerator'])} / {_number(r['denominator'])} {w[r['unit']]}",
                        _number(r["value"], 1)
                        if self.rules[r["id"]].get("mean")
                        else _percent(r["value"]),
                        f"≤ {self.rules[r['id']].get('max_households', '')}"
                        if self.rules[r["id"]].get("mean")
                        else _percent(r["required"]),
                        " · ".join(
                            part
                            for part in (
                                self.rules[r["id"]]["clause"],
                                self.rules[r["id"]]["source"],
                                w[f"basis_{self.rules[r['id']]['basis']}"],
                            )
                            if part
                        ),
                    ]
                    for r in s["rules"]
                ],
                [54, 19, 34, 18, 17, 42],
            )
        )
        if "covered" in homes and len(homes):
            story.append(PageBreak())
            story += self.heading(w["map"])
            drawn = [shapes[level] for level in ("district", "street") if level in shapes]
            story.append(_Plate(homes, drawn, s, height=205 * mm))
            story.append(self._legend())
        return story

    def _legend(self) -> _Late:
        names = [self.words[name] for name in COLOURS]
        points = [
            ("■", "#0b5394", self.words["station"]),
            ("▲", "#1a7f4b", self.words["proposal"]),
        ]
        self.letters += names + [mark + name for mark, _, name in points]

        def make(font: str) -> Flowable:
            marks = " ".join(
                f'<font color="{colour}">●</font> {name}'
                for name, colour in zip(names, COLOURS.values(), strict=True)
            )
            marks += "".join(
                f' <font color="{colour}">{mark}</font> {name}' for mark, colour, name in points
            )
            return Paragraph(marks, ParagraphStyle("l", fontName=font, fontSize=9, leading=14))

        self.letters.append("●")
        return _Late(make)

    def tables(self) -> list[Flowable]:
        """Reasons, areas, zones, proposals, quality, inputs."""
        s, w = self.summary, self.words
        story: list[Flowable] = []
        if self.main is None:
            return story
        story += self.heading(w["why"])
        story.append(
            self.table(
                [w["reason"], "", self.unit, w["buildings"]],
                [
                    [w[n], w[f"{n}_note"], _number(c[s["unit"]]), _number(c["buildings"])]
                    for n, c in s["reasons"].items()
                ],
                [25, 95, 25, 25],
            )
        )
        story += self.week()
        for level in ("street", "community", "grid"):
            rows = self.main["areas"].get(level)
            if not rows or (level == "grid" and self.public):
                continue
            story += self.heading(f"{w['by_area']} · {w[level]}")
            story.append(
                self.table(
                    [w["name"], w["code"], self.unit, w["outside"], w["share"], w["verdict"]],
                    [
                        [
                            row["name"] or w["none_area"],
                            row["code"],
                            _number(row["denominator"]),
                            _number(row["denominator"] - row["numerator"]),
                            _percent(row["share"]),
                            w[f"verdict_{row['verdict']}"],
                        ]
                        for row in sorted(
                            rows, key=lambda r: (r["share"] is None, r["share"] or 0, r["code"])
                        )
                    ],
                    [45, 40, 25, 25, 22, 25],
                )
            )
        story += self.heading(w["zones"])
        story.append(
            self.table(
                ["#", w["community"], self.unit, w["buildings"], w["max_minutes"], w["change"]],
                [
                    [
                        z["rank"],
                        z.get("community", ""),
                        _number(z[s["unit"]]),
                        _number(z["buildings"]),
                        _number(z["minutes_max"], 1),
                        change_in_words(z["change"], w, self.unit),
                    ]
                    for z in s["zones"][:60]
                ],
                [10, 35, 20, 20, 22, 75],
            )
        )
        sites = s.get("proposals", {}).get("sites", [])
        if sites:
            total = s["proposals"]["total"] or 1
            story += self.heading(w["sites"])
            story.append(self.text(w["sites_note"], 8, "#56616e"))
            story.append(
                self.table(
                    ["#", w["name"], w["gain"], w["cumulative"], w["at_most"]],
                    [
                        [
                            site["rank"],
                            site["name"] or site["code"],
                            f"+{_number(site['gain'])}",
                            _percent(site["covered"] / total),
                            _percent(site["at_most"] / total),
                        ]
                        for site in sites
                    ],
                    [10, 85, 25, 30, 30],
                )
            )
        quality = s["quality"]
        story += self.heading(w["quality"])
        story.append(
            self.text(
                w["band"].format(
                    n=quality["doubtful_links"],
                    high=_percent(quality["band"]["high"]),
                    low=_percent(quality["band"]["low"]),
                )
            )
        )
        story += self.heading(w["inputs"])
        story.append(
            self.table(
                [w["input"], w["name"], w["digest"]],
                [[i.get("part") or i["kind"], i["name"], i["version"]] for i in s["inputs"]]
                + [["summary", "", s["digest"]]],
                [25, 40, 115],
            )
        )
        return story

    def week(self) -> list[Flowable]:
        """The strip of the city, when it falls below the promise, and the same by area."""
        week, w = self.summary.get("week", {}), self.words
        if "required" not in week:
            return []
        required = week["required"]
        names = [w[day] for day in DAYS]
        self.letters += [*names, ":"]
        story: list[Flowable] = [
            *self.heading(w["week"]),
            _Late(lambda font: _Week(week, names, font)),
            Spacer(1, 2 * mm),
        ]
        sentences = week_in_words(week, required, self.language)
        sentences.append(holiday_in_words(week, required, self.language))
        story += [self.text(sentence) for sentence in sentences]
        story.append(self.text(w["week_note"], 8, "#56616e"))
        for level in ("street", "community"):
            rows = sorted(
                week["areas"].get(level, []), key=lambda r: (-r["hours_below"], r["code"])
            )
            if not rows:
                continue
            story += self.heading(f"{w['week']} · {w[level]}")
            story.append(
                self.table(
                    [w["name"], w["week_below"], w["week_when"]],
                    [
                        [
                            row["name"] or row["code"],
                            row["hours_below"],
                            " ".join(week_in_words(row, required, self.language)),
                        ]
                        for row in rows
                    ],
                    [40, 22, 120],
                )
            )
        return story

    def plates(
        self, homes: pd.DataFrame, shapes: Mapping[str, NDArray[np.object_]]
    ) -> list[Flowable]:
        """A map plate and the worst buildings of each community, the worst community first."""
        if self.main is None or "community" not in homes or self.public:
            return []
        rows = [r for r in self.main["areas"].get("community", []) if r["code"]]
        rows.sort(key=lambda r: (r["numerator"] - r["denominator"], r["code"]))
        story: list[Flowable] = []
        for row in rows[:PLATES_MOST]:
            some = homes[homes["community"] == row["code"]]
            if not len(some):
                continue
            story.append(PageBreak())
            plate: list[Flowable] = [
                self.text(row["name"] or row["code"], 15),
                self.text(
                    f"{_percent(row['share'])} · {_number(row['numerator'])} / "
                    f"{_number(row['denominator'])} {self.unit}",
                    10,
                    _TONES[row["verdict"]],
                ),
                Spacer(1, 2 * mm),
                _Plate(
                    some,
                    [shapes["community"]] if "community" in shapes else [],
                    self.summary,
                    height=150 * mm,
                ),
                self._legend(),
            ]
            story += plate
            outside = some[~some["covered"] & (some["reason"] != "")]
            outside = outside.sort_values(["households", "code"], ascending=[False, True])
            if len(outside):
                story.append(
                    self.table(
                        [
                            self.words["code"],
                            self.words["name"],
                            self.unit,
                            self.words["reason"],
                            self.words["minutes"],
                            self.words["nearest"],
                        ],
                        [
                            [
                                home.code,
                                home.name,
                                _number(home.households),
                                self.words[home.reason],
                                _number(home.minutes, 1),
                                home.station_name or home.station,
                            ]
                            for home in outside.head(14).itertuples()
                        ],
                        [42, 38, 15, 20, 20, 48],
                    )
                )
        return story

    def _title(self, rule: str) -> str:
        found: str = self.rules[rule]["title_" + self.language]
        return found


class _Week(Flowable):  # type: ignore[misc]
    """The hours of the week as squares: the darker, the more homes are covered."""

    def __init__(self, cover: Mapping[str, Any], names: list[str], font: str) -> None:
        super().__init__()
        self.width, self.height = _WIDTH, 52 * mm
        self._cover, self._names, self._font = cover, names, font

    def wrap(self, *_: float) -> tuple[float, float]:
        """Its size."""
        return self.width, self.height

    def draw(self) -> None:
        """Draw it on the page."""
        pen = self.canv
        total = self._cover["total"] or 1
        held = self._cover["held"] / total * (1 - 1e-12)
        values = [*self._cover["surely"], *self._cover["holiday"]]
        left, step = 14 * mm, 6 * mm
        wide = (self.width - left) / 24
        pen.setFont(self._font, 8)
        for hour in range(0, 24, 3):
            pen.drawString(left + hour * wide, self.height - 3 * mm, f"{hour}:00")
        for day, name in enumerate(self._names):
            y = self.height - 4.5 * mm - (day + 1) * step + 0.4 * mm - (1 * mm if day == 7 else 0)
            pen.setFillColor(colors.HexColor("#1d2733"))
            pen.drawString(0, y + 1.6 * mm, name)
            for hour in range(24):
                share = values[day * 24 + hour] / total
                level = 245 - 180 * share
                x = left + hour * wide
                pen.setFillColor(
                    colors.Color(
                        level / 255, min(level + 25, 250) / 255, min(level + 60, 252) / 255
                    )
                )
                pen.rect(x, y, wide - 1, step - 1, stroke=0, fill=1)
                if share < held:
                    pen.setStrokeColor(colors.HexColor("#b5302b"))
                    pen.setLineWidth(0.6)
                    pen.line(x, y, x + wide - 1, y + step - 1)


class _Plate(Flowable):  # type: ignore[misc]
    """A map of some homes: dots by reason, outlines, stations, proposals."""

    def __init__(
        self,
        homes: pd.DataFrame,
        shapes: list[NDArray[np.object_]],
        summary: Mapping[str, Any],
        *,
        height: float,
    ) -> None:
        super().__init__()
        self.width, self.height = _WIDTH, height
        self._homes, self._shapes, self._summary = homes, shapes, summary

    def wrap(self, *_: float) -> tuple[float, float]:
        """Its size."""
        return self.width, self.height

    def draw(self) -> None:
        """Draw it on the page."""
        pen = self.canv
        lon, lat = self._homes["lon"].to_numpy(float), self._homes["lat"].to_numpy(float)
        west, east = np.quantile(lon, [0.001, 0.999])
        south, north = np.quantile(lat, [0.001, 0.999])
        squeeze = math.cos(math.radians((south + north) / 2))
        pad = 0.05 * max(east - west, north - south, 2e-4)
        west, east, south, north = west - pad, east + pad, south - pad, north + pad
        scale = min(self.width / ((east - west) * squeeze), self.height / (north - south))
        left = (self.width - (east - west) * squeeze * scale) / 2

        def place(points: NDArray[np.float64]) -> NDArray[np.float64]:
            return np.column_stack(
                [left + (points[:, 0] - west) * squeeze * scale, (points[:, 1] - south) * scale]
            )

        pen.saveState()
        frame = pen.beginPath()
        frame.rect(0, 0, self.width, self.height)
        pen.clipPath(frame, stroke=0, fill=0)
        pen.setFillColor(colors.HexColor("#f6f4ef"))
        pen.rect(0, 0, self.width, self.height, stroke=0, fill=1)
        pen.setStrokeColor(colors.HexColor("#6b7785"))
        for depth, level in enumerate(self._shapes):
            pen.setLineWidth(max(1.4 - 0.6 * depth, 0.5))
            for shape in level:
                for ring in shapely.get_exterior_ring(shapely.get_parts(shape)):
                    xy = place(shapely.get_coordinates(ring))
                    path = pen.beginPath()
                    path.moveTo(*xy[0])
                    for x, y in xy[1:].tolist():
                        path.lineTo(x, y)
                    pen.drawPath(path)
        groups = np.where(self._homes["covered"], "covered", self._homes["reason"].to_numpy(object))
        radius = 1.0 if len(lon) > 2000 else 1.9
        for name, colour in COLOURS.items():
            chosen = groups == name
            if not chosen.any():
                continue
            pen.setFillColor(colors.HexColor(colour))
            points = place(np.column_stack([lon, lat])[chosen])
            # Dots closer than a third of a millimetre are one on paper.
            for x, y in np.unique(np.rint(points), axis=0).tolist():
                pen.circle(x, y, radius, stroke=0, fill=1)
        pen.setStrokeColor(colors.white)
        pen.setLineWidth(0.6)
        pen.setFillColor(colors.HexColor("#1a7f4b"))
        for site in self._summary.get("proposals", {}).get("sites", []):
            x, y = place(np.array([[site["lon"], site["lat"]]]))[0]
            path = pen.beginPath()
            path.moveTo(x, y + 5)
            path.lineTo(x + 4.5, y - 3)
            path.lineTo(x - 4.5, y - 3)
            path.close()
            pen.drawPath(path, stroke=1, fill=1)
        pen.setFillColor(colors.HexColor("#0b5394"))
        for station in self._summary["stations"]:
            x, y = place(np.array([[station["lon"], station["lat"]]]))[0]
            pen.rect(x - 2.6, y - 2.6, 5.2, 5.2, stroke=1, fill=1)
        pen.restoreState()


def _number(value: float | None, decimals: int = 0) -> str:
    return "–" if value is None or math.isnan(value) else f"{value:,.{decimals}f}"


def _percent(value: float | None) -> str:
    """Per cent, rounded down: what is not quite all never reads as all."""
    if value is None:
        return "–"
    return f"{math.floor(value * 1000 + 1e-9) / 10:.1f} %"
