"""``magbench perf``: small runs in a process of their own (it binds itself to one core), history, wrong input."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest


def perf(*arguments: object, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "magbench.cli.app", "perf", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder)


def test_one_size(tmp_path: Path) -> None:
    html = tmp_path / "plot.html"
    done = perf("--profile", "quick", "--sizes", "16", "--precision", "float64", "--json", "--html", html)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    rows = {(row["kl"], row["solver"]): row for row in found["rows"]}
    for kl, solver in (("joint", "magbench"), ("plain", "magbench"), ("joint", "POT numpy"), ("joint", "POT torch")):
        row = rows[kl, solver]
        assert row["agrees"], row
        assert 0 < row["seconds"]["low"] <= row["seconds"]["median"] <= row["seconds"]["high"]
        assert (row["ratio"] is None) == (solver == "magbench")
    assert rows["joint", "magbench"]["floor_share"] > 0
    assert all(row["agrees"] for row in found["tolerance"] if row["solver"].startswith(("magbench", "POT")))
    assert found["ceilings"][0]["precision"] == "float64"
    assert found["machine"]["threads"] == 1
    assert found["machine"]["packages"]["POT"]
    assert html.read_text().startswith("<!doctype html>")


def test_the_tables(tmp_path: Path) -> None:
    done = perf("--profile", "quick", "--sizes", "16", "--precision", "float32", "--objective", "joint")
    assert done.returncode == 0, done.stderr
    for part in ("matmul GF/s", "ratio to ours", "of floor", "POT torch", "5 x 20", "To a relative gap of 1e-6"):
        assert part in done.stdout
    assert "POT numpy   5 x 20" not in done.stdout  # it would compute in float64


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--profile", "quik"], ["Unknown profile 'quik'", "Did you mean 'quick'?", "MAGBENCH_PERF"]),
        (["--sizes", "many"], ["--sizes='many'", "128,512"]),
        (["--sizes", "4"], ["--sizes='4'", "[8, 16384]"]),
        (["--sizes", "128,99999"], ["--sizes='128,99999'", "[8, 16384]"]),
        (["--sizes", ""], ["--sizes=''"]),
        (["--precision", "half"], ["--precision='half'", "float32, float64, both"]),
        (["--objective", "J"], ["--objective='J'", "joint, plain, both"]),
        (["--html", "."], ["it is a folder", "--html"]),
        (["--history", "--kept", "nowhere"], ["nowhere", "MACHINE/VERSION.json"]),
    ],
)
def test_wrong_input(arguments: list[str], expected: list[str], tmp_path: Path) -> None:
    done = perf(*arguments, folder=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("Error: ") and done.stderr.count("\n") == 1
    for part in expected:
        assert part in done.stderr


def test_history(tmp_path: Path) -> None:
    for version, value in (("0.1.0", 3.0), ("0.2.0", 1.5)):
        path = tmp_path / "box" / f"{version}.json"
        path.parent.mkdir(exist_ok=True)
        result = {"core.solver.Floor.track_ratio_floor": [[value], []], "core.solver.Solve.time_solve": [[0.5], []]}
        content = {"commit_hash": "c", "params": {"machine": "box"}, "result_columns": ["result", "params"]}
        path.write_text(json.dumps({**content, "results": result}))
    done = perf("--history", "--kept", tmp_path)
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stdout.splitlines() if "track_ratio_floor" in line]
    assert line.split()[-2:] == ["3.0000", "1.5000"]
    assert "time_solve" not in done.stdout
    (found,) = json.loads(perf("--history", "--kept", tmp_path, "--json").stdout)
    assert found["versions"] == ["0.1.0", "0.2.0"]


def test_history_needs_neither_numpy_nor_torch() -> None:
    code = (
        "import sys, magbench.perf.history, magbench.perf.gate; sys.exit(bool({'numpy', 'torch'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
