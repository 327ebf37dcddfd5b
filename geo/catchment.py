"""Catchment: what walks to a station within a cutoff, as streets, homes and a polygon."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from os import cpu_count
from typing import Literal

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import MultiLineString, MultiPolygon, Polygon

from geo.errors import SnapError
from geo.field import FieldIndex
from geo.impedance import Impedance
from geo.kernels import kernel
from geo.network import WalkNetwork
from geo.search import ReachedEdges, TargetIndex, reach, reach_targets, reached_edges
from geo.separation import separate
from geo.snapping import Barriers, SnappedPoints

STEP_M = 10.0
"""Raster of the walking-time field, metres: see benchmarks/RESULTS.md for the choice."""
RIM_STEPS = 1.5
"""How far around the cutoff the field is followed, in raster steps: a little over a diagonal."""
HOLE_M2 = 500.0
"""Holes smaller than this are filled: a courtyard, not a gap. Our reading."""
LINE_BUFFER_M = 25.0
"""Half width of the street strip of the `lines` method, metres."""
STATION_DISC_M = 5.0
"""What is always inside around the station itself, metres."""

Method = Literal["network", "lines"]


@dataclass(frozen=True, slots=True)
class Catchment:
    """The catchment of one station for one cutoff.

    Attributes
    ----------
    station : int
        Index of the station.
    cutoff_s : float
        Seconds.
    polygon : MultiPolygon
        In the network's CRS, metres.
    lines : MultiLineString
        Reached streets, cut exactly where the time runs out.
    reached_m : float
        Their length, metres.
    demand : ndarray, shape (k,), int32
        Demand points that reach the station in time, by routed time; rising.
    demand_cost_mm : ndarray, shape (k,), int32
    false_inside, false_outside : int
        Demand points on the wrong side of ``polygon``: too far yet inside, in time yet outside.
    """

    station: int
    cutoff_s: float
    polygon: MultiPolygon
    lines: MultiLineString
    reached_m: float
    demand: NDArray[np.int32]
    demand_cost_mm: NDArray[np.int32]
    false_inside: int
    false_outside: int


class DemandPoints:
    """Who walks: snapped points and where they stand, indexed once for many catchments.

    Parameters
    ----------
    snapped : SnappedPoints, shape (n,)
    xy : ndarray, shape (n, 2)
        Metres.
    """

    def __init__(self, snapped: SnappedPoints, xy: NDArray[np.float64]) -> None:
        self.snapped = snapped
        self.xy = xy
        self._by_x = np.argsort(xy[:, 0], kind="stable")
        self._xy_by_x = np.ascontiguousarray(xy[self._by_x])
        self._priced: TargetIndex | None = None

    def priced(self, network: WalkNetwork, impedance: Impedance) -> TargetIndex:
        """Index of the points as targets of a search, kept as long as the impedance stays."""
        priced = self._priced
        if priced is None or priced.impedance is not impedance:
            priced = self._priced = TargetIndex(network, impedance, self.snapped)
        return priced

    def around(
        self, bounds: Sequence[float], reached: NDArray[np.int32], margin_m: float
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Where the points in and around some bounds and around reached ones are.

        Parameters
        ----------
        bounds : sequence of float
            West, south, east, north, metres; NaN where there are none.
        reached : ndarray
            Numbers of points, rising.
        margin_m : float

        Returns
        -------
        tuple of ndarray
            Places, shape (k, 2), from west to east, and which of them are reached.
        """
        box = _box_around(np.array(bounds), self.xy, reached, margin_m)
        return _in_box(self._xy_by_x, self._by_x, box, reached)


class Walls:
    """Barriers indexed once for many catchments.

    Parameters
    ----------
    barriers : Barriers, optional
    """

    def __init__(self, barriers: Barriers | None = None) -> None:
        self.tree: shapely.STRtree | None = None
        self.gates = np.zeros((0, 2)) if barriers is None else barriers.gates
        if barriers is not None and len(barriers.segments):
            self.tree = shapely.STRtree(shapely.linestrings(barriers.segments.reshape(-1, 2, 2)))


