"""The rules a grid may break: too many households or people, homes cut off by a road or river."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

HOUSEHOLDS = 300
PEOPLE = 1000
"""Of a base grid: about 300 households and at most 1,000 people (county reports 001, 002; an
exclusive grid is bound by neither)."""
COMPOUND_SHARE = 0.05
"""A boundary that cuts less than this share off a compound follows its wall. Our reading."""


@dataclass(frozen=True, slots=True)
class Broken:
    """One broken rule of one grid.

    Attributes
    ----------
    rule : str
        ``households``, ``people``, ``compound``, ``road``, ``rail``, ``river`` or ``branch``.
    value : int
        What the grid has: households, people, or households on the lesser side; of a branch the
        grids of it that lie apart.
    limit : int
        What it may have.
    name : str
        The compound, road, river or party branch.
    """

    rule: str
    value: int
    limit: int
    name: str = ""

    @property
    def message(self) -> str:
        """In English."""
        name = f" {self.name}" if self.name else ""
        return {
            "households": f"{self.value} households, more than {self.limit}",
            "people": f"{self.value} people, more than {self.limit}",
            "compound": f"parts the compound{name}: {self.value} of its households lie here",
            "road": f"the trunk road{name} cuts off {self.value} households",
            "rail": f"the railway{name} cuts off {self.value} households",
            "river": f"the river{name} cuts off {self.value} households",
            "branch": f"the branch{name} rests on grids that are no neighbours",
        }[self.rule]

    @property
    def message_zh(self) -> str:
        """In Chinese."""
        return {
            "households": f"{self.value} 户，超过 {self.limit} 户",
            "people": f"{self.value} 人，超过 {self.limit} 人",
            "compound": f"把小区{self.name}分开：其中 {self.value} 户在本网格",
            "road": f"主干路{self.name}隔开 {self.value} 户",
            "rail": f"铁路{self.name}隔开 {self.value} 户",
            "river": f"河流{self.name}隔开 {self.value} 户",
            "branch": f"党支部{self.name}的网格不相邻",
        }[self.rule]

    def to_dict(self) -> dict[str, object]:
        """Plain JSON values."""
        return {
            "rule": self.rule,
            "value": self.value,
            "limit": self.limit,
            "message": self.message,
            "message_zh": self.message_zh,
        }


def load_broken(
    kind: str,
    households: int,
    people: int,
    *,
    household_limit: int = HOUSEHOLDS,
    people_limit: int = PEOPLE,
) -> list[Broken]:
    """Rules about counts; they bind base grids only."""
    if kind != "base":
        return []
    broken = []
    if households > household_limit:
        broken.append(Broken("households", households, household_limit))
    if people > people_limit:
        broken.append(Broken("people", people, people_limit))
    return broken


def barrier_broken(
    grid: shapely.Polygon,
    barriers: Sequence[tuple[str, str, shapely.Geometry]],
    homes: NDArray[np.float64],
    households: NDArray[np.int64],
) -> list[Broken]:
    """Roads, railways and rivers with homes of the grid on both sides.

    Parameters
    ----------
    grid : Polygon
        WGS84 degrees.
    barriers : sequence of (rule, name, geometry)
        ``road``, ``rail`` or ``river``; lines, or polygons of water.
    homes : ndarray, shape (n, 2)
        Points of the grid's buildings, WGS84 degrees.
    households : ndarray, shape (n,)

    Returns
    -------
    list of Broken
        One a named barrier, with the households that are not on its fuller side.
    """
    groups: dict[tuple[str, str], list[shapely.Geometry]] = {}
    for rule, name, shape in barriers:
        groups.setdefault((rule, name), []).append(shape)
    points = shapely.points(homes)
    broken = []
    for (rule, name), shapes in sorted(groups.items()):
        near = shapely.intersection(grid, shapely.union_all(shapes))
        if shapely.is_empty(near):
            continue
        areas = [p for p in shapely.get_parts(near) if p.geom_type == "Polygon"]
        lines = [p for p in shapely.get_parts(near) if p.geom_type == "LineString"]
        sides = shapely.get_parts(
            shapely.polygonize(
                shapely.get_parts(shapely.union_all([shapely.boundary(grid), *lines]))
            )
            if lines
            else grid
        )
        if areas:
            sides = shapely.get_parts(shapely.difference(sides, shapely.union_all(areas)))
            sides = shapely.get_parts(sides)
        if len(sides) < 2:
            continue
        point, side = shapely.STRtree(sides).query(points, predicate="intersects")
        sums = np.bincount(side, households[point], len(sides))
        off = int(sums.sum() - sums.max())
        if off > 0:
            broken.append(Broken(rule, off, 0, name))
    return broken


def compound_broken(
    grid: shapely.Polygon,
    compounds: Sequence[tuple[str, shapely.Geometry, int, int]],
    *,
    household_limit: int = HOUSEHOLDS,
) -> list[Broken]:
    """Compounds that would fit in one grid and lie in this one only in part.

    Parameters
    ----------
    grid : Polygon
        WGS84 degrees.
    compounds : sequence of (name, outline, households, households in this grid)
    household_limit : int
        A compound with more must be parted.
    """
    broken = []
    for name, outline, households, here in compounds:
        if households > household_limit or not 0 < here < households:
            continue
        share = shapely.area(shapely.intersection(grid, outline)) / shapely.area(outline)
        if COMPOUND_SHARE < share < 1 - COMPOUND_SHARE:
            broken.append(Broken("compound", here, 0, name))
    return broken
