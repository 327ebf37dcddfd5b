"""Service centres, red stations and rider stations: where a town would have put them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from data.sample.areas import Areas
from data.sample.layout import Gate
from data.sample.names import Name
from data.sample.town import Town
from data.sample.walking import Walking

Points = NDArray[np.float64]

COVERED_IN_10 = 0.76
"""Share of households within ten minutes of a centre or red station that is aimed at.

Some compounds, by preference across the river, beyond the railway and at the edge, have none of
their own, so that a coverage map of the sample has something to show.
"""
_TEN_MINUTES_M = 600.0
_CENTRE_CHOICE = 0.6
"""Share of a community's gates, the nearest to its middle, a service centre may stand at."""


@dataclass(slots=True)
class Station:
    """A row of the station ledger; opening hours in the OSM syntax, empty where unknown.

    ``places`` are the people it serves at a time, None where nobody counted them.
    """

    code: str
    name: str
    kind: str
    xy: tuple[float, float]
    address: str
    hours: str
    area_m2: int
    places: int | None
    facilities: tuple[str, ...]
    status: str


_CENTRE_HOURS = (
    "Mo-Fr 08:30-12:00,13:30-17:30; PH off",
    "Mo-Fr 08:30-18:00; Sa 09:00-12:00; PH off",
    "Mo-Su 08:30-17:30",
)
_RED_HOURS = (
    "Mo-Su 08:00-20:00",
    "Mo-Sa 08:30-17:30; PH off",
    "Mo-Su 09:00-21:00",
    "Mo-Fr 09:00-11:30,14:00-17:30; Sa-Su 09:00-11:30; PH off",
    "24/7",
    "",
)
_RIDER_HOURS = (
    "24/7",
    "22:00-02:00",
    "Mo-Su 06:00-24:00",
    "Mo-Su 10:00-02:00",
    "Mo-Su 08:00-22:00; PH 10:00-20:00",
)
_CENTRE_FACILITIES = ("休息", "饮水", "卫生间", "急救箱", "无线网络", "图书", "空调", "停车")
_RED_FACILITIES = (
    "休息",
    "饮水",
    "手机充电",
    "图书",
    "急救箱",
    "雨伞",
    "打气筒",
    "血压计",
    "电动车充电",
    "空调",
)
_RIDER_FACILITIES = (
    "休息",
    "饮水",
    "热餐",
    "微波炉",
    "手机充电",
    "电动车充电",
    "换电",
    "卫生间",
    "无线网络",
    "空调",
    "冰箱",
    "急救箱",
    "AED",
)


@dataclass(frozen=True, slots=True)
class _Site:
    """A place where a station could stand, inside or outside a gate."""

    xy: tuple[float, float]
    compound: int
    line: int
    at_m: float


def place_stations(
    town: Town, areas: Areas, walking: Walking, streets: list[Name], rng: np.random.Generator
) -> list[Station]:
    """Place the stations of a town.

    Service centres stand at a gate on a street near the middle of their community; red stations
    by the gates of compounds, two in the largest before the smallest have one; rider stations by
    shops and markets. How many compounds go without is chosen so that about `COVERED_IN_10` of
    the households have a centre or a red station within ten minutes.

    Parameters
    ----------
    town : Town
    areas : Areas
    walking : Walking
    streets : list of (str, str)
        Names of the plan's lines, for addresses.
    rng : Generator

    Returns
    -------
    list of Station
        Centres, red stations, rider stations, each with its number.
    """
    places = _Places(town)
    outside = places.at_gates(inside=False)
    centres = _centres(town, areas, outside, rng)
    reds = _reds(town, walking, places.at_gates(inside=True), [c.xy for c, _ in centres], rng)
    riders = _riders(town, places, outside, rng)
    stations: list[Station] = []
    for serial, (site, code) in enumerate(centres, 1):
        name = next(a.name[0] for a in areas.areas if a.code == code)
        hours = _pick(_CENTRE_HOURS, rng)
        area = _centre_area(town, areas, code, rng)
        stations.append(
            Station(
                f"{code}-DQ",
                f"{name}党群服务中心",
                "党群服务中心",
                site.xy,
                _address(streets, site),
                hours,
                area,
                _places(area, 10.0, serial),
                _CENTRE_FACILITIES,
                "开放",
            )
        )
    of_compound: dict[int, int] = {}
    size = town.plan.size
    for serial, site in enumerate(reds, 1):
        k = of_compound[site.compound] = of_compound.get(site.compound, 0) + 1
        title = town.compounds[site.compound].name[0]
        number = "" if k == 1 else str(k)
        # One is still being built and one is shut, so that the states are to be seen.
        status = "规划" if serial == len(reds) else "关闭" if serial == len(reds) - 1 else "开放"
        hours, area = _pick(_RED_HOURS, rng), int(rng.integers(20, 90))
        stations.append(
            Station(
                f"{size.code}-HS{serial:03d}",
                f"{title}红色驿站{number}",
                "红色驿站",
                site.xy,
                _address(streets, site),
                hours,
                area,
                _places(area, 4.0, serial) if serial % 11 else None,
                _some(_RED_FACILITIES, 3, rng),
                status,
            )
        )
    for serial, (site, title) in enumerate(riders, 1):
        area = int(rng.integers(8, 36))
        stations.append(
            Station(
                f"{size.code}-XG{serial:03d}",
                f"{title}小哥驿站",
                "小哥驿站",
                site.xy,
                _address(streets, site),
                _RIDER_HOURS[(serial - 1) % len(_RIDER_HOURS)],
                area,
                _places(area, 2.5, serial),
                _some(_RIDER_FACILITIES, 5, rng),
                "开放",
            )
        )
    return stations


