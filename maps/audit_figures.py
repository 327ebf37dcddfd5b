"""Figures of an audit as SVG: the map, the week, the marginal curve."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

COLOURS = {
    "covered": "#8fb4d3",
    "far": "#d95f02",
    "detour": "#b5302b",
    "island": "#6a3d9a",
    "off_network": "#1b1b1b",
}
DOTS_MOST = 40_000
WIDTH = 1000.0


def map_svg(
    homes: pd.DataFrame,
    summary: dict[str, Any],
    shapes: Sequence[NDArray[np.object_]],
    *,
    label: str,
) -> str:
    """Draw homes by their reason, area outlines, stations, zones and proposals.

    Parameters
    ----------
    homes : DataFrame
        lon, lat, covered, reason of each building.
    summary : dict
    shapes : sequence of ndarray of Polygon
        Outlines to draw, the widest level first; WGS84 degrees.
    label : str
        What screen readers call it.
    """
    if not len(homes):
        return ""
    lon, lat = homes["lon"].to_numpy(float), homes["lat"].to_numpy(float)
    west, east = np.quantile(lon, [0.001, 0.999])
    south, north = np.quantile(lat, [0.001, 0.999])
    pad = 0.03 * max(east - west, north - south, 1e-4)
    west, east, south, north = west - pad, east + pad, south - pad, north + pad
    squeeze = math.cos(math.radians((south + north) / 2))
    scale = WIDTH / max((east - west) * squeeze, 1e-9)
    height = min((north - south) * scale, 1.4 * WIDTH)
    scale = min(scale, height / max(north - south, 1e-9))

    def place(points: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.column_stack(
            [(points[:, 0] - west) * squeeze * scale, (north - points[:, 1]) * scale]
        )

    parts = [
        f'<svg class="map" viewBox="0 0 {WIDTH:.0f} {height:.0f}" role="img"'
        f' aria-label="{html.escape(label)}">'
        f'<rect width="{WIDTH:.0f}" height="{height:.0f}" fill="#f6f4ef"/>'
    ]
    for depth, level in enumerate(shapes):
        drawn = [_path(place, shape) for shape in level]
        parts.append(
            f'<path d="{"".join(drawn)}" fill="none" stroke="#6b7785" stroke-opacity="0.7"'
            f' stroke-width="{max(3.0 - depth, 1.0):.1f}"/>'
        )
    groups = np.where(homes["covered"], "covered", homes["reason"].to_numpy(object))
    size = max(2.5, min(7.0, 9.0 - math.log10(max(len(homes), 10))))
    step = 1.0 if len(homes) <= DOTS_MOST else 4.0
    for name, colour in COLOURS.items():
        chosen = groups == name
        if not chosen.any():
            continue
        xy = np.unique(np.rint(place(np.column_stack([lon, lat])[chosen]) / step) * step, axis=0)
        inside = ((xy >= 0) & (xy <= [WIDTH, height])).all(axis=1)
        dots = "".join(f"M{x:.0f} {y:.0f}h0" for x, y in xy[inside].tolist())
        parts.append(
            f'<path d="{dots}" stroke="{colour}" stroke-width="{size:.1f}"'
            ' stroke-linecap="round" fill="none"/>'
        )
    for zone in summary.get("zones", [])[:20]:
        x, y = place(np.array([[zone["lon"], zone["lat"]]]))[0]
        parts.append(
            f'<circle cx="{x:.0f}" cy="{y:.0f}" r="13" fill="#1b1b1b" stroke="#fff"'
            f' stroke-width="2"/><text x="{x:.0f}" y="{y + 5:.0f}" text-anchor="middle"'
            f' font-size="14" fill="#fff">{zone["rank"]}</text>'
        )
    for site in summary.get("proposals", {}).get("sites", [])[:10]:
        x, y = place(np.array([[site["lon"], site["lat"]]]))[0]
        parts.append(
            f'<path d="M{x:.0f} {y - 13:.0f}l11 19h-22z" fill="#1a7f4b" stroke="#fff"'
            f' stroke-width="2"/><text x="{x + 14:.0f}" y="{y + 5:.0f}" font-size="14"'
            f' fill="#0d5a33">{site["rank"]}</text>'
        )
    for station in summary["stations"]:
        x, y = place(np.array([[station["lon"], station["lat"]]]))[0]
        parts.append(
            f'<rect x="{x - 5:.0f}" y="{y - 5:.0f}" width="10" height="10" fill="#0b5394"'
            f' stroke="#fff" stroke-width="1.5"><title>{html.escape(str(station["name"]))}'
            "</title></rect>"
        )
    parts.append("</svg>")
    return "".join(parts)


def _path(place: Any, shape: shapely.Geometry) -> str:
    drawn = []
    for part in shapely.get_parts(shapely.simplify(shape, 2e-5)):
        for ring in (part.exterior, *part.interiors) if part.geom_type == "Polygon" else ():
            xy = place(shapely.get_coordinates(ring))
            drawn.append("M" + "L".join(f"{x:.0f} {y:.0f}" for x, y in xy.tolist()) + "Z")
    return "".join(drawn)


def week_svg(cover: Mapping[str, Any], days: Sequence[str], *, label: str) -> str:
    """Draw 7 x 24 squares and a row for public holidays: the darker, the more homes are covered.

    Parameters
    ----------
    cover : mapping
        Of the city or an area, as `data.audits.week.week_summary` gives it; hours below what it
        holds them against are hatched.
    days : sequence of str
        Names of the seven days and of a public holiday.
    label : str
        What screen readers call it.
    """
    total = cover["total"] or 1
    held = cover["held"] / total * (1 - 1e-12)
    parts = [
        f'<svg class="week" viewBox="0 0 790 254" role="img" aria-label="{html.escape(label)}">'
        '<defs><pattern id="below" width="6" height="6" patternUnits="userSpaceOnUse"'
        ' patternTransform="rotate(45)"><rect width="6" height="6" fill="none"/>'
        '<path d="M0 0v6" stroke="#b5302b" stroke-width="2"/></pattern></defs>'
    ]
    parts += [
        f'<text x="{52 + hour * 30.5:.1f}" y="14" font-size="12">{hour}:00</text>'
        for hour in range(0, 24, 3)
    ]
    values = [*cover["surely"], *cover["holiday"]]
    for day, name in enumerate(days):
        y = 22 + day * 28 + (6 if day == 7 else 0)
        parts.append(f'<text x="4" y="{y + 18}" font-size="13">{html.escape(name)}</text>')
        for hour in range(24):
            share = values[day * 24 + hour] / total
            x = 52 + hour * 30.5
            parts.append(
                f'<rect x="{x:.1f}" y="{y}" width="29" height="26" fill="{tone(share)}">'
                f"<title>{html.escape(name)} {hour}:00 {share:.1%}</title></rect>"
            )
            if share < held:
                parts.append(
                    f'<rect x="{x:.1f}" y="{y}" width="29" height="26" fill="url(#below)"'
                    ' fill-opacity="0.55" pointer-events="none"/>'
                )
    parts.append("</svg>")
    return "".join(parts)


def tone(share: float) -> str:
    """Colour of a share: the darker, the more."""
    level = 245 - 180 * share
    return f"rgb({level:.0f},{min(level + 25, 250):.0f},{min(level + 60, 252):.0f})"


def small_week_svg(cover: Mapping[str, Any], *, label: str) -> str:
    """Draw the week of an area as a strip for a table: a row a day, no words."""
    total = cover["total"] or 1
    held = cover["held"] / total * (1 - 1e-12)
    values = [*cover["surely"], *cover["holiday"]]
    by_tone: dict[int, list[str]] = {}
    below = []
    for at, value in enumerate(values):
        x, y = at % 24 * 6, at // 24 * 6 + (2 if at >= 168 else 0)
        by_tone.setdefault(round(10 * value / total), []).append(f"M{x} {y}h5v5h-5z")
        if value / total < held:
            below.append(f"M{x} {y + 5}l5-5")
    drawn = "".join(
        f'<path d="{"".join(cells)}" fill="{tone(step / 10)}"/>'
        for step, cells in sorted(by_tone.items())
    )
    return (
        f'<svg class="small-week" viewBox="0 0 144 50" role="img"'
        f' aria-label="{html.escape(label)}">{drawn}'
        f'<path d="{"".join(below)}" stroke="#b5302b" fill="none"/></svg>'
    )


def curve_svg(proposals: dict[str, Any], *, label: str) -> str:
    """Draw share covered by number of stations, with the bound and the knee."""
    sites = proposals.get("sites", [])
    total = proposals.get("total") or 1
    if not sites:
        return ""
    now = proposals["covered_now"]
    covered = [now, *(site["covered"] for site in sites)]
    bound = [now, *(site["at_most"] for site in sites)]
    low = min(covered) / total
    low = max(0.0, low - 0.05)

    def point(k: int, value: float) -> str:
        x = 50 + 700 * k / len(sites)
        y = 200 - 180 * (value / total - low) / max(1 - low, 1e-9)
        return f"{x:.1f},{y:.1f}"

    parts = [
        f'<svg class="curve" viewBox="0 0 780 240" role="img" aria-label="{html.escape(label)}">'
    ]
    for share in np.linspace(low, 1, 5):
        y = 200 - 180 * (share - low) / max(1 - low, 1e-9)
        parts.append(
            f'<path d="M50 {y:.0f}H750" stroke="#dcd8cf"/><text x="44" y="{y + 4:.0f}"'
            f' text-anchor="end" font-size="12">{share:.0%}</text>'
        )
    for series, style in (
        (bound, 'stroke="#8d8a86" stroke-dasharray="5 4"'),
        (covered, 'stroke="#1a7f4b" stroke-width="3"'),
    ):
        line = " ".join(point(k, value) for k, value in enumerate(series))
        parts.append(f'<polyline points="{line}" fill="none" {style}/>')
    knee = proposals.get("knee") or 0
    if knee:
        x, y = point(knee, covered[knee]).split(",")
        parts.append(f'<circle cx="{x}" cy="{y}" r="6" fill="#1a7f4b" stroke="#fff"/>')
    for k in range(0, len(sites) + 1, max(1, len(sites) // 10)):
        x = point(k, total).split(",")[0]
        parts.append(f'<text x="{x}" y="222" text-anchor="middle" font-size="12">{k}</text>')
    parts.append("</svg>")
    return "".join(parts)
