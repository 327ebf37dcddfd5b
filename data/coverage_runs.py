"""Coverage of the whole city for one choice of stations and walking, worked out once and kept."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from sqlalchemy import Connection, text

from data.circles import OPEN, City, Travel, some_points
from data.city import estimated_share
from data.database import Database
from data.errors import InvalidRowError
from data.layers import DECIMALS, Feature
from data.models import STATION_KINDS, STATION_STATUSES
from data.tiles import BUILDINGS_FROM, CELL_ZOOMS
from geo.coverage import STATE_NAMES, State, coverage
from geo.crs import project, unproject
from geo.gaps import GapZones, gap_zones
from geo.summaries import summarise

ACTOR = "coverage"
"""Who keeps results, in the database's own words: nothing of a layer changes."""

RUNS_KEPT = 50
"""Results kept in the database; the newest stay."""

RULES = 2
"""Raised when the same inputs would give other results, so that old ones are not taken for new."""

LEVELS = ("city", "district", "street", "community", "grid", "compound")

_USED_TABLES = (
    "areas",
    "buildings",
    "compounds",
    "entrances",
    "gates",
    "grids",
    "stations",
)
# What is better is lower: a building is covered if one of its entrances is.
_RANK = np.array([0, 1, 3, 2], np.uint8)  # covered, gap, unsnapped, disconnected


@dataclass(frozen=True, slots=True)
class Question:
    """What a coverage answers.

    Attributes
    ----------
    kinds : tuple of str
        Station kinds that count, sorted; empty means all.
    minutes : float
        Cutoff.
    travel : Travel
    statuses : tuple of str
        Station statuses that count: open ones, unless asked otherwise.

    Raises
    ------
    InvalidRowError
        If a kind or status is unknown or the cutoff out of range.
    """

    kinds: tuple[str, ...]
    minutes: float
    travel: Travel
    statuses: tuple[str, ...] = OPEN

    def __post_init__(self) -> None:
        for field, words, known in (
            ("kinds", self.kinds, STATION_KINDS),
            ("statuses", self.statuses, STATION_STATUSES),
        ):
            unknown = [word for word in words if word not in known]
            if unknown:
                raise InvalidRowError(
                    f"{field}: {unknown[0]!r} is not in the list.",
                    remedy=f"Use any of: {', '.join(known)}.",
                )
        if not (math.isfinite(self.minutes) and 0 < self.minutes <= 120):
            raise InvalidRowError(
                f"A cutoff of {self.minutes:g} minutes is out of range.",
                remedy="Give more than 0 and at most 120 minutes.",
            )
        object.__setattr__(self, "kinds", tuple(sorted(set(self.kinds))))
        object.__setattr__(self, "statuses", tuple(sorted(set(self.statuses))))

    @property
    def key(self) -> tuple[Any, ...]:
        """What makes two questions the same."""
        return self.kinds, self.minutes, self.travel.key, self.statuses

    def describe(self) -> dict[str, Any]:
        """Parameters as every result states them."""
        return {
            "kinds": list(self.kinds or STATION_KINDS),
            "statuses": list(self.statuses),
            "minutes": self.minutes,
            **self.travel.describe(),
        }


@dataclass(frozen=True, slots=True)
class BuildingCoverage:
    """Coverage of every building.

    Attributes
    ----------
    seconds : ndarray, shape (n,), float32
        Walk from its best entrance to the nearest station; NaN where none can be reached.
    station : ndarray, shape (n,), int32
        Row of that station in `City.stations`; -1 where none.
    state : ndarray, shape (n,), uint8
        `geo.coverage.State`.
    point : ndarray, shape (n,), int64
        Demand point the walk begins at: the best entrance.
    """

    seconds: NDArray[np.float32]
    station: NDArray[np.int32]
    state: NDArray[np.uint8]
    point: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class CoverageRun:
    """A kept result.

    Attributes
    ----------
    id : int
        Number that tiles are asked by.
    parameters : dict
        The question, network version, snapping limit.
    totals : dict
        Sums of the city.
    levels : dict of str to list of dict
        Sums by area of each of `LEVELS`; rows without an area have id 0.
    zones : list of Feature
        Gap zones as polygons, the one with most households first.
    """

    id: int
    parameters: dict[str, Any]
    totals: dict[str, Any]
    levels: dict[str, list[dict[str, Any]]]
    zones: list[Feature]


