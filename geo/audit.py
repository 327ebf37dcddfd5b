"""Audit: a rule set held against homes, walks, stations and areas; every figure a fraction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from geo.accessibility import (
    E2SFCA_STEPS,
    false_circles,
    gini,
    two_step,
    weighted_mean,
    weighted_quantile,
)
from geo.coverage import State
from geo.rulesets import Rule, RuleSet, WalkKey
from geo.siting.pairs import Pairs

Vector = NDArray[np.float64]
Verdict = Literal["pass", "fail", "unknown"]
Supply = Literal["places", "area_m2", "stations"]
"""What a station's capacity is counted in."""

WEEKDAYS = ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su")
SHUT, OPEN, UNKNOWN = 0, 1, 2
"""State of a station in an hour of the week."""


class Reason(IntEnum):
    """Why a home is outside; names in files are `REASON_NAMES`."""

    NONE = 0
    FAR = 1
    """Even the straight line takes longer than the cutoff."""
    DETOUR = 2
    """The straight line would do, the streets do not: wall, river, railway, missing crossing."""
    ISLAND = 3
    """Its streets are joined to no station."""
    OFF_NETWORK = 4
    """No walkable street within the snapping limit."""


REASON_NAMES = ("", "far", "detour", "island", "off_network")


@dataclass(frozen=True, slots=True)
class Homes:
    """Who walks.

    Attributes
    ----------
    households, people : ndarray, shape (n,), float64
        NaN where unknown.
    estimated : ndarray, shape (n,), bool
        Whether the households are an estimate.
    xy : ndarray, shape (n, 2), float64
        Metres.
    """

    households: Vector
    people: Vector
    estimated: NDArray[np.bool_]
    xy: Vector

    @property
    def weight(self) -> Vector:
        """Households; where no count is known at all, one for each building."""
        if not (np.nan_to_num(self.households) > 0).any():
            return np.ones(len(self.households))
        return np.nan_to_num(self.households)

    @property
    def unit(self) -> str:
        """What the weight counts."""
        return "households" if (np.nan_to_num(self.households) > 0).any() else "buildings"


@dataclass(frozen=True, slots=True)
class StationTable:
    """Open stations.

    Attributes
    ----------
    kind : ndarray of object, shape (m,)
    facilities : list of frozenset of str
    area_m2 : ndarray, shape (m,), float64
        NaN where unknown.
    week : ndarray, shape (m, 168), uint8
        `SHUT`, `OPEN` or `UNKNOWN` for each hour from Monday midnight.
    xy : ndarray, shape (m, 2), float64
        Metres.
    places : ndarray, shape (m,), float64, or None
        People each serves at a time; NaN where unknown, None where nobody counted.
    """

    kind: NDArray[np.object_]
    facilities: list[frozenset[str]]
    area_m2: Vector
    week: NDArray[np.uint8]
    xy: Vector
    places: Vector | None = None

    def supply(self, kind: Supply) -> Vector:
        """What each station has to offer: places, square metres (NaN where unknown) or itself."""
        if kind == "stations":
            return np.ones(len(self.kind))
        if kind == "places":
            return np.full(len(self.kind), np.nan) if self.places is None else self.places
        return self.area_m2

    def chosen(
        self, kinds: tuple[str, ...] = (), facility: str = "", at: str = ""
    ) -> NDArray[np.int64]:
        """Rows of the stations of some kinds that offer something and are open at a time."""
        wanted = np.ones(len(self.kind), np.bool_)
        if kinds:
            wanted &= np.isin(self.kind, list(kinds))
        if facility:
            wanted &= np.array([facility in offered for offered in self.facilities], np.bool_)
        if at:
            wanted &= self.week[:, hour_of(at)] == OPEN
        return np.flatnonzero(wanted)


def hour_of(at: str) -> int:
    """Hour of the week of a text like ``We 19:00``, 0 to 167.

    Raises
    ------
    ValueError
        If the text is another.
    """
    day, _, clock = at.partition(" ")
    hour = int(clock.split(":")[0])
    if day not in WEEKDAYS or not 0 <= hour < 24:
        raise ValueError(at)
    return WEEKDAYS.index(day) * 24 + hour


