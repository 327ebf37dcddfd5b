"""Conducting an audit: walks, rules, figures, reasons and proposals of one place, as plain data."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.audits.ground import Ground, covered_with, ground_of, tables_of, walk_homes
from data.audits.mending import Change
from data.audits.place import Place
from data.audits.plain import plain
from data.audits.remedies import PROPOSALS, described_zones, proposed_sites
from data.audits.week import week_summary
from geo.accessibility import straight_to_nearest
from geo.audit import (
    REASON_NAMES,
    UNKNOWN,
    AuditResult,
    Homes,
    Reason,
    RuleResult,
    StationTable,
    Walked,
    accessibility,
    evaluate,
    reasons,
    supply_for,
)
from geo.crs import unproject
from geo.gaps import GapZones, gap_zones
from geo.links import Links, doubtful_links
from geo.rulesets import RuleSet, WalkKey
from geo.snapping import Snapper

FORMAT = 3
"""Version of the summary's layout."""
FALSE_CIRCLE_M = 800.0
"""Radius of the circle that a map would draw for 15 minutes, metres (GB 50180-2018 as quoted)."""
GATE_GAP_M = 30.0
"""A gate this near a street that does not reach it is loose, metres. Our reading."""
GATE_JOINED_M = 3.0
"""A gate nearer than this to a street is on it, metres."""

Progress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Audit:
    """A finished audit.

    Attributes
    ----------
    summary : dict
        Everything a page or a comparison needs, as JSON.
    homes : DataFrame
        One row a building: code, name, lon, lat, households, people, estimated, minutes,
        station, state, reason, over_minutes, straight_m, second_minutes, false_circle, zone and
        the code of its area at each level.
    zones : GapZones
    links : ndarray, shape (k, 2, 2)
        Doubtful links, WGS84 degrees.
    """

    summary: dict[str, Any]
    homes: pd.DataFrame
    zones: GapZones
    links: NDArray[np.float64]