def cover_buildings(city: City, question: Question) -> BuildingCoverage:
    """Walk from every building to its nearest station of the kinds asked for.

    Parameters
    ----------
    city : City
    question : Question

    Returns
    -------
    BuildingCoverage
    """
    rows = city.stations.chosen(question.kinds, question.statuses)
    facilities = some_points(city.snapped_stations(question.travel), rows)
    demand = city.demand(question.travel).snapped
    found = coverage(
        city.network,
        city.streets.impedance(question.travel),
        demand,
        facilities,
        cutoff_s=60.0 * question.minutes,
    )
    buildings = city.buildings
    if not len(buildings.ids):
        return BuildingCoverage(
            np.zeros(0, np.float32),
            np.zeros(0, np.int32),
            np.zeros(0, np.uint8),
            np.zeros(0, np.int64),
        )
    # The best entrance: by rank of the state, then by seconds, then the first.
    order = np.lexsort((found.seconds, _RANK[found.state], buildings.point_building))
    best = order[buildings.first_point]
    facility = found.facility[best]
    station = np.where(facility >= 0, rows[np.maximum(facility, 0)] if len(rows) else -1, -1)
    return BuildingCoverage(found.seconds[best], station.astype(np.int32), found.state[best], best)


def coverage_run(database: Database, city: City, question: Question) -> CoverageRun:
    """Give the kept result of a question, worked out and kept now if it is not there yet.

    A result belongs to exactly the rows it was computed from: any change of a building, station,
    gate, area or street asks for a new one.

    Parameters
    ----------
    database : Database
    city : City
    question : Question
    """
    digest = _digest(city, question)
    with database.connect() as connection:
        kept = _read(connection, digest)
    if kept is not None:
        return kept
    found = cover_buildings(city, question)
    zones = find_gaps(city, found)
    with database.transaction(actor=ACTOR) as connection:
        summary = _summary(connection, city, question, found, zones)
        run_id = connection.execute(
            text(
                "INSERT INTO coverage_runs (digest, network_version, parameters, summary)"
                " VALUES (:digest, :network, CAST(:parameters AS jsonb), CAST(:summary AS jsonb))"
                " ON CONFLICT (digest) DO NOTHING RETURNING id"
            ),
            {
                "digest": digest,
                "network": city.network.version,
                "parameters": json.dumps(_parameters(city, question)),
                "summary": json.dumps(summary, ensure_ascii=False),
            },
        ).scalar_one_or_none()
        if run_id is not None:  # otherwise another process was quicker with the same
            _write_results(connection, run_id, city, found, zones)
            _write_cells(connection, run_id, city, found)
            # Tiles ask at once: the planner must know of the rows before autovacuum comes by.
            connection.execute(text("ANALYZE coverage_results, coverage_cells"))
            _forget_old(connection)
    with database.connect() as connection:
        kept = _read(connection, digest)
    if kept is None:
        raise RuntimeError(f"coverage run {digest} vanished while it was kept")
    return kept


def find_gaps(city: City, found: BuildingCoverage) -> GapZones:
    """Gather the homes in a gap into zones.

    Homes are buildings with households; where no count is known in the whole city, all are.
    """
    buildings = city.buildings
    known = np.isfinite(buildings.households)
    homes = buildings.households > 0 if known.any() else np.ones(len(known), np.bool_)
    return gap_zones(
        project(buildings.lonlat, city.network.crs),
        buildings.households,
        (found.state == State.GAP) & homes,
    )


def _digest(city: City, question: Question) -> str:
    inputs = {
        "rules": RULES,
        **_parameters(city, question),
        "rows": city.versions.of(_USED_TABLES),
        "barriers": city.versions.base,
    }
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def _parameters(city: City, question: Question) -> dict[str, Any]:
    return {
        **question.describe(),
        "max_snap_m": city.streets.max_snap_m,
        "network_version": city.network.version,
    }


def _read(connection: Connection, digest: str) -> CoverageRun | None:
    row = connection.execute(
        text("SELECT id, parameters, summary FROM coverage_runs WHERE digest = :digest"),
        {"digest": digest},
    ).one_or_none()
    if row is None:
        return None
    summary = row.summary
    return CoverageRun(
        row.id, row.parameters, summary["totals"], summary["levels"], summary["zones"]
    )


def _summary(
    connection: Connection,
    city: City,
    question: Question,
    found: BuildingCoverage,
    zones: GapZones,
) -> dict[str, Any]:
    chosen = city.stations.chosen(question.kinds, question.statuses)
    snapped = city.snapped_stations(question.travel).edge[chosen] >= 0
    whole = _sums(city, found, np.ones(len(city.buildings.ids), np.int64))
    totals: dict[str, Any] = (
        whole[0]
        if whole
        else {
            "buildings": 0,
            "households": 0,
            "people": 0,
            "households_estimated": 0,
            "estimated_share": None,
        }
    )
    totals = {k: v for k, v in totals.items() if k != "id"} | {
        "stations": len(chosen),
        "stations_off_network": [int(station) for station in city.stations.ids[chosen][~snapped]],
        "gap_zones": len(zones.households),
    }
    return {
        "totals": totals,
        "levels": _levels(connection, city, found, totals),
        "zones": _zone_features(city, found, zones),
    }


