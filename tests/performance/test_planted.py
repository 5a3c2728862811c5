"""The gates against planted faults, in throw-away clones: a slow-down is refused, no change is accepted."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from magbench import paths

CHECKOUT = paths.checkout()
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(shutil.which("asv") is None, reason="needs the extra [perf]: asv is not installed"),
]
BACKEND = "magbench/ot/numba_backend.py"
# The result is right and a small problem takes hardly longer: only a count can tell.
SWEEPS_NEVER_END_EARLY = """

_solve = NumbaBackend.solve
NumbaBackend.solve = lambda self, tensor, problem, g, n, still: _solve(self, tensor, problem, g, n, 0.0)
"""
# The result and all counts are right: only a ratio of times can tell.
TWICE_THE_TIME = """

def _slow(descend):
    import time

    def slow(*arguments):
        begun = time.process_time()
        found = descend(*arguments)
        end = 2.0 * time.process_time() - begun
        while time.process_time() < end:
            pass
        return found

    return slow


descend_plain, descend_joint = _slow(descend_plain), _slow(descend_joint)
"""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone of the committed files."""
    if CHECKOUT is None or not (CHECKOUT / ".git").exists():
        pytest.skip("not run from a checkout")
    folder = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", CHECKOUT, folder], check=True)
    return folder


def _commit(clone: Path, file: str, text: str) -> None:
    with (clone / file).open("a") as stream:
        stream.write(text)
    who = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    subprocess.run(["git", "-C", clone, *who, "commit", "-qam", "planted", "--allow-empty"], check=True)


def _python_of(clone: Path) -> Path:
    """An interpreter with the packages of this environment, and magbench from the clone."""
    folder = clone.parent / "env"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "clone.pth").write_text(f"{clone}\n{sysconfig.get_path('purelib')}\n")
    return folder / "bin" / "python"


def _run(clone: Path, *command: object) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "HOME": str(clone.parent),
        "MAGBENCH_HOME": str(paths.home()),
        "MAGBENCH_PERF": "quick",
    }
    arguments = [str(part) for part in command]
    return subprocess.run(arguments, cwd=clone, env=environment, capture_output=True, text=True)


def test_the_count_gate(clone: Path) -> None:
    python = _python_of(clone)
    where = _run(clone.parent, python, "-c", "import magbench; print(magbench.__file__)")
    assert str(clone) in where.stdout
    _commit(clone, BACKEND, "")
    done = _run(clone, ".ci/perf", python)
    assert done.returncode == 0, done.stdout + done.stderr
    _commit(clone, BACKEND, SWEEPS_NEVER_END_EARLY)
    done = _run(clone, ".ci/perf", python)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "track_count_sweeps(joint, 256)" in done.stderr
    assert "is above its bound" in done.stderr


def test_the_count_gate_refuses_benchmarks_that_do_not_run(clone: Path) -> None:
    python = _python_of(clone)
    _commit(clone, "magbench/perf/__init__.py", "\nraise RuntimeError('planted')\n")
    assert _run(clone, ".ci/perf", python).returncode != 0


@pytest.mark.network
def test_asv_continuous(clone: Path) -> None:
    """asv builds an environment a commit; ratios are compared between the two."""
    arguments = ["asv", "continuous", "--factor", "1.4", "--bench", r"^core\..*track_", "HEAD~1", "HEAD"]
    assert _run(clone, "asv", "machine", "--yes").returncode == 0
    _commit(clone, BACKEND, "")
    done = _run(clone, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "track_ratio_floor" in done.stdout
    _commit(clone, "magbench/ot/descent.py", TWICE_THE_TIME)
    done = _run(clone, *arguments)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "PERFORMANCE DECREASED" in done.stdout
