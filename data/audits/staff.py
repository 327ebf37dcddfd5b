"""Full-time workers by area: counts out of files and out of the published plan, summed upwards.

Only how many work in an area is read and kept, never who.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sqlalchemy import Connection, text

from data.errors import SourceFileError
from data.importers.headers import plain
from data.importers.values import CellError, count
from data.importers.vectors import read_vector
from geo.audit import AreaTable

COLUMNS = (
    "full_time",
    "workers",
    "专职网格员",
    "专职网格员数",
    "专职网格员人数",
    "专职员",
    "专职人数",
)
"""Names of the column that counts full-time workers; `data.plans.export` writes three of them."""
_CODES = ("code", "id", "网格编码", "网格编号", "网格代码", "编码", "编号", "代码")
_ABOVE = {"grid": "community", "community": "street", "street": "district"}

Vector = NDArray[np.float64]


def workers_in_file(path: Path, codes: NDArray[np.object_]) -> Vector | None:
    """Read how many full-time workers each area of a vector file has.

    Parameters
    ----------
    path : Path
        The file of grids or areas.
    codes : ndarray of object, shape (a,)
        The areas wanted.

    Returns
    -------
    ndarray, shape (a,), float64, or None
        NaN where the cell is empty; None where the file has no such column.

    Raises
    ------
    SourceFileError
        If a cell is no number of people, naming row and value.
    """
    rows = pd.DataFrame(read_vector(path).frame.drop(columns="geometry"))
    known = {plain(column): str(column) for column in rows.columns}
    named = next((known[plain(name)] for name in COLUMNS if plain(name) in known), None)
    key = next((known[plain(name)] for name in _CODES if plain(name) in known), None)
    if named is None or key is None:
        return None
    found: dict[str, float] = {}
    for number, (code, cell) in enumerate(zip(rows[key], rows[named], strict=True), start=1):
        try:
            value = None if pd.isna(cell) else count(cell, most=10_000)
        except CellError as error:
            raise SourceFileError(
                f"{path.name} row {number}: {named} {error}.",
                remedy=f"{error.remedy} The column counts workers; no name belongs there.",
            ) from error
        if value is not None:
            found[str(code).strip().removesuffix(".0")] = float(value)
    return np.array([found.get(str(code), np.nan) for code in codes], float)


def workers_in_plan(connection: Connection) -> dict[str, float]:
    """Full-time workers of the grids of the published plan, by the grid's code.

    Plans hold 0 where nobody filled anything in: grids of a community where no grid has any worker
    are left out, as not counted.
    """
    rows = connection.execute(
        text(
            "SELECT g.code, g.full_time, max(g.full_time) OVER (PARTITION BY g.community_id) AS any"
            " FROM plan_grids g JOIN plans p ON p.id = g.plan_id"
            " WHERE p.state = 'published' AND g.kind <> 'micro'"
        )
    ).all()
    return {row.code: float(row.full_time) for row in rows if row.any > 0}


def with_workers(areas: Mapping[str, AreaTable]) -> dict[str, AreaTable]:
    """Sum workers up: an area nobody counted has those of the areas below it, if any of them has.

    Parameters
    ----------
    areas : mapping of level to AreaTable
        `AreaTable.workers` given at any level; NaN where unknown.
    """
    summed = dict(areas)
    for level, above in _ABOVE.items():
        if level not in summed or above not in summed:
            continue
        own, wide = summed[level], summed[above]
        if own.workers is None:
            continue
        row_of = {code: row for row, code in enumerate(wide.code)}
        row = np.array([row_of.get(code, -1) for code in own.parent], np.int64)
        counted = (row >= 0) & np.isfinite(own.workers)
        sums = np.bincount(row[counted], weights=own.workers[counted], minlength=len(wide.code))
        some = np.bincount(row[counted], minlength=len(wide.code)) > 0
        below = np.where(some, sums, np.nan)
        given = np.full(len(wide.code), np.nan) if wide.workers is None else wide.workers
        workers = np.where(np.isfinite(given), given, below)
        summed[above] = replace(wide, workers=workers if np.isfinite(workers).any() else None)
    return summed
