"""Ways of an OpenStreetMap file that people or e-bikes may use, as `geo.network.Ways`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from data.importers.osm_elements import (
    OsmFile,
    OsmNodes,
    OsmRelation,
    OsmWays,
    Tags,
    each,
    ragged_rows,
)
from data.importers.osm_ground import ResidentialGround
from data.importers.osm_problems import OsmProblem
from data.importers.osm_rules import (
    AREA_HIGHWAYS,
    FOOTPATHS,
    MINOR_CARRIAGEWAYS,
    Access,
    barrier_stops,
    highway_value,
    is_crossing_signal,
    is_crossing_way,
    is_island_way,
    is_junction_signal,
    is_known_highway,
    says_signals,
    way_use,
)
from data.importers.osm_signals import SignalWaits, WayRows, signal_waits
from geo.crs import project, projected_crs
from geo.network import EdgeFlag, Ways

_PRIVATE = int(EdgeFlag.PRIVATE)


@dataclass(frozen=True, slots=True)
class _Usable:
    """Ways that passed the rules, before private ones are looked at in place."""

    ways: OsmWays
    flags: NDArray[np.uint16]
    access: NDArray[np.uint8]
    kind: list[str]


def network_ways(
    source: OsmFile,
    nodes: OsmNodes,
    ways: OsmWays,
    squares: list[OsmRelation],
    ground: ResidentialGround,
) -> tuple[Ways, list[OsmProblem]]:
    """Apply the rules of `osm_rules` to a map file.

    Parameters
    ----------
    source : OsmFile
        For the outlines of ``squares``.
    nodes, ways
        Elements with network keys, in order of id.
    squares : list of OsmRelation
        Multipolygons with ``highway=*``; people walk along their outlines.
    ground : ResidentialGround
        Where private ways stay open to residents.

    Returns
    -------
    Ways
        In the order of way ids; a way whose nodes are partly missing, or that is cut for a signal
        wait, is several ways of the same source id.
    list of OsmProblem
    """
    ways, problems = _with_outlines(source, ways, squares)
    usable, found = _usable(ways)
    problems += found
    usable = _in_place(usable, ground)
    parts, found = _known_runs(usable)
    problems += found
    return _arrays(parts, nodes, ground), problems


def _with_outlines(
    source: OsmFile, ways: OsmWays, squares: list[OsmRelation]
) -> tuple[OsmWays, list[OsmProblem]]:
    """Add the members of walkable multipolygons, with the tags of their relation."""
    tags: dict[int, Tags] = {}
    for square in squares:
        if highway_value(square.tags) in AREA_HIGHWAYS:
            # A member that is a way of its own keeps its own tags.
            tags |= {ref: square.tags for kind, ref, _ in square.members if kind == "w"}
    if not tags:
        return ways, []
    own = {
        int(number)
        for number, value in zip(ways.ids, each(highway_value, ways.tags), strict=True)
        if value is not None
    }
    wanted = sorted(tags.keys() - own)
    if not wanted:
        return ways, []
    outlines = source.ways(wanted)
    problems = [
        OsmProblem(f"way/{number}", "an outline of a square is not in the file")
        for number in sorted(set(wanted) - set(outlines.ids.tolist()))
    ]
    keep = np.flatnonzero(~np.isin(ways.ids, outlines.ids))
    rows, offsets = ragged_rows(ways.offsets, keep)
    joined = OsmWays(
        np.concatenate([ways.ids[keep], outlines.ids]),
        [ways.tags[i] for i in keep] + [tags[int(number)] for number in outlines.ids],
        np.concatenate([offsets, offsets[-1] + outlines.offsets[1:]]),
        np.concatenate([ways.refs[rows], outlines.refs]),
        np.concatenate([ways.lonlat[rows], outlines.lonlat]),
    )
    return _chosen(joined, np.argsort(joined.ids, kind="stable")), problems


def _chosen(ways: OsmWays, order: NDArray[np.integer]) -> OsmWays:
    rows, offsets = ragged_rows(ways.offsets, order)
    return OsmWays(
        ways.ids[order],
        [ways.tags[i] for i in order],
        offsets,
        ways.refs[rows],
        ways.lonlat[rows],
    )


def _usable(ways: OsmWays) -> tuple[_Usable, list[OsmProblem]]:
    kinds = [kind or "" for kind in each(highway_value, ways.tags)]
    uses = each(lambda tags: way_use(tags, highway_value(tags)), ways.tags)
    flags = np.array([use[0] for use in uses], np.uint16)
    access = np.array([use[1] for use in uses], np.uint8)
    problems = [
        OsmProblem(f"way/{ways.ids[i]}", "its kind of highway is unknown", kinds[i])
        for i in np.flatnonzero(flags == 0)
        if kinds[i] and not is_known_highway(kinds[i])
    ]
    chosen = np.flatnonzero(flags)
    return (
        _Usable(
            _chosen(ways, chosen),
            flags[chosen],
            access[chosen],
            [kinds[i] for i in chosen],
        ),
        problems,
    )


def _in_place(usable: _Usable, ground: ResidentialGround) -> _Usable:
    """Keep private ways where their middle lies on residential ground, and flag them there."""
    ways, flags = usable.ways, usable.flags
    asked = np.flatnonzero(
        (usable.access == Access.RESIDENTS) | (usable.access == Access.DESTINATION)
    )
    if not len(asked):
        return usable
    rows, offsets = ragged_rows(ways.offsets, asked)
    middles = _middles(ways.lonlat[rows], offsets)
    inside = ground.covers(middles)
    flags[asked[inside]] |= np.uint16(_PRIVATE)
    keep = np.ones(len(flags), bool)
    keep[asked[~inside & (usable.access[asked] == Access.RESIDENTS)]] = False
    chosen = np.flatnonzero(keep)
    return _Usable(
        _chosen(ways, chosen),
        flags[chosen],
        usable.access[chosen],
        [usable.kind[i] for i in chosen],
    )


def _middles(lonlat: NDArray[np.float64], offsets: NDArray[np.int64]) -> NDArray[np.float64]:
    """Find the point half-way along each way; NaN where no node is known."""
    middles = np.full((len(offsets) - 1, 2), np.nan)
    for i in range(len(middles)):
        known = lonlat[offsets[i] : offsets[i + 1]]
        known = known[~np.isnan(known[:, 0])]
        if len(known) >= 2:
            middle = shapely.line_interpolate_point(
                shapely.linestrings(known), 0.5, normalized=True
            )
            middles[i] = shapely.get_coordinates(middle)[0]
    return middles


def _known_runs(usable: _Usable) -> tuple[_Usable, list[OsmProblem]]:
    """Cut ways where a node is missing, and drop nodes that repeat the one before."""
    ways = usable.ways
    owner = np.repeat(np.arange(len(ways.ids)), np.diff(ways.offsets))
    missing = np.isnan(ways.lonlat[:, 0])
    again = np.zeros(len(owner), bool)
    again[1:] = (ways.refs[1:] == ways.refs[:-1]) & (owner[1:] == owner[:-1])
    lost = np.bincount(owner[missing], minlength=len(ways.ids))
    problems = [
        OsmProblem(
            f"way/{ways.ids[i]}",
            "some of its nodes are not in the file",
            f"{lost[i]} of {ways.offsets[i + 1] - ways.offsets[i]}",
            kept=bool(lost[i] < ways.offsets[i + 1] - ways.offsets[i] - 1),
        )
        for i in np.flatnonzero(lost)
    ]
    kept = ~missing & ~again
    # A run begins where the way changes or the node before is missing.
    begins = np.ones(len(owner), bool)
    begins[1:] = (owner[1:] != owner[:-1]) | missing[:-1]
    run = np.cumsum(begins)[kept]
    rows = np.flatnonzero(kept)
    counts = np.bincount(run, minlength=1)
    long_enough = counts[run] >= 2
    rows, run = rows[long_enough], run[long_enough]
    starts = np.flatnonzero(np.append(True, run[1:] != run[:-1])) if len(run) else np.empty(0, int)
    way = owner[rows[starts]]
    problems += [
        OsmProblem(f"way/{ways.ids[i]}", "it has fewer than two different nodes")
        for i in np.flatnonzero((np.bincount(way, minlength=len(ways.ids)) == 0) & (lost == 0))
    ]
    parts = OsmWays(
        ways.ids[way],
        [ways.tags[i] for i in way],
        np.append(starts, len(rows)).astype(np.int64),
        ways.refs[rows],
        ways.lonlat[rows],
    )
    return (
        _Usable(parts, usable.flags[way], usable.access[way], [usable.kind[i] for i in way]),
        problems,
    )


def _arrays(usable: _Usable, nodes: OsmNodes, ground: ResidentialGround) -> Ways:
    ways = usable.ways
    refs, first, places = np.unique(ways.refs, return_index=True, return_inverse=True)
    lonlat = ways.lonlat[first]
    rows: NDArray[np.int32] = np.asarray(places, dtype=np.int32)
    blocked, junction_signal, crossing_signal = _node_rules(nodes, refs, lonlat, ground)
    if len(lonlat):
        crs = projected_crs((*lonlat.min(axis=0), *lonlat.max(axis=0))).to_string()
        xy = project(lonlat, crs)
    else:
        xy = lonlat
    kinds = usable.kind
    tags = ways.tags
    footpath = np.fromiter((k in FOOTPATHS for k in kinds), bool, len(kinds))
    minor = np.fromiter((k in MINOR_CARRIAGEWAYS for k in kinds), bool, len(kinds))
    crossing = np.array(each(is_crossing_way, tags), bool)
    waits = signal_waits(
        WayRows(
            xy,
            ways.offsets,
            rows,
            footpath,
            ~footpath & ~minor,
            crossing,
            np.array(each(is_island_way, tags), bool),
            crossing & np.array(each(says_signals, tags), bool),
            junction_signal,
            crossing_signal,
        )
    )
    return _cut_out(
        Ways(
            lonlat,
            ways.offsets,
            rows,
            usable.flags,
            ways.ids,
            blocked,
            waits.node,
            waits.way,
        ),
        waits,
    )


def _node_rules(
    nodes: OsmNodes,
    refs: NDArray[np.int64],
    lonlat: NDArray[np.float64],
    ground: ResidentialGround,
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
    """Which nodes of the ways stop everybody, and which are signals."""
    blocked = np.zeros(len(refs), bool)
    junction_signal = np.zeros(len(refs), bool)
    crossing_signal = np.zeros(len(refs), bool)
    place = np.searchsorted(refs, nodes.ids)
    here = np.flatnonzero(place < len(refs))
    here = here[refs[place[here]] == nodes.ids[here]]
    private = []
    for i in here:
        tags, row = nodes.tags[i], place[i]
        junction_signal[row] = is_junction_signal(tags)
        crossing_signal[row] = is_crossing_signal(tags)
        if "barrier" in tags:
            blocked[row] = barrier_stops(tags, at_compound=False)
            # Only gates that residents would pass need to be looked at in place.
            if blocked[row] and not barrier_stops(tags, at_compound=True):
                private.append(row)
    if private:
        rows = np.array(private)
        blocked[rows] = ~ground.at_gate(lonlat[rows])
    return blocked, junction_signal, crossing_signal


def _cut_out(ways: Ways, waits: SignalWaits) -> Ways:
    """Cut the segments that are charged alone out of their ways."""
    if not len(waits.pieces):
        return ways
    way, position = waits.pieces.T
    last = np.diff(ways.offsets)[way] - 2
    cuts = np.concatenate(
        [
            np.column_stack([way, position])[position > 0],
            np.column_stack([way, position + 1])[position < last],
        ]
    )
    cuts = np.unique(cuts, axis=0)
    # A cut node ends one way and begins the next, so it is written twice.
    at = ways.offsets[cuts[:, 0]] + cuts[:, 1]
    nodes = np.insert(ways.nodes, at, ways.nodes[at])
    starts = np.sort(np.concatenate([ways.offsets[:-1], at]))
    owner = np.searchsorted(ways.offsets, starts, side="right") - 1
    added = np.arange(len(starts)) - owner
    offsets = np.append(starts + added, len(nodes)).astype(np.int64)
    way_waits = ways.way_waits[owner].copy()
    way_waits[np.searchsorted(starts, ways.offsets[way] + position)] = waits.piece_waits
    return Ways(
        ways.lonlat,
        offsets,
        np.asarray(nodes, dtype=np.int32),
        ways.flags[owner],
        ways.source[owner],
        ways.blocked,
        ways.waits,
        way_waits,
    )
