"""One town built: every lot with its use, compounds, buildings, streets, river and railway."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import shapely
from numpy.typing import NDArray

from data.sample.draft import OsmDraft, Streets
from data.sample.grounds import GROUNDS, build_field, build_ground, build_park, build_waste
from data.sample.lanes import LANE_STYLES, lane_layout
from data.sample.layout import Layout
from data.sample.lots import Lot, lots_of
from data.sample.names import Name, Names
from data.sample.plan import TownPlan, draw_plan
from data.sample.sites import Building, Compound, build_buildings, build_outline, build_paths
from data.sample.size import TownSize
from data.sample.slabs import SLAB_STYLES, slab_layout
from data.sample.uses import COMPOUND_ORDER, Uses, leftover_use
from geo.errors import GridcircleError

Points = NDArray[np.float64]

_UNMAPPED = 0.15
"""Share of courtyards of which the map knows wall and gate but no path inside."""

PARK_TITLES = {"park": ("公园", "Park"), "garden": ("游园", "Garden")}

_FLATS = {
    "new": (2, 3),
    "courtyard": (2, 2),
    "work_unit": (2, 2),
    "urban_village": (1, 1),
    "suburban": (1, 1),
}
"""Least and most flats of one unit on one floor."""


@dataclass
class Town:
    """A town as built.

    Attributes
    ----------
    plan : TownPlan
    lots : list of Lot
    streets : Streets
    compounds : list of Compound
    buildings : list of Building
        Those people live in.
    uses : dict
        Lot to its use, for lots that are not for living.
    fronts : dict
        Lot to the layout of public land, for stations that stand there.
    titles : dict
        Lot to the name of public land.
    community_names : dict
        Code of a community to its name.
    footprints : list of ndarray, shape (n, 4, 2)
        Corners of all buildings, homes and others.
    """

    plan: TownPlan
    lots: list[Lot]
    streets: Streets
    compounds: list[Compound] = field(default_factory=list)
    buildings: list[Building] = field(default_factory=list)
    uses: dict[int, str] = field(default_factory=dict)
    fronts: dict[int, Layout] = field(default_factory=dict)
    titles: dict[int, Name] = field(default_factory=dict)
    community_names: dict[str, str] = field(default_factory=dict)
    footprints: list[Points] = field(default_factory=list)

    def number_buildings(self, community_of: list[str]) -> None:
        """Code every building: its community and a serial from west to east, north to south."""
        xy = np.array([b.xy for b in self.buildings])
        order = np.lexsort((-xy[:, 1], np.round(xy[:, 0] / 100), np.array(community_of)))
        serial: dict[str, int] = {}
        for i in order:
            community = community_of[int(i)]
            serial[community] = serial.get(community, 0) + 1
            self.buildings[int(i)].code = f"{community}-{serial[community]:05d}"

    def tag_buildings(self, draft: OsmDraft) -> None:
        """Put what is known now on the buildings' ways: floors, flats and code."""
        for b in self.buildings:
            draft.ways[b.way][1].update(
                {
                    "building:levels": str(b.floors),
                    "building:flats": str(b.dwellings),
                    "ref": b.code,
                }
            )


def build_town(size: TownSize, draft: OsmDraft, names: Names, rng: np.random.Generator) -> Town:
    """Draw a town and build on its lots.

    Parameters
    ----------
    size : TownSize
    draft : OsmDraft
        Written into.
    names : Names
    rng : Generator

    Returns
    -------
    Town

    Raises
    ------
    GridcircleError
        If no drawing of the town has room for all its compounds (another seed may have).
    """
    mark, used = draft.mark(), set(names.used)
    for spare in (1.32, 1.45, 1.6, 1.8):
        try:
            return _build(size, draft, names, rng, spare)
        except NoRoomError:
            draft.rewind(mark)
            names.used = set(used)
    raise GridcircleError(
        f"{size.name_en} has no room for {size.compounds} compounds.", remedy="Take another seed."
    )


class NoRoomError(Exception):
    """A drawing of a town has too few lots that fit; another drawing may have more."""


def _build(
    size: TownSize, draft: OsmDraft, names: Names, rng: np.random.Generator, spare: float
) -> Town:
    """Draw a town with ``spare`` times as many lots as compounds, and build on them."""
    inside = size.compounds - size.suburban
    plan = draw_plan(size, rng, lots=round(spare * inside), coarseness=1.45)
    lots = lots_of(plan, rng)
    town = Town(plan, lots, Streets(draft, plan.edges, plan.vertices))
    uses = Uses(plan, lots, rng)
    for lot, use in uses.public(size):
        town.uses[lot] = use
    _compounds(town, uses, draft, names, rng)
    _suburbs(town, draft, names, rng)
    for lot in uses.left():
        town.uses[lot] = leftover_use(lots[lot].zone, lots[lot].area_m2, rng)
    _grounds(town, draft, names, rng)
    return town


def _compounds(
    town: Town, uses: Uses, draft: OsmDraft, names: Names, rng: np.random.Generator
) -> None:
    for kind in COMPOUND_ORDER:
        wanted = getattr(town.plan.size, kind)
        for lot in uses.candidates(kind):
            if not wanted:
                break
            if _compound(town, kind, lot, town.lots[lot].land, draft, names, rng):
                uses.take(lot)
                wanted -= 1
        if wanted:
            raise NoRoomError


