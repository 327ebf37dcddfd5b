"""Benchmarks are run by hand, long after what they call has moved: each can at least be loaded."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"


@pytest.mark.parametrize("name", sorted(p.stem for p in FOLDER.glob("[a-z]*.py")))
def test_a_benchmark_finds_everything_it_names(name: str) -> None:
    assert importlib.import_module(f"benchmarks.{name}").__doc__
