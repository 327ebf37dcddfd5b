"""The week of small areas, grids and compounds: worked out when asked for, from what was audited.

Kept with every audit, the hours of some thousand grids would be most of it. A home's hours are kept
here by kind instead, as many homes share them, and an area is summed when somebody looks at it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.audits.ground import ground_of, pairs_within, tables_of
from data.audits.place import Place
from data.audits.week import open_holiday, told
from geo.rulesets import Rule
from geo.weekly import HomeHours, home_hours


@dataclass(frozen=True, slots=True)
class SmallWeeks:
    """Hours of every home of an audit, with the areas it lies in: some bytes a home.

    Attributes
    ----------
    hours : HomeHours
        Of 168 hours of the week and 24 of a public holiday.
    weight : ndarray, shape (n,), float64
    required : float
        The share promised.
    rows : mapping of level to (dict of code to row, ndarray of object, ndarray of int32)
        Rows of the areas, their names, and the row each home lies in.
    """

    hours: HomeHours
    weight: NDArray[np.float64]
    required: float
    rows: Mapping[str, tuple[dict[str, int], NDArray[np.object_], NDArray[np.int32]]]

    def of(self, level: str, code: str) -> dict[str, Any] | None:
        """The week of one area as `data.audits.week.week_summary` tells it; None without homes."""
        numbers, names, home = self.rows.get(level, ({}, np.zeros(0, object), np.zeros(0, int)))
        if code not in numbers:
            return None
        row = numbers[code]
        cover = self.hours.by_area(self.weight, np.where(home == row, 0, -1).astype(np.int32), 1)
        if cover.total[0] <= 0:
            return None
        return {"code": code, "name": str(names[row]), **told(cover, 0, self.required)}


def small_weeks(place: Place, rule: Rule) -> SmallWeeks:
    """Walk all homes of a place to the stations of its main rule and note their hours.

    Parameters
    ----------
    place : Place
        As it was audited; see `data.audits.inputs.place_from`.
    rule : Rule
        The reach rule the audit is about.
    """
    key = rule.walk
    assert key is not None  # noqa: S101 — a rule on reach always walks
    homes, stations = tables_of(place)
    ground = ground_of(place, key.profile, key.waits)
    pairs = pairs_within(place, stations, ground, key, rule.cutoff_s)
    states = np.concatenate([stations.week, open_holiday(place.stations.hours)], axis=1)
    return SmallWeeks(
        home_hours(pairs.within(pairs.limit(rule.cutoff_s)), states),
        homes.weight,
        rule.share,
        {
            level: (
                {str(code): row for row, code in enumerate(table.code)},
                table.name,
                table.home,
            )
            for level, table in place.areas.items()
        },
    )
