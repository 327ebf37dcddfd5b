"""Households and people of every building, so that the town's totals are met exactly."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from data.sample.slabs import SLAB_STYLES
from data.sample.town import Town
from geo.errors import GridcircleError

_LIVED_IN = (0.80, 0.965)
"""Share of dwellings that are lived in, over the whole town."""

_PERSONS = {"new": 2.75, "courtyard": 2.3, "work_unit": 2.35, "urban_village": 3.1, "suburban": 3.2}
"""Persons of a household; scaled to the town's total."""


def to_whole(share: NDArray[np.float64], total: int, most: NDArray[np.int64]) -> NDArray[np.int64]:
    """Whole numbers near given shares that add up to a total and stay below a limit each.

    The largest remainders are rounded up; what is over is laid on those with room left.
    """
    whole = np.minimum(np.floor(share).astype(np.int64), most)
    order = np.argsort(-(share - whole), kind="stable")
    missing = total - int(whole.sum())
    while missing > 0:
        room = order[whole[order] < most[order]]
        if not room.size:
            raise GridcircleError(
                "The sample town has fewer dwellings than households.", remedy="Take another seed."
            )
        whole[room[:missing]] += 1
        missing = total - int(whole.sum())
    while missing < 0:
        full = order[::-1][whole[order[::-1]] > 1]
        whole[full[:-missing]] -= 1
        missing = total - int(whole.sum())
    return whole


def fill_town(town: Town, rng: np.random.Generator) -> None:
    """Set floors, dwellings, households and people of every building in the town.

    Floors are raised or lowered within the range of the compound's kind until the dwellings suit
    the households; what is left over stands empty.

    Parameters
    ----------
    town : Town
        Changed in place.
    rng : Generator

    Raises
    ------
    GridcircleError
        If the town cannot house its households.
    """
    buildings, compounds, size = town.buildings, town.compounds, town.plan.size
    kind = [compounds[b.compound].kind for b in buildings]
    low = np.array([SLAB_STYLES[k].floors[0] if k in SLAB_STYLES else 1 for k in kind])
    high = np.array([SLAB_STYLES[k].floors[1] if k in SLAB_STYLES else 1 for k in kind])
    floors = np.array([b.floors for b in buildings])
    slab = high > 1
    on_floor = np.array([b.units * b.flats for b in buildings])

    def dwellings() -> NDArray[np.int64]:
        return np.where(slab, floors * on_floor, 1)

    for _ in range(12):
        lived_in = size.households / dwellings().sum()
        if _LIVED_IN[0] <= lived_in <= _LIVED_IN[1]:
            break
        wanted = floors * lived_in / 0.92 + rng.uniform(-0.3, 0.3, len(floors))
        floors = np.where(slab, np.clip(np.round(wanted), low, high), floors).astype(np.int64)
    while size.households > _LIVED_IN[1] * dwellings().sum() and on_floor.max() < 12:
        # Even at full height there is too little: smaller flats, more of them on a floor.
        on_floor += np.where(slab, np.array([b.units for b in buildings]), 0)
    homes = dwellings()
    by_compound = np.clip(rng.normal(1, 0.06, len(compounds)), 0.8, 1.1)
    share = homes * np.array([by_compound[b.compound] for b in buildings])
    share = np.minimum(share * size.households / share.sum(), homes)
    households = to_whole(share + rng.uniform(-0.2, 0.2, len(share)), size.households, homes)
    persons = np.array([_PERSONS[k] for k in kind]) * rng.normal(1, 0.05, len(kind))
    people_share = households * persons
    people_share *= size.people / people_share.sum()
    people = to_whole(people_share, size.people, households * 9)
    for i, building in enumerate(buildings):
        building.floors = int(floors[i])
        building.dwellings = int(homes[i])
        building.households = int(households[i])
        building.people = int(people[i])
