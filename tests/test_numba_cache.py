"""Compiled kernels are found again by a new process, and never after their source changed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

KERNEL = """
from magbench.numba_cache import compiled

@compiled()
def helper(x):
    return x * {factor}

@compiled("float64(float64)")
def scaled(x):
    return helper(x)
"""
SCRIPT = """
import kernel, numba
print(kernel.scaled(2.0), sum(kernel.scaled.stats.cache_hits.values()), repr(numba.config.CACHE_DIR))
"""


def _run(folder: Path, home: Path, factor: float = 3.0, **environment: str) -> list[str]:
    (folder / "kernel.py").write_text(KERNEL.format(factor=factor))
    names = {key: value for key, value in os.environ.items() if key != "NUMBA_CACHE_DIR"}
    names |= {"MAGBENCH_HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(folder)} | environment
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, env=names)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_a_new_process_loads_what_the_first_compiled(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert _run(tmp_path, home) == ["6.0", "0", "''"]  # the setting of other numba code is as it was
    assert _run(tmp_path, home) == ["6.0", "1", "''"]
    assert list((home / "cache" / "kernels").glob("kernel-*/*/*.nbc"))


def test_an_edited_file_is_compiled_anew(tmp_path: Path) -> None:
    home = tmp_path / "home"
    _run(tmp_path, home)
    assert _run(tmp_path, home, factor=5.0)[:2] == ["10.0", "0"]
    assert len(list((home / "cache" / "kernels").iterdir())) == 2


def test_numba_cache_dir_goes_first(tmp_path: Path) -> None:
    home, other = tmp_path / "home", tmp_path / "other"
    _run(tmp_path, home, NUMBA_CACHE_DIR=str(other))
    assert list(other.rglob("*.nbc"))
    assert not home.exists()


def test_without_a_writable_folder_it_still_compiles(tmp_path: Path) -> None:
    places = {"NUMBA_CACHE_LOCATOR_CLASSES": "UserProvidedCacheLocator"}  # not beside the source either
    assert _run(tmp_path, Path("/dev/null/home"), **places) == ["6.0", "0", "''"]
