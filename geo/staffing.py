"""Staffing of a plan: workers, building heads and unit heads needed, against those there are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geo.cells import sums
from geo.errors import DesignError
from geo.standards import StaffingRule

Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Staffing:
    """Needs of each community; a surplus is a positive difference, a shortage a negative one.

    Attributes
    ----------
    workers, building_heads, unit_heads : ndarray, shape (c,), int64
    spare_workers, spare_building_heads, spare_unit_heads : ndarray or None
        Present less needed; None where the present number is not given.
    """

    workers: Counts
    building_heads: Counts
    unit_heads: Counts
    spare_workers: Counts | None
    spare_building_heads: Counts | None
    spare_unit_heads: Counts | None


def staffing(
    community: NDArray[np.integer],
    households: NDArray[np.floating] | NDArray[np.integer],
    buildings: NDArray[np.integer],
    units: NDArray[np.integer],
    communities: int,
    *,
    rule: StaffingRule | None = None,
    workers: NDArray[np.integer] | None = None,
    building_heads: NDArray[np.integer] | None = None,
    unit_heads: NDArray[np.integer] | None = None,
) -> Staffing:
    """Count who is needed and compare by community.

    Parameters
    ----------
    community, households, buildings, units : ndarray, shape (g,)
        Of each base grid: its community, from 0, and buildings and units people live in.
    communities : int
    rule : StaffingRule, optional
    workers, building_heads, unit_heads : ndarray, shape (communities,), optional
        How many there are.

    Raises
    ------
    DesignError
        If the present numbers are not one a community.
    """
    rule = rule or StaffingRule()
    each = np.maximum(1, np.ceil(np.asarray(households, float) / rule.households_a_worker))
    need = [
        sums(community, np.asarray(values, float), communities).astype(np.int64)
        for values in (each, buildings, units)
    ]
    spare: list[Counts | None] = []
    for name, present, needed in zip(
        ("workers", "building heads", "unit heads"),
        (workers, building_heads, unit_heads),
        need,
        strict=True,
    ):
        if present is not None and len(present) != communities:
            raise DesignError(
                f"{len(present)} numbers of {name} are given for {communities} communities.",
                remedy="Give one number a community.",
            )
        spare.append(None if present is None else np.asarray(present, np.int64) - needed)
    return Staffing(need[0], need[1], need[2], spare[0], spare[1], spare[2])
