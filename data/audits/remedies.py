"""Remedies: sites that would close gaps, and each gap zone with the changes that mend it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from data.audits.ground import Ground
from data.audits.mending import (
    Change,
    cheapest_first,
    mended_by_links,
    mended_by_paths,
    mended_by_sites,
)
from data.audits.place import Place
from geo.audit import Homes, RuleResult, StationTable, Walked
from geo.crs import project, unproject
from geo.gaps import GapZones
from geo.mends import mends
from geo.siting import Sites, SiteState, marginal_curve, walk_pairs
from geo.snapping import joined_points

PROPOSALS = 20
"""Sites proposed at most."""
CANDIDATES = 3000
"""Buildings taken as candidate sites where no premises fit: those with most households."""
ZONES_NAMED = 40
"""Gap zones for which the cheapest single change is looked for among sites."""
ZONES_MOST = 1000
"""Gap zones described one by one; ``zone_count`` says how many there are."""


def proposed_sites(
    place: Place,
    homes: Homes,
    ground: Ground,
    main: RuleResult,
    rows: NDArray[np.int64],
    zones: GapZones,
    stations: StationTable,
    costs: dict[str, float],
    with_links: NDArray[np.bool_],
) -> tuple[dict[str, Any], list[list[Change]]]:
    """Up to `PROPOSALS` sites in the order to open them, and changes that mend the first zones.

    Parameters
    ----------
    place : Place
    homes : Homes
    ground : Ground
    main : RuleResult
        Of the rule whose gaps are to be closed.
    rows : ndarray of int64
        Stations that count for it.
    zones : GapZones
    stations : StationTable
    costs : dict
        Of a site, a link, a gate, a crossing, a footbridge, longer hours; in the rule set's unit.
    with_links : ndarray of bool
        Whether a home is covered if every doubtful link is there.
    """
    cutoff = main.rule.cutoff_s
    source = "premises"
    fits = place.sites.fitting(main.rule.terms.get("facility", ""))
    code, name = place.sites.code[fits], place.sites.name[fits]
    lonlat = place.sites.lonlat[fits]
    if not len(code):
        source = "buildings"
        outside = np.flatnonzero(~main.meets & (homes.weight > 0))  # type: ignore[operator]
        taken = outside[np.argsort(-homes.weight[outside], kind="stable")[:CANDIDATES]]
        code, name = place.homes.code[taken], place.homes.name[taken]
        lonlat = place.homes.lonlat[taken]
    candidates = ground.snapper.snap(project(lonlat, ground.network.crs))
    existing = ground.stations.take(rows)
    both = joined_points(existing, candidates)
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
        given = place.sites.cost[fits]
        price = np.where(np.isfinite(given), given, price)
    count = min(len(zones.households), ZONES_NAMED)
    options = [
        mended_by_links(
            homes.weight,
            zones.zone,
            with_links & ~main.meets,  # type: ignore[operator]
            zones=count,
            cost=costs["link"],
        ),
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


def described_zones(
    place: Place,
    homes: Homes,
    walked: Walked,
    zones: GapZones,
    options: list[list[Change]],
) -> list[dict[str, Any]]:
    """Gap zones as rows, the one with most households first."""
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
