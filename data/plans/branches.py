"""Party branches 党支部: the grids that one rests on are neighbours, joined edge to edge."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np
import shapely
from numpy.typing import NDArray

from data.errors import Fault, InvalidRowError
from data.plans.community import Community, GridRow
from geo.cells import components
from geo.grid_rules import Broken


def branch_groups(rows: Iterable[GridRow]) -> dict[str, list[list[int]]]:
    """Part the grids of each branch into groups that hang together, the largest first.

    Grids are neighbours where they share an edge; a common corner joins nobody. A branch belongs
    to one community: the same name elsewhere is another branch.

    Parameters
    ----------
    rows : iterable of GridRow
        Of one community; micro-grids have no branch.

    Returns
    -------
    dict of str to list of list of int
        Ids of grids, by the name of the branch.
    """
    members: dict[str, list[GridRow]] = {}
    for row in rows:
        if row.branch and row.kind != "micro":
            members.setdefault(row.branch, []).append(row)
    return {name: _joined(grids) for name, grids in members.items()}


def neighbours(shapes: NDArray[np.object_]) -> NDArray[np.int64]:
    """Pairs of grids that share an edge; a common corner joins nobody.

    Parameters
    ----------
    shapes : ndarray of Polygon, shape (n,)
        Of a partition, where neighbours have the vertices of their common boundary in common.

    Returns
    -------
    ndarray, shape (m, 2)
        Rows of ``shapes``, the lower first.
    """
    a, b = shapely.STRtree(shapes).query(shapes, predicate="intersects")
    pairs = np.column_stack([a, b])[a < b]
    edge = shapely.boundary(shapes)
    shared = shapely.length(shapely.intersection(edge[pairs[:, 0]], edge[pairs[:, 1]]))
    joined: NDArray[np.int64] = pairs[shared > 0]
    return joined


def _joined(grids: list[GridRow]) -> list[list[int]]:
    shapes = np.array([grid.shape for grid in grids], object)
    label = components(len(grids), neighbours(shapes).astype(np.int32))
    ids = np.array([grid.id for grid in grids])
    found = [ids[label == number].tolist() for number in range(int(label.max()) + 1)]
    return sorted(found, key=lambda ids: (-len(ids), ids))


def require_branch(community: Community, rows: Mapping[int, GridRow], grid: GridRow) -> None:
    """Refuse a branch for a grid that does not border on the branch's other grids.

    Parameters
    ----------
    community : Community
        Before.
    rows : mapping of int to GridRow
        All grids of the community as they are to be.
    grid : GridRow
        The one whose branch is set.

    Raises
    ------
    InvalidRowError
        If the branch would rest on grids that are no neighbours; it names them.
    """
    if not grid.branch or grid.branch == community.grids[grid.id].branch:
        return
    if grid.kind == "micro":
        fault = Fault(
            "branch", grid.branch, "a micro-grid has no branch", "Set it on the base grid."
        )
        raise InvalidRowError(
            "A party branch rests on base and exclusive grids, not on micro-grids.",
            remedy=fault.remedy,
            zh=("党支部建在基础网格或专属网格上，不建在微网格上。", "请在上级网格上填写。"),
            faults=(fault,),
        )
    groups = branch_groups(r for r in rows.values() if r.branch == grid.branch)[grid.branch]
    if len(groups) < 2:
        return
    apart = next(ids for ids in groups if grid.id in ids)
    others = [rows[g].code for ids in groups if ids is not apart for g in ids]
    known, known_zh = ", ".join(others[:5]), "、".join(others[:5])
    fault = Fault(
        "branch",
        grid.branch,
        f"{grid.code} does not border on {known}",
        "Choose a neighbouring grid, or another name for the branch.",
    )
    raise InvalidRowError(
        f"The branch {grid.branch} rests on {known}, and {grid.code} is no neighbour of them.",
        remedy=fault.remedy,
        zh=(
            f"党支部“{grid.branch}”建在网格 {known_zh} 上，网格 {grid.code} 与它们不相邻。",
            "请选择相邻的网格，或换一个支部名称。",
        ),
        faults=(fault,),
    )


def with_branches(community: Community) -> Community:
    """Mark every grid of a branch that has fallen apart, and unmark those that hang together."""
    rows = dict(community.grids)
    apart: dict[int, Broken] = {}
    for name, groups in branch_groups(rows.values()).items():
        for ids in groups if len(groups) > 1 else ():
            for grid in ids:
                apart[grid] = Broken("branch", sum(map(len, groups)) - len(ids), 0, name)
    for grid, row in rows.items():
        others = tuple(b for b in row.crossings if b.rule != "branch")
        now = (*others, apart[grid]) if grid in apart else others
        if now != row.crossings:
            rows[grid] = replace(row, crossings=now)
    return replace(community, grids=rows)
