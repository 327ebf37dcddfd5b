"""Colours of the maps, seen as the colour-blind see them."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import colorspacious
import numpy as np
import pytest
from numpy.typing import NDArray

SCRIPTS = Path(__file__).parents[2] / "maps" / "static" / "gridcircle"
COVERAGE = (SCRIPTS / "coverage.js").read_text(encoding="utf-8")
CATCHMENT = (SCRIPTS / "catchment.js").read_text(encoding="utf-8")

NEIGHBOURS = 15.0
"""Least distance of classes that lie side by side in a legend, in CAM02-UCS: 1 is just seen."""
ANY_TWO = 15.0
"""The same of any two meanings on one map."""

VIEWERS = {
    "all colours": None,
    "no green (deuteranopia)": "deuteranomaly",
    "no red (protanopia)": "protanomaly",
}
RARE = {"no blue (tritanopia)": "tritanomaly"}


def constant(script: str, name: str) -> list[str]:
    """Colours in one constant of a script, in its order."""
    found = re.search(rf"const {name} =(.*?);\n", script, re.DOTALL)
    assert found is not None, name
    return re.findall(r"#[0-9a-f]{6}", found[1])


MINUTES = constant(COVERAGE, "CLASSES")
SHARES = constant(COVERAGE, "SHARES")
ODD = constant(COVERAGE, "UNSNAPPED") + constant(COVERAGE, "DISCONNECTED")
UNCOUNTED = constant(COVERAGE, "UNCOUNTED")
CIRCLES = constant(CATCHMENT, "COLORS")
GAP_OUTLINE = re.findall(r'stroke: .*=== "gap" \? "(#[0-9a-f]{6})"', COVERAGE)


def seen(color: str, deficiency: str | None) -> NDArray[np.float64]:
    """A colour as one sees it, in CAM02-UCS, where distances are what the eye tells apart.

    References
    ----------
    Machado, Oliveira and Fernandes (2009), severity 100; Luo, Cui and Li (2006).
    """
    rgb = np.array([int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)])
    if deficiency is not None:
        space = {"name": "sRGB1+CVD", "cvd_type": deficiency, "severity": 100}
        rgb = np.clip(colorspacious.cspace_convert(rgb, space, "sRGB1"), 0, 1)
    return np.asarray(colorspacious.cspace_convert(rgb, "sRGB1", "CAM02-UCS"))


def apart(one: str, other: str, deficiency: str | None) -> float:
    return float(np.linalg.norm(seen(one, deficiency) - seen(other, deficiency)))


def test_the_palette_is_read_whole() -> None:
    assert [len(c) for c in (MINUTES, SHARES, ODD, UNCOUNTED, CIRCLES)] == [5, 5, 2, 1, 3]
    assert MINUTES[::-1] == SHARES
    assert len(GAP_OUTLINE) == 1


@pytest.mark.parametrize("deficiency", [*VIEWERS.values(), *RARE.values()])
@pytest.mark.parametrize("palette", [MINUTES, SHARES, CIRCLES], ids=["minutes", "share", "circle"])
def test_neighbouring_classes_stay_apart(palette: list[str], deficiency: str | None) -> None:
    distances = [apart(a, b, deficiency) for a, b in itertools.pairwise(palette)]
    assert min(distances) >= NEIGHBOURS, distances


@pytest.mark.parametrize("deficiency", VIEWERS.values(), ids=VIEWERS.keys())
def test_any_two_meanings_on_the_coverage_map_stay_apart(deficiency: str | None) -> None:
    for one, other in itertools.combinations([*MINUTES, *ODD, *UNCOUNTED], 2):
        assert apart(one, other, deficiency) >= ANY_TWO, (one, other)


@pytest.mark.parametrize("deficiency", [*VIEWERS.values(), *RARE.values()])
def test_the_outline_of_a_gap_is_seen_on_every_class_beyond_ten_minutes(
    deficiency: str | None,
) -> None:
    for color in MINUTES[2:]:
        assert apart(GAP_OUTLINE[0], color, deficiency) >= ANY_TWO, color


@pytest.mark.parametrize("deficiency", [*VIEWERS.values(), *RARE.values()])
def test_covered_and_gap_in_the_verdict_stay_apart(deficiency: str | None) -> None:
    fills = re.search(r"const stateFill =(.*?);\n", COVERAGE, re.DOTALL)
    assert fills is not None
    covered, gap = re.findall(r"#[0-9a-f]{6}", fills[1])[:2]
    assert apart(covered, gap, deficiency) >= 2 * ANY_TWO


def test_a_palette_that_the_colour_blind_cannot_read_fails() -> None:
    # What the map had: blue and violet are one colour to who sees no green.
    assert apart("#2166ac", "#7b4fa3", None) > 20
    assert apart("#2166ac", "#7b4fa3", "deuteranomaly") < 5
