"""Households and people where no ledger counts them: dasymetric estimates from footprints."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FLOOR_M2_PER_HOUSEHOLD = {"high_rise": 125.0, "multi_storey": 105.0, "bungalow": 120.0}
"""Gross floor area of one household by kind of building, square metres.

From the 2020 census (urban households: 36.5 m² of dwelling a person at 2.62 persons) with 10 to
25 % for stairs and lifts. Our reading; a surveyed ledger always goes first.
"""
PEOPLE_PER_HOUSEHOLD = 2.62
"""Seventh national census, 2020: average persons in a family household."""
OCCUPANCY = 1.0
"""Share of dwellings lived in: none is assumed empty, so that service is not planned too small."""


def estimate_households(
    footprint_m2: NDArray[np.float64], floors: NDArray[np.float64], kind: NDArray[np.object_]
) -> NDArray[np.int64]:
    """Households of residential buildings from their floor area.

    Parameters
    ----------
    footprint_m2 : ndarray, shape (n,)
        Square metres on the ground, in a projected CRS.
    floors : ndarray, shape (n,)
        NaN where unknown: one for bungalows, six for multi-storey, eighteen for high-rises.
    kind : ndarray of str, shape (n,)
        Kind of building, `FLOOR_M2_PER_HOUSEHOLD`; other kinds have no households.

    Returns
    -------
    ndarray, shape (n,), int64
        At least 1 for a residential building of 20 m² or more.
    """
    usual = {"high_rise": 18.0, "multi_storey": 6.0, "bungalow": 1.0}
    each = np.array([FLOOR_M2_PER_HOUSEHOLD.get(k, np.inf) for k in kind])
    assumed = np.array([usual.get(k, 1.0) for k in kind])
    storeys = np.where(np.isfinite(floors), floors, assumed)
    estimate = np.rint(footprint_m2 * storeys / each * OCCUPANCY).astype(np.int64)
    lived_in = np.isfinite(each) & (footprint_m2 >= 20.0)
    return np.where(lived_in, np.maximum(estimate, 1), 0)


def estimate_people(households: NDArray[np.int64]) -> NDArray[np.int64]:
    """People of households at the national average, rounded."""
    return np.rint(households * PEOPLE_PER_HOUSEHOLD).astype(np.int64)


def spread(total: int, weights: NDArray[np.float64]) -> NDArray[np.int64]:
    """Spread a total in whole numbers by weight; the parts add up exactly.

    Largest remainder (Hamilton); ties go to the lower index. Without any weight the parts are
    even.

    Parameters
    ----------
    total : int
        At least 0.
    weights : ndarray, shape (n,)
        At least 0.

    Raises
    ------
    ValueError
        If there is a total but nothing to spread it over, or a number is negative.
    """
    if total < 0 or (weights < 0).any():
        raise ValueError("A total and its weights must not be negative.")
    if not len(weights):
        if total:
            raise ValueError("There is nothing to spread the total over.")
        return np.zeros(0, np.int64)
    share = weights if weights.sum() > 0 else np.ones(len(weights))
    exact = total * share / share.sum()
    parts = np.floor(exact).astype(np.int64)
    order = np.argsort(-(exact - parts), kind="stable")
    parts[order[: total - int(parts.sum())]] += 1
    return parts
