"""The county town, written once for all tests here."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from data.sample import SampleFiles, write_sample


@pytest.fixture(scope="session")
def county(tmp_path_factory: pytest.TempPathFactory) -> SampleFiles:
    return write_sample(tmp_path_factory.mktemp("county"))


def digest(folder: Path) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())
    }
