"""Lots: the land of a block up to its pavements, and what each lot is used for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from data.sample.draft import Frontage, street_land
from data.sample.plan import Block, Edge, TownPlan

Points = NDArray[np.float64]

_PAVEMENT_M = 3.0
_SPLIT_M2 = 40_000.0


@dataclass(slots=True)
class Lot:
    """A piece of land with one use.

    Attributes
    ----------
    number : int
        Its place in the list of lots.
    block : int
        Block of the plan it lies in.
    role, zone : str
        Of the block.
    land : Polygon
        Ground metres.
    parting : ndarray or None
        Boundary to the other lot of the same block, shape (2, 2).
    """

    number: int
    block: int
    role: str
    zone: str
    land: shapely.Polygon
    parting: Points | None = None

    @property
    def area_m2(self) -> float:
        """Area of the land."""
        return float(self.land.area)

    @property
    def centre(self) -> Points:
        """Middle of the land."""
        return np.array(self.land.centroid.coords[0])

    def frontage(self, plan: TownPlan) -> Frontage:
        """Streets the lot may open to."""
        fences = [] if self.parting is None else [self.parting]
        return Frontage(plan.edges, plan.blocks[self.block].edges, fences=fences)


def block_land(
    block: Block, edges: list[Edge], *, below_bridges: bool = False
) -> shapely.Polygon | None:
    """Land of a block without the streets around it; None if nothing useful is left."""
    around = [e for e in block.edges if not (below_bridges and edges[e].structure)]
    strips = [
        shapely.buffer(shapely.LineString(xy), half, quad_segs=2, cap_style="square")
        for xy, half in street_land(edges, around, _PAVEMENT_M)
        if half > 0
    ]
    land = block.polygon.difference(shapely.union_all(strips))
    land = shapely.simplify(land.buffer(-5, join_style="mitre").buffer(5, join_style="mitre"), 1.2)
    parts = [p for p in shapely.get_parts(land) if p.geom_type == "Polygon" and not p.interiors]
    if not parts:
        return None
    largest = max(parts, key=lambda p: p.area)
    return largest if largest.area > 2_500 else None


def _halves(
    land: shapely.Polygon, rng: np.random.Generator
) -> tuple[list[shapely.Polygon], Points]:
    """Part a lot across its longer side; each half keeps a step back from the boundary."""
    box = np.asarray(land.minimum_rotated_rectangle.exterior.coords)
    one, two = box[1] - box[0], box[2] - box[1]
    along, across = (one, two) if np.hypot(*one) > np.hypot(*two) else (two, one)
    along, across = along / np.hypot(*along), across / np.hypot(*across)
    at = box[:4].mean(axis=0) + along * rng.normal(0, 12)
    line = np.array((at - across * 600, at + across * 600))
    halves = []
    for sign in (1.0, -1.0):
        far = sign * along * 1200
        side = shapely.Polygon(
            (line[0] + sign * along, line[1] + sign * along, line[1] + far, line[0] + far)
        )
        halves.append(land.intersection(side))
    return halves, line


def lots_of(plan: TownPlan, rng: np.random.Generator) -> list[Lot]:
    """Make the lots of a town: one a block, two where a block is large.

    Parameters
    ----------
    plan : TownPlan
    rng : Generator

    Returns
    -------
    list of Lot
        Of blocks inside the ring and of the country around, in the order of blocks.
    """
    lots: list[Lot] = []
    for block in plan.blocks:
        if block.role not in ("block", "outer"):
            continue
        land = block_land(block, plan.edges)
        if land is None:
            continue
        if block.role == "block" and block.zone != "works" and land.area > _SPLIT_M2:
            halves, line = _halves(land, rng)
            if all(h.geom_type == "Polygon" and h.area > 9_000 for h in halves):
                cut = block.polygon.intersection(shapely.LineString(line))
                if cut.geom_type == "LineString":
                    ends = np.asarray(cut.coords)
                    lots += [
                        Lot(len(lots) + k, block.number, block.role, block.zone, half, ends)
                        for k, half in enumerate(halves)
                    ]
                    continue
        lots.append(Lot(len(lots), block.number, block.role, block.zone, land))
    return lots
