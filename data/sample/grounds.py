"""Land that is not for living: parks, schools, markets, works, offices, fields."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from data.sample.draft import Frontage, OsmDraft, Streets, Tags
from data.sample.layout import Exit, Layout, choose_gates, find_exit
from data.sample.names import Name, Names
from data.sample.sites import build_buildings, build_outline, build_paths
from data.sample.slabs import SlabStyle, slab_layout

Points = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Ground:
    """How land with public buildings is built and tagged.

    Attributes
    ----------
    style : SlabStyle
        Rows of its buildings.
    land : Tags
        Tags of the land.
    building : str
        Value of ``building``.
    name : tuple of str
        What it is called after its own name.
    walled : bool
    green : Tags
        What a green place inside is.
    """

    style: SlabStyle
    land: Tags
    building: str
    name: Name
    walled: bool
    green: Tags


_LAWN: Tags = {"landuse": "grass"}
GROUNDS: dict[str, Ground] = {
    "school": Ground(
        SlabStyle(14, 24, (2, 3), (12, 16), (36, 46), 9, (3, 5), (1, 2), 1.0, walks=True),
        {"amenity": "school"},
        "school",
        ("学校", "School"),
        walled=True,
        green={"leisure": "pitch", "sport": "soccer"},
    ),
    "hospital": Ground(
        SlabStyle(18, 26, (2, 3), (14, 20), (40, 50), 10, (4, 12), (2, 3), 0.8, walks=True),
        {"amenity": "hospital"},
        "hospital",
        ("医院", "Hospital"),
        walled=True,
        green=_LAWN,
    ),
    "government": Ground(
        SlabStyle(17, 26, (2, 3), (14, 20), (44, 54), 12, (4, 9), (1, 2), 1.0, walks=True),
        {"amenity": "townhall"},
        "government",
        ("政务中心", "Civic Centre"),
        walled=True,
        green=_LAWN,
    ),
    "market": Ground(
        SlabStyle(24, 26, (1, 2), (9, 12), (38, 46), 7, (1, 2), (3, 4), 0.0),
        {"amenity": "marketplace"},
        "retail",
        ("市场", "Market"),
        walled=False,
        green=_LAWN,
    ),
    "commercial": Ground(
        SlabStyle(24, 24, (1, 2, 3), (14, 22), (46, 56), 9, (3, 16), (3, 4), 0.6, walks=True),
        {"landuse": "commercial"},
        "commercial",
        ("商业中心", "Centre"),
        walled=False,
        green={"leisure": "garden"},
    ),
    "shops": Ground(
        SlabStyle(13, 18, (2, 3, 4), (4, 6), (28, 33), 5, (2, 3), (2, 4), 0.0),
        {"landuse": "retail"},
        "retail",
        ("商街", "Shops"),
        walled=False,
        green=_LAWN,
    ),
    "office": Ground(
        SlabStyle(16, 22, (1, 2, 3), (14, 18), (42, 50), 9, (4, 11), (1, 2), 0.6, walks=True),
        {"landuse": "commercial"},
        "office",
        ("办公楼", "Offices"),
        walled=True,
        green=_LAWN,
    ),
    "depot": Ground(
        SlabStyle(24, 30, (1, 2, 3), (12, 18), (44, 54), 10, (1, 1), (1, 2), 0.0),
        {"landuse": "industrial"},
        "warehouse",
        ("仓库", "Depot"),
        walled=True,
        green=_LAWN,
    ),
    "station": Ground(
        SlabStyle(26, 40, (1, 2), (14, 20), (60, 70), 12, (2, 3), (2, 3), 0.0),
        {"landuse": "commercial"},
        "train_station",
        ("站", "Railway Station"),
        walled=False,
        green=_LAWN,
    ),
    "works": Ground(
        SlabStyle(36, 36, (1, 2, 3), (16, 24), (54, 66), 14, (1, 3), (1, 2), 0.0),
        {"landuse": "industrial"},
        "industrial",
        ("工业园", "Works"),
        walled=True,
        green=_LAWN,
    ),
}


def build_ground(
    draft: OsmDraft,
    streets: Streets,
    use: str,
    land: shapely.Polygon,
    frontage: Frontage,
    names: Names,
    rng: np.random.Generator,
) -> tuple[Layout, Name] | None:
    """Build a school, market, works or offices; None if the land does not take it."""
    ground = GROUNDS[use]
    layout = slab_layout(land, frontage, ground.style, rng)
    if layout is None:
        return None
    layout.walled = ground.walled
    zh, en = names.of(*ground.name)
    path_nodes, on_wall = build_paths(draft, streets, layout, "public", rng)
    wall: Tags = {"barrier": "wall"} if ground.walled else {}
    build_outline(draft, land, on_wall, {**ground.land, **wall, "name": zh, "name:en": en})
    build_buildings(draft, layout, path_nodes, {"building": ground.building}, style="public")
    for ring in layout.gardens:
        draft.ring(ring, dict(ground.green))
    return layout, (zh, en)


def build_park(
    draft: OsmDraft,
    streets: Streets,
    land: shapely.Polygon,
    frontage: Frontage,
    name: Name,
    rng: np.random.Generator,
    *,
    pond: bool,
) -> None:
    """Build an open park: a round path, ways in from the streets, a pond where there is room."""
    tags: Tags = {"leisure": "park", "name": name[0], "name:en": name[1]}
    loop_land = land.buffer(-24).buffer(-16).buffer(16)
    if loop_land.geom_type != "Polygon" or loop_land.is_empty or loop_land.area < 1_500:
        build_outline(draft, land, {}, tags)
        return
    ring = _resample(loop_land.exterior, 14.0)
    layout = Layout(land, walled=False, path_xy=[(float(x), float(y)) for x, y in ring])
    layout.paths = [([*range(len(ring)), 0], "lane")]
    exits: list[Exit] = []
    normal = _outwards(ring)
    for i, (point, direction) in enumerate(zip(ring, normal, strict=True)):
        found = find_exit(i, point, direction, land, frontage, farthest_m=60)
        if found:
            exits.append(found)
    layout.gates = choose_gates(exits, int(np.clip(land.area / 9_000, 2, 7)), rng, apart_m=55.0)
    middle = np.array(loop_land.representative_point().coords[0])
    basin = loop_land.buffer(-18).buffer(-14).buffer(14)
    water = pond and basin.geom_type == "Polygon" and basin.area > 4_000
    if not water:
        # Paths across meet in the middle.
        layout.path_xy.append((float(middle[0]), float(middle[1])))
        for i in np.linspace(0, len(ring), 5)[:-1].astype(int):
            across = shapely.LineString((ring[i], middle))
            if land.buffer(-4).contains(across):
                layout.paths.append(([int(i), len(ring)], "lane"))
        if layout.paths[-1][0] == [*range(len(ring)), 0]:
            layout.path_xy.pop()
    nodes = draft.nodes(np.array(layout.path_xy))
    for way, _ in layout.paths:
        draft.way([nodes[i] for i in way], {"highway": "footway"})
    for gate in layout.gates:
        street = streets.join(gate.street.edge, gate.street.point)
        link = draft.way([nodes[gate.path_node], street], {"highway": "footway"})
        streets.link(link, gate.street.edge)
    build_outline(draft, land, {}, tags)
    if water:
        shape = _resample(basin.exterior, 12.0)
        turn = np.linspace(0, 2 * np.pi, len(shape), endpoint=False)
        a, b = rng.uniform(0, 2 * np.pi, 2)
        wave = 1 + 0.09 * np.sin(2 * turn + a) + 0.06 * np.sin(3 * turn + b)
        centre = shape.mean(axis=0)
        draft.ring(
            centre + (shape - centre) * 0.84 * wave[:, None],
            {"natural": "water", "water": "pond"},
        )


def build_field(draft: OsmDraft, land: shapely.Geometry, rng: np.random.Generator) -> None:
    """Tag land beyond the ring, or land that waits, as field, orchard, wood or grass."""
    kinds: list[Tags] = [
        {"landuse": "farmland"},
        {"landuse": "orchard"},
        {"landuse": "forest"},
        {"landuse": "meadow"},
    ]
    tags = kinds[int(rng.choice(4, p=(0.55, 0.2, 0.15, 0.1)))]
    for part in shapely.get_parts(land):
        if part.geom_type == "Polygon" and part.area > 800 and not part.interiors:
            build_outline(draft, part, {}, dict(tags))


def build_waste(draft: OsmDraft, land: shapely.Polygon, rng: np.random.Generator) -> None:
    """Tag land inside the ring that nobody has built on."""
    tags: Tags = {"landuse": "grass"} if rng.random() < 0.6 else {"landuse": "brownfield"}
    build_outline(draft, land, {}, tags)


def _resample(ring: shapely.LinearRing, step_m: float) -> Points:
    count = max(8, int(ring.length / step_m))
    at = np.linspace(0, ring.length, count, endpoint=False)
    return np.asarray(shapely.get_coordinates(shapely.line_interpolate_point(ring, at)))


def _outwards(ring: Points) -> Points:
    """Give unit normals that point out of a ring, whichever way it turns."""
    along = np.roll(ring, -1, axis=0) - np.roll(ring, 1, axis=0)
    normal: Points = np.column_stack((along[:, 1], -along[:, 0]))
    normal /= np.hypot(*normal.T)[:, None]
    x, y = ring[:, 0], ring[:, 1]
    turn = x @ np.roll(y, -1) - y @ np.roll(x, -1)
    return np.asarray(normal * np.sign(turn))
