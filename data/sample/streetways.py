"""Streets as OSM ways: named, chained from end to end, with signals where arterials meet."""

from __future__ import annotations

import numpy as np

from data.sample.draft import OsmDraft, Streets, Tags
from data.sample.names import Name, Names
from data.sample.pavements import Pavements, chained
from data.sample.plan import ROADS, Edge, TownPlan

_BIG = ("ring", "avenue", "arterial", "bank")


def name_streets(plan: TownPlan, names: Names) -> list[Name]:
    """Name every street line of a town; country roads and rail-side roads too."""
    named: list[Name] = []
    ring_names = {
        "east": ("东环路", "East Ring Road"),
        "west": ("西环路", "West Ring Road"),
        "north": ("北环路", "North Ring Road"),
        "south": ("南环路", "South Ring Road"),
    }
    first_edge: dict[int, Edge] = {}
    for edge in plan.edges:
        if edge.kind:
            first_edge.setdefault(edge.line, edge)
    cx, cy = plan.size.centre_m
    banks = rails = 0
    for number, line in enumerate(plan.lines):
        if line.named_after is not None:
            named.append(named[line.named_after])
        elif line.kind == "ring":
            xy = first_edge[number].xy.mean(axis=0) - (cx, cy)
            if line.along_u:
                side = "north" if xy[1] > 0 else "south"
            else:
                side = "east" if xy[0] > 0 else "west"
            named.append(names.take(*ring_names[side]))
        elif line.kind == "bank":
            zh, en = (("南", "South"), ("北", "North"))[banks % 2]
            named.append(names.take(f"滨河{zh}路", f"Binhe {en} Road"))
            banks += 1
        elif line.kind == "railside":
            zh, en = (("西", "West"), ("东", "East"))[rails % 2]
            named.append(names.take(f"铁{zh}路", f"Railway {en} Road"))
            rails += 1
        elif line.kind == "avenue":
            avenue = (
                ("人民路", "Renmin Road") if not line.along_u else ("中心大街", "Zhongxin Avenue")
            )
            named.append(names.take(*avenue))
        elif line.kind == "country":
            named.append(("", ""))
        else:
            named.append(names.street(along_u=line.along_u, lane=line.kind == "lane"))
    return named


def build_streets(
    draft: OsmDraft, streets: Streets, plan: TownPlan, named: list[Name], rng: np.random.Generator
) -> None:
    """Write every street, in pieces that end where the street goes on a bridge or below the rails.

    Parameters
    ----------
    draft : OsmDraft
    streets : Streets
    plan : TownPlan
    named : list of (str, str)
        Name of each line of the plan.
    rng : Generator
    """
    chains: dict[tuple[int, str, str], list[int]] = {}
    for number, edge in enumerate(plan.edges):
        if edge.kind:
            chains.setdefault((edge.line, edge.kind, edge.structure), []).append(number)
    corners = _signalled(plan)
    pavements = Pavements(draft, streets, plan, set(corners))
    paved = {
        line
        for line, entry in enumerate(plan.lines)
        if entry.kind == "avenue" or (entry.kind == "arterial" and rng.random() < 0.7)
    }
    for (line, kind, structure), members in chains.items():
        if line in paved and kind in ("avenue", "arterial") and not structure:
            for chain in chained(plan, members):
                pavements.build(chain)
    pavements.finish()
    _signals(draft, streets, plan, corners, pavements.crossed)
    promenade = next((n for n, entry in enumerate(plan.lines) if entry.kind == "lane"), None)
    oneway = {
        line for line, entry in enumerate(plan.lines) if entry.kind == "lane" and rng.random() < 0.2
    }
    for (line, kind, structure), members in chains.items():
        tags: Tags = {"highway": ROADS[kind].highway}
        if named[line][0]:
            tags |= {"name": named[line][0], "name:en": named[line][1]}
        if kind in _BIG:
            separate = line in paved and not structure
            tags["sidewalk"] = "separate" if separate else "both"
        if kind in ("ring", "avenue"):
            tags["lanes"] = "6" if kind == "avenue" else "4"
        if line == promenade:
            tags["highway"] = "pedestrian"
        elif line in oneway:
            tags["oneway"] = "yes"
        if structure == "bridge":
            tags |= {"bridge": "yes", "layer": "1"}
        elif structure == "tunnel":
            tags |= {"tunnel": "yes", "layer": "-1"}
        for chain in chained(plan, members):
            nodes: list[int] = []
            for number, forward in chain:
                trace = streets.trace(number)
                trace = trace if forward else trace[::-1]
                nodes += trace if not nodes else trace[1:]
            draft.way(nodes, dict(tags))


def _signalled(plan: TownPlan) -> dict[int, list[int]]:
    """Corners where big streets meet, with the edges there."""
    arms: dict[int, list[int]] = {}
    for number, edge in enumerate(plan.edges):
        if edge.kind:
            for vertex in edge.ends:
                arms.setdefault(vertex, []).append(number)
    found = {}
    for vertex, there in arms.items():
        big = [n for n in there if plan.edges[n].kind in _BIG]
        if len(big) >= 3 and len({plan.edges[n].line for n in big}) >= 2:
            found[vertex] = there
    return found


def _signals(
    draft: OsmDraft,
    streets: Streets,
    plan: TownPlan,
    corners: dict[int, list[int]],
    crossed: set[tuple[int, int]],
) -> None:
    """Put signals where big streets meet, with a marked crossing on every arm without one."""
    for vertex, there in corners.items():
        draft.node_tags[streets.vertex(vertex)] = {"highway": "traffic_signals"}
        for number in there:
            edge = plan.edges[number]
            if edge.structure or (vertex, number) in crossed:
                continue
            at = 3 + max(ROADS[plan.edges[n].kind].half_m for n in there if n != number)
            length = streets.length_m(number)
            if length < 2.5 * at:
                continue
            point = streets.point_at(number, at if edge.ends[0] == vertex else length - at)
            node = streets.join(number, point, merge_m=2.0)
            draft.node_tags.setdefault(node, {"highway": "crossing", "crossing": "traffic_signals"})
