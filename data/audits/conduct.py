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
import shapely
from numpy.typing import NDArray

from data.audits.mending import (
    Change,
    cheapest_first,
    mended_by_links,
    mended_by_paths,
    mended_by_sites,
)
from data.audits.place import Place
from data.audits.week import open_week, week_summary
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
)
from geo.coverage import coverage
from geo.crs import project, unproject
from geo.gaps import GapZones, gap_zones
from geo.impedance import Impedance, impedance
from geo.links import Links, carry_points, doubtful_links, with_links
from geo.mends import mends
from geo.network import EdgeFlag, WalkNetwork
from geo.rulesets import Rule, RuleSet, WalkKey
from geo.search import TargetIndex, reach_targets
from geo.siting import Sites, SiteState, marginal_curve, pairs_of_rows, walk_pairs
from geo.snapping import SnappedPoints, Snapper
from geo.standards import PROFILES

FORMAT = 2
"""Version of the summary's layout."""
FALSE_CIRCLE_M = 800.0
"""Radius of the circle that a map would draw for 15 minutes, metres (GB 50180-2018 as quoted)."""
PROPOSALS = 20
CANDIDATES = 3000
"""Buildings taken as candidate sites where no premises are known: those with most households."""
ZONES_NAMED = 40
"""Gap zones for which the cheapest single change is looked for among sites."""
ZONES_MOST = 1000
"""Gap zones described one by one; ``zone_count`` says how many there are."""
GATE_GAP_M = 30.0

Progress = Callable[[str, float], None]
_RANK = np.array([0, 1, 3, 2], np.uint8)  # covered, gap, unsnapped, disconnected


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


