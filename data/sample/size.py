"""How large a sample city is: its towns and what is counted in them."""

from __future__ import annotations

from dataclasses import dataclass

from geo.errors import GridcircleError


@dataclass(frozen=True, slots=True)
class TownSize:
    """One county town: its name, its place and everything that is counted in it.

    Attributes
    ----------
    code : str
        Six digits of the county; ``3799`` is given to no prefecture of Shandong.
    name_zh, name_en : str
        Invented names.
    centre_m : tuple of float
        Where the town stands, metres east and north of the middle of the city.
    streets, communities, grids : int
    new, courtyard, work_unit, urban_village, suburban : int
        Compounds of each kind.
    households, people : int
    red_stations, rider_stations : int
        There is one service centre in every community besides.
    """

    code: str
    name_zh: str
    name_en: str
    centre_m: tuple[float, float]
    streets: int
    communities: int
    grids: int
    new: int
    courtyard: int
    work_unit: int
    urban_village: int
    suburban: int
    households: int
    people: int
    red_stations: int
    rider_stations: int

    @property
    def compounds(self) -> int:
        """Compounds of all kinds."""
        return self.new + self.courtyard + self.work_unit + self.urban_village + self.suburban


@dataclass(frozen=True, slots=True)
class CitySize:
    """A sample city: its towns and the roads between them.

    Attributes
    ----------
    name_zh, name_en : str
    centre_lonlat : tuple of float
        WGS84 degrees of the middle.
    towns : tuple of TownSize
    roads : tuple of (int, int)
        Pairs of towns joined by a road.
    """

    name_zh: str
    name_en: str
    centre_lonlat: tuple[float, float]
    towns: tuple[TownSize, ...]
    roads: tuple[tuple[int, int], ...]


_CENTRE = (118.33, 36.33)
"""Hills between three real counties, where no town stands."""

_COUNTY = CitySize(
    "安棠县",
    "Antang County",
    _CENTRE,
    (
        TownSize(
            "379921",
            "安棠县",
            "Antang County",
            (0.0, 0.0),
            streets=3,
            communities=10,
            grids=134,
            new=32,
            courtyard=34,
            work_unit=18,
            urban_village=12,
            suburban=9,
            households=39_300,
            people=105_000,
            red_stations=57,
            rider_stations=9,
        ),
    ),
    (),
)

# Streets and communities of the prefecture's towns: 31 and 293 together.
_TOWNS: tuple[tuple[str, str, str, tuple[float, float], int, int], ...] = (
    ("379902", "棠中区", "Tangzhong District", (0.0, 0.0), 6, 57),
    ("379903", "云棠区", "Yuntang District", (11_500.0, 9_500.0), 5, 47),
    ("379904", "青岭区", "Qingling District", (-12_500.0, -7_500.0), 5, 47),
    ("379905", "棠北区", "Tangbei District", (-5_500.0, 13_000.0), 4, 38),
    ("379906", "棠西区", "Tangxi District", (-16_500.0, 5_000.0), 3, 28),
    ("379921", "安棠县", "Antang County", (13_500.0, -4_500.0), 3, 28),
    ("379922", "澄棠县", "Chengtang County", (3_500.0, -14_500.0), 3, 28),
    ("379923", "柏棠县", "Baitang County", (22_500.0, 2_500.0), 2, 20),
)


def _shares(total: int, weights: list[int]) -> list[int]:
    """Whole numbers in proportion to weights that add up to the total (largest remainder)."""
    exact = [total * w / sum(weights) for w in weights]
    parts = [int(e) for e in exact]
    order = sorted(range(len(weights)), key=lambda i: (parts[i] - exact[i], i))
    for i in order[: total - sum(parts)]:
        parts[i] += 1
    return parts


def _prefecture(share: float = 1.0) -> CitySize:
    towns = []
    for code, zh, en, centre, streets, communities in _TOWNS:
        streets_here = max(1, round(streets * share))
        here = max(3 * streets_here, round(communities * share))
        towns.append((code, zh, en, centre, streets_here, here))
    weights = [t[5] for t in towns]
    n = sum(weights)
    compounds = {
        "new": _shares(round(n * 3.9), weights),
        "courtyard": _shares(round(n * 3.3), weights),
        "work_unit": _shares(round(n * 1.7), weights),
        "urban_village": _shares(round(n * 1.0), weights),
        "suburban": _shares(round(n * 0.7), weights),
    }
    scale = n / 293
    grids = _shares(round(4_327 * scale), weights)
    households = _shares(round(1_300_000 * scale), weights)
    people = _shares(round(3_471_000 * scale), weights)
    red = _shares(round(902 * scale), weights)
    rider = _shares(round(380 * scale), weights)
    return CitySize(
        "棠陵市",
        "Tangling City",
        _CENTRE,
        tuple(
            TownSize(
                *town,
                grids=grids[i],
                new=compounds["new"][i],
                courtyard=compounds["courtyard"][i],
                work_unit=compounds["work_unit"][i],
                urban_village=compounds["urban_village"][i],
                suburban=compounds["suburban"][i],
                households=households[i],
                people=people[i],
                red_stations=red[i],
                rider_stations=rider[i],
            )
            for i, town in enumerate(towns)
        ),
        ((0, 1), (0, 2), (0, 3), (0, 5), (0, 6), (1, 7), (2, 4), (3, 4), (5, 7), (1, 3), (2, 6)),
    )


def city_size(size: str, *, share: float = 1.0) -> CitySize:
    """Look up a size by name.

    Parameters
    ----------
    size : {"county", "prefecture"}
    share : float
        Part of a prefecture's communities to make, for quick tests of the large city's shape.

    Raises
    ------
    GridcircleError
        If there is no such size.
    """
    if size == "county":
        return _COUNTY
    if size == "prefecture":
        return _prefecture(share)
    raise GridcircleError(
        f"No sample city has the size {size!r}.", remedy="Use county or prefecture."
    )
