"""The week of an audit in words: when coverage falls below what is promised."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from geo.weekly import runs_of_days

_DAYS = {
    "zh": ("周一", "周二", "周三", "周四", "周五", "周六", "周日"),
    "en": (
        "Mondays",
        "Tuesdays",
        "Wednesdays",
        "Thursdays",
        "Fridays",
        "Saturdays",
        "Sundays",
    ),
}


def week_of(week: Mapping[str, Any], level: str, code: str) -> Mapping[str, Any] | None:
    """The week of one area; of the city where no level is given, None where there is none."""
    if not level:
        return week
    rows = week.get("areas", {}).get(level, [])
    return next((row for row in rows if row["code"] == code), None)


def week_in_words(cover: Mapping[str, Any], required: float, language: str) -> list[str]:
    """Say when coverage falls below the promise, a sentence a stretch of hours.

    Parameters
    ----------
    cover : mapping
        Of the city or an area, as `data.audits.week.week_summary` gives it.
    required : float
        The share promised.
    language : str
        zh or en.
    """
    chinese = language == "zh"
    total = cover["total"]
    if not total:
        return []
    if not cover["best"]:
        return [
            "规定时间内走不到任何站点，什么时候都一样。"
            if chinese
            else "No station is within the walk, whatever the hour."
        ]
    best, peak = cover["best"] / total, cover["peak"] / total
    wanted = _percent(required)
    sentences = []
    kept = peak >= required * (1 - 1e-12)
    if best < required * (1 - 1e-12):
        sentences.append(
            f"即使所有站点都开放也只有 {_percent(best)}，达不到要求的 {wanted}；"
            f"一周中最好的时段为 {_percent(peak)}。"
            if chinese
            else f"Even with all stations open only {_percent(best)} are covered, not the {wanted} "
            f"required; the best hour of the week has {_percent(peak)}."
        )
    elif not kept:
        sentences.append(
            f"没有一个小时达到要求的 {wanted}：站点同时开放可达 {_percent(best)}，"
            f"一周中最好的时段只有 {_percent(peak)}。"
            if chinese
            else f"No hour has the {wanted} required: all stations open would cover "
            f"{_percent(best)}, the best hour of the week has {_percent(peak)}."
        )
    elif not cover["below"]:
        sentences.append(
            f"一周每个小时都不低于 {wanted}。"
            if chinese
            else f"At no hour of the week below {wanted}."
        )
    for stretch in cover["below"]:
        days = _days(stretch["days"], language)
        low = _percent(stretch["low"] / total)
        whole = stretch["from"] == 0 and stretch["to"] == 24
        if chinese:
            hours = "全天" if whole else f" {stretch['from']}–{stretch['to']} 时"
            below = f"低于 {wanted}" if kept else "低于最好时段"
            sentences.append(f"{days}{hours}{below}，最低 {low}。")
        else:
            hours = "all day" if whole else f"{stretch['from']}–{stretch['to']} h"
            below = f"below {wanted}" if kept else "below the best hour"
            sentences.append(f"{days} {hours} {below}, {low} at the least.")
    return sentences


def holiday_in_words(cover: Mapping[str, Any], required: float, language: str) -> str:
    """Say at how many hours of a public holiday the promise is kept."""
    total = cover["total"]
    if not total:
        return ""
    kept = sum(value >= required * total * (1 - 1e-12) for value in cover["holiday"])
    high = _percent(max(cover["holiday"]) / total)
    if language == "zh":
        return f"法定节假日：24 小时中 {kept} 小时达到要求，最高 {high}。"
    return f"On a public holiday: {kept} of 24 hours as required, {high} at most."


def _days(days: list[int], language: str) -> str:
    names = _DAYS[language]
    if len(days) == 7:
        return "每天" if language == "zh" else "Every day,"
    parts = []
    for first, last in runs_of_days(days):
        if first == last:
            parts.append(names[first])
        elif last == first + 1:
            parts += [names[first], names[last]]
        else:
            parts.append(
                f"{names[first]}至{names[last]}"
                if language == "zh"
                else f"{names[first]} to {names[last]}"
            )
    return ("、" if language == "zh" else ", ").join(parts)


def _percent(value: float) -> str:
    """Per cent, rounded down: what is not quite all never reads as all."""
    whole = math.floor(value * 1000 + 1e-9)
    return f"{whole // 10} %" if whole % 10 == 0 else f"{whole / 10:.1f} %"
