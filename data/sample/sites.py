"""Building on lots: layouts become OSM ways, compounds and buildings with their records."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import shapely
from numpy.typing import NDArray

from data.sample.draft import OsmDraft, Streets, Tags
from data.sample.layout import Gate, Layout
from data.sample.names import Name

Points = NDArray[np.float64]


@dataclass(slots=True)
class Building:
    """A building as the ledger sees it.

    Attributes
    ----------
    way : int
        Way of the draft; its tags are completed once the counts are known.
    xy : tuple of float
        Middle, ground metres.
    compound : int
        Row of its compound; -1 for public buildings.
    label : str
        Its number in the compound.
    floors, units, flats : int
        Flats are those of one unit on one floor.
    """

    way: int
    xy: tuple[float, float]
    compound: int
    label: str
    floors: int
    units: int
    flats: int
    dwellings: int = 0
    households: int = 0
    people: int = 0
    code: str = ""


@dataclass(slots=True)
class Compound:
    """A compound as built.

    Attributes
    ----------
    way : int
        Way of its outline.
    name : tuple of str
    kind : str
        One of `data.models.COMPOUND_KINDS`.
    lot : int
    outline : Polygon
    walled : bool
    gates : list of Gate
    buildings : range
        Rows of its buildings.
    cuts : list of LineString
        Where grids may part it.
    inner_spots : list of tuple
        Places inside, on the paths across its rows.
    """

    way: int
    name: Name
    kind: str
    lot: int
    outline: shapely.Polygon
    walled: bool
    gates: list[Gate]
    buildings: range
    cuts: list[shapely.LineString] = field(default_factory=list)
    inner_spots: list[tuple[float, float]] = field(default_factory=list)


_PATH_TAGS: dict[str, dict[str, Tags]] = {
    "new": {
        "spine": {"highway": "service", "access": "private"},
        "lane": {"highway": "footway"},
        "spur": {"highway": "footway"},
        "walk": {"highway": "footway"},
    },
    "courtyard": {
        "spine": {"highway": "service"},
        "lane": {"highway": "service"},
        "spur": {"highway": "footway"},
        "walk": {"highway": "footway"},
    },
    "work_unit": {
        "spine": {"highway": "service", "access": "private"},
        "lane": {"highway": "service"},
        "spur": {"highway": "footway"},
        "walk": {"highway": "footway"},
    },
    "urban_village": {
        "spine": {"highway": "service", "service": "alley"},
        "lane": {"highway": "service", "service": "alley"},
        "alley": {"highway": "footway"},
    },
    "suburban": {
        "spine": {"highway": "residential"},
        "lane": {"highway": "service"},
        "alley": {"highway": "service"},
    },
    "public": {
        "spine": {"highway": "service"},
        "lane": {"highway": "service"},
        "spur": {"highway": "footway"},
        "walk": {"highway": "footway"},
    },
}


def _path_tags(style: str, role: str) -> Tags:
    return dict(_PATH_TAGS.get(style, _PATH_TAGS["public"])[role])


def _gate_tags(style: str, number: int, count: int, rng: np.random.Generator) -> Tags:
    """Tags of a gate: main gates for cars, side gates for feet, some shut at night or for good."""
    if number == 0:
        tags = {"barrier": "lift_gate" if style == "new" else "gate"}
        if style == "new":
            tags |= {"access": "private", "foot": "permissive"}
        return tags
    if style == "new" and number == count - 1 and count >= 3 and rng.random() < 0.35:
        return {"barrier": "gate", "access": "no", "emergency": "yes", "locked": "yes"}
    tags = {"barrier": "gate", "motor_vehicle": "no"}
    if style == "new" and rng.random() < 0.4:
        tags["foot"] = "private"
    if rng.random() < 0.4:
        tags["opening_hours"] = "06:00-22:00"
    return tags


def build_paths(
    draft: OsmDraft,
    streets: Streets,
    layout: Layout,
    style: str,
    rng: np.random.Generator,
    *,
    mapped: bool = True,
) -> tuple[list[int], dict[int, tuple[float, float]]]:
    """Write the paths of a layout and join them to the streets through its gates.

    Parameters
    ----------
    draft : OsmDraft
    streets : Streets
    layout : Layout
    style : str
        Kind of compound, or ``public``.
    rng : Generator
    mapped : bool
        Whether the paths inside are on the map; of real compounds many have only their gates.

    Returns
    -------
    path_nodes : list of int
        Draft nodes of the layout's path nodes; empty where they are not mapped.
    on_wall : dict
        Gate node to its point, to be put into the wall.
    """
    nodes = draft.nodes(np.array(layout.path_xy)) if mapped else []
    for way, role in layout.paths if mapped else []:
        draft.way([nodes[i] for i in way], _path_tags(style, role))
    on_wall: dict[int, tuple[float, float]] = {}
    for k, gate in enumerate(layout.gates):
        street = streets.join(gate.street.edge, gate.street.point)
        outside = nodes[gate.path_node] if mapped else -1
        role = "spine" if gate.main or not layout.walled else "lane"
        if layout.walled:
            gate_tags = _gate_tags(style, k, len(layout.gates), rng)
            gate.locked = gate_tags.get("locked") == "yes"
            wall = draft.node(*gate.wall_xy, gate_tags)
            on_wall[wall] = gate.wall_xy
            if mapped:
                draft.way([outside, wall], _path_tags(style, role))
            outside = wall
        # Private ground ends at the gate.
        link = draft.way(
            [outside, street],
            {k: v for k, v in _path_tags(style, role).items() if k != "access"},
        )
        streets.link(link, gate.street.edge)
    return nodes, on_wall


def build_outline(
    draft: OsmDraft,
    outline: shapely.Polygon,
    on_wall: dict[int, tuple[float, float]],
    tags: Tags,
) -> int:
    """Write the outline of a lot with its gate nodes in it."""
    ring = np.asarray(outline.exterior.coords)[:-1]
    line = outline.exterior
    at = shapely.line_locate_point(line, shapely.points(ring))
    at[0] = 0.0
    members = list(zip(at.tolist(), draft.nodes(ring), strict=True))
    members += [
        (float(shapely.line_locate_point(line, shapely.Point(xy))), node)
        for node, xy in on_wall.items()
    ]
    nodes = [node for _, node in sorted(members)]
    return draft.way([*nodes, nodes[0]], tags)


def build_buildings(
    draft: OsmDraft, layout: Layout, path_nodes: list[int], tags: Tags, *, style: str
) -> list[int]:
    """Write the buildings of a layout with their doors; gives their ways."""
    corner_nodes = np.array(draft.nodes(layout.corners.reshape(-1, 2))).reshape(-1, 4)
    doors: dict[int, list[tuple[float, int, int]]] = {}
    for door in layout.doors:
        door_tags = {"entrance": "yes"}
        if layout.units[door.building] > 1 and style != "public":
            door_tags = {"entrance": "staircase", "addr:unit": f"{door.unit}单元"}
        node = draft.node(*door.xy, door_tags)
        if door.path_node >= 0 and path_nodes:
            draft.way([path_nodes[door.path_node], node], _path_tags(style, "spur"))
        start = layout.corners[door.building, door.wall]
        off = float(np.hypot(door.xy[0] - start[0], door.xy[1] - start[1]))
        doors.setdefault(door.building, []).append((off, door.wall, node))
    ways = []
    for b in range(len(layout.corners)):
        ring: list[int] = []
        for wall in range(4):
            ring.append(int(corner_nodes[b, wall]))
            ring += [node for _, w, node in sorted(doors.get(b, [])) if w == wall]
        levels = {"building:levels": str(int(layout.floors[b]))}
        ways.append(draft.way([*ring, ring[0]], {**tags, **levels}))
    return ways
