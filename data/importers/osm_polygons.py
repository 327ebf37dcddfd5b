"""Closed ways and multipolygon relations of an OpenStreetMap file as polygons."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from data.importers.osm_elements import OsmFile, OsmRelation, OsmWays, Tags, ragged_rows
from data.importers.osm_kinds import is_area, is_building
from data.importers.osm_problems import OsmProblem

Geometries = NDArray[np.object_]


@dataclass(frozen=True, slots=True)
class Outlines:
    """Everything of a map file that is an area: closed ways first, then relations, by id.

    Attributes
    ----------
    keys : list of str
        ``way/1`` or ``relation/2``.
    tags : list of dict
    polygons : ndarray of Polygon or MultiPolygon
        Valid, EPSG:4326.
    """

    keys: list[str]
    tags: list[Tags]
    polygons: Geometries

    def where(self, wanted: Callable[[Tags], bool]) -> NDArray[np.int64]:
        """Rows whose tags are wanted."""
        return np.flatnonzero(np.fromiter(map(wanted, self.tags), bool, len(self.tags)))


def outlines(
    source: OsmFile, ways: OsmWays, relations: list[OsmRelation], keys: Collection[str]
) -> tuple[Outlines, list[OsmProblem]]:
    """All areas of a map file that some layer uses.

    Parameters
    ----------
    source : OsmFile
    ways : OsmWays
    relations : list of OsmRelation
        Multipolygons and boundaries wanted.
    keys : collection of str
        Keys of which each relation carries at least one.
    """
    found, problems = relation_polygons(source, relations, keys)
    tags_of = {relation.id: relation.tags for relation in relations}
    twins = _outer_twins([relation for relation in relations if relation.id in found])
    borders = _border_ways(relations)
    closed = _closed(ways)
    chosen = np.array(
        [
            i
            for i, tags in enumerate(ways.tags)
            if is_area(tags, closed=bool(closed[i]))
            and not (is_building(tags) and int(ways.ids[i]) in twins)
            and not ("boundary" in tags and int(ways.ids[i]) in borders)
        ],
        dtype=np.int64,
    )
    polygons, more = way_polygons(ways, chosen)
    have = ~shapely.is_missing(polygons)
    every = np.empty(have.sum() + len(found), dtype=object)
    every[: have.sum()] = polygons[have]
    every[have.sum() :] = list(found.values())
    return (
        Outlines(
            [f"way/{ways.ids[i]}" for i in chosen[have]] + [f"relation/{n}" for n in found],
            [ways.tags[i] for i in chosen[have]] + [tags_of[n] for n in found],
            every,
        ),
        problems + more,
    )


def _closed(ways: OsmWays) -> NDArray[np.bool_]:
    closed = np.diff(ways.offsets) > 1
    first, last = ways.offsets[:-1][closed], ways.offsets[1:][closed] - 1
    closed[closed] = ways.refs[first] == ways.refs[last]
    return closed


def _border_ways(relations: list[OsmRelation]) -> set[int]:
    """Ways of boundary relations: a closed one is an exclave or enclave, not an area itself."""
    return {
        ref
        for relation in relations
        if "boundary" in relation.tags
        for kind, ref, _ in relation.members
        if kind == "w"
    }


def _outer_twins(relations: list[OsmRelation]) -> set[int]:
    """Outer ways of building relations: tagged a second time, they would be a second building."""
    return {
        ref
        for relation in relations
        if is_building(relation.tags)
        for kind, ref, role in relation.members
        if kind == "w" and role in {"outer", ""}
    }


def way_lines(ways: OsmWays, chosen: NDArray[np.integer]) -> tuple[Geometries, list[OsmProblem]]:
    """Draw the chosen ways as LineStrings, EPSG:4326; None where fewer than two nodes are known.

    Nodes the file does not hold are left out, and reported by `osm_network` where it matters.
    """
    rows, offsets = ragged_rows(ways.offsets, chosen)
    lonlat = ways.lonlat[rows]
    known = ~np.isnan(lonlat[:, 0])
    owner = np.repeat(np.arange(len(chosen)), np.diff(offsets))[known]
    counts = np.bincount(owner, minlength=len(chosen))
    lines = np.full(len(chosen), None, dtype=object)
    usable = counts >= 2
    inside = usable[owner]
    lines[usable] = shapely.linestrings(
        lonlat[known][inside], indices=_renumbered(owner[inside], usable)
    )
    problems = [
        OsmProblem(f"way/{ways.ids[chosen[i]]}", "fewer than two of its nodes are in the file")
        for i in np.flatnonzero(~usable)
    ]
    return lines, problems


def way_polygons(ways: OsmWays, chosen: NDArray[np.integer]) -> tuple[Geometries, list[OsmProblem]]:
    """Draw the chosen ways as valid polygons, EPSG:4326; None where there is none.

    A ring that is not closed, has fewer than three corners or lacks nodes gives None and a
    problem; one that crosses itself is mended (its enclosed faces are kept) and reported.

    Parameters
    ----------
    ways : OsmWays
    chosen : ndarray of int
        Rows of ``ways``.
    """
    rows, offsets = ragged_rows(ways.offsets, chosen)
    lonlat = ways.lonlat[rows]
    refs = ways.refs[rows]
    counts = np.diff(offsets)
    polygons = np.full(len(chosen), None, dtype=object)
    problems: list[OsmProblem] = []

    known = ~np.isnan(lonlat[:, 0])
    complete = np.ones(len(chosen), bool)
    complete[np.repeat(np.arange(len(chosen)), counts)[~known]] = False
    first = np.minimum(offsets[:-1], max(len(refs) - 1, 0))
    last = np.maximum(offsets[1:] - 1, 0)
    closed = (counts >= 4) & (refs[first] == refs[last]) if len(refs) else counts > 0
    good = complete & closed
    for mask, reason in (
        (~complete, "some nodes of the outline are not in the file"),
        (complete & ~closed, "the outline is not closed"),
    ):
        problems += [OsmProblem(f"way/{ways.ids[chosen[i]]}", reason) for i in np.flatnonzero(mask)]
    if good.any():
        kept, ring_offsets = ragged_rows(offsets, np.flatnonzero(good))
        owner = np.repeat(np.arange(good.sum()), np.diff(ring_offsets))
        polygons[good] = shapely.polygons(shapely.linearrings(lonlat[kept], indices=owner))
    mended, invalid = mend(polygons)
    problems += [_mended(f"way/{ways.ids[chosen[i]]}", mended[i]) for i in invalid]
    return mended, problems


def relation_polygons(
    source: OsmFile, relations: list[OsmRelation], keys: Collection[str]
) -> tuple[dict[int, shapely.Geometry], list[OsmProblem]]:
    """Polygons of multipolygon and boundary relations by relation id, EPSG:4326.

    Parameters
    ----------
    source : OsmFile
    relations : list of OsmRelation
        The relations wanted; those that cannot be assembled (members missing, as at the edge of
        an extract, or rings open) are reported.
    keys : collection of str
        Keys of which each of them carries at least one.
    """
    if not relations:
        return {}, []
    wanted = {relation.id for relation in relations}
    found = dict(area for area in source.areas(keys) if area[0] in wanted)
    numbers = sorted(found)
    polygons, invalid = mend(shapely.from_wkb([found[number] for number in numbers]))
    problems = [_mended(f"relation/{numbers[i]}", polygons[i]) for i in invalid]
    problems += [
        OsmProblem(f"relation/{number}", "its outline is open or members are not in the file")
        for number in sorted(wanted - found.keys())
    ]
    return {n: p for n, p in zip(numbers, polygons, strict=True) if p is not None}, problems


def mend(polygons: Geometries) -> tuple[Geometries, NDArray[np.int64]]:
    """Make polygons valid, keeping only their areas; and the rows that were invalid.

    An outline without area becomes None.
    """
    polygons = np.array(polygons, dtype=object)
    invalid = np.flatnonzero(~shapely.is_missing(polygons) & ~shapely.is_valid(polygons))
    for i in invalid:
        parts = shapely.get_parts(shapely.make_valid(polygons[i]))
        # Collections nest once: a part may itself be a multipolygon.
        parts = shapely.get_parts(parts)
        faces = parts[shapely.get_type_id(parts) == shapely.GeometryType.POLYGON]
        polygons[i] = shapely.union_all(faces) if len(faces) else None
    return polygons, invalid


def multipolygons(polygons: Geometries) -> Geometries:
    """Polygons and multipolygons as multipolygons, as the tables want them."""
    out = np.array(polygons, dtype=object)
    single = shapely.get_type_id(out) == shapely.GeometryType.POLYGON
    if single.any():
        out[single] = shapely.multipolygons(out[single], indices=np.arange(single.sum()))
    return out


def _mended(element: str, polygon: shapely.Geometry | None) -> OsmProblem:
    return OsmProblem(element, "the outline crosses or touches itself", kept=polygon is not None)


def _renumbered(owner: NDArray[np.int64], usable: NDArray[np.bool_]) -> NDArray[np.int64]:
    return (np.cumsum(usable) - 1)[owner]
