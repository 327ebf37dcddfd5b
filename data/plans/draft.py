"""A community while an edit changes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import shapely

from data.errors import NotFoundError
from data.plans.community import Community, GridRow
from geo.partition import Change

Request = Mapping[str, Any]
"""The body of an edit: ``kind``, ``community`` and what the kind needs; geometries as GeoJSON."""


@dataclass(slots=True)
class Draft:
    """A community being changed.

    Attributes
    ----------
    community : Community
        As it was.
    rows : dict of int to GridRow
        Grids as they will be; new ones have negative numbers.
    outline : Polygon or MultiPolygon
        WGS84 degrees.
    removed : list of int
        Grids that go.
    lineage : list of (str, str)
        Code before, code after.
    """

    community: Community
    rows: dict[int, GridRow]
    outline: shapely.Geometry
    removed: list[int] = field(default_factory=list)
    lineage: list[tuple[str, str]] = field(default_factory=list)

    @classmethod
    def of(cls, community: Community) -> Draft:
        """Begin with a community as it is."""
        return cls(community, dict(community.grids), community.outline)

    def apply(self, change: Change) -> None:
        """Give the grids there are their new shapes; rows of new grids are the caller's to make."""
        for grid in change.removed:
            del self.rows[grid]
            self.removed.append(grid)
        for grid, shape in change.after.items():
            if grid in self.rows:
                self.rows[grid] = replace(self.rows[grid], shape=shape)
        if change.outline is not None:
            self.outline = change.outline

    def grid(self, grid: int, *, micro: bool = False) -> GridRow:
        """Give a grid of the community as it was; micro-grids only where they are meant.

        Raises
        ------
        NotFoundError
            If there is no such grid.
        """
        row = self.community.grids.get(int(grid))
        if row is None or (row.kind == "micro" and not micro):
            raise NotFoundError(
                f"{self.community.name} has no grid {grid} in this plan"
                + ("." if row is None else " that is no micro-grid."),
                remedy="Load the grids of the community anew and choose one of them.",
                zh=(
                    f"本方案中{self.community.name}没有网格 {grid}"
                    + ("。" if row is None else "（微网格除外）。"),
                    "请重新载入社区的网格，再选择其中一个。",
                ),
            )
        return row

    def now(self) -> Community:
        """Give the community with its grids as they are by now."""
        return replace(self.community, grids=self.rows, outline=self.outline)
