"""The county town, written and read once for all tests here."""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path

import pytest

from data.sample import SampleFiles, write_sample
from tests.data.sample.osm_map import OsmMap, read_map


@pytest.fixture(scope="session")
def county(tmp_path_factory: pytest.TempPathFactory) -> SampleFiles:
    return write_sample(tmp_path_factory.mktemp("county"))


@pytest.fixture(scope="session")
def town(county: SampleFiles) -> OsmMap:
    return read_map(county.osm)


def digest(folder: Path) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.iterdir())
    }


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))
