"""`write_sample`: a made-up city as an ordinary OSM file and ordinary ledgers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from data.sample.areas import Area, Grid, draw_areas
from data.sample.counts import fill_town
from data.sample.draft import OsmDraft
from data.sample.ledgers import (
    write_areas,
    write_buildings,
    write_compounds,
    write_grids,
    write_stations,
)
from data.sample.names import Names
from data.sample.osmfile import Place, write_osm
from data.sample.roads import build_roads
from data.sample.shops import build_shops
from data.sample.size import CitySize, city_size
from data.sample.stations import Station, place_stations
from data.sample.streetways import build_streets, name_streets
from data.sample.town import Town, build_town
from data.sample.walking import Walking
from data.sample.waterside import build_railway, build_river

Progress = Callable[[str, float], None]

MADE_UP = (
    "这是虚构的城市：地名、街道、楼栋、人数和站点都是由程序按随机种子生成的，"
    "不对应任何真实的地方或个人。\n"
    "This city is made up: its names, streets, buildings, counts and stations were drawn by a "
    "program from a random seed and stand for no real place or person.\n"
)


@dataclass(frozen=True, slots=True)
class SampleFiles:
    """The files of a sample city and what they hold.

    Attributes
    ----------
    folder : Path
    name, name_en : str
        What the made-up city is called.
    size : str
    seed : int
    osm, buildings, stations, areas, compounds, grids, readme : Path
        ``city.osm.pbf``, ``buildings.csv``, ``stations.csv``, ``areas.geojson``,
        ``compounds.geojson``, ``grids.gpkg`` and ``README.txt``.
    counts : dict
        What was made: ``communities``, ``compounds``, ``buildings``, ``households``, ``people``,
        ``grids``, ``service_centres``, ``red_stations``, ``rider_stations``, ``osm_nodes``,
        ``osm_ways`` and more.
    """

    folder: Path
    name: str
    name_en: str
    size: str
    seed: int
    osm: Path
    buildings: Path
    stations: Path
    areas: Path
    compounds: Path
    grids: Path
    readme: Path
    counts: dict[str, int]

    def describe(self) -> str:
        """Text for people: that it is made up, what it holds, which file is what."""
        n = self.counts
        return (
            f"{self.name} ({self.name_en}), size {self.size}, seed {self.seed}\n\n"
            f"{MADE_UP}\n"
            f"{n['streets']} 街道 streets, {n['communities']} 社区 communities, "
            f"{n['compounds']} 小区 compounds, {n['grids']} 基础网格 base grids\n"
            f"{n['buildings']} 住宅楼栋 residential buildings, {n['households']} 户 households, "
            f"{n['people']} 人 people\n"
            f"{n['service_centres']} 党群服务中心 service centres, {n['red_stations']} 红色驿站 "
            f"red stations, {n['rider_stations']} 小哥驿站 rider stations\n\n"
            f"{self.osm.name}: OpenStreetMap format, {n['osm_nodes']} nodes, {n['osm_ways']} ways\n"
            f"{self.buildings.name}: 楼栋台账 building ledger (WGS84; joined to the OSM file by "
            "楼栋编码 = ref)\n"
            f"{self.stations.name}: 站点台账 station ledger (WGS84)\n"
            f"{self.areas.name}: 区县、街道、社区 districts, streets, communities\n"
            f"{self.compounds.name}: 小区及类型 compounds and their kinds\n"
            f"{self.grids.name}: 基础网格 base grids\n"
        )

    def to_dict(self) -> dict[str, object]:
        """Give the same for machines: paths as text."""
        return {k: str(v) if isinstance(v, Path) else v for k, v in asdict(self).items()}


def write_sample(
    folder: Path | str,
    *,
    size: str = "county",
    seed: int = 20260101,
    share: float = 1.0,
    progress: Progress | None = None,
) -> SampleFiles:
    """Write a made-up city as ordinary files.

    The same seed and size write the same bytes (with the same versions of GDAL and libosmium).

    Parameters
    ----------
    folder : Path
        Made when missing; files of the same names are replaced.
    size : {"county", "prefecture"}
        A county town (10 communities, 39,300 households) or a prefecture of eight towns (293
        communities, 1.3 million households).
    seed : int
    share : float
        Part of a prefecture's communities to make.
    progress : callable, optional
        Called with the stage and the share done.

    Returns
    -------
    SampleFiles

    Raises
    ------
    GridcircleError
        If the size is unknown, or a town drawn from this seed has no room for its compounds.
    """
    tell = progress or (lambda _stage, _share: None)
    city = city_size(size, share=share)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    draft, towns, areas, grids, stations = _draw(city, seed, tell)
    place = Place(city.centre_lonlat)
    tell("writing files", 0.8)
    files = {
        "osm": folder / "city.osm.pbf",
        "buildings": folder / "buildings.csv",
        "stations": folder / "stations.csv",
        "areas": folder / "areas.geojson",
        "compounds": folder / "compounds.geojson",
        "grids": folder / "grids.gpkg",
        "readme": folder / "README.txt",
    }
    nodes, ways, _ = write_osm(draft, place, files["osm"])
    write_areas(files["areas"], areas, place)
    write_compounds(files["compounds"], towns, place)
    write_buildings(files["buildings"], towns, place)
    write_stations(files["stations"], stations, place)
    write_grids(files["grids"], grids, place)
    homes = [b for town in towns for b in town.buildings]
    kinds = [s.kind for s in stations]
    counts = {
        "districts": sum(a.level == "district" for a in areas),
        "streets": sum(a.level == "street" for a in areas),
        "communities": sum(a.level == "community" for a in areas),
        "compounds": sum(len(town.compounds) for town in towns),
        "buildings": len(homes),
        "households": sum(b.households for b in homes),
        "people": sum(b.people for b in homes),
        "grids": len(grids),
        "service_centres": kinds.count("党群服务中心"),
        "red_stations": kinds.count("红色驿站"),
        "rider_stations": kinds.count("小哥驿站"),
        "osm_nodes": nodes,
        "osm_ways": ways,
    }
    written = SampleFiles(folder, city.name_zh, city.name_en, size, seed, counts=counts, **files)
    files["readme"].write_text(written.describe(), "utf-8")
    tell("written", 1.0)
    return written


def _draw(
    city: CitySize, seed: int, tell: Progress
) -> tuple[OsmDraft, list[Town], list[Area], list[Grid], list[Station]]:
    """Draw every town of a city into one draft."""
    draft = OsmDraft()
    towns: list[Town] = []
    areas: list[Area] = []
    grids: list[Grid] = []
    stations: list[Station] = []
    shared_names = Names(np.random.default_rng([seed, 0]))
    for number, size in enumerate(city.towns):
        tell(f"drawing {size.name_en}", 0.8 * number / len(city.towns))
        rng = np.random.default_rng([seed, number + 1])
        names = shared_names if number == 0 else Names(rng)
        first_way = len(draft.ways)
        town = build_town(size, draft, names, rng)
        fill_town(town, rng)
        river = names.take("棠河", "Tang River") if number == 0 else names.of("河", "River")
        build_river(draft, town.streets, town.plan, river, rng)
        build_railway(draft, town.plan, names.take("棠安铁路", "Tang'an Railway"))
        streets = name_streets(town.plan, names)
        build_streets(draft, town.streets, town.plan, streets, rng)
        drawn = draw_areas(town, names, rng)
        town.number_buildings(drawn.community_of)
        town.community_names = {a.code: a.name[0] for a in drawn.areas if a.level == "community"}
        town.tag_buildings(draft)
        build_shops(draft, town, rng)
        stations += place_stations(town, drawn, Walking(draft, first_way), streets, rng)
        draft.node(*size.centre_m, {"place": "town", "name": size.name_zh, "name:en": size.name_en})
        towns.append(town)
        areas += drawn.areas
        grids += drawn.grids
    build_roads(draft, towns, city.roads, shared_names)
    return draft, towns, areas, grids, stations