def _levels(
    connection: Connection, city: City, found: BuildingCoverage, totals: dict[str, Any]
) -> dict[str, list[dict[str, Any]]]:
    areas = connection.execute(text("SELECT id, level, parent_id FROM areas ORDER BY id")).all()
    parent = {row.id: row.parent_id for row in areas}
    level_of = {row.id: row.level for row in areas}
    buildings = city.buildings
    levels: dict[str, list[dict[str, Any]]] = {"city": [totals]}
    for level in ("district", "street", "community"):
        # The area of this level that each community lies in; 0 where there is none.
        above = {0: 0}
        for community in np.unique(buildings.community):
            area: int | None = int(community)
            while area and level_of.get(area) != level:
                area = parent.get(area)
            above[int(community)] = area or 0
        keys, row = np.unique(buildings.community, return_inverse=True)
        group = np.array([above[int(key)] for key in keys], np.int64)[row]
        levels[level] = _named(connection, "areas", _sums(city, found, group))
    levels["grid"] = _named(connection, "grids", _sums(city, found, buildings.grid))
    levels["compound"] = _named(connection, "compounds", _sums(city, found, buildings.compound))
    return levels


def _sums(city: City, found: BuildingCoverage, group: NDArray[np.int64]) -> list[dict[str, Any]]:
    buildings = city.buildings
    table = summarise(found.state, buildings.households, buildings.people, group)
    guessed = np.where(buildings.estimated, np.nan_to_num(buildings.households), 0.0)
    keys, row_of = np.unique(group, return_inverse=True)
    table["households_estimated"] = pd.Series(
        np.bincount(row_of, weights=guessed, minlength=len(keys)), index=keys
    )
    covered = np.where(found.state == State.COVERED, guessed, 0.0)
    table["covered_households_estimated"] = pd.Series(
        np.bincount(row_of, weights=covered, minlength=len(keys)), index=keys
    )
    rows: list[dict[str, Any]] = []
    for values in table.reset_index().to_dict("records"):
        share = values.pop("covered_share")
        row: dict[str, Any] = {"id": int(values.pop("group"))}
        row |= {str(k): round(v) for k, v in values.items()}
        row["covered_share"] = None if math.isnan(share) else round(share, 4)
        row["estimated_share"] = estimated_share(row["households_estimated"], row["households"])
        rows.append(row)
    return rows


