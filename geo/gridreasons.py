"""Why a hard rule could not be kept, said for each cell or grid it is about."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geo.gridpieces import Draft
from geo.standards import GridLimits

Floats = NDArray[np.float64]
Ints = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a hard rule could not be kept somewhere, or what stands in its way.

    Attributes
    ----------
    rule : str
        ``building_above_limit``, ``households``, ``people``, ``pieces`` or ``no_cells``.
    cell : int
        Cell it is about; -1 for the whole community.
    value, limit : float
    message, message_zh : str
    """

    rule: str
    cell: int
    value: float
    limit: float
    message: str
    message_zh: str


def oversized(
    mine: NDArray[np.int64], loads: tuple[Floats, Floats], limits: GridLimits
) -> list[Reason]:
    """Buildings that alone are above a limit."""
    told = []
    for name, zh, load, limit in (
        ("households", "户", loads[0][mine], limits.households),
        ("people", "人", loads[1][mine], limits.people),
    ):
        for at in np.flatnonzero(load > limit).tolist():
            value = float(load[at])
            told.append(
                Reason(
                    "building_above_limit",
                    int(mine[at]),
                    value,
                    float(limit),
                    f"One building alone has {value:g} {name}, the limit is {limit:g}; it has a "
                    "grid to itself. Divide it by units into micro-grids.",
                    f"单栋楼即有 {value:g} {zh}，上限 {limit:g}；"
                    "该楼独立成格，请按单元划分微网格。",
                )
            )
    return told


def overloaded(
    mine: NDArray[np.int64],
    grid: Ints,
    loads: tuple[Floats, Floats],
    limits: GridLimits,
    locked: NDArray[np.bool_],
) -> list[Reason]:
    """Grids above a limit, and whether locked cells are why."""
    told = []
    for number in np.unique(grid[mine]).tolist():
        inside = mine[grid[mine] == number]
        fixed = bool(locked[inside].any())
        for name, zh, load, limit in (
            (
                "households",
                "户",
                np.minimum(loads[0][inside], limits.households),
                limits.households,
            ),
            ("people", "人", np.minimum(loads[1][inside], limits.people), limits.people),
        ):
            if load.sum() > limit + 1e-9:
                value = float(load.sum())
                why = "locked cells hold it together" if fixed else "no allowed division was found"
                why_zh = "锁定单元使其无法拆分" if fixed else "未找到可行的划分"
                told.append(
                    Reason(
                        name,
                        int(inside[0]),
                        value,
                        float(limit),
                        f"A grid has {value:g} {name}, the limit is {limit:g}: {why}. "
                        + ("Unlock some of its cells." if fixed else "Allow more time."),
                        f"网格有 {value:g} {zh}，上限 {limit:g}：{why_zh}。"
                        + ("请解锁部分单元。" if fixed else "请延长计算时间。"),
                    )
                )
    return told


def strayed(
    grid: Ints,
    made: list[tuple[int, bool, int]],
    draft: Draft,
    locked: NDArray[np.bool_],
) -> list[Reason]:
    """Locked cells that could not stay: their grid would be in several pieces."""
    told = []
    kept = np.array([one[2] for one in made])
    for piece in draft.pieces:
        here = piece.cells[locked[piece.cells]]
        label = piece.graph.present[locked[piece.cells]]
        lost = here[kept[grid[here]] != piece.labels[label]]
        told += [
            Reason(
                "pieces",
                int(cell),
                1.0,
                1.0,
                "A locked cell lies apart from the rest of its grid, and a grid is one piece; it "
                "was given to a neighbour. Unlock it or move it first.",
                "锁定单元与其所属网格不相连，网格必须连成一片；已并入相邻网格。请先解锁或调整。",
            )
            for cell in lost.tolist()
        ]
    return told