@dataclass(frozen=True, slots=True)
class AreaTable:
    """Areas of one level.

    Attributes
    ----------
    code, name : ndarray of object, shape (a,)
    parent : ndarray of object, shape (a,)
        Code of the area of the next level above; empty where none.
    home, station : ndarray, int32
        Row of the area each home and each station lies in; -1 where in none.
    workers : ndarray, shape (a,), float64, or None
        Full-time grid workers; None where nobody counted.
    """

    code: NDArray[np.object_]
    name: NDArray[np.object_]
    parent: NDArray[np.object_]
    home: NDArray[np.int32]
    station: NDArray[np.int32]
    workers: Vector | None = None


@dataclass(frozen=True, slots=True)
class Walked:
    """Walks of all homes under one `WalkKey`.

    Attributes
    ----------
    seconds : ndarray, shape (n,), float64
        To the nearest station that counts, also beyond any cutoff; NaN where none.
    station : ndarray, shape (n,), int32
        Its row in the station table; -1 where none.
    state : ndarray, shape (n,), uint8
        `geo.coverage.State` under an endless cutoff: gap never occurs.
    pairs : Pairs
        All stations of the table (others have no pairs) within the longest cutoff of the rules.
    """

    seconds: Vector
    station: NDArray[np.int32]
    state: NDArray[np.uint8]
    pairs: Pairs


@dataclass(frozen=True, slots=True)
class RuleResult:
    """One rule, held against the city.

    Attributes
    ----------
    rule : Rule
    verdict : {"pass", "fail", "unknown"}
    numerator, denominator : float
        What complies, of what is counted.
    unit : str
        What is counted: households, buildings, areas, stations.
    value : float
        The figure compared: a share, or for means the mean.
    areas : dict of str to DataFrame
        By level: code, name, parent, numerator, denominator, share, verdict.
    meets : ndarray, shape (n,), bool, or None
        Homes that comply; None where the rule is not about homes.
    facts : dict
        Other figures behind the verdict.
    """

    rule: Rule
    verdict: Verdict
    numerator: float
    denominator: float
    unit: str
    value: float
    areas: dict[str, pd.DataFrame]
    meets: NDArray[np.bool_] | None
    facts: dict[str, float | int | str | list[str]]


@dataclass(frozen=True, slots=True)
class AuditResult:
    """A rule set, held against the city.

    Attributes
    ----------
    verdict : {"pass", "fail", "unknown"}
        Of the binding rules; of all where none binds.
    advisory : bool
        Whether none binds.
    rules : list of RuleResult
    """

    verdict: Verdict
    advisory: bool
    rules: list[RuleResult]


def evaluate(
    rules: RuleSet,
    homes: Homes,
    stations: StationTable,
    areas: Mapping[str, AreaTable],
    walks: Mapping[WalkKey, Walked],
) -> AuditResult:
    """Hold a rule set against a city.

    Parameters
    ----------
    rules : RuleSet
    homes : Homes
    stations : StationTable
        Open stations only.
    areas : mapping of level to AreaTable
    walks : mapping of WalkKey to Walked
        For every key that `Rule.walk` gives.
    """
    found = []
    for rule in rules.rules:
        key = rule.walk
        if key is not None:
            found.append(_reach(rule, homes, areas, walks[key]))
        elif rule.kind == "hours":
            found.append(_hours(rule, stations))
        elif rule.terms["level"] not in areas:
            found.append(
                RuleResult(rule, "unknown", 0, 0, "areas", np.nan, {}, None, {"why": "no_areas"})
            )
        else:
            found.append(_by_area(rule, homes, stations, areas[rule.terms["level"]]))
    binding = [r for r in found if r.rule.binding]
    counted = binding or found
    verdict: Verdict = "pass"
    if any(r.verdict == "unknown" for r in counted):
        verdict = "unknown"
    if any(r.verdict == "fail" for r in counted):
        verdict = "fail"
    return AuditResult(verdict, not binding, found)


def _verdict(numerator: float, denominator: float, share: float) -> Verdict:
    if denominator <= 0:
        return "unknown"
    return "pass" if numerator >= share * denominator * (1 - 1e-12) else "fail"


