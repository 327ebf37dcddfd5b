"""Addresses that open a station in the map apps riders use, each in the app's own datum.

Every form is a documented web address (``https``), which the app takes over on a phone that has
it and which shows a web map otherwise; custom schemes do nothing in WeChat and where the app is
missing. WGS84 degrees come in; what leaves is rounded to six decimals (0.1 m), the most AMap takes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote, urlencode

import numpy as np

from geo.datums import from_wgs84

Mode = Literal["ride", "walk"]

SOURCE = "gridcircle"
"""How we name ourselves where an app asks who sends the rider."""


@dataclass(frozen=True, slots=True)
class MapApp:
    """One map app.

    Attributes
    ----------
    name : str
        Key.
    label_zh, label_en : str
        What a button calls it.
    datum : str
        Of the coordinates in its addresses, one of `geo.datums.DATUMS`.
    address : callable
        (lon, lat, name, mode) in that datum → address.
    source : str
        Where form and datum are documented.
    """

    name: str
    label_zh: str
    label_en: str
    datum: str
    address: Callable[[str, str, str, Mode], str]
    source: str


def _amap(lon: str, lat: str, name: str, mode: Mode) -> str:
    # A comma in a name would end it.
    to = f"{lon},{lat},{name.replace(',', ' ')}"
    query = {"to": to, "mode": mode, "coordinate": "gaode", "src": SOURCE, "callnative": "1"}
    return f"https://uri.amap.com/navigation?{_query(query)}"


def _baidu(lon: str, lat: str, name: str, mode: Mode) -> str:  # noqa: ARG001
    # Its `direction` wants a known origin; `marker` opens the place with a "go there" button.
    query = {
        "location": f"{lat},{lon}",
        "title": name,
        "content": name,
        "output": "html",
        "coord_type": "bd09ll",
        "src": f"webapp.{SOURCE}.{SOURCE}",
    }
    return f"https://api.map.baidu.com/marker?{_query(query)}"


def _tencent(lon: str, lat: str, name: str, mode: Mode) -> str:
    query = {
        "type": {"ride": "bike", "walk": "walk"}[mode],
        "to": name,
        "tocoord": f"{lat},{lon}",
        "policy": "0",
        "referer": SOURCE,
    }
    return f"https://apis.map.qq.com/uri/v1/routeplan?{_query(query)}"


def _apple(lon: str, lat: str, name: str, mode: Mode) -> str:  # noqa: ARG001
    # The documented `dirflg` values are d (car), w (foot) and r (transit): none is for riding.
    return f"https://maps.apple.com/?{_query({'daddr': f'{lat},{lon}', 'dirflg': 'w'})}"


def _query(values: dict[str, str]) -> str:
    # A space as %20 and not +, which apps show as a plus; commas stay, as in all documents.
    return urlencode(values, quote_via=quote, safe=",")


APPS: tuple[MapApp, ...] = (
    MapApp(
        "amap",
        "高德",
        "AMap",
        "gcj02",
        _amap,
        "AMap URI API, navigation: to=lon,lat,name; coordinate=gaode is GCJ-02; mode=ride or walk",
    ),
    MapApp(
        "baidu",
        "百度",
        "Baidu",
        "bd09",
        _baidu,
        "Baidu Maps URI API, marker: location=lat,lng; coord_type=bd09ll; src is required",
    ),
    MapApp(
        "tencent",
        "腾讯",
        "Tencent",
        "gcj02",
        _tencent,
        "Tencent Location Service URI API, routeplan: tocoord=lat,lng in GCJ-02; referer required",
    ),
    MapApp(
        "apple",
        "苹果",
        "Apple",
        "gcj02",
        _apple,
        "Apple Map Links: daddr=lat,lng. Apple names no datum; its map of mainland China is "
        "AutoNavi's, drawn in GCJ-02, and takes coordinates as they lie on it (our reading)",
    ),
)
"""The map apps, in the order of the buttons."""


@dataclass(frozen=True, slots=True)
class DeepLink:
    """One button: which app, and where it leads."""

    app: str
    label_zh: str
    label_en: str
    url: str


def deep_links(
    lonlat: Sequence[tuple[float, float]], names: Sequence[str], *, mode: Mode = "ride"
) -> list[list[DeepLink]]:
    """Addresses that take somebody to each place, one for each of `APPS`.

    Parameters
    ----------
    lonlat : sequence of (float, float)
        WGS84 degrees.
    names : sequence of str
        As long as `lonlat`.
    mode : {"ride", "walk"}
        How to get there, where the app's address can say so.
    """
    points = np.asarray(lonlat, dtype=np.float64).reshape(-1, 2)
    shifted = {datum: from_wgs84(points, datum) for datum in {app.datum for app in APPS}}

    def link(app: MapApp, at: int, name: str) -> DeepLink:
        lon, lat = (f"{degrees:.6f}" for degrees in shifted[app.datum][at])
        return DeepLink(app.name, app.label_zh, app.label_en, app.address(lon, lat, name, mode))

    return [[link(app, at, name) for app in APPS] for at, name in enumerate(names)]
