"""Deep links: the documented form of each map app, the coordinate in its own datum."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from pyproj import Geod

from geo.datums import shifted, to_wgs84
from maps.deeplinks import APPS, deep_links

# Huantai in WGS84, GCJ-02 and BD-09, by prcoords 1.0.2 (see tests/geo/test_datums.py).
WGS84 = (118.0979, 36.959)
GCJ02 = ("118.104026", "36.959670")
BD09 = ("118.110492", "36.965779")
NAME = "城东小哥驿站 2号, A&B"


def links(lonlat: tuple[float, float] = WGS84, name: str = NAME, mode: str = "ride"):
    (found,) = deep_links([lonlat], [name], mode=mode)
    return {link.app: link.url for link in found}


def parts(url: str) -> tuple[str, dict[str, str]]:
    split = urlsplit(url)
    assert "+" not in split.query
    assert split.scheme == "https"
    query = parse_qs(split.query, strict_parsing=True, keep_blank_values=True)
    assert all(len(values) == 1 for values in query.values())
    return f"{split.netloc}{split.path}", {key: values[0] for key, values in query.items()}


def test_amap_navigation_takes_lon_lat_name_in_gcj02() -> None:
    place, query = parts(links()["amap"])
    assert place == "uri.amap.com/navigation"
    assert query == {
        "to": f"{GCJ02[0]},{GCJ02[1]},城东小哥驿站 2号  A&B",
        "mode": "ride",
        "coordinate": "gaode",
        "src": "gridcircle",
        "callnative": "1",
    }


def test_baidu_marker_takes_lat_lng_in_bd09() -> None:
    place, query = parts(links()["baidu"])
    assert place == "api.map.baidu.com/marker"
    assert query["location"] == f"{BD09[1]},{BD09[0]}"
    assert query["coord_type"] == "bd09ll"
    assert query["title"] == query["content"] == NAME
    assert query["output"] == "html"
    assert query["src"].startswith("webapp.")


def test_tencent_routeplan_takes_lat_lng_in_gcj02() -> None:
    place, query = parts(links()["tencent"])
    assert place == "apis.map.qq.com/uri/v1/routeplan"
    assert query["tocoord"] == f"{GCJ02[1]},{GCJ02[0]}"
    assert query["to"] == NAME
    assert query["type"] == "bike"
    assert query["referer"]
    assert parts(links(mode="walk")["tencent"])[1]["type"] == "walk"


def test_apple_takes_lat_lng_in_gcj02() -> None:
    place, query = parts(links()["apple"])
    assert place == "maps.apple.com/"
    assert query["daddr"] == f"{GCJ02[1]},{GCJ02[0]}"
    assert query["dirflg"] == "w"


def _lonlat(app: str, url: str) -> tuple[float, float]:
    _, query = parts(url)
    key = {"amap": "to", "baidu": "location", "tencent": "tocoord", "apple": "daddr"}[app]
    first, second = (float(part) for part in query[key].split(",")[:2])
    return (first, second) if app == "amap" else (second, first)


@given(st.floats(80, 122), st.floats(24, 48), st.text(max_size=40))
@example(81.0, 45.0, "")
@example(116.4, 39.9, "")
def test_read_back_in_its_datum_every_link_is_the_place_to_a_decimetre(
    lon: float, lat: float, name: str
) -> None:
    # On China's border two places look alike when read back, one shifted and one not.
    around = np.array([(lon + x, lat + y) for x in (-0.02, 0, 0.02) for y in (-0.02, 0, 0.02)])
    assume(len(set(shifted(around).tolist())) == 1)
    # Names are stored as UTF-8; a lone half of a pair cannot be.
    name = name.encode("utf-8", "ignore").decode()
    for app in APPS:
        url = links((lon, lat), name)[app.name]
        (back,) = to_wgs84(np.array([_lonlat(app.name, url)]), app.datum)
        assert Geod(ellps="WGS84").inv(lon, lat, *back)[2] < 0.1


@pytest.mark.parametrize("place", [(114.158, 22.283), (121.56, 25.04), (-8.61, 41.15)])
def test_outside_mainland_china_the_coordinate_stays_as_it_is(place: tuple[float, float]) -> None:
    for app in APPS:
        assert _lonlat(app.name, links(place)[app.name]) == pytest.approx(place, abs=1e-6)


def test_no_places_have_no_links() -> None:
    assert deep_links([], []) == []
