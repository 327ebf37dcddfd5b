"""Roads from town to town."""

from __future__ import annotations

from itertools import product

import numpy as np
import shapely
from numpy.typing import NDArray

from data.sample.draft import OsmDraft, Tags
from data.sample.names import Names
from data.sample.town import Town

Points = NDArray[np.float64]

_STEP_M = 80.0


def build_roads(
    draft: OsmDraft, towns: list[Town], pairs: tuple[tuple[int, int], ...], names: Names
) -> None:
    """Join towns by country highways from one's way out to the other's.

    Parameters
    ----------
    draft : OsmDraft
    towns : list of Town
    pairs : tuple of (int, int)
        Towns to be joined.
    names : Names

    Notes
    -----
    Roads keep clear of every town and of each other where there is a way; two that still meet
    pass over one another.
    """
    outs = [_ways_out(town) for town in towns]
    land = [
        shapely.union_all([block.polygon for block in town.plan.blocks]).buffer(-30)
        for town in towns
    ]
    everything = shapely.union_all(land)
    drawn: list[shapely.LineString] = []
    for one, two in pairs:
        best, best_cost = None, np.inf
        for (a, da), (b, db) in product(outs[one].items(), outs[two].items()):
            curve = _curve(da[0], da[1], db[0], db[1])
            line = shapely.LineString(curve)
            cost = line.length + 20 * line.intersection(everything).length
            cost += sum(8_000.0 for other in drawn if line.crosses(other))
            if cost < best_cost:
                best, best_cost = (a, b, curve), cost
        if best is None:
            continue
        a, b, curve = best
        drawn.append(shapely.LineString(curve))
        zh = towns[one].plan.size.name_zh[0] + towns[two].plan.size.name_zh[0]
        name = names.take(f"{zh}公路", f"{towns[one].plan.size.name_en} Highway")
        tags: Tags = {"highway": "primary", "name": name[0], "name:en": name[1]}
        start = towns[one].streets.vertex(a)
        end = towns[two].streets.vertex(b)
        draft.way([start, *draft.nodes(curve[1:-1]), end], tags)


def _ways_out(town: Town) -> dict[int, tuple[Points, Points]]:
    """Corners of the plan where a road leaves the town, with the place and its direction."""
    ends: dict[int, list[int]] = {}
    for number, edge in enumerate(town.plan.edges):
        if edge.kind:
            for vertex in edge.ends:
                ends.setdefault(vertex, []).append(number)
    found = {}
    for vertex, there in ends.items():
        edge = town.plan.edges[there[0]]
        if len(there) != 1 or edge.kind != "outgoing":
            continue
        xy = edge.xy if edge.ends[1] == vertex else edge.xy[::-1]
        along = xy[-1] - xy[-2]
        found[vertex] = (xy[-1], along / np.hypot(*along))
    return found


def _curve(a: Points, along_a: Points, b: Points, along_b: Points) -> Points:
    """Cubic Hermite curve that leaves both ends in their directions."""
    reach = 0.9 * np.hypot(*(b - a))
    t = np.linspace(0, 1, max(3, int(reach / _STEP_M)))[:, None]
    p = (2 * t**3 - 3 * t**2 + 1) * a + (t**3 - 2 * t**2 + t) * along_a * reach
    q = (-2 * t**3 + 3 * t**2) * b - (t**3 - t**2) * along_b * reach
    return np.asarray(p + q)
