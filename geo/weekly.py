"""Coverage over the hours of the week, by area: who reaches a station that is open then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array

from geo.siting.pairs import Pairs

Vector = NDArray[np.float64]

SHUT, OPEN, UNKNOWN = 0, 1, 2
"""State of a station in an hour, as in `geo.audit`."""
_WORD = 64


@dataclass(frozen=True, slots=True)
class HourCover:
    """Weight covered in each hour, by area.

    Attributes
    ----------
    total : ndarray, shape (a,), float64
        Weight of each area.
    surely, perhaps : ndarray, shape (a, h), float64
        Counting stations of unknown hours as shut, and as open.
    best : ndarray, shape (a,), float64
        Covered if every station were open.
    """

    total: Vector
    surely: Vector
    perhaps: Vector
    best: Vector


@dataclass(frozen=True, slots=True)
class HomeHours:
    """In which hours each home has an open station in reach; homes alike in this are one kind.

    Attributes
    ----------
    kind : ndarray, shape (n,), int32
        Kind of each home.
    surely, perhaps : ndarray, shape (k, h), bool
        Hours of each kind, counting stations of unknown hours as shut, and as open.
    reached : ndarray, shape (k,), bool
        Whether it reaches any station at all.
    """

    kind: NDArray[np.int32]
    surely: NDArray[np.bool_]
    perhaps: NDArray[np.bool_]
    reached: NDArray[np.bool_]

    def by_area(self, weight: Vector, row: NDArray[np.int32], count: int) -> HourCover:
        """Sum weight by area.

        Parameters
        ----------
        weight : ndarray, shape (n,)
        row : ndarray, shape (n,), int32
            Row of the area each home lies in, -1 where in none.
        count : int
            How many areas there are.
        """
        inside = row >= 0
        # Weight of every kind in every area.
        share = coo_array(
            (weight[inside], (row[inside], self.kind[inside])), shape=(count, len(self.reached))
        ).tocsr()
        ends: Vector = np.column_stack([np.ones(len(self.reached)), self.reached]).astype(float)
        total, best = np.asarray(share @ ends, np.float64).T
        return HourCover(
            total,
            np.asarray(share @ self.surely.astype(float)),
            np.asarray(share @ self.perhaps.astype(float)),
            best,
        )


def home_hours(near: Pairs, states: NDArray[np.uint8]) -> HomeHours:
    """Hours in which each home has an open station in reach.

    Stations that are open at the same hours are one to this question, and so are homes that reach
    the same of those. Sets of them are bits of words, and an hour is a comparison of the distinct
    sets only. Exact.

    Parameters
    ----------
    near : Pairs
        Homes to stations within the cutoff; stations that do not count have no pairs.
    states : ndarray, shape (m, h), uint8
        `SHUT`, `OPEN` or `UNKNOWN` for each station and hour.
    """
    profiles, profile = np.unique(states, axis=0, return_inverse=True)
    words = max(1, -(-len(profiles) // _WORD))
    sets = np.zeros((near.demands, words), np.uint64)
    owner = np.repeat(np.arange(near.demands), np.diff(near.demand_offsets))
    bit = profile.reshape(-1)[near.site]
    np.bitwise_or.at(
        sets, (owner, bit // _WORD), np.left_shift(np.uint64(1), (bit % _WORD).astype(np.uint64))
    )
    kinds, kind = np.unique(sets, axis=0, return_inverse=True)
    return HomeHours(
        kind.reshape(-1).astype(np.int32),
        _reaching(kinds, profiles == OPEN),
        _reaching(kinds, profiles != SHUT),
        np.asarray(kinds.any(axis=1)),
    )


def cover_by_hour(
    near: Pairs,
    weight: Vector,
    states: NDArray[np.uint8],
    areas: Mapping[str, tuple[NDArray[np.int32], int]],
) -> dict[str, HourCover]:
    """Weight with an open station in reach, for each hour and each area.

    Parameters
    ----------
    near, states
        As in `home_hours`.
    weight : ndarray, shape (n,)
    areas : mapping of level to (ndarray of shape (n,) int32, int)
        Row of the area each home lies in, -1 where in none, and how many areas there are.

    Returns
    -------
    dict of level to HourCover
    """
    hours = home_hours(near, states)
    return {level: hours.by_area(weight, row, count) for level, (row, count) in areas.items()}


def _reaching(kinds: NDArray[np.uint64], is_open: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether each set of profiles holds one that is open, hour by hour."""
    found = np.zeros((len(kinds), is_open.shape[1]), np.bool_)
    for hour in range(is_open.shape[1]):
        mask = np.zeros(kinds.shape[1], np.uint64)
        for number in np.flatnonzero(is_open[:, hour]).tolist():
            mask[number // _WORD] |= np.uint64(1 << (number % _WORD))
        found[:, hour] = (kinds & mask).any(axis=1)
    return found


@dataclass(frozen=True, slots=True)
class Stretch:
    """Hours of some days in which coverage lies below what is promised.

    Attributes
    ----------
    days : tuple of int
        0 is Monday; rising.
    begin, end : int
        Hours of the day, 0 to 24.
    low : float
        The least covered in any of these hours.
    """

    days: tuple[int, ...]
    begin: int
    end: int
    low: float


def stretches_below(covered: Vector, promised: float) -> list[Stretch]:
    """Where the week falls below a promise; days with the same hours are told together.

    Parameters
    ----------
    covered : ndarray, shape (168,)
    promised : float

    Returns
    -------
    list of Stretch
        By first day and hour.
    """
    below = covered.reshape(7, 24) < promised * (1 - 1e-12)
    runs: dict[tuple[int, int], list[int]] = {}
    for day in range(7):
        for is_below, hours in groupby(range(24), key=lambda hour, day=day: bool(below[day, hour])):  # type: ignore[misc]
            if is_below:
                run = list(hours)
                runs.setdefault((run[0], run[-1] + 1), []).append(day)
    found = [
        Stretch(
            tuple(days),
            begin,
            end,
            float(covered.reshape(7, 24)[days, begin:end].min()),
        )
        for (begin, end), days in runs.items()
    ]
    return sorted(found, key=lambda s: (s.days[0], s.begin, s.days))


def runs_of_days(days: Sequence[int]) -> list[tuple[int, int]]:
    """Days in a row as first and last: 0, 1, 2, 5 is (0, 2) and (5, 5)."""
    found: list[tuple[int, int]] = []
    for day in days:
        if found and day == found[-1][1] + 1:
            found[-1] = found[-1][0], day
        else:
            found.append((day, day))
    return found
