"""Grids of a proposal taken into a plan: whole communities, or parts whose outlines agree."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sqlalchemy import Connection

from data.errors import InvalidRowError, NotFoundError
from data.plans.codes import free_codes
from data.plans.community import Community, GridRow, load_community
from data.plans.draft import Draft, Request
from data.plans.journal import used_codes
from geo.crs import project, projected_crs

APART_M = 0.5
"""Outlines nowhere further apart than this, on average, are the same line drawn twice, metres."""


@dataclass(frozen=True, slots=True)
class Part:
    """Grids of a plan and of a proposal that cover the same ground: what can be exchanged.

    Attributes
    ----------
    grids : tuple of int
        Of the plan.
    proposed : tuple of int
        Of the proposal.
    changes : bool
        Whether taking it would move a boundary.
    """

    grids: tuple[int, ...]
    proposed: tuple[int, ...]
    changes: bool


def parts(plan: Community, proposal: Community) -> list[Part]:
    """Smallest sets of grids whose joint outlines agree, in the order of the plan's grids.

    Two grids hang together where they share ground beyond a strip of `APART_M`, or a building.

    Parameters
    ----------
    plan, proposal : Community
        The same community in both.
    """
    old = [g for g in plan.grids.values() if g.kind != "micro"]
    new = [g for g in proposal.grids.values() if g.kind != "micro"]
    shapes = _metres([g.shape for g in old], [g.shape for g in new])
    a, b = np.array(shapes[: len(old)], object), np.array(shapes[len(old) :], object)
    near = shapely.STRtree(b).query(a, predicate="intersects")
    shared = shapely.area(shapely.intersection(a[near[0]], b[near[1]]))
    strip = APART_M * np.minimum(shapely.length(a[near[0]]), shapely.length(b[near[1]])) / 2
    bound = near[:, shared > strip]
    homes = _shared_homes(plan, proposal, old, new)
    rows = np.concatenate([bound[0], homes[0]])
    columns = np.concatenate([bound[1], homes[1]])
    count = len(old) + len(new)
    graph = coo_array((np.ones(len(rows)), (rows, columns + len(old))), shape=(count, count))
    _, group = connected_components(graph, directed=False)
    found = []
    for one in dict.fromkeys(group.tolist()):
        members = np.flatnonzero(group == one)
        mine = [old[n] for n in members if n < len(old)]
        theirs = [new[n - len(old)] for n in members if n >= len(old)]
        same = len(mine) == len(theirs) == 1 and mine[0].code == theirs[0].code
        if same:
            k, m = members[0], members[1]
            apart = shapely.area(shapely.symmetric_difference(shapes[k], shapes[m]))
            same = bool(apart <= APART_M * shapely.length(shapes[k]) / 2)
        found.append(Part(tuple(g.id for g in mine), tuple(g.id for g in theirs), not same))
    return found


def _metres(*groups: Sequence[shapely.Geometry]) -> list[shapely.Geometry]:
    shapes = np.array([s for group in groups for s in group], object)
    crs = projected_crs(shapely.total_bounds(shapes).tolist()).to_wkt()
    return list(shapely.transform(shapes, lambda xy: project(xy, crs)))


def _shared_homes(
    plan: Community, proposal: Community, old: Sequence[GridRow], new: Sequence[GridRow]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    place_old = {g.id: n for n, g in enumerate(old)}
    place_new = {g.id: n for n, g in enumerate(new)}
    there = dict(zip(proposal.building.tolist(), proposal.grid_of.tolist(), strict=True))
    pairs = {
        (place_old[g], place_new[there[b]])
        for b, g in zip(plan.building.tolist(), plan.grid_of.tolist(), strict=True)
        if g in place_old and there.get(b) in place_new
    }
    both = np.array(sorted(pairs), np.int64).reshape(-1, 2)
    return both[:, 0], both[:, 1]


def read_parts(
    connection: Connection, plan_id: int, proposal_id: int, community_id: int
) -> dict[str, Any]:
    """Say what of a proposal can be taken in one community.

    Returns
    -------
    dict
        ``community``, its ``version`` in the plan, and ``parts``: grids of the plan and of the
        proposal as GeoJSON features, and whether anything changes.

    Raises
    ------
    NotFoundError
        If a plan or the community is not there.
    """
    plan = load_community(connection, plan_id, community_id)
    proposal = load_community(connection, proposal_id, community_id)
    return {
        "community": plan.id,
        "name": plan.name,
        "version": plan.version,
        "proposal": proposal_id,
        "parts": [
            {
                "changes": part.changes,
                "grids": plan.features(part.grids),
                "proposed": proposal.features(part.proposed),
            }
            for part in parts(plan, proposal)
        ],
    }


def take(connection: Connection, draft: Draft, request: Request) -> None:
    """Bring grids of a proposal into a community that is being edited.

    Without ``grids`` the whole community is taken, vertex by vertex. With them only the grids
    that lie on the same ground are exchanged: joined, then parted along the proposal's inner
    boundaries, so that everything else keeps its vertices.

    Raises
    ------
    InvalidRowError
        If the proposal's community has another border, or the chosen grids have no outline in
        common with grids of the plan; with the grids that are missing.
    NotFoundError
        If the proposal has no such grid.
    """
    community = draft.community
    proposal = load_community(connection, int(request["source"]), community.id)
    if proposal.plan_id == community.plan_id:
        raise InvalidRowError(
            "A plan has nothing to take from itself.",
            remedy="Name the plan of a proposal.",
            zh=("方案不能采用它自己。", "请选择一个划分建议的方案。"),
        )
    chosen = request.get("grids")
    if chosen is None:
        _take_all(draft, proposal)
        return
    found = parts(community, proposal)
    wanted = {int(g) for g in chosen}
    known = {g for part in found for g in part.proposed}
    for grid in sorted(wanted - known):
        raise NotFoundError(
            f"Plan {proposal.plan_id} has no grid {grid} in {community.name}.",
            remedy="Choose base or exclusive grids of the proposal.",
            zh=(
                f"方案 {proposal.plan_id} 的{community.name}中没有网格 {grid}。",
                "请选择建议方案中的基础网格或专属网格。",
            ),
        )
    touched = [part for part in found if wanted & set(part.proposed)]
    missing = sorted({g for part in touched for g in part.proposed} - wanted)
    if missing:
        codes = [proposal.grids[g].code for g in missing]
        raise InvalidRowError(
            f"The chosen grids alone do not cover the ground of whole grids of this plan: "
            f"{', '.join(codes)} hang together with them.",
            remedy="Take these as well, or the whole community.",
            zh=(
                f"所选网格的外边界与本方案的网格不一致：还需要 {'、'.join(codes)}。",
                "请把这些网格一起采用，或采用整个社区。",
            ),
        )
    if len(touched) == len(found):
        _take_all(draft, proposal)
        return
    taken = used_codes(connection, community)
    for part in touched:
        if part.changes:
            _take_part(draft, proposal, part, taken)


def _take_all(draft: Draft, proposal: Community) -> None:
    old = {g.code: g for g in draft.rows.values() if g.kind != "micro"}
    if not _same_ground(draft.outline, proposal.outline):
        raise InvalidRowError(
            f"The border of {proposal.name} has changed between the two plans.",
            remedy="Make a new proposal from the present plan.",
            zh=(f"两个方案中{proposal.name}的边界不同。", "请由现在的方案重新做一个划分建议。"),
        )
    kept: dict[int, GridRow] = {}
    number = 0
    names: dict[int, int] = {}
    micro = [g for g in proposal.grids.values() if g.kind == "micro"]
    for row in proposal.grids.values():
        if row.kind == "micro":
            continue
        before = old.pop(row.code, None)
        number -= 1
        new = _merged(row, before, before.id if before else number)
        names[row.id] = new.id
        kept[new.id] = new
    for row in micro:
        number -= 1
        kept[number] = replace(row, id=number, parent_id=names[row.parent_id or 0], version=1)
    gone = [g for g, r in draft.rows.items() if r.kind != "micro" and g not in kept]
    if micro:
        gone += [g for g, r in draft.rows.items() if r.kind == "micro"]
    else:
        kept |= {g: r for g, r in draft.rows.items() if r.kind == "micro"}
    draft.lineage += _lineage(draft.community, proposal)
    draft.removed += gone
    # What is like before stays the very row: an edit that changes nothing is none.
    draft.rows = {
        g: draft.community.grids[g] if _alike(r, draft.community.grids.get(g)) else r
        for g, r in kept.items()
    }
    if not shapely.equals_identical(draft.outline, proposal.outline):
        draft.outline = proposal.outline


def _take_part(draft: Draft, proposal: Community, part: Part, taken: set[str]) -> None:
    rows = [draft.rows[g] for g in part.grids]
    theirs = [proposal.grids[g] for g in part.proposed]
    shapes = np.array([g.shape for g in theirs], object)
    whole = rows[0].id
    if len(rows) > 1:
        change = draft.now().partition().merge([r.id for r in rows])
        whole = next(iter(change.parents))
        draft.apply(change)
    faces = {whole: draft.rows[whole].shape}
    if len(theirs) > 1:
        line = _inner_lines(shapes)
        change = draft.now().partition().split(whole, line, pieces=len(theirs))
        draft.apply(change)
        faces = {g: change.after[g] for g in change.after if g == whole or g < 0}
    place = list(faces)
    share = shapely.area(
        shapely.intersection(np.array(list(faces.values()), object)[:, None], shapes[None, :])
    )
    face_of = share.argmax(axis=0)
    if len(faces) != len(theirs) or len(set(face_of.tolist())) != len(theirs):
        raise InvalidRowError(
            "The boundaries of these grids do not part the ground of the plan's grids alike.",
            remedy="Take the whole community.",
            zh=("这些网格的界线与本方案的地块对不上。", "请采用整个社区。"),
        )
    numbers = _numbers(draft)
    remaining = {g.code for g in draft.rows.values() if g.id not in faces and g.kind != "micro"}
    old = {r.code: r for r in rows}
    free = _free_codes(draft, theirs, remaining, old, taken)
    for grid in faces:
        draft.rows.pop(grid, None)
    used: set[int] = set()
    for row, face in zip(theirs, face_of.tolist(), strict=True):
        code = next(free) if row.code in remaining else row.code
        before = old.get(code)
        number = before.id if before is not None else next(numbers)
        used.add(number)
        new = _merged(replace(row, code=code), before, number)
        draft.rows[number] = replace(new, shape=faces[place[face]])
    draft.removed[:] = [g for g in draft.removed if g not in used]
    draft.removed += [r.id for r in rows if r.id not in used and r.id not in draft.removed]
    draft.lineage += _lineage(draft.community, proposal, set(part.grids))


def _inner_lines(shapes: NDArray[np.object_]) -> shapely.Geometry:
    """Boundaries between grids, without the outline of all of them; exact, by shared edges."""
    lines: dict[tuple[tuple[float, float], tuple[float, float]], int] = {}
    for shape in shapes:
        for ring in (shape.exterior, *shape.interiors):
            points = [tuple(p) for p in ring.coords]
            for pair in pairwise(points):
                key = (min(pair), max(pair))
                lines[key] = lines.get(key, 0) + 1
    shared = [shapely.LineString(key) for key, count in lines.items() if count > 1]
    return shapely.line_merge(shapely.multilinestrings(shared))


def _merged(row: GridRow, before: GridRow | None, number: int) -> GridRow:
    """The proposal's grid; where the plan has one of that code, with its name, branch and staff."""
    if before is None:
        return replace(row, id=number, version=1, parent_id=None)
    return replace(
        row,
        id=number,
        parent_id=None,
        name=before.name,
        branch=before.branch,
        staff=before.staff,
        version=before.version,
    )