def _pick(choices: tuple[str, ...], rng: np.random.Generator) -> str:
    return choices[int(rng.integers(len(choices)))]


def _some(all_of: tuple[str, ...], least: int, rng: np.random.Generator) -> tuple[str, ...]:
    here = rng.random(len(all_of)) < 0.55
    here[:least] = True
    return tuple(word for word, there in zip(all_of, here, strict=True) if there)


def _address(streets: list[Name], site: _Site) -> str:
    name = streets[site.line][0]
    return f"{name}{max(1, round(site.at_m / 6))}号" if name else ""


def _centre_area(town: Town, areas: Areas, code: str, rng: np.random.Generator) -> int:
    """Square metres near 30 for every 100 households, some a little short."""
    households = sum(
        b.households for b, of in zip(town.buildings, areas.community_of, strict=True) if of == code
    )
    return round(households * 0.3 * float(rng.uniform(0.85, 1.2)) / 10) * 10


def _places(area_m2: int, m2_each: float, serial: int) -> int:
    """People served at a time: one on so many square metres, some stations fuller than others."""
    return max(2, round(area_m2 / m2_each * (0.8 + 0.1 * (serial % 5))))


class _Places:
    """Finds places beside gates that no building stands on."""

    def __init__(self, town: Town) -> None:
        self._town = town
        self._buildings = shapely.STRtree(shapely.polygons(np.vstack(town.footprints)))

    def beside(self, gate: Gate, step_m: float) -> Points | None:
        """Find a place a few steps beyond a gate (towards the street if positive)."""
        wall = np.array(gate.wall_xy)
        out = gate.street.point - wall
        reach = float(np.hypot(*out))
        out /= reach
        aside = np.array((-out[1], out[0]))
        for off in (2.6, -2.6, 1.0, -1.0, 0.0):
            xy = wall + min(step_m, reach / 2) * out + off * aside
            if self.free(xy):
                return np.asarray(xy)
        return None

    def free(self, xy: Points) -> bool:
        """Whether a place is at least a step away from every building."""
        point = shapely.Point(xy)
        return not self._buildings.query(point, predicate="dwithin", distance=0.8).size

    def at_gates(self, *, inside: bool) -> list[_Site]:
        """Find places a few steps inside, or outside, every gate that is open to people.

        Inside there are also places by the paths across the rows, after those at the gates.
        """
        sites: list[_Site] = []
        edges = self._town.plan.edges
        for number, compound in enumerate(self._town.compounds):
            here: list[_Site] = []
            for gate in compound.gates:
                xy = None if gate.locked else self.beside(gate, -4.0 if inside else 4.0)
                if xy is None:
                    continue
                edge = edges[gate.street.edge]
                along = shapely.line_locate_point(
                    shapely.LineString(edge.xy), shapely.Point(gate.street.point)
                )
                here.append(_Site((float(xy[0]), float(xy[1])), number, edge.line, float(along)))
            if inside and here:
                for x, y in compound.inner_spots[::3]:
                    if self.free(np.array((x + 2.0, y + 2.0))):
                        here.append(_Site((x + 2.0, y + 2.0), number, here[0].line, here[0].at_m))
            sites += here
        return sites


def _centres(
    town: Town, areas: Areas, sites: list[_Site], rng: np.random.Generator
) -> list[tuple[_Site, str]]:
    """Choose for each community a street-front place, rather in its middle than at its edge."""
    spots = np.array([b.xy for b in town.buildings])
    weight = np.array([b.households for b in town.buildings], float)
    of = np.array(areas.community_of)
    places = np.array([s.xy for s in sites])
    chosen = []
    for area in areas.areas:
        if area.level != "community":
            continue
        own = of == area.code
        middle = np.average(spots[own], axis=0, weights=weight[own])
        here = np.flatnonzero(shapely.contains_xy(area.geometry, places))
        order = here[np.argsort(np.hypot(*(places[here] - middle).T), kind="stable")]
        # Rooms are found where they are: seldom at the very middle, rather on a larger street.
        choice = order[: max(1, round(len(order) * _CENTRE_CHOICE))]
        chosen.append((sites[int(rng.choice(choice))], area.code))
    return chosen


