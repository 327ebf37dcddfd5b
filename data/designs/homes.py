"""Buildings with their counts, from footprints, from a ledger, or from a ledger on footprints."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from data.errors import SourceFileError
from data.importers.demand import read_demand
from data.importers.layers import read_layer
from data.importers.osm import OsmCity
from data.importers.tables import TABLE_ENDINGS
from data.importers.vectors import read_vector
from data.surroundings import in_metres
from geo.dasymetric import estimate_households, estimate_people
from geo.microgrids import Buildings

JOIN_M = 15.0
"""How far a ledger's point may lie from the footprint it is taken for."""


@dataclass(slots=True)
class Homes:
    """Buildings with their counts, one a footprint or point."""

    ids: NDArray[np.object_]
    shapes: NDArray[np.object_]
    households: NDArray[np.float64]
    people: NDArray[np.float64]
    floors: NDArray[np.float64]
    units: NDArray[np.float64]
    kind: NDArray[np.object_]
    rows: list[list[str]]
    """Codes in the ledger of what stands there; a footprint may take several rows."""

    def buildings(self) -> Buildings:
        """Give them as micro-grids are made of."""
        return Buildings(
            self.shapes,
            self.households.astype(np.int64),
            self.people.astype(np.int64),
            self.floors,
            self.units,
            self.kind,
        )


def read_homes(path: Path | None, city: OsmCity | None, crs: str, warnings: list[str]) -> Homes:
    """Read the buildings of a design.

    Parameters
    ----------
    path : Path or None
        Vector file of footprints or points, or a ledger with coordinates; None takes the
        buildings of the city.
    city : OsmCity or None
        Points of a ledger are put on its footprints.
    crs : str
        Projected, metres.
    warnings : list of str
        Told what is estimated or stands alone.

    Raises
    ------
    SourceFileError
        If there are no buildings that can be used.
    """
    if path is None:
        if city is None or not len(city.buildings):
            raise SourceFileError(
                "There are no buildings.",
                remedy="Give --buildings, or a --network file that holds buildings.",
            )
        return _of_frame(city.buildings, crs, warnings)
    if path.suffix.lower() not in TABLE_ENDINGS:
        frame = read_vector(path).frame
        if (shapely.get_dimensions(np.asarray(frame.geometry.array, object)) == 2).any():
            rows, report = read_layer(path, "buildings")
            warnings += report.told()
            if not len(rows):
                raise SourceFileError(f"{path.name}: no building can be used.")
            return _of_frame(rows, crs, warnings)
    ledger, report = read_demand(path)
    warnings += report.told()
    if not len(ledger):
        raise SourceFileError(f"{path.name}: no building can be used.")
    return _joined(ledger, city, crs, warnings)


def _number(frame: pd.DataFrame, column: str) -> NDArray[np.float64]:
    if column not in frame.columns:
        return np.full(len(frame), np.nan)
    return pd.to_numeric(frame[column], errors="coerce").to_numpy(float, na_value=np.nan)


def _of_frame(frame: gpd.GeoDataFrame, crs: str, warnings: list[str]) -> Homes:
    shapes = in_metres(frame.geometry.array, crs)
    kind = (
        frame["kind"].to_numpy(object)
        if "kind" in frame.columns
        else np.full(len(frame), "other", object)
    )
    homes = Homes(
        frame["code"].to_numpy(object),
        shapes,
        _number(frame, "households"),
        _number(frame, "people"),
        _number(frame, "floors"),
        _number(frame, "units"),
        kind,
        [[str(code)] for code in frame["code"]],
    )
    unknown = ~np.isfinite(homes.households)
    if unknown.any():
        guess = estimate_households(shapely.area(shapes), homes.floors, kind)
        homes.households = np.where(unknown, guess, homes.households)
        if guess[unknown].any():
            warnings.append(
                f"Households of {int((guess[unknown] > 0).sum()):,} buildings are estimated from "
                "footprint and floors."
            )
    return _with_people(homes)


def _with_people(homes: Homes) -> Homes:
    unknown = ~np.isfinite(homes.people)
    guess = estimate_people(np.rint(homes.households).astype(np.int64))
    homes.people = np.where(unknown, guess, homes.people).astype(np.float64)
    return homes


def _joined(ledger: gpd.GeoDataFrame, city: OsmCity | None, crs: str, warnings: list[str]) -> Homes:
    """A ledger of points, each put on the footprint it stands in or next to."""
    points = in_metres(ledger.geometry.array, crs)
    counts = {name: _number(ledger, name) for name in ("households", "people")}
    blank = int((~np.isfinite(counts["households"])).sum())
    if blank:
        warnings.append(f"{blank:,} rows of the ledger have no households and count as 0.")
    households = np.nan_to_num(counts["households"])
    guess = estimate_people(np.rint(households).astype(np.int64))
    people = np.where(np.isfinite(counts["people"]), counts["people"], guess)
    ids = ledger["id"].to_numpy(object)
    if city is None or not len(city.buildings):
        empty = np.full(len(points), np.nan)
        return Homes(
            ids,
            points,
            households,
            people,
            empty,
            empty,
            np.full(len(points), "other", object),
            [[str(code)] for code in ids],
        )
    prints = city.buildings
    shapes = in_metres(prints.geometry.array, crs)
    at, of = shapely.STRtree(shapes).query_nearest(points, max_distance=JOIN_M, all_matches=True)
    order = np.lexsort((of, at))
    at, first = np.unique(at[order], return_index=True)
    of = of[order][first]
    alone = np.setdiff1d(np.arange(len(points)), at)
    if len(alone):
        warnings.append(
            f"{len(alone):,} rows of the ledger are more than {JOIN_M:g} m from any footprint and "
            "stand as points."
        )
    names = prints["code"].to_numpy(object).copy()
    names[of] = ids[at]
    rows: list[list[str]] = [[] for _ in range(len(shapes))]
    for print_, row in zip(of.tolist(), at.tolist(), strict=True):
        rows[print_].append(str(ids[row]))

    def put(values: NDArray[np.float64]) -> NDArray[np.float64]:
        summed = np.bincount(of, values[at], len(shapes)).astype(np.float64)
        return np.concatenate([summed, values[alone]])

    def known(column: str) -> NDArray[np.float64]:
        return np.concatenate([_number(prints, column), np.full(len(alone), np.nan)])

    return Homes(
        np.concatenate([names, ids[alone]]),
        np.concatenate([shapes, points[alone]]),
        put(households),
        put(people),
        known("floors"),
        known("units"),
        np.concatenate([prints["kind"].to_numpy(object), np.full(len(alone), "other", object)]),
        rows + [[str(code)] for code in ids[alone]],
    )