def conduct(
    place: Place,
    rules: RuleSet,
    *,
    propose: bool = True,
    progress: Progress | None = None,
) -> Audit:
    """Hold a rule set against a place and gather all that a report tells.

    Parameters
    ----------
    place : Place
    rules : RuleSet
    propose : bool
        Whether to look for sites that would close gaps.
    progress : callable, optional
        Told stage and share done.
    """
    tell = progress or (lambda _stage, _share: None)
    crs = place.network.crs
    homes, stations = tables_of(place)
    grounds: dict[tuple[str, str], Ground] = {}

    def ground(key: WalkKey) -> Ground:
        way = key.profile, key.waits
        if way not in grounds:
            grounds[way] = ground_of(place, *way)
        return grounds[way]

    tell("Walking", 0.1)
    walks: dict[WalkKey, Walked] = {}
    longest: dict[WalkKey, float] = {}
    for rule in rules.rules:
        if rule.walk is not None:
            longest[rule.walk] = max(longest.get(rule.walk, 0.0), rule.cutoff_s)
    for key, cutoff in longest.items():
        walks[key] = walk_homes(place, stations, ground(key), key, cutoff)
    tell("Counting", 0.5)
    result = evaluate(rules, homes, stations, place.areas, walks)
    main = _main(result)
    summary: dict[str, Any] = {
        "format": FORMAT,
        "city": {
            "name": place.name,
            "is_sample": place.is_sample,
            "attribution": place.attribution,
        },
        "verdict": result.verdict,
        "advisory": result.advisory,
        "unit": homes.unit,
        "main_rule": main.rule.id if main else None,
        "totals": {
            "buildings": len(homes.households),
            "households": float(np.nansum(homes.households)),
            "people": float(np.nansum(homes.people)),
            "stations": len(stations.kind),
        },
        "rules": [_rule_summary(found) for found in result.rules],
        "rule_set": rules.to_dict(),
        "stations": _station_rows(place, stations),
        "levels": list(place.areas),
        "warnings": place.warnings,
    }
    frame = pd.DataFrame(
        {
            "code": place.homes.code,
            "name": place.homes.name,
            "lon": place.homes.lonlat[:, 0],
            "lat": place.homes.lonlat[:, 1],
            "households": homes.households,
            "people": homes.people,
            "estimated": homes.estimated,
        }
    )
    for level, table in place.areas.items():
        codes = np.append(table.code, "")
        frame[level] = codes[table.home]
    zones = gap_zones(homes.xy, homes.weight, np.zeros(len(homes.xy), np.bool_))
    links = Links(np.zeros((0, 2), np.int32), np.zeros((0, 2), np.int32), np.zeros((0, 2, 2)))
    if main is not None and main.meets is not None and main.rule.walk is not None:
        key = main.rule.walk
        walked, base = walks[key], ground(key)
        rows = stations.chosen(key.stations, key.facility, key.at)
        cutoff, speed = main.rule.cutoff_s, base.impedance.speed_mps
        straight = straight_to_nearest(homes.xy, stations.xy[rows])
        why = reasons(homes, walked, straight, cutoff_s=cutoff, speed_mps=speed, meets=main.meets)
        # What nobody lives in is outside of nothing.
        why[homes.weight <= 0] = Reason.NONE
        outside = ~main.meets & (homes.weight > 0)
        zones = gap_zones(
            homes.xy, homes.weight, outside & np.isin(why, (Reason.FAR, Reason.DETOUR))
        )
        figures = accessibility(
            homes,
            stations,
            walked,
            straight,
            cutoff_s=cutoff,
            radius_m=min(FALSE_CIRCLE_M, cutoff * speed) if cutoff < 900 else FALSE_CIRCLE_M,
            supply=supply_for(rules, stations),
        )
        tell("Looking for missing links", 0.6)
        links = doubtful_links(place.network, base.impedance, barriers=place.barriers)
        with_all = covered_with(place, stations, base, main.rule, links, main.meets)
        frame = _home_columns(frame, place, walked, why, main, straight, figures, zones)
        summary["accessibility"] = {
            "mean_minutes": figures.mean_minutes,
            "median_minutes": figures.median_minutes,
            "p90_minutes": figures.p90_minutes,
            "gini_minutes": figures.gini_minutes,
            "supply": figures.supply,
            "gini_access": figures.gini_access,
            "histogram": [
                {"from": low, "to": None if math.isinf(high) else high, homes.unit: count}
                for low, high, count in figures.histogram
            ],
            "worst_area": _worst(main),
        }
        summary["reasons"] = {
            name: {
                "buildings": int((outside & (why == number)).sum()),
                homes.unit: float(homes.weight[outside & (why == number)].sum()),
            }
            for number, name in enumerate(REASON_NAMES)
            if name
        }
        false = np.flatnonzero(figures.falsely_covered)
        summary["false_circles"] = {
            "radius_m": FALSE_CIRCLE_M if cutoff >= 900 else min(FALSE_CIRCLE_M, cutoff * speed),
            "buildings": len(false),
            homes.unit: float(homes.weight[false].sum()),
        }
        summary["week"] = week_summary(
            walked.pairs.within(walked.pairs.limit(cutoff)),
            homes.weight,
            unit=homes.unit,
            hours=place.stations.hours,
            week=stations.week,
            counted=rows,
            share=main.rule.share,
            areas=place.areas,
        )
        summary["quality"] = _quality(place, homes, stations, base, why, links, main, with_all)
        summary["closures"] = _closures(place, homes, main, walked)
        tell("Looking for sites", 0.75)
        proposals: dict[str, Any] = {"sites": []}
        options: list[list[Change]] = []
        if propose and outside.any():
            proposals, options = proposed_sites(
                place, homes, base, main, rows, zones, stations, rules.costs, with_all
            )
        summary["proposals"] = proposals
        summary["zone_count"] = len(zones.households)
        summary["zones"] = described_zones(place, homes, walked, zones, options)
    crs_links = unproject(links.xy.reshape(-1, 2), crs) if len(links) else np.zeros((0, 2))
    crs_links = crs_links.reshape(-1, 2, 2)
    summary["inputs"] = [
        *place.inputs,
        {"name": place.network.source, "kind": "network", "version": place.network.version},
        {
            "name": rules.name,
            "kind": "rules",
            "version": f"{rules.version} {rules.digest[:16]}",
        },
        {"name": "max_snap_m", "kind": "parameter", "version": f"{place.max_snap_m:g}"},
    ]
    summary = plain(summary)
    summary["links"] = crs_links.round(7).tolist()  # many, and plain already
    summary["digest"] = hashlib.sha256(
        json.dumps(summary, sort_keys=True, ensure_ascii=False).encode()
    ).hexdigest()
    tell("Done", 1.0)
    return Audit(summary, frame, zones, crs_links)


def _main(result: AuditResult) -> RuleResult | None:
    """The reach rule the report is about: the first that binds, else the first."""
    reach = [r for r in result.rules if r.rule.kind == "reach"]
    return next((r for r in reach if r.rule.binding), reach[0] if reach else None)


def _rule_summary(found: RuleResult) -> dict[str, Any]:
    return {
        "id": found.rule.id,
        "verdict": found.verdict,
        "numerator": found.numerator,
        "denominator": found.denominator,
        "unit": found.unit,
        "value": found.value,
        "required": found.rule.share,
        "facts": found.facts,
        "areas": {level: frame.to_dict("records") for level, frame in found.areas.items()},
    }


