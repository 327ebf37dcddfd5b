"""Rule sets as data: travel profiles, signal waits and service circles, each with its source."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from geo.errors import ProfileError

Mode = Literal["walk", "ride"]


@dataclass(frozen=True, slots=True)
class TravelProfile:
    """How somebody moves on the network.

    Attributes
    ----------
    name : str
        Key used in files, URLs and on the command line.
    speed_mps : float
        Speed in metres per second on the level.
    mode : {"walk", "ride"}
        Which edges may be used: those open to feet, or those open to e-bikes (one-way obeyed).
    steps : bool
        Whether flights of steps may be used.
    label_zh, label_en : str
        What a page calls it.
    source : str
        Where the speed comes from.
    """

    name: str
    speed_mps: float
    mode: Mode
    steps: bool
    label_zh: str
    label_en: str
    source: str


PROFILES: MappingProxyType[str, TravelProfile] = MappingProxyType(
    {
        profile.name: profile
        for profile in (
            TravelProfile(
                "norm",
                1.0,
                "walk",
                True,
                "规划标准 60 米/分",
                "planning norm 60 m/min",
                "Planning practice in China, 60 m/min; agrees with the 500 m / 10 min and "
                "800-1,000 m / 15 min circles of GB 50180-2018",
            ),
            TravelProfile(
                "adult",
                1.2,
                "walk",
                True,
                "成年人 1.2 米/秒",
                "adult 1.2 m/s",
                "Between the 15th percentile 1.15 m/s (TCRP-NCHRP 2005) and the field mean "
                "1.25 m/s (TRR 1538) of pedestrians under 65",
            ),
            TravelProfile(
                "elderly",
                0.9,
                "walk",
                True,
                "老年人 0.9 米/秒",
                "elderly 0.9 m/s",
                "15th percentile of pedestrians over 65, 0.92 m/s (TCRP-NCHRP 2005; Gates et al.), "
                "rounded down",
            ),
            TravelProfile(
                "wheelchair",
                0.9,
                "walk",
                False,
                "轮椅 0.9 米/秒（无台阶）",
                "wheelchair 0.9 m/s, no steps",
                "Our reading: the elderly speed without steps; no standard gives a speed",
            ),
            TravelProfile(
                "ebike",
                15 / 3.6,
                "ride",
                False,
                "电动自行车 15 公里/时",
                "e-bike 15 km/h",
                "Our reading: 60 % of the 25 km/h design limit of GB 17761-2018, for urban streets",
            ),
        )
    }
)
"""Travel profiles by name; ``norm`` is the default everywhere."""

SIGNAL_WAITS_S: MappingProxyType[str, float] = MappingProxyType(
    {"none": 0.0, "expected": 35.0, "worst": 90.0}
)
"""Seconds waited at one signal-controlled crossing.

