"""Grids as a file has them, and what became of them in a plan."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import shapely

from data.plans.models import STAFF


@dataclass(frozen=True, slots=True)
class GivenGrid:
    """A grid as a file has it; ``shape`` in WGS84 degrees.

    Attributes
    ----------
    code, name, kind : str
    community : str or None
        Code of the community, where the file says it.
    staff : tuple of int
    """

    code: str
    name: str
    kind: str
    community: str | None
    shape: shapely.Geometry
    branch: str = ""
    staff: tuple[int, ...] = (0,) * len(STAFF)


@dataclass(frozen=True, slots=True)
class CameGrid:
    """A grid as a file has it, and what became of it.

    Attributes
    ----------
    given : GivenGrid or None
        None for a grid made for what no grid of the file covered.
    code : str or None
        In the plan; None where nothing of it lies in a community.
    shape : Polygon or None
        In the plan, WGS84 degrees.
    """

    given: GivenGrid | None
    code: str | None
    shape: shapely.Polygon | None


@dataclass(slots=True)
class PlanReport:
    """What making a plan from a file came to.

    Attributes
    ----------
    plan : int
    grids : int
    findings : list of dict
        Gaps, overlaps and parts outside, with what was done about each.
    moved_m2 : float
    added : list of str
        Codes of grids made for what no grid of the file covered.
    left_out : list of str
        Codes of grids that lie in no community.
    renamed : list of (str, str)
        Codes that were none of their community's, or taken, and what they are now.
    branches : list of dict
        Party branches whose grids are no neighbours: community, name, codes of each part.
    came : list of CameGrid
        Every grid of the file, and those made besides; not part of the JSON.
    places : list of Polygon or MultiPolygon
        Where each finding is, WGS84 degrees; not part of the JSON.
    """

    plan: int = 0
    grids: int = 0
    findings: list[dict[str, Any]] = field(default_factory=list)
    moved_m2: float = 0.0
    added: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    renamed: list[tuple[str, str]] = field(default_factory=list)
    branches: list[dict[str, Any]] = field(default_factory=list)
    came: list[CameGrid] = field(default_factory=list)
    places: list[shapely.Geometry] = field(default_factory=list)

    @property
    def undecided(self) -> int:
        """How many findings were wider than the tolerance."""
        return sum(not f["decided"] for f in self.findings)

    def leave_out(self, grid: GivenGrid) -> None:
        """Note a grid of the file that lies in no community."""
        self.left_out.append(grid.code)
        self.came.append(CameGrid(grid, None, None))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "plan": self.plan,
            "grids": self.grids,
            "undecided": self.undecided,
            "moved_m2": round(self.moved_m2, 1),
            "added": self.added,
            "left_out": self.left_out,
            "renamed": [list(pair) for pair in self.renamed],
            "branches": self.branches,
            "findings": self.findings,
        }
