"""Kernels: compiled where nothing can be kept, anew when any source changes, shared by threads."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numba
import numpy as np
import pytest

import geo
from geo.kernels import UNREACHED, borrowed_labels, in_shares, one_thread

SOURCES = Path(geo.__file__).parent


def run(folder: Path, program: str, home: str) -> str:
    """What a fresh process prints whose `geo` is the one in ``folder``."""
    left_out = ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME", "PYTHONPATH", "COV_CORE_SOURCE")
    environment = {k: v for k, v in os.environ.items() if k not in left_out}
    done = subprocess.run(
        [sys.executable, "-B", "-c", program],
        cwd=folder,
        env={**environment, "HOME": home, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def small_package(folder: Path) -> Path:
    """A package whose kernel in one file calls a kernel in another."""
    made = folder / "geo"
    made.mkdir()
    (made / "__init__.py").write_text("")
    shutil.copy(SOURCES / "kernels.py", made)
    (made / "inner.py").write_text(
        "from geo.kernels import kernel\n@kernel\ndef inner(x):\n    return x + 1\n"
    )
    (made / "outer.py").write_text(
        "from geo.kernels import kernel\nfrom geo.inner import inner\n"
        "@kernel\ndef outer(x):\n    return 10 * inner(x)\n"
    )
    return made


OUTER = (
    "from geo.outer import outer; from geo.kernels import kept_in; print(outer(1));"
    "print(kept_in()); print(sum(outer.stats.cache_hits.values()))"
)


def test_a_kernel_is_compiled_anew_when_what_it_calls_in_another_file_changes(
    tmp_path: Path,
) -> None:
    made = small_package(tmp_path)
    first, where, hits = run(tmp_path, OUTER, str(tmp_path)).splitlines()
    assert (first, hits) == ("20", "0")
    assert Path(where).is_relative_to(made / "__pycache__")
    again, _, hits = run(tmp_path, OUTER, str(tmp_path)).splitlines()
    assert (again, hits) == ("20", "1")
    inner = made / "inner.py"
    inner.write_text(inner.read_text().replace("x + 1", "x + 2"))
    changed, elsewhere, _ = run(tmp_path, OUTER, str(tmp_path)).splitlines()
    assert changed == "30"
    assert elsewhere != where
    assert not Path(where).exists()  # what nobody reads any more is gone


def test_kernels_are_kept_at_home_where_the_sources_are_read_only(tmp_path: Path) -> None:
    made = small_package(tmp_path)
    (made / "__pycache__").write_text("a file, so that not even root makes a folder here")
    home = tmp_path / "home"
    _, where, _ = run(tmp_path, OUTER, str(home)).splitlines()
    assert Path(where).is_relative_to(home / ".cache" / "gridcircle")


def test_everything_imports_and_runs_where_nothing_is_writable(tmp_path: Path) -> None:
    shutil.copytree(SOURCES, tmp_path / "geo", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "geo" / "__pycache__").write_text("")
    modules = sorted(path.stem for path in SOURCES.glob("*.py") if path.stem != "__init__")
    program = (
        f"import importlib; [importlib.import_module('geo.' + m) for m in {modules!r}]\n"
        "import geo, numpy as np; from geo.kernels import kept_in; from geo.ends import along_mm\n"
        "print(geo.__file__); print(kept_in()); print(along_mm(100, 200, -1, 10, 60))"
    )
    where, kept, cost = run(tmp_path, program, "/dev/null").splitlines()
    assert Path(where).is_relative_to(tmp_path)
    assert (kept, cost) == ("None", "100")


def test_shares_cover_every_row_once_in_order_and_small_work_stays_on_its_thread() -> None:
    spans = in_shares(lambda low, high: (low, high), 1003, least=10)
    assert len(spans) > 1 or numba.config.NUMBA_NUM_THREADS == 1
    assert [low for low, _ in spans] == [0, *(high for _, high in spans[:-1])]
    assert spans[-1][1] == 1003
    here = in_shares(lambda *_: threading.get_ident(), 19, least=10)
    assert here == [threading.get_ident()]
    assert in_shares(lambda low, high: high - low, 0, least=1) == [0]


def test_a_caller_that_may_use_one_thread_uses_one() -> None:
    with one_thread():
        assert in_shares(lambda *_: threading.get_ident(), 10_000, least=1) == [
            threading.get_ident()
        ]


def test_borrowed_labels_are_nobody_elses_and_clean_even_after_a_failure() -> None:
    with borrowed_labels(10) as one, borrowed_labels(20) as two:
        assert not np.shares_memory(one, two)
        assert len(one) >= 10
        assert len(two) >= 20
    with pytest.raises(ZeroDivisionError), borrowed_labels(5) as dirty:
        dirty[:] = 7 // (dirty.fill(7) or 0)
    for _ in range(3):
        with borrowed_labels(20) as clean:
            assert (clean == UNREACHED).all()
