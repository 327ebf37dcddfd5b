"""What `write_sample` promises about its files."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from data.sample import SampleFiles, write_sample
from geo.errors import GridcircleError
from tests.data.sample.conftest import digest


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


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