@dataclass(frozen=True, slots=True)
class _Ground:
    """One network under one way of walking, with everything snapped."""

    network: WalkNetwork
    impedance: Impedance
    points: SnappedPoints
    stations: SnappedPoints
    index: TargetIndex
    snapper: Snapper


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
    homes = Homes(
        place.homes.households,
        place.homes.people,
        place.homes.estimated,
        project(place.homes.lonlat, crs) if len(place.homes.lonlat) else np.zeros((0, 2)),
    )
    stations = StationTable(
        place.stations.kind,
        place.stations.facilities,
        place.stations.area_m2,
        open_week(place.stations.hours),
        project(place.stations.lonlat, crs) if len(place.stations.lonlat) else np.zeros((0, 2)),
    )
    grounds: dict[tuple[str, str], _Ground] = {}

    def ground(key: WalkKey) -> _Ground:
        way = key.profile, key.waits
        if way not in grounds:
            grounds[way] = _ground(place, place.network, *way)
        return grounds[way]

    tell("Walking", 0.1)
    walks: dict[WalkKey, Walked] = {}
    longest: dict[WalkKey, float] = {}
    for rule in rules.rules:
        if rule.walk is not None:
            longest[rule.walk] = max(longest.get(rule.walk, 0.0), rule.cutoff_s)
    for key, cutoff in longest.items():
        walks[key] = _walk(place, stations, ground(key), key, cutoff)
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
        )
        tell("Looking for missing links", 0.6)
        links = doubtful_links(place.network, base.impedance, barriers=place.barriers)
        with_all = _with_links(place, stations, base, main.rule, links, main.meets)
        frame = _home_columns(frame, place, walked, why, main, straight, figures, zones)
        summary["accessibility"] = {
            "mean_minutes": figures.mean_minutes,
            "median_minutes": figures.median_minutes,
            "p90_minutes": figures.p90_minutes,
            "gini_minutes": figures.gini_minutes,
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
            proposals, options = _proposals(
                place, homes, base, main, rows, zones, stations, rules.costs
            )
            links_too = mended_by_links(
                homes.weight,
                zones.zone,
                with_all & ~main.meets,
                zones=len(options),
                cost=rules.costs["link"],
            )
            options = [a + b for a, b in zip(links_too, options, strict=True)]
        summary["proposals"] = proposals
        summary["zone_count"] = len(zones.households)
        summary["zones"] = _zones(place, homes, walked, zones, options)
    crs_links = unproject(links.xy.reshape(-1, 2), crs) if len(links) else np.zeros((0, 2))
    crs_links = crs_links.reshape(-1, 2, 2)
    summary["links"] = crs_links.round(7).tolist()
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
    summary = _plain(summary)
    summary["digest"] = hashlib.sha256(
        json.dumps(summary, sort_keys=True, ensure_ascii=False).encode()
    ).hexdigest()
    tell("Done", 1.0)
    return Audit(summary, frame, zones, crs_links)


def _ground(place: Place, network: WalkNetwork, profile: str, waits: str) -> _Ground:
    costs = impedance(network, PROFILES[profile], waits=waits)
    snapper = Snapper(network, costs, max_snap_m=place.max_snap_m, barriers=place.barriers)

    def snapped(lonlat: NDArray[np.float64]) -> SnappedPoints:
        return snapper.snap(project(lonlat, network.crs) if len(lonlat) else np.zeros((0, 2)))

    points = snapped(place.homes.point_lonlat)
    return _Ground(
        network,
        costs,
        points,
        snapped(place.stations.lonlat),
        TargetIndex(network, costs, points),
        snapper,
    )


def _walk(
    place: Place, stations: StationTable, ground: _Ground, key: WalkKey, cutoff_s: float
) -> Walked:
    rows = stations.chosen(key.stations, key.facility, key.at)
    some = ground.stations.take(rows)
    found = coverage(ground.network, ground.impedance, ground.points, some, cutoff_s=1e9)
    count = len(place.homes.code)
    owner = place.homes.point_home
    best = np.zeros(count, np.int64)
    if count:
        order = np.lexsort((found.seconds, _RANK[found.state], owner))
        first = np.concatenate([[True], np.diff(owner[order]) != 0])
        best = order[first]
    facility = found.facility[best]
    numbers = rows if len(rows) else np.zeros(1, np.int64)
    station = np.where(facility >= 0, numbers[np.maximum(facility, 0)], -1)
    near = reach_targets(ground.network, ground.impedance, some, ground.index, cutoff_s=cutoff_s)
    counts = np.zeros(len(stations.kind), np.int64)
    counts[rows] = np.diff(near.offsets)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    pairs = pairs_of_rows(
        offsets,
        near.target,
        near.cost_mm,
        demands=len(ground.points),
        per_second=1000.0 * ground.impedance.speed_mps,
    ).grouped(owner, count)
    return Walked(
        found.seconds[best].astype(np.float64),
        station.astype(np.int32),
        found.state[best],
        pairs,
    )


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


def _with_links(
    place: Place,
    stations: StationTable,
    base: _Ground,
    rule: Rule,
    links: Links,
    meets: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """Who would be covered if every doubtful link were there."""
    key = rule.walk
    if not len(links) or key is None:
        return meets
    network = with_links(place.network, links)
    costs = impedance(network, PROFILES[key.profile], waits=key.waits)
    points = carry_points(base.points, place.network, links, network)
    stations_there = carry_points(base.stations, place.network, links, network)
    ground = _Ground(
        network, costs, points, stations_there, TargetIndex(network, costs, points), base.snapper
    )
    walked = _walk(place, stations, ground, key, rule.cutoff_s)
    return np.asarray(np.diff(walked.pairs.demand_offsets) > 0, np.bool_)


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
    ground: _Ground,
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
        "doubtful_links": len(links),
        "gates_not_joined": _loose_gates(place),
        "band": {
            "low": main.numerator / total if total else None,
            "high": high / total if total else None,
        },
    }


def _loose_gates(place: Place) -> int:
    """Gates near a street that no street runs through."""
    gates = place.barriers.gates
    walk = place.network.edge_flags & EdgeFlag.WALK > 0
    if not len(gates) or not walk.any():
        return 0
    counts = np.diff(place.network.edge_offsets)
    lines = shapely.linestrings(
        place.network.edge_xy, indices=np.repeat(np.arange(len(counts)), counts)
    )
    tree = shapely.STRtree(lines[walk])
    points = shapely.points(gates)
    near = np.unique(tree.query(points, predicate="dwithin", distance=GATE_GAP_M)[0])
    joined = np.unique(tree.query(points, predicate="dwithin", distance=3.0)[0])
    return len(near) - len(joined)


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


def _proposals(
    place: Place,
    homes: Homes,
    ground: _Ground,
    main: RuleResult,
    rows: NDArray[np.int64],
    zones: GapZones,
    stations: StationTable,
    costs: dict[str, float],
) -> tuple[dict[str, Any], list[list[Change]]]:
    cutoff = main.rule.cutoff_s
    source = "premises"
    code, name, lonlat = place.sites.code, place.sites.name, place.sites.lonlat
    if not len(code):
        source = "buildings"
        outside = np.flatnonzero(~main.meets & (homes.weight > 0))  # type: ignore[operator]
        taken = outside[np.argsort(-homes.weight[outside], kind="stable")[:CANDIDATES]]
        code, name = place.homes.code[taken], place.homes.name[taken]
        lonlat = place.homes.lonlat[taken]
    candidates = ground.snapper.snap(project(lonlat, ground.network.crs))
    existing = ground.stations.take(rows)
    both = _joined(existing, candidates)
    pairs = walk_pairs(
        ground.network, ground.impedance, ground.index, both, cutoff_s=cutoff
    ).grouped(place.homes.point_home, len(place.homes.code))
    state = np.full(len(both), SiteState.CANDIDATE, np.uint8)
    state[: len(rows)] = SiteState.EXISTING
    curve = marginal_curve(
        pairs,
        homes.weight,
        Sites(state, np.ones(len(both))),
        cutoff_s=cutoff,
        most=PROPOSALS,
    )
    total = float(homes.weight.sum())
    enough = np.flatnonzero(curve.covered >= main.rule.share * total * (1 - 1e-12))
    proposals = {
        "source": source,
        "unit": homes.unit,
        "covered_now": float(curve.covered[0]),
        "total": total,
        "knee": curve.knee,
        "enough": int(enough[0]) if len(enough) else None,
        "sites": [
            {
                "rank": rank,
                "code": code[site - len(rows)],
                "name": name[site - len(rows)],
                "lon": round(float(lonlat[site - len(rows), 0]), 7),
                "lat": round(float(lonlat[site - len(rows), 1]), 7),
                "gain": float(curve.covered[rank] - curve.covered[rank - 1]),
                "covered": float(curve.covered[rank]),
                "at_most": float(curve.bound[rank]),
            }
            for rank, site in enumerate(curve.sites.tolist(), start=1)
        ],
    }
    price = np.full(len(code), costs["site"])
    if source == "premises":
        price = np.where(np.isfinite(place.sites.cost), place.sites.cost, price)
    count = min(len(zones.households), ZONES_NAMED)
    options = [
        mended_by_sites(
            pairs,
            homes.weight,
            zones.zone,
            zones=count,
            first=len(rows),
            kind="site",
            code=code,
            name=name,
            lonlat=lonlat,
            cost=price,
        ),
        mended_by_paths(
            mends(
                ground.network,
                ground.impedance,
                ground.index,
                existing,
                barriers=place.barriers,
                homes_xy=homes.xy,
                weight=homes.weight,
                zone=zones.zone,
                point_home=place.homes.point_home,
                zones=count,
                cutoff_s=cutoff,
            ),
            ground.network.crs,
            zones=count,
            costs=costs,
        ),
    ]
    key = main.rule.walk
    if key is not None and key.at:
        shut = np.setdiff1d(stations.chosen(key.stations, key.facility), rows)
        late = walk_pairs(
            ground.network,
            ground.impedance,
            ground.index,
            ground.stations.take(shut),
            cutoff_s=cutoff,
        ).grouped(place.homes.point_home, len(place.homes.code))
        options.append(
            mended_by_sites(
                late,
                homes.weight,
                zones.zone,
                zones=count,
                first=0,
                kind="hours",
                code=place.stations.code[shut],
                name=place.stations.name[shut],
                lonlat=place.stations.lonlat[shut],
                cost=np.full(len(shut), costs["hours"]),
            )
        )
    return proposals, [
        [change for part in some for change in part] for some in zip(*options, strict=True)
    ]


def _joined(a: SnappedPoints, b: SnappedPoints) -> SnappedPoints:
    return SnappedPoints(
        np.concatenate([a.edge, b.edge]),
        np.concatenate([a.offset_mm, b.offset_mm]),
        np.concatenate([a.access_mm, b.access_mm]),
        np.concatenate([a.xy, b.xy]),
        np.concatenate([a.gate, b.gate]),
        np.concatenate([a.state, b.state]),
        a.network_version,
    )


def _zones(
    place: Place,
    homes: Homes,
    walked: Walked,
    zones: GapZones,
    options: list[list[Change]],
) -> list[dict[str, Any]]:
    crs = place.network.crs
    rows = []
    inside_zones = np.flatnonzero(zones.zone >= 0)
    by_zone = inside_zones[np.argsort(zones.zone[inside_zones], kind="stable")]
    ends = np.cumsum(zones.points)
    unit = homes.unit
    for number in range(min(len(zones.households), ZONES_MOST)):
        members = by_zone[ends[number] - zones.points[number] : ends[number]]
        seconds = walked.seconds[members]
        reached = np.isfinite(seconds)
        found = options[number] if number < len(options) else []
        ranked = cheapest_first(found, float(zones.households[number]))
        centre = unproject(zones.centre_xy[number : number + 1], crs)[0]
        shape = shapely.transform(zones.outline[number], lambda xy: unproject(xy, crs))
        communities = place.areas.get("community")
        row = {
            "rank": number + 1,
            unit: float(zones.households[number]),
            "buildings": int(zones.points[number]),
            "minutes_max": float(seconds[reached].max() / 60) if reached.any() else None,
            "lon": round(float(centre[0]), 6),
            "lat": round(float(centre[1]), 6),
            "change": ranked[0] if ranked else None,
            "options": ranked,
            "outline": json.loads(
                shapely.to_geojson(shapely.set_precision(shapely.simplify(shape, 1e-5), 1e-6))
            ),
        }
        if communities is not None:
            inside = communities.home[members]
            inside = inside[inside >= 0]
            row["community"] = communities.name[np.bincount(inside).argmax()] if len(inside) else ""
        rows.append(row)
    return rows


def _plain(value: Any) -> Any:
    """Numbers and texts that JSON holds; what is not a number or endless becomes null."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        return int(value) if value == int(value) and abs(value) < 2**53 else round(value, 7)
    return value