def _named(connection: Connection, table: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Add code and name; most uncovered households first."""
    names = {
        row.id: (row.code, row.name)
        for row in connection.execute(
            text(f"SELECT id, code, name FROM {table} WHERE id = ANY(:ids)"),
            {"ids": [row["id"] for row in rows]},
        )
    }
    for row in rows:
        row["code"], row["name"] = names.get(row["id"], (None, None))
    return sorted(
        rows, key=lambda r: (r["covered_households"] - r["households"], -r["buildings"], r["id"])
    )


def _zone_features(city: City, found: BuildingCoverage, zones: GapZones) -> list[Feature]:
    crs = city.network.crs
    outlines = shapely.transform(zones.outline, lambda xy: unproject(xy, crs).round(DECIMALS))
    centres = unproject(zones.centre_xy, crs).round(DECIMALS)
    features: list[Feature] = []
    members = _members(zones)
    for number, (outline, centre) in enumerate(zip(outlines, centres, strict=True)):
        rows = members[number]
        seconds = found.seconds[rows]
        reached = np.isfinite(seconds)
        nearest = np.bincount(found.station[rows][reached]).argmax() if reached.any() else -1
        features.append(
            {
                "type": "Feature",
                "id": number + 1,
                "bbox": shapely.bounds(outline).tolist(),
                "geometry": json.loads(shapely.to_geojson(outline)),
                "properties": {
                    "rank": number + 1,
                    "households": round(zones.households[number]),
                    "people": round(np.nansum(city.buildings.people[rows])),
                    "buildings": len(rows),
                    "minutes_mean": _mean_minutes(seconds, city.buildings.households[rows]),
                    "minutes_max": round(float(seconds[reached].max()) / 60, 1)
                    if reached.any()
                    else None,
                    "nearest_station": int(city.stations.ids[nearest]) if nearest >= 0 else None,
                    "nearest_station_name": city.stations.name[nearest] if nearest >= 0 else None,
                    "centre": centre.tolist(),
                },
            }
        )
    return features


def _members(zones: GapZones) -> list[NDArray[np.int64]]:
    """Rows of buildings in each zone."""
    inside = np.flatnonzero(zones.zone >= 0)
    order = inside[np.argsort(zones.zone[inside], kind="stable")]
    ends = np.cumsum(np.bincount(zones.zone[inside], minlength=len(zones.households)))
    return np.split(order, ends[:-1])


def _mean_minutes(seconds: NDArray[np.float32], households: NDArray[np.float64]) -> float | None:
    reached = np.isfinite(seconds)
    if not reached.any():
        return None
    weight = np.nan_to_num(households[reached])
    weight = weight if weight.sum() > 0 else np.ones(len(weight))
    return round(float(np.average(seconds[reached], weights=weight)) / 60, 1)


def _write_results(
    connection: Connection, run_id: int, city: City, found: BuildingCoverage, zones: GapZones
) -> None:
    reached = found.station >= 0
    stations = np.where(
        reached, city.stations.ids[found.station] if len(city.stations.ids) else 0, 0
    )
    connection.execute(
        text(
            "INSERT INTO coverage_results (run_id, building_id, seconds, station_id, state, zone)"
            " SELECT :run, building, seconds, nullif(station, 0), state, nullif(zone, 0)"
            " FROM unnest(CAST(:buildings AS bigint[]), CAST(:seconds AS float8[]),"
            " CAST(:stations AS bigint[]), CAST(:states AS text[]), CAST(:zones AS int[]))"
            " AS given (building, seconds, station, state, zone)"
        ),
        {
            "run": run_id,
            "buildings": city.buildings.ids.tolist(),
            "seconds": [
                None if math.isnan(s) else s for s in found.seconds.astype(np.float64).tolist()
            ],
            "stations": stations.tolist(),
            "states": [STATE_NAMES[state] for state in found.state.tolist()],
            "zones": (zones.zone + 1).tolist(),
        },
    )


def _write_cells(connection: Connection, run_id: int, city: City, found: BuildingCoverage) -> None:
    """Keep sums by square, for every zoom that draws squares instead of buildings."""
    finest = BUILDINGS_FROM - 1 + CELL_ZOOMS
    lon, lat = np.radians(city.buildings.lonlat).T
    side = 1 << finest
    # Web Mercator (EPSG:3857) in shares of the world, y from the north.
    x = np.clip((lon / math.pi + 1) / 2 * side, 0, side - 1).astype(np.int64)
    y = np.clip((1 - np.arcsinh(np.tan(lat)) / math.pi) / 2 * side, 0, side - 1).astype(np.int64)
    households = np.nan_to_num(city.buildings.households)
    covered = found.state == State.COVERED
    reached = np.isfinite(found.seconds)
    minutes = np.where(reached, found.seconds, 0.0) / 60
    columns: dict[str, list[Any]] = {
        name: [] for name in ("z", "y", "x", "b", "h", "cb", "ch", "m")
    }
    for z in range(CELL_ZOOMS, finest + 1):
        shift = finest - z
        cells, row = np.unique(((y >> shift) << z) | (x >> shift), return_inverse=True)

        def total(
            weights: NDArray[Any], row: NDArray[Any] = row, size: int = len(cells)
        ) -> NDArray[np.float64]:
            return np.bincount(row, weights=weights, minlength=size).astype(np.float64)

        by_household = total(households * reached)
        by_building = total(reached.astype(np.float64))
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = np.where(
                by_household > 0,
                total(minutes * households * reached) / by_household,
                total(minutes * reached) / by_building,
            )
        columns["z"] += [z] * len(cells)
        columns["y"] += (cells >> z).tolist()
        columns["x"] += (cells & ((1 << z) - 1)).tolist()
        columns["b"] += np.bincount(row, minlength=len(cells)).tolist()
        columns["h"] += total(households).astype(np.int64).tolist()
        columns["cb"] += total(covered.astype(np.float64)).astype(np.int64).tolist()
        columns["ch"] += total(households * covered).astype(np.int64).tolist()
        columns["m"] += [None if math.isnan(m) else m for m in mean.tolist()]
    connection.execute(
        text(
            "INSERT INTO coverage_cells (run_id, z, y, x, buildings, households,"
            " covered_buildings, covered_households, minutes)"
            " SELECT :run, given.* FROM unnest(CAST(:z AS smallint[]), CAST(:y AS int[]),"
            " CAST(:x AS int[]), CAST(:b AS int[]), CAST(:h AS int[]), CAST(:cb AS int[]),"
            " CAST(:ch AS int[]), CAST(:m AS real[])) AS given"
        ),
        {"run": run_id, **columns},
    )


def _forget_old(connection: Connection) -> None:
    connection.execute(
        text(
            "DELETE FROM coverage_runs WHERE id NOT IN"
            " (SELECT id FROM coverage_runs ORDER BY id DESC LIMIT :kept)"
        ),
        {"kept": RUNS_KEPT},
    )
