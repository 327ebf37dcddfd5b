"""Sums of a coverage: homes, households and people by area and state."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from geo.coverage import STATE_NAMES


def summarise(
    state: NDArray[np.uint8],
    households: NDArray[np.float64],
    people: NDArray[np.float64],
    group: NDArray[np.int64],
) -> pd.DataFrame:
    """Add up demand points by group and state.

    Parameters
    ----------
    state : ndarray, shape (n,)
        `geo.coverage.State` of each demand point.
    households, people : ndarray, shape (n,)
        NaN counts as none.
    group : ndarray, shape (n,)
        Key of the area each point belongs to; -1 where none.

    Returns
    -------
    DataFrame
        Indexed by group: buildings, households, people, for each state ``<state>`` (buildings),
        ``<state>_households`` and ``<state>_people``, and ``covered_share``: of households where
        the group has any, else of buildings.
    """
    keys, row = np.unique(group, return_inverse=True)
    cell = row * len(STATE_NAMES) + state
    shape = (len(keys), len(STATE_NAMES))
    size = int(np.prod(shape))
    counts = np.bincount(cell, minlength=size).reshape(shape)
    homes = np.bincount(cell, weights=np.nan_to_num(households), minlength=size).reshape(shape)
    heads = np.bincount(cell, weights=np.nan_to_num(people), minlength=size).reshape(shape)
    columns: dict[str, NDArray[np.generic]] = {
        "buildings": counts.sum(axis=1),
        "households": homes.sum(axis=1),
        "people": heads.sum(axis=1),
    }
    for i, name in enumerate(STATE_NAMES):
        columns[name] = counts[:, i]
        columns[f"{name}_households"] = homes[:, i]
        columns[f"{name}_people"] = heads[:, i]
    table = pd.DataFrame(columns, index=pd.Index(keys, name="group"))
    whole = table["households"].where(table["households"] > 0, table["buildings"])
    part = table["covered_households"].where(table["households"] > 0, table["covered"])
    table["covered_share"] = part / whole.where(whole > 0)
    return table
