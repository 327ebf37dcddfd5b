"""Administrative areas from an OpenStreetMap file: district, street, community."""

from __future__ import annotations

import re
from collections.abc import Mapping

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray

from data.importers.osm_elements import Tags
from data.importers.osm_polygons import Outlines, multipolygons
from data.models import AREA_LEVELS
from geo.crs import project

CHINA_LEVELS: Mapping[int, str] = {6: "district", 8: "street", 10: "community"}
"""``admin_level`` in China: 县级, 乡级, 村级 (OpenStreetMap wiki, Chinese tagging guidelines)."""

_COUNTRY_LEVEL = 2
_CODE = re.compile(r"[0-9A-Za-z][0-9A-Za-z.-]{1,30}")


def default_levels(present: set[int], *, in_china: bool) -> dict[int, str]:
    """Which ``admin_level`` is which of our levels.

    In China as in `CHINA_LEVELS`; elsewhere the deepest three levels present are, from the
    deepest up, community, street and district.

    Parameters
    ----------
    present : set of int
        Levels of the areas at hand; countries do not count.
    in_china : bool
        Whether the middle of the data lies in China.
    """
    if in_china and present & CHINA_LEVELS.keys():
        return {level: name for level, name in CHINA_LEVELS.items() if level in present}
    deepest = sorted((p for p in present if p > _COUNTRY_LEVEL), reverse=True)
    return dict(zip(deepest, reversed(AREA_LEVELS), strict=False))


def areas(
    outlines: Outlines, levels: Mapping[int, str] | None, *, in_china: bool, crs: str
) -> gpd.GeoDataFrame:
    """Areas with the columns of their table: code, level, name, parent_code, geometry.

    ``code`` is ``ref`` or a ``ref:*`` where every area of its level has one of its own, otherwise
    the OpenStreetMap id. ``parent_code`` names the smallest area of a higher level that holds a
    point inside the area.

    Parameters
    ----------
    outlines : Outlines
    levels : mapping of int to str or None
        ``admin_level`` to district, street or community; None for `default_levels`.
    in_china : bool
    crs : str
        Projected CRS, metres.
    """
    rows = outlines.where(lambda tags: _admin_level(tags) is not None)
    admin = [_admin_level(outlines.tags[row]) or 0 for row in rows]
    if levels is None:
        levels = default_levels(set(admin), in_china=in_china)
    named = [levels.get(level) for level in admin]
    keep = np.array([name is not None for name in named], dtype=bool)
    rows = rows[keep]
    level = np.array([name for name in named if name is not None], dtype=object)
    rank = np.array([AREA_LEVELS.index(name) for name in level], dtype=np.int64)
    order = np.argsort(rank, kind="stable")
    rows, level, rank = rows[order], level[order], rank[order]
    polygons = outlines.polygons[rows]
    codes = _codes(outlines, rows, level)
    parent = _parents(polygons, rank, crs)
    return gpd.GeoDataFrame(
        {
            "code": codes,
            "level": level,
            "name": [_name(outlines.tags[row], codes[i]) for i, row in enumerate(rows)],
            "parent_code": [codes[p] if p >= 0 else None for p in parent],
        },
        geometry=multipolygons(polygons),
        crs="EPSG:4326",
    )


def _admin_level(tags: Tags) -> int | None:
    text = tags.get("admin_level", "")
    if tags.get("boundary") != "administrative" or not text.isdecimal():
        return None
    return int(text)


def _name(tags: Tags, code: str) -> str:
    return tags.get("name") or code


def _codes(outlines: Outlines, rows: NDArray[np.int64], level: NDArray[np.object_]) -> list[str]:
    codes = [f"osm:{outlines.keys[row]}" for row in rows]
    for name in AREA_LEVELS:
        here = np.flatnonzero(level == name)
        keys = sorted({k for i in here for k in outlines.tags[rows[i]] if k.startswith("ref")})
        for key in keys:
            refs = [outlines.tags[rows[i]].get(key, "") for i in here]
            if len(set(refs)) == len(refs) and all(_CODE.fullmatch(ref) for ref in refs):
                for i, ref in zip(here, refs, strict=True):
                    codes[i] = ref
                break
    # A code of one level may be the code of another elsewhere: then the map's ids are safer.
    if len(set(codes)) < len(codes):
        codes = [f"osm:{outlines.keys[row]}" for row in rows]
    return codes


def _parents(polygons: NDArray[np.object_], rank: NDArray[np.int64], crs: str) -> NDArray[np.int64]:
    parent = np.full(len(polygons), -1)
    if not len(polygons):
        return parent
    area_m2 = shapely.area(shapely.transform(polygons, lambda xy: project(xy, crs)))
    inner, outer = shapely.STRtree(polygons).query(
        shapely.point_on_surface(polygons), predicate="intersects"
    )
    higher = rank[outer] < rank[inner]
    inner, outer = inner[higher], outer[higher]
    # Deepest level first, then smallest: written last, it wins.
    order = np.lexsort((outer, -area_m2[outer], rank[outer]))
    parent[inner[order]] = outer[order]
    return parent
