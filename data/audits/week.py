"""Opening hours as the hours of an ordinary week and of a public holiday, and coverage in them.

Hours are read by `data.opening`, as everywhere else. The week is one without public holidays and
without weekends worked in their place; the holiday is one that falls on a weekday.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.opening import TIME_ZONE, timeline
from geo.audit import OPEN, SHUT, UNKNOWN, AreaTable
from geo.siting.pairs import Pairs
from geo.weekly import HourCover, cover_by_hour, stretches_below

MONDAY = dt.datetime(2024, 5, 13, tzinfo=TIME_ZONE)
"""A week of 2024 between two holidays, no day of it worked in place of another."""
HOLIDAY = dt.datetime(2024, 5, 1, tzinfo=TIME_ZONE)
"""Labour Day of 2024, a Wednesday."""
LEVELS = ("district", "street", "community")
"""Levels whose weeks are kept with an audit; of the others see `data.audits.small_week`."""
NEARLY = 0.01
"""Share of the total by which an hour may fall short of the best and still be called as good."""
_STATES = {"open": OPEN, "closed": SHUT, "holiday": SHUT, "unknown": UNKNOWN}


def open_week(texts: Sequence[str | None]) -> NDArray[np.uint8]:
    """State of each station in each hour of the week, looked at in the middle of the hour.

    Parameters
    ----------
    texts : sequence of str or None
        ``opening_hours`` as OpenStreetMap writes them; None or what cannot be read is unknown.

    Returns
    -------
    ndarray, shape (m, 168), uint8
        `geo.audit.SHUT`, `OPEN` or `UNKNOWN`, from Monday midnight.
    """
    return _hours(texts, MONDAY, 7)


def open_holiday(texts: Sequence[str | None]) -> NDArray[np.uint8]:
    """State of each station in each hour of a public holiday, shape (m, 24)."""
    return _hours(texts, HOLIDAY, 1)


def _hours(texts: Sequence[str | None], start: dt.datetime, days: int) -> NDArray[np.uint8]:
    middles = np.arange(24 * days) * 60 + 30
    kept: dict[str | None, NDArray[np.uint8]] = {}
    for text in texts:
        if text not in kept:
            line = timeline(text, start, days=days)
            states = np.array([_STATES[state] for state in line.states], np.uint8)
            kept[text] = states[np.searchsorted(line.minutes, middles, side="right") - 1]
    if not len(texts):
        return np.zeros((0, 24 * days), np.uint8)
    return np.stack([kept[text] for text in texts])


def week_summary(
    near: Pairs,
    weight: NDArray[np.float64],
    *,
    unit: str,
    hours: Sequence[str | None],
    week: NDArray[np.uint8],
    counted: NDArray[np.int64],
    share: float,
    areas: Mapping[str, AreaTable],
) -> dict[str, Any]:
    """Coverage in each hour of the week and of a public holiday, for the city and its areas.

    Parameters
    ----------
    near : Pairs
        Homes to the stations that count, within the cutoff.
    weight : ndarray, shape (n,)
    unit : str
        What the weight counts.
    hours : sequence of str or None
        Of every station.
    week : ndarray, shape (m, 168)
        As `open_week` gives it for `hours`.
    counted : ndarray
        Rows of the stations that count.
    share : float
        What is promised.
    areas : mapping of level to AreaTable

    Returns
    -------
    dict
        ``unit``, ``required``, ``stations_of_unknown_hours``; for the city ``total``, ``best`` (all
        stations open), ``surely``, ``perhaps`` (168 numbers), ``holiday`` (24), ``hours_below``
        and ``below``; the same of each area under ``areas``, by level, without ``perhaps``. Below
        means below ``held``: the promise or, where no hour keeps it, `NEARLY` of the total less
        than the best hour, ``peak``.
    """
    states = np.concatenate([week, open_holiday(hours)], axis=1)
    rows: dict[str, tuple[NDArray[np.int32], int]] = {"": (np.zeros(len(weight), np.int32), 1)}
    rows |= {
        level: (areas[level].home, len(areas[level].code)) for level in LEVELS if level in areas
    }
    found = cover_by_hour(near, weight, states, rows)
    return {
        "unit": unit,
        "required": share,
        "stations_of_unknown_hours": int((week[counted] == UNKNOWN).all(axis=1).sum()),
        **told(found[""], 0, share),
        "perhaps": found[""].perhaps[0, :168].tolist(),
        "areas": {
            level: [
                {"code": code, "name": name, **told(cover, row, share)}
                for row, (code, name) in enumerate(
                    zip(areas[level].code, areas[level].name, strict=True)
                )
                if cover.total[row] > 0
            ]
            for level, cover in found.items()
            if level
        },
    }


def told(cover: HourCover, row: int, share: float) -> dict[str, Any]:
    """The week of one area as `week_summary` keeps it."""
    total, best = float(cover.total[row]), float(cover.best[row])
    surely = cover.surely[row, :168]
    # Where no hour keeps the promise, hours are held against the best of the week.
    peak = float(surely.max())
    promised = share * total
    held = promised if peak >= promised * (1 - 1e-12) else peak - NEARLY * total
    return {
        "total": total,
        "best": best,
        "peak": peak,
        "held": held,
        "surely": surely.tolist(),
        "holiday": cover.surely[row, 168:].tolist(),
        "hours_below": int((surely < share * total * (1 - 1e-12)).sum()),
        "below": [
            {"days": list(s.days), "from": s.begin, "to": s.end, "low": s.low}
            for s in stretches_below(surely, held)
        ],
    }