def _layout(
    kind: str, lot: Lot, land: shapely.Polygon, plan: TownPlan, rng: np.random.Generator
) -> Layout | None:
    frontage = lot.frontage(plan)
    if kind in LANE_STYLES:
        return lane_layout(land, frontage, LANE_STYLES[kind], rng)
    for _ in range(3):
        layout = slab_layout(land, frontage, SLAB_STYLES[kind], rng)
        if layout is not None:
            return layout
    return None


def _compound(
    town: Town,
    kind: str,
    lot: int,
    land: shapely.Polygon,
    draft: OsmDraft,
    names: Names,
    rng: np.random.Generator,
) -> bool:
    """Build one compound; False if the land does not take it."""
    if town.lots[lot].parting is not None:
        # Two properties on one block: each wall stands a step back from the boundary.
        land = land.buffer(-1.0, join_style="mitre")
    layout = _layout(kind, town.lots[lot], land, town.plan, rng)
    if layout is None or len(layout.corners) < 3:
        return False
    name = names.compound(kind)
    mapped = kind != "courtyard" or rng.random() >= _UNMAPPED
    path_nodes, on_wall = build_paths(draft, town.streets, layout, kind, rng, mapped=mapped)
    tags = {
        "landuse": "residential",
        "residential": kind,
        "name": name[0],
        "name:en": name[1],
    }
    if layout.walled:
        tags["barrier"] = "wall"
    way = build_outline(draft, layout.outline, on_wall, tags)
    house = kind in LANE_STYLES
    ways = build_buildings(
        draft, layout, path_nodes, {"building": "house" if house else "apartments"}, style=kind
    )
    for ring in layout.gardens:
        draft.ring(ring, {"leisure": "garden"})
    town.footprints.append(layout.corners)
    middle = layout.corners.mean(axis=1)
    # Numbers run from north to south and from west to east, as on a site plan.
    order = np.lexsort((middle[:, 0], -np.round(middle[:, 1] / 18)))
    first = len(town.buildings)
    flats = int(rng.integers(_FLATS[kind][0], _FLATS[kind][1] + 1))
    label = np.empty(len(ways), np.int64)
    label[order] = np.arange(1, len(ways) + 1)
    for i, building in enumerate(ways):
        number = f"{label[i]}号" if house else f"{label[i]}号楼"
        draft.ways[building][1]["addr:housenumber"] = number
        town.buildings.append(
            Building(
                building,
                (float(middle[i, 0]), float(middle[i, 1])),
                len(town.compounds),
                number,
                int(layout.floors[i]),
                int(layout.units[i]),
                flats,
            )
        )
    town.compounds.append(
        Compound(
            way,
            name,
            kind,
            lot,
            layout.outline,
            layout.walled,
            layout.gates,
            range(first, len(town.buildings)),
            layout.cuts,
            [
                layout.path_xy[i]
                for way, role in layout.paths
                if role == "spine" and mapped
                for i in way
            ],
        )
    )
    return True


def _suburbs(town: Town, draft: OsmDraft, names: Names, rng: np.random.Generator) -> None:
    """Build low villages by the roads just beyond the ring; the rest of the country is fields."""
    plan, wanted = town.plan, town.plan.size.suburban
    country = [lot for lot in town.lots if lot.role == "outer"]
    order = rng.permutation(len(country))
    built: dict[int, shapely.Polygon] = {}
    for k in order:
        lot = country[k]
        if len(built) == wanted:
            break
        for edge in plan.blocks[lot.block].edges:
            if plan.edges[edge].kind not in ("country", "outgoing"):
                continue
            land = _beside(lot, plan.edges[edge].xy, rng)
            if land is not None and _compound(
                town, "suburban", lot.number, land, draft, names, rng
            ):
                built[lot.number] = town.compounds[-1].outline
                break
    if len(built) < wanted:
        raise NoRoomError
    for lot in country:
        land = lot.land
        if lot.number in built:
            land = land.difference(built[lot.number].buffer(9))
        build_field(draft, land, rng)


def _beside(lot: Lot, road: Points, rng: np.random.Generator) -> shapely.Polygon | None:
    """Cut a village's land out of a field beside a road."""
    line = shapely.LineString(road)
    middle = np.array(line.interpolate(0.5, normalized=True).coords[0])
    along = road[-1] - road[0]
    along = along / np.hypot(*along)
    inward = np.array((-along[1], along[0]))
    if (lot.centre - middle) @ inward < 0:
        inward = -inward
    long, deep = rng.uniform(190, 270), rng.uniform(150, 215)
    a, b = middle - along * long / 2 - inward * 20, middle + along * long / 2 - inward * 20
    box = shapely.Polygon((a, b, b + inward * (deep + 20), a + inward * (deep + 20)))
    land = lot.land.buffer(-2).intersection(box)
    if land.geom_type != "Polygon" or land.area < 18_000:
        return None
    return shapely.simplify(land, 0.5)


def _grounds(town: Town, draft: OsmDraft, names: Names, rng: np.random.Generator) -> None:
    for lot, use in town.uses.items():
        land, frontage = town.lots[lot].land, town.lots[lot].frontage(town.plan)
        if use in GROUNDS:
            built = None
            for _ in range(3):
                built = built or build_ground(draft, town.streets, use, land, frontage, names, rng)
            if built is not None:
                town.fronts[lot], town.titles[lot] = built
                town.footprints.append(built[0].corners)
                continue
        if use == "field":
            build_field(draft, land, rng)
        elif use in ("park", "garden"):
            name = names.of(*PARK_TITLES[use])
            build_park(draft, town.streets, land, frontage, name, rng, pond=use == "park")
        else:
            build_waste(draft, land, rng)
