"""Codes of grids: 15 digits, 6 county, 3 street, 3 community, 3 serial.

Serials of a community run from west to east and from north to south (the unit-grid scheme of
GB/T 30428 and Beijing's DB11); an edit keeps the codes there are, and gives new grids new ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np
import shapely

from data.errors import ConflictError

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


def grid_name(community_name: str, code: str) -> str:
    """Write the name of a grid that nobody has named: by its serial."""
    return f"{community_name}第{int(code[-3:])}网格"


def new_codes(
    community_code: str,
    community_name: str,
    taken: Iterable[str],
    shapes: Sequence[shapely.Geometry],
) -> list[str]:
    """Give new grids codes no grid of the community has or has had.

    Lowest above all first, and among themselves as everywhere: west to east, north to south.

    Parameters
    ----------
    community_code, community_name : str
    taken : iterable of str
    shapes : sequence of Geometry
        WGS84 degrees.

    Raises
    ------
    ConflictError
        If fewer of the 999 are left.
    """
    codes = free_codes(community_code, community_name, taken, len(shapes))
    return [codes[serial - 1] for serial in numbered(shapes)]


def free_codes(
    community_code: str, community_name: str, taken: Iterable[str], count: int
) -> list[str]:
    """Find codes as `new_codes` does, for as many grids, in order."""
    used = {int(code[-3:]) for code in taken if is_grid_code(code, community_code)}
    start = max(used, default=0) + 1
    free = [*range(start, 1000), *(n for n in range(1, start) if n not in used)]
    if len(free) < count:
        raise ConflictError(
            f"{community_name} has used all its 999 grid numbers.",
            remedy="Renumber the community.",
            zh=(f"{community_name}的 999 个网格编号已经用完。", "请对本社区重新编号。"),
        )
    return [grid_code(community_code, serial) for serial in free[:count]]


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
