"""River and railway: water, green banks with paths and steps, tracks."""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray

from data.sample.draft import Frontage, OsmDraft, Streets, Tags
from data.sample.lots import block_land
from data.sample.names import Name
from data.sample.plan import TownPlan

Points = NDArray[np.float64]

_WATER_HALF_M = 36.0
_PATH_M = 56.0
_STEPS_EVERY_M = 210.0
_STEPS_M = 11.0


def _normals(line: Points) -> Points:
    along = np.gradient(line, axis=0)
    along /= np.hypot(*along.T)[:, None]
    return np.column_stack((-along[:, 1], along[:, 0]))


def build_river(
    draft: OsmDraft, streets: Streets, plan: TownPlan, name: Name, rng: np.random.Generator
) -> None:
    """Write the river with its banks.

    A path runs along either bank at the water's level, below the bridges and not joined to them;
    steps, and here and there a ramp, lead up to the road on the bank.

    Parameters
    ----------
    draft : OsmDraft
    streets : Streets
    plan : TownPlan
    name : tuple of str
    rng : Generator
    """
    line, normal = plan.river, _normals(plan.river)
    s = np.arange(len(line)) * 20.0
    shores: dict[int, Points] = {}
    for side in (1, -1):
        phase = rng.uniform(0, 2 * np.pi, 2)
        wave = 6 * np.sin(s / 170 + phase[0]) + 3 * np.sin(s / 63 + phase[1])
        shores[side] = line + side * normal * (_WATER_HALF_M + wave)[:, None]
    titles = {"name": name[0], "name:en": name[1]}
    draft.line(line, {"waterway": "river", **titles})
    water = np.vstack((shores[1], shores[-1][::-1]))
    draft.ring(water, {"natural": "water", "water": "river", **titles})
    surface = shapely.Polygon(water)
    park = {
        "leisure": "park",
        "name": f"{name[0]}公园",
        "name:en": f"{name[1]} Park",
    }
    for block in plan.blocks:
        if block.role != "river":
            continue
        land = block_land(block, plan.edges, below_bridges=True)
        if land is None:
            continue
        for part in shapely.get_parts(land.difference(surface.buffer(1))):
            if part.geom_type == "Polygon" and part.area > 1_500 and not part.interiors:
                draft.ring(np.asarray(part.exterior.coords)[:-1], dict(park))
    around = [number for block in plan.blocks if block.role == "river" for number in block.edges]
    banks = [e for e in dict.fromkeys(around) if plan.edges[e].kind == "bank"]
    frontage = Frontage(plan.edges, banks)
    for side in (1, -1):
        _bank(draft, streets, plan, frontage, line, side * normal, rng)


def _bank(
    draft: OsmDraft,
    streets: Streets,
    plan: TownPlan,
    frontage: Frontage,
    line: Points,
    normal: Points,
    rng: np.random.Generator,
) -> None:
    """Path along one bank, as far as the road on the bank goes, with steps up to the road."""
    path = line + normal * _PATH_M
    road = [frontage.nearest(point) for point in path]
    off = np.array([hit.distance_m if hit else np.inf for hit in road])
    inside = np.flatnonzero(off < 60)
    if inside.size < 3:
        return
    first, last = int(inside[0]), int(inside[-1])
    path = path[first : last + 1]
    nodes = draft.nodes(path)
    draft.way(nodes, {"highway": "footway", "surface": "paving_stones"})
    every = max(2, round(_STEPS_EVERY_M / 20))
    for count, k in enumerate(range(1, len(path) - 1, every)):
        hit = road[first + k]
        if hit is None or hit.distance_m > 60 or hit.distance_m < _STEPS_M + 8:
            continue
        leg = hit.point - path[k]
        bridges = (
            shapely.LineString(edge.xy).distance(shapely.LineString((path[k], hit.point)))
            for edge in plan.edges
            if edge.structure == "bridge"
        )
        if min(bridges, default=np.inf) < 25:
            continue
        street = streets.join(hit.edge, hit.point)
        if count % 4 == 2:
            draft.way([nodes[k], street], {"highway": "footway", "incline": "up"})
            continue
        top = draft.node(*(path[k] + leg * (_STEPS_M / hit.distance_m)))
        draft.way(
            [nodes[k], top],
            {"highway": "steps", "step_count": str(int(rng.integers(16, 30))), "incline": "up"},
        )
        draft.way([top, street], {"highway": "footway"})


def build_railway(draft: OsmDraft, plan: TownPlan, name: Name) -> None:
    """Write the railway: two tracks, on a bridge where they cross the river."""
    line, normal = plan.rail, _normals(plan.rail)
    on_bridge = shapely.dwithin(
        shapely.points(line), shapely.LineString(plan.river), _WATER_HALF_M + 50
    )
    first, last = int(np.flatnonzero(on_bridge)[0]), int(np.flatnonzero(on_bridge)[-1])
    tags: Tags = {
        "railway": "rail",
        "usage": "main",
        "gauge": "1435",
        "electrified": "contact_line",
        "name": name[0],
        "name:en": name[1],
    }
    for side in (1, -1):
        nodes = draft.nodes(line + side * 2.3 * normal)
        draft.way(nodes[: first + 1], dict(tags))
        draft.way(nodes[first : last + 1], {**tags, "bridge": "yes", "layer": "1"})
        draft.way(nodes[last:], dict(tags))
