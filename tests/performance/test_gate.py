"""The gate on counts: passes, exceeds, lacks a value, lacks a bound, sees nothing at all."""

from __future__ import annotations

from pathlib import Path

import pytest
from asvfiles import write_asv

from magbench.errors import RecordError, SpecError
from magbench.paths import checkout
from magbench.perf.asvfile import AsvFile
from magbench.perf.gate import breaches, main, read_bounds

WORK = "core.work.Work.track_count_outer"
SIZES = [["'joint'", "'plain'"], ["256"]]
BOUNDS = f'[bounds]\n"{WORK}(joint, 256)" = 5\n"{WORK}(plain, 256)" = 2\n'


def _gate(folder: Path, values: list[float | None] | None, extra: dict | None = None) -> int:  # type: ignore[type-arg]
    bounds = folder / "bounds.toml"
    bounds.write_text(BOUNDS)
    return main([str(bounds), str(write_asv(folder / "r.json", {WORK: (values, SIZES), **(extra or {})}))])


def test_passes_at_the_bound(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _gate(tmp_path, [5, 2]) == 0
    found = capsys.readouterr()
    assert f"{WORK}(joint, 256): 5 (bound 5)" in found.out
    assert found.err == ""


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([6, 2], f"{WORK}(joint, 256) = 6 is above its bound 5"),
        ([5, None], f"{WORK}(plain, 256) has no value"),
        ([5, float("nan")], f"{WORK}(plain, 256) has no value"),
        ([None, None], "No benchmark ran"),
        (None, "No benchmark ran"),
    ],
)
def test_fails(
    values: list[float | None] | None, expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _gate(tmp_path, values) == 1
    assert expected in capsys.readouterr().err


def test_fails_where_nothing_is_recorded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "b.toml").write_text(BOUNDS)
    assert main([str(tmp_path / "b.toml"), str(write_asv(tmp_path / "r.json", {}))]) == 1
    assert "No benchmark ran" in capsys.readouterr().err


def test_a_new_count_needs_a_bound_and_a_ratio_does_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ratio = {"core.solver.Floor.track_ratio_floor": ([9.9], [])}
    assert _gate(tmp_path, [5, 2], ratio) == 0
    assert _gate(tmp_path, [5, 2], {"core.new.track_count_passes": ([3], [])}) == 1
    assert "core.new.track_count_passes = 3 has no bound" in capsys.readouterr().err


def test_values_of_several_files_are_taken_together(tmp_path: Path) -> None:
    (tmp_path / "b.toml").write_text(BOUNDS)
    one = write_asv(tmp_path / "1.json", {WORK: ([5], [["'joint'"], ["256"]])})
    two = write_asv(tmp_path / "2.json", {WORK: ([2], [["'plain'"], ["256"]])})
    assert main([str(tmp_path / "b.toml"), str(one)]) == 1
    assert main([str(tmp_path / "b.toml"), str(one), str(two)]) == 0


@pytest.mark.parametrize("text", [None, "[bounds]\n", "not toml =", '[bounds]\na = "many"\n', "bounds = 3\n"])
def test_bad_bounds(text: str | None, tmp_path: Path) -> None:
    path = tmp_path / "bounds.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(SpecError, match="bounds"):
        read_bounds(path)
    assert main([str(path), str(path)]) == 1


@pytest.mark.parametrize("text", [None, "", "[]", "{}", '{"result_columns": ["result"], "results": {"a": 3}}'])
def test_bad_result_file(text: str | None, tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(RecordError, match="not a result file of asv"):
        AsvFile.read(path)


def test_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bounds.toml"]) == 2
    assert "RESULT.json" in capsys.readouterr().err


def test_parameters_are_read_in_asvs_order(tmp_path: Path) -> None:
    path = write_asv(tmp_path / "r.json", {"b": ([1, 2, 3, 4], [["'x'", "'y'"], ["1", "2"]]), "c": ([7], [])})
    assert AsvFile.read(path).values == {"b(x, 1)": 1, "b(x, 2)": 2, "b(y, 1)": 3, "b(y, 2)": 4, "c": 7}


def test_the_shipped_bounds_hold_memory_to_its_promise() -> None:
    root = checkout()
    assert root is not None
    bounds = read_bounds(root / "tests/perf/bounds.toml")
    memory = [bound for name, bound in bounds.items() if "track_count_matrices" in name]
    assert len(memory) == 4
    assert max(memory) <= 8
    assert breaches(dict(bounds), bounds) == []