def _reds(
    town: Town,
    walking: Walking,
    sites: list[_Site],
    centres: list[tuple[float, float]],
    rng: np.random.Generator,
) -> list[_Site]:
    """Red stations, leaving out as many compounds as it takes to miss `COVERED_IN_10`."""
    by_compound: dict[int, list[_Site]] = {}
    for site in sites:
        by_compound.setdefault(site.compound, []).append(site)
    spots = np.array([b.xy for b in town.buildings])
    weight = np.array([b.households for b in town.buildings], float)
    homes = np.bincount([b.compound for b in town.buildings], weight, len(town.compounds))
    middle = np.array([c.outline.centroid.coords[0] for c in town.compounds])
    remote = _remoteness(town, middle) + rng.normal(0, 0.16, len(middle))
    order = [int(i) for i in np.argsort(remote, kind="stable") if int(i) in by_compound]
    wanted = town.plan.size.red_stations

    # One for every 280 households at most, and never two in one place.
    room = {i: min(len(by_compound[i]), 1 + int(homes[i] // 280)) for i in order}
    fewest = int(np.searchsorted(np.cumsum([room[i] for i in order]), wanted)) + 1

    def chosen(served: int) -> list[_Site]:
        """Choose a station in each of the nearest ``served`` compounds, more in the large ones."""
        near = order[:served]
        picks = [by_compound[i][0] for i in near][:wanted]
        more = sorted(
            ((homes[i] / (k + 1), i, k) for i in near for k in range(1, room[i])), reverse=True
        )
        return picks + [by_compound[i][k] for _, i, k in more[: wanted - len(picks)]]

    def covered(served: int) -> float:
        places = np.array([s.xy for s in chosen(served)] + centres)
        near = walking.distance_m(spots, places) <= _TEN_MINUTES_M
        return float(weight[near].sum() / weight.sum())

    low, high = min(len(order), fewest) - 1, min(len(order), wanted)
    while high - low > 1:
        served = (low + high) // 2
        if covered(served) < COVERED_IN_10:
            low = served
        else:
            high = served
    return chosen(high)


def _remoteness(town: Town, middle: Points) -> Points:
    """Rank from 0 (central) to 1: far out, across the river, beyond the railway."""
    plan = town.plan
    half = np.array(plan.half_m)
    off = np.abs(middle - np.array(plan.size.centre_m)) / half
    far = np.hypot(*off.T) / 1.2
    return np.asarray(
        0.55 * far
        + 0.35 * _beyond(middle, plan.river, side=-1)
        + 0.25 * _beyond(middle, plan.rail, side=-1)
    )


def _beyond(points: Points, line: Points, *, side: int) -> Points:
    """1.0 for points on one side of a line (right of its direction for -1), else 0.0."""
    i = np.hypot(*(points[:, None] - line[None, ::4]).transpose(2, 0, 1)).argmin(axis=1) * 4
    i = np.minimum(i, len(line) - 2)
    along, to = line[i + 1] - line[i], points - line[i]
    turn = along[:, 0] * to[:, 1] - along[:, 1] * to[:, 0]
    return np.asarray(np.sign(turn) == side, float)


def _riders(
    town: Town, places: _Places, outside: list[_Site], rng: np.random.Generator
) -> list[tuple[_Site, str]]:
    """Rider stations at markets and shops first, then by gates on busy streets, far apart."""
    found: list[tuple[_Site, str]] = []
    for lot, use in town.uses.items():
        if use not in ("market", "commercial", "station", "hospital") or lot not in town.fronts:
            continue
        gate = town.fronts[lot].gates[0]
        xy = places.beside(gate, 2.0)
        if xy is None:
            continue
        line = town.plan.edges[gate.street.edge].line
        title = town.titles[lot][0]
        found.append((_Site((float(xy[0]), float(xy[1])), -1, line, 60.0), title))
    for site in outside:
        kind = town.plan.lines[site.line].kind
        if kind in ("avenue", "arterial", "bank", "collector"):
            found.append((site, town.compounds[site.compound].name[0]))
    at = np.array([s.xy for s, _ in found])
    public = np.array([s.compound < 0 for s, _ in found])
    chosen = [int(rng.integers(max(1, int(public.sum()))))]
    near = np.hypot(*(at - at[chosen[0]]).T)
    while len(chosen) < town.plan.size.rider_stations:
        value = np.minimum(near, 900.0) * np.where(public, 1.5, 1.0)
        value[chosen] = -1
        chosen.append(int(value.argmax()))
        near = np.minimum(near, np.hypot(*(at - at[chosen[-1]]).T))
    return [found[i] for i in chosen]