def _alike(row: GridRow, before: GridRow | None) -> bool:
    if before is None or not shapely.equals_identical(row.shape, before.shape):
        return False
    return replace(row, shape=before.shape, crossings=before.crossings) == before


def _same_ground(one: shapely.Geometry, other: shapely.Geometry) -> bool:
    """Whether two outlines differ by vertices on the same line only."""
    return bool(shapely.hausdorff_distance(one, other) <= 1e-7)


def _numbers(draft: Draft) -> Iterator[int]:
    """Numbers of new grids, below all that a cut gives to its pieces."""
    number = min(-100_000, *draft.rows)
    while True:
        number -= 1
        yield number


def _free_codes(
    draft: Draft,
    theirs: Sequence[GridRow],
    remaining: set[str],
    old: dict[str, GridRow],
    taken: set[str],
) -> Iterator[str]:
    count = sum(row.code in remaining for row in theirs)
    used = taken | {row.code for row in theirs} | remaining | set(old)
    return iter(free_codes(draft.community.code, draft.community.name, used, count))


def _lineage(
    before: Community, after: Community, grids: set[int] | None = None
) -> list[tuple[str, str]]:
    """Pairs of codes whose grids share a building."""
    there = dict(zip(after.building.tolist(), after.grid_of.tolist(), strict=True))
    pairs = {
        (before.grids[g].code, after.grids[there[b]].code)
        for b, g in zip(before.building.tolist(), before.grid_of.tolist(), strict=True)
        if (grids is None or g in grids) and g in before.grids and there.get(b) in after.grids
    }
    return sorted(pairs)