def catchments(
    field_index: FieldIndex,
    stations: SnappedPoints,
    station_xy: NDArray[np.float64],
    *,
    cutoffs_s: Sequence[float],
    method: Method = "network",
    demand: DemandPoints | None = None,
    barriers: Barriers | Walls | None = None,
    hole_m2: float = HOLE_M2,
    with_lines: bool = True,
) -> list[Catchment]:
    """Catchments of many stations for one or more cutoffs.

    A catchment depends on its own station and cutoff only: alone or in a batch it is the same,
    and the polygon of a shorter cutoff lies within that of a longer one. Both follow from the
    construction: all cutoffs are contours of one field on a fixed raster, and the corrections at
    demand points only grow with the cutoff (see docs/catchments.md).

    Parameters
    ----------
    field_index : FieldIndex
        Network, impedance and raster; keep it, it gets faster with use.
    stations : SnappedPoints, shape (s,)
    station_xy : ndarray, shape (s, 2)
        Where the stations are, metres.
    cutoffs_s : sequence of float
        Seconds.
    method : {"network", "lines"}
        ``network`` contours the field of walking time; ``lines`` buffers the reached streets by
        `LINE_BUFFER_M`.
    demand : DemandPoints, optional
        The polygon is made to agree with the routed time at each of them.
    barriers : Barriers or Walls, optional
        The polygon keeps to its side of them.
    hole_m2 : float
        Smaller holes are filled, square metres.
    with_lines : bool
        Whether to cut the reached streets; without them ``lines`` is empty.

    Returns
    -------
    list of Catchment
        By station, then by cutoff in the order given.

    Raises
    ------
    SnapError
        If a station is not on the network; the message names its index.
    """
    network, impedance = field_index.network, field_index.impedance
    lost = np.flatnonzero(stations.edge < 0)
    if len(lost):
        i = int(lost[0])
        raise SnapError(
            f"Station {i} at ({station_xy[i, 0]:.0f}, {station_xy[i, 1]:.0f}) m is farther than "
            f"{field_index.max_snap_m:g} m from every walkable street, or behind a barrier.",
            remedy="Move the point to a street or raise the snapping limit.",
        )
    longest_s = max(cutoffs_s)
    # Beyond the cutoff the field is followed a little further, so that the contour is placed
    # between true values on both sides.
    rim_mm = round(RIM_STEPS * 1000 * field_index.step_m)
    rim_s = rim_mm / 1000 / impedance.speed_mps
    found = reach(network, impedance, stations, cutoff_s=longest_s + rim_s)
    pairs = None
    if demand is not None:
        targets = demand.priced(network, impedance)
        pairs = reach_targets(network, impedance, stations, targets, cutoff_s=longest_s)
    indexed = Walls(barriers) if isinstance(barriers, Barriers) else barriers or Walls()
    walls = indexed.tree

    def of_station(s: int) -> list[Catchment]:
        source = stations.row(s)
        row = slice(found.offsets[s], found.offsets[s + 1])
        node, node_cost = found.node[row], found.cost_mm[row]
        through = indexed.gates[source.gate[source.gate >= 0]]
        leg = np.concatenate([station_xy[s : s + 1], through, source.xy + 1e-9])
        lane = _lane(leg, walls)
        field = None
        made = []
        for cutoff_s in cutoffs_s:
            cutoff_mm = impedance.cutoff_mm(cutoff_s)
            edges = reached_edges(network, impedance, source, node, node_cost, cutoff_s=cutoff_s)
            lines = _lines(network, edges) if with_lines or method == "lines" else _NO_LINES
            if method == "lines":
                area = _filled(_along(lines, walls), hole_m2)
            else:
                if field is None:
                    field = field_index.field(
                        source, node, node_cost, impedance.cutoff_mm(longest_s) + rim_mm
                    )
                area = field.outline(cutoff_mm, rim_mm=rim_mm, hole_m2=hole_m2)
            polygon = _joined(area, lane, hole_m2)
            reached, costs = _NOBODY, _NOBODY
            wrong_in = wrong_out = 0
            if demand is not None and pairs is not None:
                mine = slice(pairs.offsets[s], pairs.offsets[s + 1])
                timely = pairs.cost_mm[mine] <= cutoff_mm
                reached, costs = pairs.target[mine][timely], pairs.cost_mm[mine][timely]
                at, timely = demand.around(polygon.bounds, reached, 10.0)
                polygon, wrong_in, wrong_out = separate(
                    polygon, at, timely, station_xy=station_xy[s], walls=walls
                )
            made.append(
                Catchment(
                    s,
                    float(cutoff_s),
                    polygon,
                    lines if with_lines else _NO_LINES,
                    edges.length_m,
                    reached,
                    costs,
                    wrong_in,
                    wrong_out,
                )
            )
        return made

    if len(stations) == 1:
        return of_station(0)
    with ThreadPoolExecutor(cpu_count() or 1) as pool:
        return [one for made in pool.map(of_station, range(len(stations))) for one in made]


_NO_LINES = MultiLineString()
_NOBODY = np.zeros(0, np.int32)


@kernel
def _box_around(bounds, xy, reached, margin):  # type: ignore[no-untyped-def]
    """Bounds that hold the reached points too, widened."""
    box = np.array([np.inf, np.inf, -np.inf, -np.inf])
    if not np.isnan(bounds[0]):
        box[:] = bounds
    for k in range(len(reached)):
        x, y = xy[reached[k], 0], xy[reached[k], 1]
        box[0], box[1] = min(box[0], x), min(box[1], y)
        box[2], box[3] = max(box[2], x), max(box[3], y)
    box[:2] -= margin
    box[2:] += margin
    return box


