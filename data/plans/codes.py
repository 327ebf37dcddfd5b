"""Codes of grids: 15 digits, 6 county, 3 street, 3 community, 3 serial.

Serials of a community run from west to east and from north to south (the unit-grid scheme of
GB/T 30428 and Beijing's DB11); an edit keeps the codes there are, and gives new grids new ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np
import shapely

COLUMN_M = 120.0
"""Grids whose middles are this near in longitude stand in one column, metres. Our reading."""

_COMMUNITY = re.compile(r"\d{12}")


def grid_code(community_code: str, serial: int) -> str:
    """Write a grid's code; of a community without a 12-digit code, ``code-serial``."""
    if _COMMUNITY.fullmatch(community_code):
        return f"{community_code}{serial:03d}"
    return f"{community_code}-{serial:03d}"


def is_grid_code(code: str, community_code: str) -> bool:
    """Whether a code is one of this community's."""
    prefix = community_code if _COMMUNITY.fullmatch(community_code) else f"{community_code}-"
    return re.fullmatch(re.escape(prefix) + r"\d{3}", code) is not None


def next_serials(community_code: str, taken: Iterable[str], count: int) -> list[int]:
    """Find serials no grid of the community has or has had, lowest above all first.

    Raises
    ------
    ValueError
        If none of the 999 is left.
    """
    used = {int(code[-3:]) for code in taken if is_grid_code(code, community_code)}
    start = max(used, default=0) + 1
    free = [*range(start, 1000), *(n for n in range(1, start) if n not in used)]
    if len(free) < count:
        raise ValueError(community_code)
    return free[:count]


def numbered(shapes: Sequence[shapely.Geometry]) -> list[int]:
    """Give each shape (WGS84 degrees) its serial from 1: west to east, north to south."""
    middles = shapely.get_coordinates(shapely.centroid(np.array(shapes, object)))
    if not len(middles):
        return []
    lon_m = 111_320 * np.cos(np.radians(middles[:, 1].mean()))
    column = np.round((middles[:, 0] - middles[:, 0].min()) * lon_m / COLUMN_M)
    order = np.lexsort((-middles[:, 1], column))
    serial = np.empty(len(order), int)
    serial[order] = np.arange(1, len(order) + 1)
    return [int(n) for n in serial]
