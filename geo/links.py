"""Links: streets that may be missing from the map, and a network with some added."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import shapely
from numpy.typing import NDArray

from geo.errors import SnapError
from geo.impedance import Impedance
from geo.kernels import kernel
from geo.network import EdgeFlag, WalkNetwork, components, digest
from geo.search import reach
from geo.segments import SegmentGrid, _nearest, segment_grid
from geo.snapping import Barriers, SnappedPoints, SnapState, no_barriers, street_grid

GAP_M = 30.0
"""How near a dead end must be to another street to be called doubtful, metres."""
DETOUR_M = 150.0
"""A street reached within this much walking is no missing link, metres. Our reading."""


@dataclass(frozen=True, slots=True)
class Links:
    """Straight pieces between points of edges.

    Attributes
    ----------
    edge : ndarray, shape (k, 2), int32
        Edge at each end.
    offset_mm : ndarray, shape (k, 2), int32
        Along it from its first node.
    xy : ndarray, shape (k, 2, 2), float64
        Both ends, metres.
    """

    edge: NDArray[np.int32]
    offset_mm: NDArray[np.int32]
    xy: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.edge)


def links_between(
    network: WalkNetwork,
    ends: NDArray[np.float64],
    *,
    reach_m: float,
    feet: SegmentGrid | None = None,
) -> Links:
    """Join pairs of points to the nearest edges open to feet: a footbridge, a gate, a crossing.

    Parameters
    ----------
    network : WalkNetwork
    ends : ndarray, shape (k, 2, 2)
        Metres.
    reach_m : float
        Farthest an end may lie from a street, metres.
    feet : SegmentGrid, optional
        As `feet_grid` makes it; with it only what lies near the ends is looked at.

    Raises
    ------
    SnapError
        If an end is farther than that from every street.
    """
    xy = np.ascontiguousarray(np.asarray(ends, np.float64).reshape(-1, 2))
    in_turn = np.zeros(0, np.int64)
    _, segment, _ = _nearest(0, len(xy), in_turn, xy, reach_m, feet or feet_grid(network))
    far = np.flatnonzero(segment < 0)
    if len(far):
        raise SnapError(
            f"End {far[0] % 2 + 1} of link {far[0] // 2 + 1} is more than {reach_m:g} m from"
            " every street.",
            remedy="Move it nearer to a street or path.",
        )
    edge = np.searchsorted(network.edge_offsets, segment, side="right") - 1
    lines = _lines(network, edge)
    along = shapely.line_locate_point(lines, shapely.points(xy))
    offset = np.minimum(np.rint(along * 1000), network.edge_length_mm[edge])
    foot = shapely.get_coordinates(shapely.line_interpolate_point(lines, along))
    return Links(
        edge.reshape(-1, 2).astype(np.int32),
        offset.reshape(-1, 2).astype(np.int32),
        foot.reshape(-1, 2, 2),
    )


def feet_grid(network: WalkNetwork) -> SegmentGrid:
    """Edges open to feet by cell, for many questions about them."""
    walk = (network.edge_flags & EdgeFlag.WALK) > 0
    return segment_grid(network.edge_offsets, network.edge_xy, walk)


def doubtful_links(
    network: WalkNetwork,
    impedance: Impedance,
    *,
    barriers: Barriers | None = None,
    gap_m: float = GAP_M,
    detour_m: float = DETOUR_M,
) -> Links:
    """Dead ends that stop short of another street: a link is there, or the map is right.

    A link is doubtful where a dead end lies within ``gap_m`` of an edge of feet, no barrier is in
    between, and walking to that edge takes more than ``detour_m`` or is impossible.

    Parameters
    ----------
    network : WalkNetwork
    impedance : Impedance
    barriers : Barriers, optional
    gap_m, detour_m : float
        Metres.
    """
    walk = np.flatnonzero(network.edge_flags & EdgeFlag.WALK)
    ends = network.edge_nodes[walk]
    degree = np.bincount(ends.ravel(), minlength=len(network.node_xy))
    dead = np.flatnonzero(degree == 1)
    nothing = Links(np.zeros((0, 2), np.int32), np.zeros((0, 2), np.int32), np.zeros((0, 2, 2)))
    if not len(dead):
        return nothing
    own = np.full(len(network.node_xy), -1, np.int64)
    own[ends[:, 0]] = walk
    own[ends[:, 1]] = walk
    grid = street_grid(network, impedance, (network.edge_flags & EdgeFlag.WALK) > 0)
    edge = _nearest_others(network.node_xy[dead], own[dead], gap_m, network.edge_offsets, grid)
    some = edge >= 0
    if not some.any():
        return nothing
    node, edge = dead[some], edge[some].astype(np.int64)
    at = own[node]
    begins = network.edge_nodes[at, 0] == node
    offset = np.where(begins, 0, network.edge_length_mm[at]).astype(np.int32)
    origin = SnappedPoints(
        at.astype(np.int32),
        offset,
        np.zeros(len(at), np.int32),
        network.node_xy[node],
        np.full(len(at), -1, np.int32),
        np.full(len(at), SnapState.SNAPPED, np.uint8),
        network.version,
    )
    found = reach(network, impedance, origin, cutoff_s=detour_m / impedance.speed_mps)
    doubtful: NDArray[np.bool_] = _not_met(found.offsets, found.node, network.edge_nodes[edge])
    lines = _lines(network, edge)
    along = shapely.line_locate_point(lines, shapely.points(network.node_xy[node]))
    foot = shapely.get_coordinates(shapely.line_interpolate_point(lines, along))
    xy = np.stack([network.node_xy[node], foot], axis=1)
    walls = (barriers or no_barriers()).segments
    if len(walls) and len(xy):
        wall_tree = shapely.STRtree(shapely.linestrings(walls.reshape(-1, 2, 2)))
        crossing, _ = wall_tree.query(shapely.linestrings(xy), predicate="intersects")
        doubtful[crossing] = False
    far = np.minimum(np.rint(along * 1000), network.edge_length_mm[edge]).astype(np.int32)
    links = Links(
        np.stack([at, edge], axis=1).astype(np.int32), np.stack([offset, far], axis=1), xy
    )
    return Links(links.edge[doubtful], links.offset_mm[doubtful], links.xy[doubtful])


def with_links(network: WalkNetwork, links: Links) -> WalkNetwork:
    """The same network with links added: edges are cut where a link meets them.

    Lengths of cut edges add up to what they were, to the millimetre. Nodes and edges keep their
    numbers as far as they stay; points must be snapped anew all the same.

    Parameters
    ----------
    network : WalkNetwork
    links : Links
        Of this network; open to feet both ways.
    """
    if not len(links):
        return network
    n = len(network.node_xy)
    edges, offsets = links.edge.ravel().astype(np.int64), links.offset_mm.ravel()
    place = links.xy.reshape(-1, 2)
    length = network.edge_length_mm[edges]
    keys, row, inverse = np.unique(
        np.column_stack([edges, offsets]), axis=0, return_index=True, return_inverse=True
    )
    node_of = np.empty(len(keys), np.int64)
    inside = (keys[:, 1] > 0) & (keys[:, 1] < length[row])
    node_of[inside] = n + np.arange(int(inside.sum()))
    ends = ~inside
    node_of[ends] = network.edge_nodes[keys[ends, 0], (keys[ends, 1] > 0).astype(np.int64)]
    stops = keys[inside]
    cut, first = np.unique(stops[:, 0], return_index=True)
    per_edge = np.diff(np.append(first, len(stops)))
    kept = np.ones(len(network.edge_flags), np.bool_)
    kept[cut] = False
    # A cut edge with s stops becomes s + 1 pieces, which follow the edges kept, edge by edge.
    whole = np.repeat(cut, per_edge + 1)
    last = np.cumsum(per_edge + 1) - 1
    begins, ends = np.ones(len(whole), np.bool_), np.ones(len(whole), np.bool_)
    begins[last - per_edge] = False
    ends[last] = False
    from_mm = np.zeros(len(whole), np.int32)
    to_mm = network.edge_length_mm[whole]
    from_mm[begins] = to_mm[ends] = stops[:, 1]
    piece_nodes = network.edge_nodes[whole].copy()
    piece_nodes[begins, 0] = piece_nodes[ends, 1] = node_of[inside]
    share = (to_mm - from_mm) / np.maximum(network.edge_length_mm[whole], 1)
    piece_counts, piece_xy = _pieces(
        whole, from_mm / 1000, to_mm / 1000, network.edge_offsets, network.edge_xy
    )
    joined = node_of[np.asarray(inverse).reshape(-1)].reshape(-1, 2)
    link_mm = np.rint(np.hypot(*(links.xy[:, 1] - links.xy[:, 0]).T) * 1000)
    vertex = np.repeat(kept, np.diff(network.edge_offsets))
    pairs = np.concatenate([network.edge_nodes[kept], piece_nodes, joined]).astype(np.int32)
    new_lengths = np.concatenate(
        [network.edge_length_mm[kept], to_mm - from_mm, link_mm.astype(np.int32)]
    )
    open_to_feet = np.full(len(links), int(EdgeFlag.WALK), np.uint16)
    new_flags = np.concatenate([network.edge_flags[kept], network.edge_flags[whole], open_to_feet])
    waits = [
        network.edge_waits[kept],
        (network.edge_waits[whole] * share).astype(np.float32),
        np.zeros(len(links), np.float32),
    ]
    ways = [network.edge_way[kept], network.edge_way[whole], -1 - np.arange(len(links))]
    counts = [np.diff(network.edge_offsets)[kept], piece_counts, np.full(len(links), 2)]
    shapes = [network.edge_xy[vertex], piece_xy, place]
    new = int(inside.sum())
    arrays = {
        "node_xy": np.concatenate([network.node_xy, place[row[inside]]]),
        "node_waits": np.concatenate([network.node_waits, np.zeros(new, np.float32)]),
        "node_component": components(
            n + new,
            pairs,
            new_lengths,
            (new_flags & EdgeFlag.WALK) > 0,
        ),
        "edge_nodes": pairs,
        "edge_length_mm": new_lengths,
        "edge_flags": new_flags,
        "edge_waits": np.concatenate(waits),
        "edge_way": np.concatenate(ways),
        "edge_offsets": np.concatenate([[0], np.cumsum(np.concatenate(counts))]).astype(np.int64),
        "edge_xy": np.concatenate(shapes),
    }
    version = digest(network.crs, arrays)
    return replace(network, version=version, **arrays)  # type: ignore[arg-type]


def carry_points(
    points: SnappedPoints, network: WalkNetwork, links: Links, joined: WalkNetwork
) -> SnappedPoints:
    """The same points on the network that `with_links` made: each stays where it was joined.

    Much quicker than joining them anew; a point that would now be nearer to a link stays on its
    old edge, and one that was joined to nothing stays so.

    Parameters
    ----------
    points : SnappedPoints
        On ``network``.
    network, joined : WalkNetwork
        Before and after.
    links : Links
        Those added.

    Raises
    ------
    SnapError
        If the points belong to another version of the network.
    """
    if points.network_version != network.version:
        raise SnapError(
            "The points were joined to another version of the network.",
            remedy="Join them to the network that the links were added to.",
        )
    if not len(links):
        return points
    edges, offsets = links.edge.ravel().astype(np.int64), links.offset_mm.ravel()
    inside = (offsets > 0) & (offsets < network.edge_length_mm[edges])
    step = np.int64(2**31)
    stops = np.unique(edges[inside] * step + offsets[inside])
    cut, first = np.unique(stops // step, return_index=True)
    kept = np.ones(len(network.edge_flags), np.bool_)
    kept[cut] = False
    number = np.cumsum(kept) - 1
    edge = np.where(points.edge >= 0, points.edge, 0).astype(np.int64)
    new_edge = number[edge]
    new_offset = points.offset_mm.astype(np.int64)
    there = np.flatnonzero(~kept[edge] & (points.edge >= 0))
    if len(there):
        # Pieces follow the edges kept: a cut edge with s stops becomes s + 1 of them.
        rank = np.searchsorted(cut, edge[there])
        before = np.searchsorted(stops, edge[there] * step + new_offset[there], side="left")
        piece = before - first[rank]
        new_edge[there] = int(kept.sum()) + first[rank] + rank + piece
        start = np.where(piece > 0, stops[np.maximum(before - 1, 0)] % step, 0)
        new_offset[there] -= start
    return SnappedPoints(
        np.where(points.edge >= 0, new_edge, -1).astype(np.int32),
        new_offset.astype(np.int32),
        points.access_mm,
        points.xy,
        points.gate,
        points.state,
        joined.version,
    )


def _lines(network: WalkNetwork, edges: NDArray[np.int64]) -> NDArray[np.object_]:
    counts = np.diff(network.edge_offsets)[edges]
    start = np.repeat(network.edge_offsets[edges], counts)
    within = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.asarray(
        shapely.linestrings(
            network.edge_xy[start + within], indices=np.repeat(np.arange(len(edges)), counts)
        ),
        dtype=np.object_,
    )


@kernel
def _nearest_others(points, own, limit, offsets, grid):  # type: ignore[no-untyped-def]
    """Nearest edge within the limit of each point, its own left out; -1 where none.

    Equally near: the lower edge.
    """
    found = np.full(len(points), -1, np.int32)
    vertices, cell = grid.vertices, grid.cell_m
    for i in range(len(points)):
        px, py = points[i, 0], points[i, 1]
        west = max(int(np.floor((px - limit - grid.x0) / cell)), 0)
        east = min(int(np.floor((px + limit - grid.x0) / cell)), 8 * grid.columns - 1)
        south = max(int(np.floor((py - limit - grid.y0) / cell)), 0)
        north = min(int(np.floor((py + limit - grid.y0) / cell)), 8 * grid.rows - 1)
        best2 = limit * limit
        for r in range(south, north + 1):
            for c in range(west, east + 1):
                block = grid.slot[(r >> 3) * grid.columns + (c >> 3)]
                if block < 0:
                    continue
                at = 64 * block + 8 * (r & 7) + (c & 7)
                for j in range(grid.indptr[at], grid.indptr[at + 1]):
                    k = grid.content[j]
                    ax, ay = vertices[k, 0], vertices[k, 1]
                    bx, by = vertices[k + 1, 0], vertices[k + 1, 1]
                    dx, dy = bx - ax, by - ay
                    dot = (px - ax) * dx + (py - ay) * dy
                    length2 = dx * dx + dy * dy
                    if dot <= 0:
                        ex, ey = px - ax, py - ay
                    elif dot >= length2:
                        # Exactly the end: edges that meet there are equally near.
                        ex, ey = px - bx, py - by
                    else:
                        ex, ey = px - ax - dot / length2 * dx, py - ay - dot / length2 * dy
                    apart2 = ex * ex + ey * ey
                    if apart2 > best2:
                        continue
                    edge = np.searchsorted(offsets, k, side="right") - 1
                    if edge != own[i] and (apart2 < best2 or found[i] < 0 or edge < found[i]):
                        best2, found[i] = apart2, edge
    return found


@kernel
def _not_met(offsets, node, ends):  # type: ignore[no-untyped-def]
    """Rows of nodes in which neither of two nodes is."""
    missing = np.ones(len(ends), np.bool_)
    for i in range(len(ends)):
        for k in range(offsets[i], offsets[i + 1]):
            if node[k] == ends[i, 0] or node[k] == ends[i, 1]:
                missing[i] = False
                break
    return missing


@kernel
def _pieces(edge, from_m, to_m, offsets, vertices):  # type: ignore[no-untyped-def]
    """Vertices of pieces of edges between two distances from their first vertex.

    Gives the number of vertices of each, at least two, and all of them in a row.
    """
    room = 0
    for i in range(len(edge)):
        room += offsets[edge[i] + 1] - offsets[edge[i]] + 2
    shape = np.empty((room, 2))
    counts = np.zeros(len(edge), np.int64)
    total = 0
    for i in range(len(edge)):
        begin, end = offsets[edge[i]], offsets[edge[i] + 1] - 1
        along = 0.0
        before = total
        for k in range(begin, end):
            dx, dy = vertices[k + 1, 0] - vertices[k, 0], vertices[k + 1, 1] - vertices[k, 1]
            step = np.hypot(dx, dy)
            if total == before and (along + step >= from_m[i] or k == end - 1):
                share = min((from_m[i] - along) / step, 1.0) if step > 0 else 0.0
                shape[total, 0] = vertices[k, 0] + share * dx
                shape[total, 1] = vertices[k, 1] + share * dy
                total += 1
            if total > before:
                if along + step >= to_m[i] or k == end - 1:
                    share = min((to_m[i] - along) / step, 1.0) if step > 0 else 0.0
                    shape[total, 0] = vertices[k, 0] + share * dx
                    shape[total, 1] = vertices[k, 1] + share * dy
                    total += 1
                    break
                if along + step > from_m[i]:
                    shape[total, 0], shape[total, 1] = vertices[k + 1, 0], vertices[k + 1, 1]
                    total += 1
            along += step
        counts[i] = total - before
    return counts, shape[:total].copy()