@kernel
def _in_box(xy_by_x, by_x, box, reached):  # type: ignore[no-untyped-def]
    """Points of a box, from west to east, and which of them are among the reached ones."""
    first = np.searchsorted(xy_by_x[:, 0], box[0], side="left")
    last = np.searchsorted(xy_by_x[:, 0], box[2], side="right")
    count = 0
    for k in range(first, last):
        count += box[1] <= xy_by_x[k, 1] <= box[3]
    at = np.empty((count, 2))
    timely = np.empty(count, np.bool_)
    count = 0
    for k in range(first, last):
        if box[1] <= xy_by_x[k, 1] <= box[3]:
            at[count] = xy_by_x[k]
            place = np.searchsorted(reached, by_x[k])
            timely[count] = place < len(reached) and reached[place] == by_x[k]
            count += 1
    return at, timely


def _polygons(geometry: shapely.Geometry) -> MultiPolygon:
    parts = [
        part
        for part in shapely.get_parts(shapely.get_parts(geometry))
        if isinstance(part, Polygon) and not part.is_empty
    ]
    return MultiPolygon(parts)


def _lane(leg: NDArray[np.float64], walls: shapely.STRtree | None) -> shapely.Geometry:
    """Around the station and its leg to the street, by its gate, which the raster may miss."""
    line = shapely.linestrings(leg)
    return _this_side(line.buffer(STATION_DISC_M, quad_segs=4), walls, np.array([line]))


def _joined(area: MultiPolygon, lane: shapely.Geometry, hole_m2: float) -> MultiPolygon:
    """Both together; holes that this encloses are filled where they are small."""
    if not area.is_empty:
        shapely.prepare(area)
        if shapely.covers(area, lane):
            return area
    return _filled(_polygons(shapely.union(area, lane)), hole_m2)


def _along(lines: MultiLineString, walls: shapely.STRtree | None) -> MultiPolygon:
    """A strip along the reached streets, on their side of the barriers."""
    strip = lines.buffer(LINE_BUFFER_M, quad_segs=4)
    return _polygons(_this_side(strip, walls, shapely.get_parts(lines)))


def _filled(area: MultiPolygon, hole_m2: float) -> MultiPolygon:
    """Fill holes smaller than ``hole_m2``."""
    parts = []
    for part in area.geoms:
        holes = [ring for ring in part.interiors if Polygon(ring).area >= hole_m2]
        parts.append(Polygon(part.exterior, holes) if len(holes) != len(part.interiors) else part)
    return MultiPolygon(parts)


def _this_side(
    area: shapely.Geometry, walls: shapely.STRtree | None, lines: NDArray[np.object_]
) -> shapely.Geometry:
    """Of the pieces that barriers cut an area into, those that one of the lines runs through."""
    if walls is None:
        return area
    near = walls.geometries[walls.query(area, predicate="intersects")]
    if not len(near):
        return area
    slit = shapely.union_all(near).buffer(0.02, cap_style="flat", quad_segs=1)
    pieces = shapely.get_parts(shapely.difference(area, slit))
    kept = np.unique(shapely.STRtree(lines).query(pieces, predicate="intersects")[0])
    if len(kept) == len(pieces):
        return area
    gone = shapely.union_all(np.delete(pieces, kept)).buffer(0.04, quad_segs=1)
    return shapely.difference(area, gone)


@kernel
def _cut_vertices(edge, from_mm, to_mm, offsets, vertices):  # type: ignore[no-untyped-def]
    room = 0
    for k in range(len(edge)):
        room += offsets[edge[k] + 1] - offsets[edge[k]] + 2
    xy = np.empty((room, 2))
    line = np.empty(room, np.int64)
    at = 0
    for k in range(len(edge)):
        low, high = from_mm[k] / 1000.0, to_mm[k] / 1000.0
        first, last = offsets[edge[k]], offsets[edge[k] + 1] - 1
        along = 0.0
        begun = False
        for j in range(first, last):
            dx = vertices[j + 1, 0] - vertices[j, 0]
            dy = vertices[j + 1, 1] - vertices[j, 1]
            length = np.hypot(dx, dy)
            if not begun and along + length >= low:
                t = (low - along) / length if length > 0 else 0.0
                xy[at, 0] = vertices[j, 0] + t * dx
                xy[at, 1] = vertices[j, 1] + t * dy
                line[at] = k
                at += 1
                begun = True
            if begun:
                ends = along + length >= high or j == last - 1
                t = 1.0
                if along + length > high and length > 0:
                    t = (high - along) / length
                xy[at, 0] = vertices[j, 0] + t * dx
                xy[at, 1] = vertices[j, 1] + t * dy
                line[at] = k
                at += 1
                if ends:
                    break
            along += length
    return xy[:at], line[:at]


def _lines(network: WalkNetwork, edges: ReachedEdges) -> MultiLineString:
    if not len(edges.part_edge):
        return _NO_LINES
    xy, line = _cut_vertices(
        edges.part_edge,
        edges.part_from_mm,
        edges.part_to_mm,
        network.edge_offsets,
        network.edge_xy,
    )
    counts = np.bincount(line, minlength=len(edges.part_edge))
    if (counts < 2).any():  # a part that rounding left without a second vertex
        whole = counts[line] >= 2
        xy, line = xy[whole], line[whole]
        _, line = np.unique(line, return_inverse=True)
    return shapely.multilinestrings(shapely.linestrings(xy, indices=line))
