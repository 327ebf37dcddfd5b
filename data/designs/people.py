"""Party branches and staffing of a design over files: counts by building, or by community."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from data.errors import SourceFileError
from data.importers.headers import match_headers
from data.importers.tables import read_table
from geo.branches import branches
from geo.cells import Cells
from geo.griddesign import Design
from geo.staffing import staffing

Counts = NDArray[np.int64]
ROLES = ("workers", "building_heads", "unit_heads")


def read_members(path: Path, rows: Sequence[Sequence[str]]) -> NDArray[np.float64]:
    """Read party members by building.

    Parameters
    ----------
    path : Path
        CSV or XLSX: code of a building of the ledger, members (a count).
    rows : sequence of sequence of str
        Codes that stand on each building of the design.

    Returns
    -------
    ndarray, shape (buildings,)

    Raises
    ------
    SourceFileError
        If a count is no whole number of 0 or more, or a code is unknown; with the row.
    """
    table = _read(path, "members", ("members",))
    place = {code: n for n, codes in enumerate(rows) for code in codes}
    result = np.zeros(len(rows))
    for row, code, counts in table:
        if code not in place:
            raise SourceFileError(
                f"{path.name} row {row}: code {code!r} is no building of the ledger.",
                remedy="Use the codes of --buildings.",
            )
        result[place[code]] += counts["members"]
    return result


def read_staff(path: Path, communities: Sequence[str]) -> dict[str, Counts]:
    """Read how many workers and heads communities have, by role.

    A role without a column is left out: not given is not nobody.

    Raises
    ------
    SourceFileError
        If a count is no whole number of 0 or more, or a community unknown; with the row.
    """
    place = {code: n for n, code in enumerate(communities)}
    table = _read(path, "staff", ROLES, some=True)
    result: dict[str, Counts] = {}
    for row, code, counts in table:
        if code not in place:
            raise SourceFileError(
                f"{path.name} row {row}: code {code!r} is no community of --areas.",
                remedy="Use the codes of the communities.",
            )
        for role, count in counts.items():
            result.setdefault(role, np.zeros(len(communities), np.int64))[place[code]] += count
    return result


def _read(
    path: Path, layer: str, fields: Sequence[str], *, some: bool = False
) -> list[tuple[int, str, dict[str, int]]]:
    frame = read_table(path, layer).frame
    column = match_headers(list(frame.columns), layer).column
    known = [name for name in fields if name in column]
    missing = [name for name in ("code", *fields) if name not in column]
    if "code" in missing or not known or (missing and not some):
        raise SourceFileError(
            f"{path.name} has no column {' or '.join(missing)}.",
            remedy=f"Give the columns code, {', '.join(fields)}.",
        )
    result = []
    for row, values in frame.iterrows():
        counts = {}
        for name in known:
            value = values[column[name]] or "0"
            if not value.isdecimal():
                raise SourceFileError(
                    f"{path.name} row {row}: {name} {value!r} is no count.",
                    remedy="Give a whole number of 0 or more.",
                )
            counts[name] = int(value)
        result.append((int(cast("int", row)), str(values[column["code"]]), counts))
    return result


def add_staffing(
    communities: list[dict[str, object]],
    made: Design,
    heads: Mapping[str, NDArray[np.integer]],
    present: Mapping[str, Counts] | None,
) -> None:
    """Tell of each community how many workers and heads its grids need, and how many it lacks.

    Writes ``workers``, ``building_heads``, ``unit_heads``; with ``present`` also ``present_…`` and
    ``spare_…`` (negative where short).
    """
    base = ~made.exclusive
    need = staffing(
        made.community[base],
        made.households[base],
        heads["building_heads"][base],
        heads["unit_heads"][base],
        int(made.community.max()) + 1,
    )
    for one in communities:
        at = cast("int", one["community"])
        for role in ROLES:
            needed = int(getattr(need, role)[at])
            one[role] = needed
            if present is not None and role in present:
                one[f"present_{role}"] = int(present[role][at])
                one[f"spare_{role}"] = int(present[role][at]) - needed


def told_of_staff(community: Mapping[str, object]) -> list[str]:
    """Say who is short and who to spare in a community; nothing where no numbers were given."""
    parts = []
    for role in ROLES:
        spare = community.get(f"spare_{role}")
        if isinstance(spare, int) and spare:
            word = "short" if spare < 0 else "to spare"
            parts.append(f"{role.replace('_', ' ')}: {abs(spare):,} {word} of {community[role]:,}")
    return ["; ".join(parts)] if parts else []


def branches_of(
    made: Design,
    cells: Cells,
    members: NDArray[np.float64],
    shapes: NDArray[np.object_],
    communities: gpd.GeoDataFrame,
    codes: NDArray[np.object_],
    limits: tuple[int, int],
) -> tuple[pd.DataFrame, gpd.GeoDataFrame, list[dict[str, object]]]:
    """Join grids into party branches.

    Parameters
    ----------
    made : Design
    cells : Cells
    members : ndarray, shape (cells,)
        Party members.
    shapes : ndarray of object, shape (grids,)
        EPSG:4326.
    communities : GeoDataFrame
    codes : ndarray of str, shape (grids,)
    limits : tuple of int
        Fewest and most members of a branch.

    Returns
    -------
    columns : DataFrame
        ``code``, ``branch`` and ``party_members`` of each grid.
    layer : GeoDataFrame
        A row a branch, EPSG:4326.
    told : list of dict
        The same without shapes, with the codes of its grids.
    """
    grids = len(codes)
    counted = np.bincount(made.grid, members, grids).round().astype(np.int64)
    ends = made.grid[cells.edges]
    touching = np.unique(np.sort(ends[ends[:, 0] != ends[:, 1]], axis=1), axis=0)
    points = shapely.get_coordinates(shapely.centroid(cells.geometry))
    area = np.maximum(np.bincount(made.grid, cells.area_m2, grids), 1e-9)
    middle = np.column_stack(
        [np.bincount(made.grid, cells.area_m2 * points[:, k], grids) / area for k in (0, 1)]
    )
    found = branches(counted, made.community, touching, middle, least=limits[0], most=limits[1])
    told: list[dict[str, object]] = []
    outlines = []
    names = np.full(grids, "", object)
    number: dict[int, int] = {}
    for k in range(len(found.members)):
        own = np.flatnonzero(found.branch == k)
        community = int(made.community[own[0]])
        number[community] = number.get(community, 0) + 1
        names[own] = f"{communities['name'].iloc[community]}第{number[community]}网格党支部"
        told.append(
            {
                "name": names[own[0]],
                "community_code": str(communities["code"].iloc[community]),
                "grids": [str(code) for code in codes[own]],
                "party_members": int(found.members[k]),
                "outside": bool(found.outside[k]),
            }
        )
        outlines.append(shapely.union_all(shapes[own]))
    columns = pd.DataFrame({"code": codes, "branch": names, "party_members": counted})
    rows = pd.DataFrame(told)
    rows["grids"] = [";".join(cast("list[str]", one["grids"])) for one in told]
    return columns, gpd.GeoDataFrame(rows, geometry=outlines, crs="EPSG:4326"), told