def _share(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator > 0 else float("nan")


def _reach(rule: Rule, homes: Homes, areas: Mapping[str, AreaTable], walked: Walked) -> RuleResult:
    limit = walked.pairs.limit(rule.cutoff_s)
    near = walked.pairs.within(limit)
    count = np.diff(near.demand_offsets)
    needed = int(rule.terms["count"]) if rule.kind == "redundancy" else 1
    meets = count >= needed
    weight = homes.weight
    numerator, denominator = float(weight[meets].sum()), float(weight.sum())
    tables = {
        level: sums_by_area(table, weight, meets, rule.share) for level, table in areas.items()
    }
    minutes = walked.seconds / 60
    facts: dict[str, float | int | str | list[str]] = {
        "mean_minutes": weighted_mean(minutes, weight),
        "median_minutes": weighted_quantile(minutes, weight, 0.5),
        "p90_minutes": weighted_quantile(minutes, weight, 0.9),
        "gini_minutes": gini(minutes, weight),
        "buildings_outside": int((~meets & (weight > 0)).sum()),
    }
    if rule.kind == "redundancy":
        alone = (count == 1) & (weight > 0)
        facts["households_with_one_only"] = float(weight[alone].sum())
    return RuleResult(
        rule,
        _verdict(numerator, denominator, rule.share),
        numerator,
        denominator,
        homes.unit,
        _share(numerator, denominator),
        tables,
        meets,
        facts,
    )


def sums_by_area(
    table: AreaTable, weight: Vector, meets: NDArray[np.bool_], share: float
) -> pd.DataFrame:
    """Complying weight by area; a last row without a code is what lies in no area, if anything.

    Returns
    -------
    DataFrame
        Columns code, name, parent, buildings, numerator, denominator, share, verdict.
    """
    size = len(table.code) + 1
    row = np.where(table.home >= 0, table.home, size - 1)
    all_of = np.bincount(row, weights=weight, minlength=size)
    part = np.bincount(row, weights=weight * meets, minlength=size)
    frame = pd.DataFrame(
        {
            "code": [*table.code, ""],
            "name": [*table.name, ""],
            "parent": [*table.parent, ""],
            "buildings": np.bincount(row, minlength=size),
            "numerator": part,
            "denominator": all_of,
        }
    )
    with np.errstate(invalid="ignore"):
        frame["share"] = np.where(all_of > 0, part / np.where(all_of > 0, all_of, 1), np.nan)
    frame["verdict"] = [
        _verdict(p, a, share) for p, a in zip(part.tolist(), all_of.tolist(), strict=True)
    ]
    if not frame["buildings"].iloc[-1]:
        frame = frame.iloc[:-1]
    return frame


def _hours(rule: Rule, stations: StationTable) -> RuleResult:
    rows = stations.chosen(tuple(rule.terms.get("stations", ())), rule.terms.get("facility", ""))
    hours = (
        np.arange(168)
        if rule.terms.get("whole_week")
        else np.array([hour_of(str(rule.terms["at"]))])
    )
    week = stations.week[np.ix_(rows, hours)]
    is_open = (week == OPEN).all(axis=1)
    unknown = (week == UNKNOWN).any(axis=1)
    verdict = _verdict(float(is_open.sum()), float(len(rows)), rule.share)
    if verdict == "fail" and is_open.sum() + unknown.sum() >= rule.share * len(rows):
        verdict = "unknown"
    return RuleResult(
        rule,
        verdict,
        float(is_open.sum()),
        float(len(rows)),
        "stations",
        _share(float(is_open.sum()), float(len(rows))),
        {},
        None,
        {"hours_unknown": int(unknown.sum())},
    )


def _by_area(rule: Rule, homes: Homes, stations: StationTable, table: AreaTable) -> RuleResult:
    """Rules that each area meets or not."""
    size = len(table.code)
    inside = table.home >= 0
    households = _total(table.home[inside], homes.households[inside], size)
    people = _total(table.home[inside], homes.people[inside], size)
    terms = rule.terms
    counted = np.ones(size, np.bool_)
    unknown = np.zeros(size, np.bool_)
    facts: dict[str, float | int | str | list[str]] = {}
    rows = stations.chosen(tuple(terms.get("stations", ())), terms.get("facility", ""))
    home_of = table.station[rows]
    placed = home_of >= 0
    number = np.bincount(home_of[placed], minlength=size)
    numerator: Vector
    denominator: Vector
    if rule.kind == "presence":
        counted = households >= terms.get("min_households", 1)
        if not (households > 0).any():
            counted = np.ones(size, np.bool_)
        numerator, denominator = number.astype(float), np.full(size, float(terms["count"]))
        meets = number >= terms["count"]
    elif "households_per_station" in terms:
        counted = households >= terms.get("min_households", 1)
        numerator = number.astype(float)
        denominator = np.ceil(households / terms["households_per_station"])
        meets = numerator >= denominator
    elif rule.kind == "capacity":
        counted = households >= terms.get("min_households", 1)
        by_places = "places_per_100_households" in terms
        there = stations.supply("places" if by_places else "area_m2")[rows]
        numerator = _total(home_of[placed], there[placed], size)
        if by_places:
            needed = np.ceil(households * terms["places_per_100_households"] / 100 * (1 - 1e-12))
        else:
            needed = households / 100 * terms["m2_per_100_households"]
        denominator = np.maximum(needed, terms.get("min_places" if by_places else "min_m2", 0))
        meets = numerator >= denominator * (1 - 1e-12)
        missing = home_of[placed & ~np.isfinite(there)]
        unknown = ~meets & (np.bincount(missing, minlength=size) > 0)
        facts[f"stations_without_{'places' if by_places else 'area'}"] = int(
            (~np.isfinite(there)).sum()
        )
        facts["areas_unknown"] = int((unknown & counted).sum())
    elif rule.kind == "size":
        return _size(rule, table, households, people)
    else:
        if table.workers is None:
            return RuleResult(
                rule, "unknown", 0, 0, "areas", np.nan, {}, None, {"why": "workers_not_counted"}
            )
        counted = households > 0
        numerator = table.workers
        denominator = np.full(size, float(terms.get("min_workers", 0)))
        if "households_per_worker" in terms:
            denominator = np.maximum(
                denominator, np.ceil(households / terms["households_per_worker"])
            )
        # Where nobody counted there is no answer.
        unknown = ~np.isfinite(numerator)
        meets = numerator >= denominator
        facts["workers"] = float(np.nansum(numerator[counted]))
        facts["workers_needed"] = float(denominator[counted].sum())
        facts["areas_not_counted"] = int((unknown & counted).sum())
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.where(denominator > 0, numerator / denominator, np.nan)
    frame = pd.DataFrame(
        {
            "code": table.code,
            "name": table.name,
            "parent": table.parent,
            "households": households,
            "numerator": numerator,
            "denominator": denominator,
            "share": ratio,
            "verdict": np.where(unknown, "unknown", np.where(meets, "pass", "fail")),
        }
    )[counted]
    good, whole = float((meets & counted).sum()), float(counted.sum())
    verdict = _verdict(good, whole, rule.share)
    if verdict == "fail" and good + (unknown & counted).sum() >= rule.share * whole:
        verdict = "unknown"
    facts["areas_failing"] = int((~meets & ~unknown & counted).sum())
    return RuleResult(
        rule,
        verdict,
        good,
        whole,
        "areas",
        _share(good, whole),
        {str(terms["level"]): frame},
        None,
        facts,
    )


def _total(row: NDArray[np.int32], weight: Vector, size: int) -> Vector:
    """Sum by row; what is unknown counts as nothing."""
    return np.bincount(row, weights=np.nan_to_num(weight), minlength=size).astype(np.float64)


def _size(rule: Rule, table: AreaTable, households: Vector, people: Vector) -> RuleResult:
    most_homes = float(rule.terms.get("max_households", np.inf))
    most_people = float(rule.terms.get("max_people", np.inf))
    meets = (households <= most_homes) & (people <= most_people)
    frame = pd.DataFrame(
        {
            "code": table.code,
            "name": table.name,
            "parent": table.parent,
            "households": households,
            "people": people,
            "numerator": households,
            "denominator": most_homes if np.isfinite(most_homes) else np.nan,
            "share": households / most_homes,
            "verdict": np.where(meets, "pass", "fail"),
        }
    )
    good, whole = float(meets.sum()), float(len(meets))
    value = _share(good, whole)
    verdict = _verdict(good, whole, rule.share)
    facts: dict[str, float | int | str | list[str]] = {"areas_failing": int((~meets).sum())}
    if len(meets):
        facts["mean_households"] = float(households.mean())
        facts["mean_people"] = float(people.mean())
        if rule.terms.get("mean"):
            value = float(households.mean())
            fits = households.mean() <= most_homes and people.mean() <= most_people
            verdict = "pass" if fits else "fail"
    return RuleResult(
        rule, verdict, good, whole, "areas", value, {str(rule.terms["level"]): frame}, None, facts
    )


def reasons(
    homes: Homes,
    walked: Walked,
    straight_m: Vector,
    *,
    cutoff_s: float,
    speed_mps: float,
    meets: NDArray[np.bool_],
) -> NDArray[np.uint8]:
    """Say why each home is outside.

    Parameters
    ----------
    homes : Homes
    walked : Walked
    straight_m : ndarray, shape (n,)
        Straight distance to the nearest station that counts.
    cutoff_s, speed_mps : float
    meets : ndarray, shape (n,), bool

    Returns
    -------
    ndarray, shape (n,), uint8
        `Reason`.
    """
    why = np.full(len(homes.households), Reason.FAR, np.uint8)
    why[straight_m <= cutoff_s * speed_mps] = Reason.DETOUR
    why[walked.state == State.DISCONNECTED] = Reason.ISLAND
    why[walked.state == State.UNSNAPPED] = Reason.OFF_NETWORK
    why[meets] = Reason.NONE
    return why


@dataclass(frozen=True, slots=True)
class Accessibility:
    """How well, not only whether.

    Attributes
    ----------
    mean_minutes, median_minutes, p90_minutes : float
        Weighted; infinite where that share of the weight reaches nothing.
    gini_minutes : float
    supply : {"places", "area_m2", "stations"}
        What the access of E2SFCA shares out; see `supply_for`.
    gini_access : float
        Of that supply within reach by E2SFCA.
    access : ndarray, shape (n,), float64
    histogram : list of (minutes from, minutes to, weight)
    second_minutes : ndarray, shape (n,), float64
        To the second nearest station within the cutoff; NaN where none.
    falsely_covered : ndarray, shape (n,), bool
        Inside the circle on the map, outside on foot.
    """

    mean_minutes: float
    median_minutes: float
    p90_minutes: float
    gini_minutes: float
    supply: Supply
    gini_access: float
    access: Vector
    histogram: list[tuple[float, float, float]]
    second_minutes: Vector
    falsely_covered: NDArray[np.bool_]


def accessibility(
    homes: Homes,
    stations: StationTable,
    walked: Walked,
    straight_m: Vector,
    *,
    cutoff_s: float,
    radius_m: float,
    supply: Supply = "area_m2",
) -> Accessibility:
    """Work out distribution, inequality, redundancy and the circles that deceive.

    Parameters
    ----------
    homes, stations, walked
        As in `evaluate`.
    straight_m : ndarray, shape (n,)
    cutoff_s : float
        Seconds.
    radius_m : float
        Of the circle drawn on a map in place of a walk.
    supply : {"places", "area_m2", "stations"}
        As `supply_for` gives it. A station of unknown supply has none to share; where no station
        has any, all count alike.
    """
    weight = homes.weight
    minutes = walked.seconds / 60
    near = walked.pairs.within(walked.pairs.limit(cutoff_s))
    shared = np.nan_to_num(stations.supply(supply))
    if not shared.any():
        supply, shared = "stations", np.ones(len(shared))
    access = two_step(near, weight, shared, cutoff_s=cutoff_s, steps=E2SFCA_STEPS).access
    edges = [0.0, 2.5, 5.0, 7.5, 10.0, 12.5, 15.0, 20.0, 30.0, np.inf]
    histogram = [
        (low, high, float(weight[(minutes >= low) & (minutes < high)].sum()))
        for low, high in pairwise(edges)
    ]
    return Accessibility(
        weighted_mean(minutes, weight),
        weighted_quantile(minutes, weight, 0.5),
        weighted_quantile(minutes, weight, 0.9),
        gini(minutes, weight),
        supply,
        gini(access, weight),
        access,
        histogram,
        second_nearest(near) / 60,
        false_circles(straight_m, walked.seconds, radius_m=radius_m, cutoff_s=cutoff_s)
        & (weight > 0),
    )


def supply_for(rules: RuleSet, stations: StationTable) -> Supply:
    """What capacity is counted in: places where a rule counts them, else floor area.

    Where that is known of no station, the other of the two.
    """
    by_places = any("places_per_100_households" in rule.terms for rule in rules.rules)
    order: tuple[Supply, ...] = ("places", "area_m2") if by_places else ("area_m2", "places")
    return next((kind for kind in order if np.nan_to_num(stations.supply(kind)).any()), order[0])


def second_nearest(pairs: Pairs) -> Vector:
    """Seconds to the second nearest site of each demand point; NaN where there is none."""
    count = np.diff(pairs.demand_offsets)
    owner = np.repeat(np.arange(pairs.demands), count)
    order = np.lexsort((pairs.site_cost, owner))
    found = np.full(pairs.demands, np.nan)
    some = count >= 2
    found[some] = pairs.site_cost[order][pairs.demand_offsets[:-1][some] + 1] / pairs.per_second
    return found