``expected`` is half of the 70 s cap of GB/T 51439-2021 clause 9.2.1; ``worst`` is its 90 s cap
for crossings with a refuge.
"""

DEFAULT_CUTOFFS_S = (600, 900)
"""The 10- and 15-minute service circles."""

DEFAULT_MAX_SNAP_M = 200.0
"""How far a point may lie from a walkable edge before it counts as unsnapped. Our reading."""


def profile_named(name: str, *, speed_mps: float | None = None) -> TravelProfile:
    """Find a travel profile by name, optionally at another speed.

    Parameters
    ----------
    name : str
        Key of `PROFILES`.
    speed_mps : float, optional
        Overrides the profile's speed, metres per second, above 0 and at most 15.

    Raises
    ------
    ProfileError
        If the name is unknown or the speed is out of range.
    """
    profile = PROFILES.get(name)
    if profile is None:
        raise ProfileError(
            f"No travel profile is named {name!r}.", remedy=f"Use one of: {', '.join(PROFILES)}."
        )
    if speed_mps is None:
        return profile
    if not 0 < speed_mps <= 15:
        raise ProfileError(
            f"A speed of {speed_mps} m/s is out of range.",
            remedy="Give metres per second above 0 and at most 15; 60 m/min is 1.0.",
        )
    return TravelProfile(
        profile.name,
        speed_mps,
        profile.mode,
        profile.steps,
        f"{profile.label_zh.split(' ')[0]} {speed_mps:g} 米/秒",
        f"{profile.name} at {speed_mps:g} m/s",
        f"speed set by the user; otherwise {profile.source}",
    )


def signal_wait_s(waits: str) -> float:
    """Seconds waited at one signal-controlled crossing under ``none``, ``expected`` or ``worst``.

    Raises
    ------
    ProfileError
        If ``waits`` is another word.
    """
    if waits not in SIGNAL_WAITS_S:
        raise ProfileError(
            f"No signal wait is named {waits!r}.",
            remedy=f"Use one of: {', '.join(SIGNAL_WAITS_S)}.",
        )
    return SIGNAL_WAITS_S[waits]


@dataclass(frozen=True, slots=True)
class GridLimits:
    """Hard limits of a base grid 基础网格.

    Attributes
    ----------
    households, people : int
        Most of each.
    source : str
    """

    households: int = 300
    people: int = 1000
    source: str = (
        "Jincheng Chengqu: at most 300 households and 1,000 people, there of the mean; held here "
        "of every grid. Yiyuan: about 300 households. GB/T 34300-2017 is quoted with 300-500."
    )

    def __post_init__(self) -> None:
        """Refuse limits that no grid could keep."""
        if self.households < 1 or self.people < 1:
            raise ProfileError(
                f"Limits of {self.households} households and {self.people} people leave no grid.",
                remedy="Give whole numbers of 1 or more.",
            )


@dataclass(frozen=True, slots=True)
class GridWeights:
    """How much each wish counts when base grids are designed; 0 leaves it out. Our reading.

    Attributes
    ----------
    balance : float
        Equal load: squared difference from the mean, as a share of the mean.
    cut : float
        Short borders: length over the side of a square of mean size, less along barriers.
    shape : float
        Compact outlines: 1 less the Polsby-Popper ratio.
    barriers : float
        No barrier within a grid: its length there, by the square of its strength.
    courtyard : float
        Borders that run through a compound.
    compounds : float
        Compounds whole: each compound that a grid holds a part of.
    station : float
        A red station inside or near.
    change : float
        Households that change their grid, against a present plan.
    grids : float
        Each grid. Above 0 a piece may have one grid more than the bound where the other wishes
        gain more than that; at 0 the fewest are taken at any price.
    """

    balance: float = 20.0
    cut: float = 1.0
    shape: float = 1.0
    barriers: float = 1.0
    courtyard: float = 1.0
    compounds: float = 0.5
    station: float = 0.1
    change: float = 0.0
    grids: float = 0.0


@dataclass(frozen=True, slots=True)
class GridPreset:
    """A named set of weights with what a page calls it."""

    name: str
    weights: GridWeights
    label_zh: str
    label_en: str


GRID_PRESETS: MappingProxyType[str, GridPreset] = MappingProxyType(
    {
        preset.name: preset
        for preset in (
            GridPreset(
                "standard",
                GridWeights(balance=10.0, shape=3.0),
                "均衡兼顾",
                "a bit of everything",
            ),
            GridPreset("equal", GridWeights(balance=200.0), "负荷均等", "equal load"),
            GridPreset(
                "compounds",
                GridWeights(compounds=4.0, courtyard=3.0, balance=5.0, grids=30.0),
                "小区完整",
                "compounds whole",
            ),
            GridPreset(
                "barriers",
                GridWeights(barriers=5.0, balance=5.0),
                "不跨道路河流铁路",
                "barriers not crossed",
            ),
            GridPreset(
                "compact", GridWeights(cut=3.0, shape=4.0, balance=5.0), "形状紧凑", "compact"
            ),
            GridPreset("stations", GridWeights(station=3.0), "驿站就近", "a red station near"),
            GridPreset("steady", GridWeights(change=4.0), "少变动", "close to the present plan"),
        )
    }
)
"""Presets of grid design by name; ``standard`` is the default. The weights are our reading."""


@dataclass(frozen=True, slots=True)
class MicroGridRule:
    """How buildings become micro-grids 微网格.

    Attributes
    ----------
    high_rise_floors : int
        From so many floors on, each unit 单元 of a building is a micro-grid; below, the building.
    bungalow_floors : int
        Up to so many floors a building counts as a bungalow 平房.
    bungalow_households : int
        Most households of a micro-grid of bungalows.
    unit_m : float
        Length of a unit along the long side where their number is not known.
    source : str
    """

    high_rise_floors: int = 10
    bungalow_floors: int = 1
    bungalow_households: int = 50
    unit_m: float = 22.0
    source: str = (
        "Jincheng Chengqu: one unit of a high-rise, one multi-storey building or 50 bungalow "
        "households. High-rise from 10 floors as in GB 50096 before 2019 (over 27 m); the length "
        "of a unit is our reading."
    )

    def __post_init__(self) -> None:
        """Refuse a rule that divides nothing."""
        if (
            self.high_rise_floors <= self.bungalow_floors
            or self.bungalow_households < 1
            or not self.unit_m > 0
        ):
            raise ProfileError(
                "This rule leaves no multi-storey buildings or no households in a micro-grid.",
                remedy="High-rises need more floors than bungalows; counts are 1 or more.",
            )


@dataclass(frozen=True, slots=True)
class StaffingRule:
    """How many people a plan needs.

    Attributes
    ----------
    households_a_worker : int
        One full-time worker for so many households, at least one a base grid.
    source : str
    """

    households_a_worker: int = 300
    source: str = (
        "One county report: 1 full-time worker per 300 households; one head a building, one a "
        "unit (Huantai: 1,967 and 3,925). At least one worker a grid (Zibo)."
    )
