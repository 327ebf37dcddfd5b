"""The ground that goes with buildings: their cells, as far as they lie in the buildings' grid."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import shapely
from sqlalchemy import Connection

from data.errors import InvalidRowError, NotFoundError
from data.plans.cells import cells_of_buildings
from data.plans.community import Community
from data.plans.nesting import pieces_inside


def building_patch(
    connection: Connection, community: Community, to: int, buildings: Sequence[int]
) -> shapely.Geometry:
    """Join the cells of buildings, each as far as it lies in the building's own grid.

    Raises
    ------
    NotFoundError, InvalidRowError
        If a building is not in the community, or all are in the grid already.
    """
    place = {int(b): n for n, b in enumerate(community.building)}
    unknown = [b for b in buildings if int(b) not in place]
    if unknown:
        raise NotFoundError(
            f"Building {unknown[0]} is not in {community.name} in this plan.",
            remedy="Choose buildings of the community.",
            zh=(f"本方案中楼栋 {unknown[0]} 不在{community.name}。", "请选择本社区的楼栋。"),
        )
    parts = [
        part
        for n, part in _own_parts(connection, community, buildings).items()
        if community.grid_of[n] != to
    ]
    if not parts:
        raise InvalidRowError(
            "These buildings are in the grid already.",
            remedy="Choose buildings of a neighbour.",
            zh=("这些楼栋已经在这个网格里。", "请选择相邻网格的楼栋。"),
        )
    return shapely.union_all(parts, grid_size=1e-9)


def building_parts(
    connection: Connection, community: Community, grid: int
) -> dict[int, shapely.Geometry]:
    """Cells of all buildings of a grid, as far as they lie in it, by place in the community."""
    own = community.building[community.grid_of == grid]
    return _own_parts(connection, community, own.tolist())


def _own_parts(
    connection: Connection, community: Community, buildings: Sequence[int]
) -> dict[int, shapely.Geometry]:
    place = {int(b): n for n, b in enumerate(community.building)}
    parts = {}
    for building, shape in cells_of_buildings(connection, community.id, buildings).items():
        n = place[building]
        grid = community.grids.get(int(community.grid_of[n]))
        if grid is None:
            continue
        home = shapely.Point(community.point[n])
        pieces = pieces_inside(shape, grid.shape)
        if pieces:
            parts[n] = pieces[int(np.argmin(shapely.distance(pieces, home)))]
    return parts
