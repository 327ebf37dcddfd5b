"""Opening hours as 168 hours of a week without holidays."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from opening_hours import OpeningHours, ParserError, State  # type: ignore[attr-defined]

from geo.audit import OPEN, SHUT, UNKNOWN

MONDAY = dt.datetime(2024, 5, 13)  # noqa: DTZ001 — a week by the city's own clock, no holiday in it
_STATES = {State.OPEN: OPEN, State.CLOSED: SHUT, State.UNKNOWN: UNKNOWN}


def open_week(texts: Sequence[str | None]) -> NDArray[np.uint8]:
    """State of each station in each hour, looked at in the middle of the hour.

    Parameters
    ----------
    texts : sequence of str or None
        ``opening_hours`` as OpenStreetMap writes them; None or what cannot be read is unknown.

    Returns
    -------
    ndarray, shape (m, 168), uint8
        `geo.audit.SHUT`, `OPEN` or `UNKNOWN`, from Monday midnight.
    """
    kept: dict[str | None, NDArray[np.uint8]] = {}
    for text in texts:
        if text not in kept:
            kept[text] = _week(text)
    if not len(texts):
        return np.zeros((0, 168), np.uint8)
    return np.stack([kept[text] for text in texts])


def _week(text: str | None) -> NDArray[np.uint8]:
    states = np.full(168, UNKNOWN, np.uint8)
    if not text:
        return states
    try:
        hours = OpeningHours(text)
    except ParserError:
        return states
    for hour in range(168):
        state, _ = hours.state(MONDAY + dt.timedelta(hours=hour, minutes=30))
        states[hour] = _STATES[state]
    return states