def _station_rows(place: Place, stations: StationTable) -> list[dict[str, Any]]:
    community = place.areas.get("community")
    codes = np.append(community.code, "")[community.station] if community is not None else None
    return [
        {
            "code": place.stations.code[row],
            "name": place.stations.name[row],
            "kind": place.stations.kind[row],
            "lon": round(float(place.stations.lonlat[row, 0]), 7),
            "lat": round(float(place.stations.lonlat[row, 1]), 7),
            "area_m2": stations.area_m2[row],
            "places": stations.supply("places")[row],
            "hours": place.stations.hours[row],
            "community": codes[row] if codes is not None else "",
        }
        for row in range(len(stations.kind))
    ]


def _home_columns(
    frame: pd.DataFrame,
    place: Place,
    walked: Walked,
    why: NDArray[np.uint8],
    main: RuleResult,
    straight: NDArray[np.float64],
    figures: Any,
    zones: GapZones,
) -> pd.DataFrame:
    cutoff = main.rule.cutoff_s
    reached = walked.station >= 0
    codes = np.append(place.stations.code, "").astype(object)
    names = np.append(place.stations.name, "").astype(object)
    over = np.where(walked.seconds > cutoff, (walked.seconds - cutoff) / 60, np.nan)
    return frame.assign(
        covered=main.meets,
        minutes=np.round(walked.seconds / 60, 2),
        over_minutes=np.round(over, 2),
        station=codes[np.where(reached, walked.station, -1)],
        station_name=names[np.where(reached, walked.station, -1)],
        straight_m=np.round(np.where(np.isfinite(straight), straight, np.nan), 1),
        reason=np.asarray(REASON_NAMES, object)[why],
        second_minutes=np.round(figures.second_minutes, 2),
        access=figures.access,
        false_circle=figures.falsely_covered,
        zone=np.where(zones.zone >= 0, zones.zone + 1, 0),
    )


def _worst(main: RuleResult) -> dict[str, Any] | None:
    for level in ("community", "street", "compound", "grid", "district"):
        frame = main.areas.get(level)
        if frame is None:
            continue
        counted = frame[(frame["denominator"] > 0) & (frame["code"] != "")]
        if len(counted):
            row = counted.sort_values(["share", "denominator"], ascending=[True, False]).iloc[0]
            return {"level": level, "code": row["code"], "name": row["name"], "share": row["share"]}
    return None


def _quality(
    place: Place,
    homes: Homes,
    stations: StationTable,
    ground: Ground,
    why: NDArray[np.uint8],
    links: Links,
    main: RuleResult,
    with_all: NDArray[np.bool_],
) -> dict[str, Any]:
    weight = homes.weight
    total = float(weight.sum())
    outermost = next(iter(place.areas.values()), None)
    outside = np.flatnonzero(outermost.station < 0) if outermost is not None else np.zeros(0, int)
    high = float(weight[with_all | (main.meets if main.meets is not None else False)].sum())
    component = ground.network.node_component
    return {
        "off_network": float(weight[why == Reason.OFF_NETWORK].sum()),
        "on_islands": float(weight[why == Reason.ISLAND].sum()),
        "islands": int(component.max()) if len(component) else 0,
        "estimated": float(weight[homes.estimated].sum()),
        "without_count": int((~np.isfinite(homes.households)).sum()),
        "total": total,
        "stations_off_network": [str(c) for c in place.stations.code[ground.stations.edge < 0]],
        "stations_outside": [str(c) for c in place.stations.code[outside]],
        "stations_without_hours": int((stations.week == UNKNOWN).all(axis=1).sum()),
        "stations_without_area": int((~np.isfinite(stations.area_m2)).sum()),
        "stations_without_places": int((~np.isfinite(stations.supply("places"))).sum()),
        "doubtful_links": len(links),
        "gates_not_joined": _loose_gates(place, ground),
        "band": {
            "low": main.numerator / total if total else None,
            "high": high / total if total else None,
        },
    }


def _loose_gates(place: Place, ground: Ground) -> int:
    """Gates near a street that no street runs through."""
    gates = place.barriers.gates
    streets = Snapper(ground.network, ground.impedance, max_snap_m=GATE_GAP_M)
    joined = streets.snap(gates)
    away_mm = joined.access_mm[joined.edge >= 0]
    return int((away_mm > GATE_JOINED_M * 1000).sum())


def _closures(place: Place, homes: Homes, main: RuleResult, walked: Walked) -> list[dict[str, Any]]:
    """What each station's closing would cost: households that reach no other in time."""
    near = walked.pairs.within(walked.pairs.limit(main.rule.cutoff_s))
    alone = np.diff(near.demand_offsets) == 1
    only = near.site[near.demand_offsets[:-1][alone]]
    lost = np.bincount(only, weights=homes.weight[alone], minlength=len(place.stations.code))
    order = np.argsort(-lost, kind="stable")[:PROPOSALS]
    return [
        {
            "code": place.stations.code[row],
            "name": place.stations.name[row],
            homes.unit: float(lost[row]),
        }
        for row in order.tolist()
        if lost[row] > 0
    ]
