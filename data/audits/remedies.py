"""Remedies: sites that would close gaps, and each gap zone with the one change that mends most."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from data.audits.ground import Ground
from data.audits.place import Place
from geo.audit import Homes, RuleResult, Walked
from geo.crs import project, unproject
from geo.gaps import GapZones
from geo.siting import Pairs, Sites, SiteState, marginal_curve, walk_pairs
from geo.snapping import SnappedPoints

PROPOSALS = 20
"""Sites proposed at most."""
CANDIDATES = 3000
"""Buildings taken as candidate sites where no premises are known: those with most households."""
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
) -> tuple[dict[str, Any], list[dict[str, Any] | None]]:
    """Up to `PROPOSALS` sites in the order to open them, and the best one of each zone."""
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
    return proposals, _zone_sites(pairs, homes, zones, len(rows), code, name, lonlat)


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


def _zone_sites(
    pairs: Pairs,
    homes: Homes,
    zones: GapZones,
    existing: int,
    code: NDArray[np.object_],
    name: NDArray[np.object_],
    lonlat: NDArray[np.float64],
) -> list[dict[str, Any] | None]:
    """Best single site for each zone."""
    best: list[dict[str, Any] | None] = [None] * len(zones.households)
    of_site = np.repeat(np.arange(pairs.sites), np.diff(pairs.site_offsets))
    zone = zones.zone[pairs.demand]
    useful = (zone >= 0) & (zone < ZONES_NAMED) & (of_site >= existing)
    key = zone[useful].astype(np.int64) * pairs.sites + of_site[useful]
    keys, row = np.unique(key, return_inverse=True)
    gain = np.bincount(row, weights=homes.weight[pairs.demand[useful]], minlength=len(keys))
    # The last of each zone in rising order of gain, ties to the lower site.
    order = np.lexsort((-keys, gain, keys // pairs.sites))
    last = np.ones(len(keys), np.bool_)
    last[:-1] = np.diff(keys[order] // pairs.sites) != 0
    for at in order[last].tolist():
        number, site = divmod(int(keys[at]), pairs.sites)
        here = site - existing
        best[number] = {
            "kind": "site",
            "code": code[here],
            "name": name[here],
            "lon": round(float(lonlat[here, 0]), 7),
            "lat": round(float(lonlat[here, 1]), 7),
            "gain": float(gain[at]),
        }
    return best


def described_zones(
    place: Place,
    homes: Homes,
    walked: Walked,
    zones: GapZones,
    best: list[dict[str, Any] | None],
    meets: NDArray[np.bool_],
    with_all: NDArray[np.bool_],
) -> list[dict[str, Any]]:
    """Gap zones as rows, the one with most households first."""
    crs = place.network.crs
    rows = []
    inside_zones = np.flatnonzero(zones.zone >= 0)
    by_zone = inside_zones[np.argsort(zones.zone[inside_zones], kind="stable")]
    ends = np.cumsum(zones.points)
    weight, unit = homes.weight, homes.unit
    for number in range(min(len(zones.households), ZONES_MOST)):
        members = by_zone[ends[number] - zones.points[number] : ends[number]]
        seconds = walked.seconds[members]
        reached = np.isfinite(seconds)
        mended = float(weight[members][with_all[members] & ~meets[members]].sum())
        change = best[number]
        # A link costs a look at the place; a station costs a station.
        if mended >= 0.5 * zones.households[number] and mended > 0:
            change = {"kind": "link", "gain": mended}
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
            "change": change,
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
