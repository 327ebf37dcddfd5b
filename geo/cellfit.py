"""Cells on whole billionths of a degree that cover their community exactly.

`geo.cells` computes in whole millimetres of a projected CRS; grids are kept on whole billionths of
a degree (`geo.partition`). Turned and rounded, cells still share their vertices, but their outer
edge runs up to a millimetre beside the border of the community. Here the lines between cells are
led onto that border, and the community is parted by them anew.
"""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray

from geo.billionths import to_degrees, to_units

Geometries = NDArray[np.object_]

_CORNER = 50.0
"""A line between cells that ends this near to a corner of the border ends in it, units: 5 mm."""


def fitted(cells: Geometries, outline: shapely.Geometry) -> Geometries:
    """Part a community as its cells do, without a gap at the border.

    Parameters
    ----------
    cells : ndarray of Polygon, shape (n,)
        A coverage, WGS84 degrees, that keeps to the outline up to some millimetres.
    outline : Polygon or MultiPolygon
        Of the community, WGS84 degrees.

    Returns
    -------
    ndarray of Polygon, shape (n,)
        In the same order, on whole billionths; a valid coverage of the outline. None for a cell of
        which nothing is left.
    """
    border = shapely.boundary(to_units(outline))
    given = to_units(cells)
    faces, owner = _faces(given, border, to_units(outline))
    result = np.full(len(cells), None, object)
    loose: list[shapely.Polygon] = []
    for cell in np.unique(owner[owner >= 0]):
        own = faces[owner == cell]
        union = own[0] if len(own) == 1 else shapely.coverage_union_all(own)
        parts = shapely.get_parts(union)
        largest = int(np.argmax(shapely.area(parts)))
        result[cell] = parts[largest]
        loose += [part for n, part in enumerate(parts) if n != largest]
    loose += faces[owner < 0].tolist()
    _attach(result, loose)
    kept = np.flatnonzero([shape is not None for shape in result])
    result[kept] = to_degrees(shapely.normalize(result[kept]))
    return result


def _faces(
    cells: Geometries, border: shapely.Geometry, outline: shapely.Geometry
) -> tuple[Geometries, NDArray[np.int64]]:
    """Pieces of the community between the lines, and the cell of each; -1 where none is."""
    edges, inner = _edges(cells)
    ends = np.unique(edges[~inner].reshape(-1, 2), axis=0)
    lines = _led(edges[inner].reshape(-1, 2), ends, border).reshape(-1, 4)
    lines = lines[(lines[:, :2] != lines[:, 2:]).any(axis=1)]
    noded = shapely.union_all(
        [border, shapely.multilinestrings(shapely.linestrings(lines.reshape(-1, 2, 2)))],
        grid_size=1,
    )
    faces = np.asarray(shapely.get_parts(shapely.polygonize(shapely.get_parts(noded))))
    shapely.prepare(outline)
    faces = faces[shapely.intersects(outline, shapely.point_on_surface(faces))]
    owner = np.full(len(faces), -1, np.int64)
    face, cell = shapely.STRtree(cells).query(
        shapely.point_on_surface(faces), predicate="intersects"
    )
    order = np.lexsort((-cell, face))  # of several the first is written last
    owner[face[order]] = cell[order]
    return faces, owner


def _edges(cells: Geometries) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Edges of a coverage, each once, and whether two cells have it."""
    rings = shapely.get_rings(cells)
    xy, ring = shapely.get_coordinates(rings, return_index=True)
    edges = np.hstack((xy[:-1], xy[1:]))[ring[1:] == ring[:-1]]
    turned = (edges[:, 0] > edges[:, 2]) | (
        (edges[:, 0] == edges[:, 2]) & (edges[:, 1] > edges[:, 3])
    )
    edges[turned] = edges[turned][:, [2, 3, 0, 1]]
    once, count = np.unique(edges, axis=0, return_counts=True)
    return once, count > 1


def _led(
    points: NDArray[np.float64], ends: NDArray[np.float64], border: shapely.Geometry
) -> NDArray[np.float64]:
    """Points, those that are ``ends`` moved onto the border: to a corner where one is near."""
    if not len(ends):
        return points
    corners = np.unique(shapely.get_coordinates(border), axis=0)
    spots = shapely.points(ends)
    goal = np.rint(
        shapely.get_coordinates(
            shapely.line_interpolate_point(*_on_lines(spots, np.asarray(shapely.get_parts(border))))
        )
    )
    at, corner = shapely.STRtree(shapely.points(corners)).query_nearest(
        spots, max_distance=_CORNER, all_matches=False
    )
    goal[at] = corners[corner]
    moved = points.copy()
    known = {tuple(end): n for n, end in enumerate(ends.tolist())}
    which = np.array([known.get(tuple(p), -1) for p in points.tolist()], np.int64)
    moved[which >= 0] = goal[which[which >= 0]]
    return moved


def _on_lines(spots: Geometries, lines: Geometries) -> tuple[Geometries, NDArray[np.float64]]:
    """Line nearest to each point, and how far along it that is."""
    _, line = shapely.STRtree(lines).query_nearest(spots, all_matches=False)
    return lines[line], shapely.line_locate_point(lines[line], spots)


def _attach(cells: Geometries, loose: list[shapely.Polygon]) -> None:
    """Give every loose piece to the cell it shares the longest edge with."""
    for piece in sorted(loose, key=lambda p: -p.area):
        have = np.flatnonzero([shape is not None for shape in cells])
        near = have[shapely.STRtree(cells[have]).query(piece, predicate="intersects")]
        if not len(near):
            continue
        common = shapely.intersection(shapely.boundary(piece), shapely.boundary(cells[near]))
        best = int(near[int(np.argmax(shapely.length(common)))])
        union = shapely.coverage_union_all([cells[best], piece])
        if union.geom_type == "Polygon":
            cells[best] = union
