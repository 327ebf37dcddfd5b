"""What `write_sample` promises about its files."""

from __future__ import annotations

from pathlib import Path

import networkx as nx
import pytest

from data.sample import SampleFiles, write_sample
from geo.errors import GridcircleError
from tests.data.sample.conftest import digest, rows
from tests.data.sample.osm_map import read_map


def test_the_same_seed_writes_the_same_bytes(county: SampleFiles, tmp_path: Path) -> None:
    write_sample(tmp_path / "again")
    assert digest(tmp_path / "again") == digest(county.folder)


def test_another_seed_writes_another_town(county: SampleFiles, tmp_path: Path) -> None:
    other = write_sample(tmp_path, seed=7)
    assert digest(tmp_path)["city.osm.pbf"] != digest(county.folder)["city.osm.pbf"]
    assert other.counts["households"] == county.counts["households"]


def test_the_county_has_the_counts_of_one_county_report(county: SampleFiles) -> None:
    counts = county.counts
    assert {k: counts[k] for k in ("communities", "compounds", "grids")} == {
        "communities": 10,
        "compounds": 105,
        "grids": 134,
    }
    homes = rows(county.buildings)
    assert len(homes) == counts["buildings"]
    assert sum(int(r["户数"]) for r in homes) == pytest.approx(39_300, rel=0.01)
    assert sum(int(r["人口"]) for r in homes) == pytest.approx(105_000, rel=0.01)
    kinds = [r["类型"] for r in rows(county.stations)]
    assert {k: kinds.count(k) for k in set(kinds)} == {
        "党群服务中心": 10,
        "红色驿站": 57,
        "小哥驿站": 9,
    }


def test_it_says_that_it_is_made_up(county: SampleFiles) -> None:
    text = county.readme.read_text("utf-8")
    assert text == county.describe()
    assert "虚构" in text
    assert "made up" in text


def test_an_unknown_size_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(GridcircleError, match="'village'"):
        write_sample(tmp_path, size="village")


def test_a_prefecture_has_towns_side_by_side_joined_by_roads(tmp_path: Path) -> None:
    """The large city's shape at a twentieth of its size."""
    files = write_sample(tmp_path, size="prefecture", share=0.05)
    assert files.counts["districts"] == 8
    assert files.counts["communities"] == len({r["楼栋编码"][:12] for r in rows(files.buildings)})
    graph = read_map(files.osm).walking()
    assert nx.is_connected(graph)


@pytest.mark.slow
def test_the_prefecture_has_the_counts_of_its_report(tmp_path: Path) -> None:
    counts = write_sample(tmp_path, size="prefecture").counts
    expected = {
        "streets": 31,
        "communities": 293,
        "grids": 4327,
        "service_centres": 293,
        "red_stations": 902,
        "rider_stations": 380,
    }
    assert {k: counts[k] for k in expected} == expected
    assert counts["households"] == pytest.approx(1_300_000, rel=0.01)
