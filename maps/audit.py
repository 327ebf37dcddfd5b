"""The report of an audit: one page that needs no other file, verdict first."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from geo.standards import PROFILES
from maps.audit_figures import COLOURS, curve_svg, map_svg, small_week_svg, week_svg
from maps.audit_week import holiday_in_words, week_in_words
from maps.messages import words_of
from maps.templating import environment

_HERE = Path(__file__).parent
OUTSIDE_LISTED = 300
WEEKS_LISTED = 300
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun", "holiday")
_UNKNOWN = (
    "stations_without_area",
    "stations_without_places",
    "hours_unknown",
    "areas_unknown",
    "areas_not_counted",
)
LEVELS_DOWN = ("district", "street", "community", "grid")


def audit_words(language: str) -> dict[str, str]:
    """Words of audit pages by key."""
    return words_of("audit", language=language)


def report_page(
    summary: Mapping[str, Any],
    homes: pd.DataFrame,
    shapes: Mapping[str, NDArray[np.object_]],
    *,
    language: str,
    made_on: str,
    changes: Mapping[str, Any] | None = None,
    public: bool = False,
) -> str:
    """Write the report.

    Parameters
    ----------
    summary : mapping
        As `data.audits.conduct.conduct` makes it.
    homes : DataFrame
        One row a building.
    shapes : mapping of level to ndarray of Polygon
        WGS84 degrees.
    language : str
        zh or en.
    made_on : str
        Date to print.
    changes : mapping, optional
        As `data.audits.compare.compare` makes it.
    public : bool
        Leave out single buildings and station closures.
    """
    words = audit_words(language)
    rules = {rule["id"]: rule for rule in summary["rule_set"]["rules"]}
    main = next((r for r in summary["rules"] if r["id"] == summary["main_rule"]), None)
    drawn = [shapes[level] for level in LEVELS_DOWN[:3] if level in shapes]
    outside = pd.DataFrame()
    if "covered" in homes:
        outside = homes[~homes["covered"] & (homes["reason"] != "")]
        outside = outside.sort_values(["households", "code"], ascending=[False, True])
    listed = outside.head(0 if public else OUTSIDE_LISTED).astype(object)
    return (
        environment(number=_number, percent=_percent, filled=_filled)
        .get_template("audit_report.html")
        .render(
            summary=summary,
            words=words,
            rules=rules,
            main=main,
            main_rule=rules.get(summary["main_rule"]),
            language=language,
            made_on=made_on,
            changes=changes,
            public=public,
            colours=COLOURS,
            map=map_svg(homes, dict(summary), drawn, label=words["map"])
            if "covered" in homes
            else "",
            **_week(summary, words, language),
            curve=curve_svg(summary.get("proposals", {}), label=words["sites"]),
            outside=listed.where(listed.notna(), None).to_dict("records"),
            outside_count=len(outside),
            unknown=lambda found: unknown_in_words(found, words),
            change=lambda found: change_in_words(found, words, words[summary["unit"]]),
            tree=area_tree(main["areas"] if main else {}),
            # Open down to the communities; their grids unfold on demand.
            open_levels=("district", "street"),
            profile=PROFILES,
            style=(_HERE / "static/gridcircle/audit_report.css").read_text("utf-8"),
            script=(_HERE / "static/gridcircle/audit_report.js").read_text("utf-8"),
        )
    )


def _week(summary: Mapping[str, Any], words: Mapping[str, str], language: str) -> dict[str, Any]:
    """The week of the city as a figure and in words, and of its areas, the worst first."""
    week = summary.get("week")
    if not week:
        return {"week": "", "week_words": [], "week_areas": []}
    required = week["required"]
    rows = [
        {
            "level": level,
            "name": row["name"] or row["code"],
            "hours_below": row["hours_below"],
            "strip": small_week_svg(row, label=row["name"] or row["code"]),
            "words": week_in_words(row, required, language),
        }
        for level in ("street", "community")
        for row in sorted(
            week["areas"].get(level, []), key=lambda r: (-r["hours_below"], r["code"])
        )[:WEEKS_LISTED]
    ]
    return {
        "week": week_svg(
            week,
            [words[day] for day in DAYS],
            label=words["week"],
        ),
        "week_words": [
            *week_in_words(week, required, language),
            holiday_in_words(week, required, language),
        ],
        "week_areas": rows,
    }


def change_in_words(change: Mapping[str, Any] | None, words: Mapping[str, str], unit: str) -> str:
    """Say a change that would mend a gap, and about what it costs."""
    if change is None:
        return words["change_none"]
    said = words[f"change_{change['kind']}"].format(
        gain=_number(change["gain"]),
        unit=unit,
        name=change.get("name") or change.get("code"),
        metres=_number(change.get("metres")),
    )
    if change.get("cost") is None:
        return said
    return f"{said} · {words['cost_about'].format(cost=_number(change['cost']))}"


def unknown_in_words(found: Mapping[str, Any], words: Mapping[str, str]) -> list[str]:
    """Say what is not known behind the result of a rule, a phrase a fact; empty where nothing."""
    return [
        words[f"unknown_{fact}"].format(n=_number(found["facts"][fact]))
        for fact in _UNKNOWN
        if found["facts"].get(fact)
    ]


def area_tree(areas: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """Areas nested by their parents, the worst first: street, its communities, their grids."""
    nodes: dict[tuple[str, str], dict[str, Any]] = {}
    levels = [level for level in LEVELS_DOWN if level in areas]
    for level in levels:
        for row in areas[level]:
            if row["code"]:
                nodes[level, row["code"]] = {**row, "level": level, "children": []}
    roots: list[dict[str, Any]] = []
    for (level, _), node in nodes.items():
        above = levels[: levels.index(level)]
        parent = next(
            (nodes[up, node["parent"]] for up in reversed(above) if (up, node["parent"]) in nodes),
            None,
        )
        (parent["children"] if parent else roots).append(node)

    def ordered(some: list[dict[str, Any]]) -> list[dict[str, Any]]:
        some.sort(key=lambda n: (n["share"] is None, n["share"] or 0, -(n["denominator"] or 0)))
        for node in some:
            ordered(node["children"])
        return some

    return ordered(roots)


def _number(value: float | None, decimals: int = 0) -> str:
    return "–" if value is None or math.isnan(value) else f"{value:,.{decimals}f}"


def _percent(value: float | None) -> str:
    """Per cent, rounded down: 99.96 % is not all."""
    if value is None:
        return "–"
    return f"{int(value * 1000 + 1e-9) / 10:.1f} %" if value <= 1 else f"{value:.0%}"


def _filled(text: str, **values: object) -> str:
    return text.format(**values)
