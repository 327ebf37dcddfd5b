"""A compound for couriers as one page: no script, light and dark, Chinese and English."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from data.editions.compound_map import CompoundMap
from maps.deeplinks import deep_links
from maps.messages import LANGUAGES, words_of
from maps.print.compound import labelled_gates
from maps.print.frame import Frame
from maps.templating import environment

_SIDE = 360.0
"""Units of the drawing's width: about the pixels of a phone."""
_MARGIN = 26.0


def compound_page(
    compound: CompoundMap,
    language: str,
    *,
    today: dt.date,
    number: int | None = None,
    address: str | None = None,
    embed: bool = False,
    newest: bool = True,
) -> str:
    """Write a compound's page.

    Parameters
    ----------
    compound : CompoundMap
    language : str
        One of `maps.messages.LANGUAGES`.
    today : date
        When it was drawn.
    number : int, optional
        Of the edition, where it is published.
    address : str, optional
        Path of the published page, for links to the other forms; without it the page is a file
        that stands alone.
    embed : bool
        Whether it stands in a frame of another site; its links then open outside of it.
    newest : bool
        Whether it is the newest edition; an older one links the forms of its own.

    Returns
    -------
    str
        HTML that asks nothing of any host and runs no script.
    """
    words = words_of("compound", language=language)
    gates = labelled_gates(compound, language)
    # Without a gate, the apps are sent to the compound itself.
    middle = shapely.point_on_surface(compound.outline)
    places = [(middle.x, middle.y), *(g[4] for g in gates), *(at for _, at in compound.stops)]
    names = [f"{compound.name}{g[1]}" for g in gates] + [name for name, _ in compound.stops]
    whole, *links = deep_links(places, [compound.name or "—", *names])
    buildings = sorted({name for name, _ in compound.buildings if name}, key=_by_number)
    return (
        environment()
        .get_template("compound.html")
        .render(
            words=words,
            language=language,
            other=next(other for other in LANGUAGES if other != language),
            title=words["title"].format(n=compound.name or "—"),
            community=compound.community,
            gates=[
                {"letter": g[0], "name": g[1], "access": g[2], "hours": g[3], "links": link}
                for g, link in zip(gates, links, strict=False)
            ],
            stops=[
                {"name": name, "links": link}
                for (name, _), link in zip(compound.stops, links[len(gates) :], strict=True)
            ],
            whole=whole,
            buildings=buildings,
            drawing=_drawing(compound, gates),
            about=words["printed"].format(d=today.isoformat(), a=compound.attribution),
            edition=words["edition"].format(n=number) if number else "",
            address=address,
            here=address if newest or address is None else f"{address}/editions/{number}",
            embed=embed,
            newest=newest,
        )
    )


def _by_number(name: str) -> tuple[int, int, str]:
    """Numbers first, as numbers."""
    found = re.match(r"\d+", name)
    return (0, int(found[0]), name) if found else (1, 0, name)


def _drawing(compound: CompoundMap, gates: list[Any]) -> dict[str, Any]:
    """Shapes of the drawing, in units of its view box."""
    corners = shapely.get_coordinates(compound.outline)
    frame = Frame.around(0, 0, _SIDE, _SIDE, corners, margin_mm=_MARGIN, least_m=60)
    shapes = [shape for _, shape in compound.buildings]
    middles = shapely.get_coordinates(shapely.point_on_surface(shapes)) if shapes else []
    labels = [
        (name, *at)
        for (name, _), at in zip(
            compound.buildings,
            frame.on_paper(np.asarray(middles)).tolist() if shapes else [],
            strict=True,
        )
        if name
    ]
    stops = [(name, *frame.on_paper(np.array([at]))[0].tolist()) for name, at in compound.stops]
    bar_m = max(m for m in (10, 20, 50, 100, 200, 500) if m * frame.mm_per_m <= 110 or m == 10)
    return {
        "side": _SIDE,
        "outline": _path(frame, compound.outline),
        "buildings": [_path(frame, shape) for shape in shapes],
        "rides": "".join(_line(frame, line) for line in compound.rides),
        "walks": "".join(_line(frame, line) for line in compound.walks),
        "street": float(np.clip(5 * frame.mm_per_m, 2, 8)),
        "labels": labels,
        "size": _label_size(labels),
        "gates": [
            (g[0], g[2], *frame.on_paper(np.array([g[4]]))[0].tolist())
            for g in gates
        ],
        "stops": [s for s in stops if 8 < s[1] < _SIDE - 8 and 8 < s[2] < _SIDE - 8],
        "bar_m": bar_m,
        "bar": bar_m * frame.mm_per_m,
    }  # fmt: skip


def _label_size(labels: list[tuple[Any, ...]]) -> float:
    """Largest size at which numbers do not touch; small ones are read by spreading two fingers."""
    size = 15.0
    at = np.array([label[1:] for label in labels]).reshape(-1, 2)
    ems = np.array([sum(0.6 if ord(c) < 0x2E80 else 1.0 for c in label[0]) for label in labels])
    while size > 3.5:
        half = np.column_stack([ems * size / 2, np.full(len(labels), size * 0.55)])
        boxes = shapely.box(*np.hstack([at - half, at + half]).T)
        pairs = shapely.STRtree(boxes).query(boxes, predicate="intersects")
        if pairs.shape[1] <= len(labels):
            break
        size *= 0.9
    return round(size, 1)


def _line(frame: Frame, lonlat: NDArray[np.float64]) -> str:
    points = " ".join(f"{x:.1f} {y:.1f}" for x, y in frame.on_paper(lonlat).tolist())
    return f"M{points}"


def _path(frame: Frame, shape: shapely.Geometry) -> str:
    rings = [ring for part in shapely.get_parts(shape) for ring in (part.exterior, *part.interiors)]
    return "".join(_line(frame, shapely.get_coordinates(ring)) + "Z" for ring in rings)
