"""Kept studies: kept records below a folder of their own, read against the plan of the suite, on any kind of split."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from lab import Lab, cells

from magbench.errors import RecordError, SpecError
from magbench.registry import Registry
from magbench.results.frame import StoredCell, read_cells
from magbench.results.kept import KeptCell, kept_cells, kept_records
from magbench.results.record import ErrorPart
from magbench.results.study import KeptStudy, keep_study, plan_of, read_studies, read_study
from magbench.suites import Suite
from magbench.tables.study import study_table

SUITE = """
name = "small-study"
title = "A small study"
protocol = "short@1"
seeds = [0, 2]
tasks = ["nc/toy"]
methods = ["mlp"]
[grid]
method = "mlp"
[grid.axes.mlp]
dropout = [0, 0.25]
[study]
"""
FIXED_SUITE = """
name = "fixed-study"
title = "A study on both kinds of split"
protocol = "short@1"
seeds = [0, 2]
tasks = ["nc/toy", "nc/toy-fixed"]
methods = ["mlp", "mlp+distmatch[warmup=0]"]
[[study.contrasts]]
question = "Does it help?"
a = ""
b = "distmatch[warmup=0]"
"""
FIXED_TASK = """
name = "toy-fixed"
version = 1
title = "Toy, one split"
dataset = "toy"
ranked = false
[split]
rule = "magb-42"
"""
TASK = "node_classification/toy@1"


@pytest.fixture(scope="module")
def runs(lab: Lab) -> Path:
    """A study of six cells of which two seeds of one method are missing, and a cell that is none of its."""
    (lab.tasks / "suites" / "small-study.toml").write_text(SUITE)
    out = lab.root / "study-runs"
    assert lab.call("run", "--suite", "small-study", "--seeds", "0", "--jobs", 1, "--out", out).code == 0
    assert lab.run("-t", "nc/toy", "-m", "mlp", "-m", "label_propagation", "--seeds", "1-2", "--out", out).code == 0
    return out


def keep(lab: Lab, found: list[StoredCell], folder: Path) -> KeptStudy:
    with lab.environment():
        registry = Registry.default()
        suite = registry.suite("small-study")
        keep_study(suite, registry, found, folder)
        return read_study(suite, registry, folder)


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_what_is_kept_are_the_records_and_their_predictions(lab: Lab, runs: Path, tmp_path: Path) -> None:
    stored = read_cells(runs)
    study = keep(lab, stored, tmp_path)
    own = [c for c in stored if c.record.method.name != "label_propagation" and c.record.seed in (0, 2)]
    assert {c.record.run_id: c.record for c in study.cells} == {c.record.run_id: c.record for c in own}
    assert len(study.kept) == len(own) == 4
    for cell in own:
        (found,) = [c for c in study.cells if c.record == cell.record]
        np.testing.assert_array_equal(found.prediction().classes, cell.prediction().classes)  # type: ignore[attr-defined]
    names = {
        f"{TASK}/{method}.{end}"
        for method in ("mlp", "mlp[dropout=0]", "mlp[dropout=0.25]")
        for end in ("jsonl", "npz")
    }
    assert set(content(tmp_path / "small-study")) == names


def test_what_was_not_run_is_listed_in_the_order_of_a_run(lab: Lab, runs: Path, tmp_path: Path) -> None:
    study = keep(lab, read_cells(runs), tmp_path)
    assert study.not_run == ((TASK, "mlp[dropout=0]", 2), (TASK, "mlp[dropout=0.25]", 2))
    assert [place[1:] for place in study.plan[:3]] == [("mlp", 0), ("mlp[dropout=0]", 0), ("mlp[dropout=0.25]", 0)]
    shown = [(TASK, cell.record.method.name, cell.record.seed) for cell in study.cells]
    assert shown == [place for place in study.plan if place not in study.not_run]


def test_two_sessions_merge_and_keeping_twice_changes_nothing(lab: Lab, runs: Path, tmp_path: Path) -> None:
    whole = read_cells(runs)
    first = [cell for cell in whole if (cell.record.method.name, cell.record.seed) == ("mlp", 0)]
    assert len(keep(lab, first, tmp_path / "two").kept) == 1
    keep(lab, [cell for cell in whole if cell not in first], tmp_path / "two")
    keep(lab, whole, tmp_path / "one")
    both = content(tmp_path / "one")
    assert content(tmp_path / "two") == both
    keep(lab, first, tmp_path / "two")
    assert content(tmp_path / "two") == both


def test_cells_of_another_study_are_refused(lab: Lab, runs: Path, tmp_path: Path) -> None:
    other = [cell for cell in read_cells(runs) if cell.record.method.name == "label_propagation"]
    moved = [cell for cell in read_cells(runs) if cell.record.method.name == "mlp"]
    dataset = moved[0].record.dataset.model_copy(update={"features": "another"})
    moved = [replace(cell, record=cell.record.model_copy(update={"dataset": dataset})) for cell in moved]
    for found in (other, moved):
        with pytest.raises(RecordError, match="None of these cells belongs to the study small-study"):
            keep(lab, found, tmp_path)
    assert not (tmp_path / "small-study").exists()


def failed(cell: StoredCell) -> StoredCell:
    """The cell as if it had failed."""
    error = ErrorPart(type="ValueError", message="no", user=False)
    nothing = {"scores": (), "predictions": None, "selection": None}
    return replace(cell, record=cell.record.model_copy(update={"status": "failed", "error": error, **nothing}))


def test_a_success_replaces_a_failure_and_never_the_reverse(lab: Lab, runs: Path, tmp_path: Path) -> None:
    whole = read_cells(runs)
    broken = [failed(c) if (c.record.method.name, c.record.seed) == ("mlp", 2) else c for c in whole]
    table = study_table(keep(lab, broken, tmp_path))
    assert [(cell.method, cell.seed, cell.error) for cell in table.failed] == [("mlp", 2, "ValueError: no")]
    assert (table.ok, table.missing) == (3, 2)
    assert study_table(keep(lab, whole, tmp_path)).failed == ()
    before = content(tmp_path)
    assert study_table(keep(lab, broken, tmp_path)).failed == ()
    assert content(tmp_path) == before


def test_more_seeds_of_another_key_stay(lab: Lab, runs: Path, tmp_path: Path) -> None:
    """Two kept seeds weigh more than one of other code, and more than one that is ok and one that failed."""
    whole = read_cells(runs)
    keep(lab, whole, tmp_path)
    before = content(tmp_path)
    mlp = [cell for cell in whole if cell.record.method.name == "mlp" and cell.record.seed in (0, 2)]
    newer = [replace(cell, record=cell.record.model_copy(update={"key": "f" * 64})) for cell in mlp]
    with lab.environment():
        registry = Registry.default()
        suite = registry.suite("small-study")
        for found in (newer[:1], [newer[0], failed(newer[1])]):
            files, (sentence,) = keep_study(suite, registry, found, tmp_path)
            assert files == [] and "2 kept seeds of other code or data stay" in sentence
        assert content(tmp_path) == before
        keep_study(suite, registry, newer, tmp_path)
        study = read_study(suite, registry, tmp_path)
        assert {c.record.key for c in study.cells if c.record.method.name == "mlp"} == {"f" * 64}
        keep_study(suite, registry, mlp[:1], tmp_path, replace=True)
        study = read_study(suite, registry, tmp_path)
        assert [c.record for c in study.cells if c.record.method.name == "mlp"] == [mlp[0].record]


def test_only_cells_of_the_plan_are_shown(lab: Lab, runs: Path, tmp_path: Path) -> None:
    study = keep(lab, read_cells(runs), tmp_path)
    cell = study.cells[0]
    others = [
        replace(cell, record=cell.record.model_copy(update=change))
        for change in (
            {"protocol": "quickstart@1"},
            {"seed": 1},
            {"task": cell.record.task.model_copy(update={"id": "nc/x"})},
        )
    ]
    assert KeptStudy(study.suite, study.plan, tuple(others)).cells == ()
    assert KeptStudy(study.suite, study.plan, (*others, cell)).cells == (cell,)


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (b"{\n", "line 2 is not a record of schema magbench.record/2"),
        (b"\xff\n", "cannot be read"),
        (b"", None),
    ],
)
def test_damaged_files_are_refused(lab: Lab, runs: Path, tmp_path: Path, damage: bytes, expected: str | None) -> None:
    keep(lab, [cell for cell in read_cells(runs) if cell.record.seed == 0], tmp_path)
    path = tmp_path / "small-study" / TASK / "mlp.jsonl"
    line = path.read_bytes()
    path.write_bytes(line + (damage if expected else line))
    with lab.environment(), pytest.raises(RecordError) as caught:
        registry = Registry.default()
        study_table(read_study(registry.suite("small-study"), registry, tmp_path))
    assert (expected or "cells stand twice: task=node_classification/toy@1 method=mlp seed=0") in str(caught.value)
    assert not expected or str(path) in str(caught.value)


def test_a_record_without_its_prediction_is_read_and_says_so(lab: Lab, runs: Path, tmp_path: Path) -> None:
    """A drawn split's tables need no prediction; where one is asked for, the file is named."""
    study = keep(lab, read_cells(runs), tmp_path)
    before = study_table(study)
    packed = {cell.packed for cell in study.cells if isinstance(cell, KeptCell)}
    for path in packed:
        path.unlink()
    assert study_table(study) == before
    with pytest.raises(RecordError, match=r"mlp\.npz, seed 0 under short@1, holds no prediction"):
        study.cells[0].prediction()


def test_a_study_that_names_rows_or_axes_it_lacks_is_refused() -> None:
    base = {"name": "s", "title": "", "protocol": "standard@1", "tasks": ["t"], "methods": ["mlp", "mlp+dagr"]}
    good = {"question": "?", "a": "", "b": "dagr"}
    assert Suite.parse({**base, "study": {"contrasts": [good]}}, "here").study
    for study, expected in (
        ({"contrasts": [{**good, "b": "optimag"}]}, "no method of this suite is HOST+optimag; it has , dagr"),
        ({"names": {"optimag": "OptiMAG"}}, "HOST+optimag"),
        ({"figure": {"kind": "heat", "x": "a", "y": "b", "panel": "c"}}, "the grid's axes are []"),
        ({"figure": {"kind": "pie", "x": "a", "y": "b", "panel": "c"}}, "'heat' or 'curves'"),
    ):
        with pytest.raises(SpecError) as caught:
            Suite.parse({**base, "study": study}, "here")
        assert expected in str(caught.value)


def test_the_shipped_studies_are_planned(tmp_path: Path) -> None:
    registry = Registry.default()
    sizes = {s.name: len(plan_of(s, registry)) for s in registry.suites.values() if s.study}
    assert sizes == {
        "optimag-components": 22 * 3 * 10,
        "optimag-grid": (48 + 3) * 2 * 3,
        "optimag-samplers": (60 + 2) * 2 * 3,
    }
    assert read_studies(registry, tmp_path / "nowhere") == []


@pytest.mark.parametrize("name", ["small-stud", "quickstart"])
def test_only_studies_are_kept_as_studies(lab: Lab, runs: Path, name: str) -> None:
    message = lab.call("results", "keep", "--study", name, "--runs", runs).one_message()
    assert f"Unknown study '{name}'" in message
    assert "small-study" in message


def test_keeping_from_the_command_line(lab: Lab, runs: Path, tmp_path: Path) -> None:
    arguments = ("results", "keep", "--study", "small-study", "--runs", runs, "--to", tmp_path)
    assert lab.call(*arguments, "--json").json() == {
        "folder": str(tmp_path / "small-study"),
        "cells": 6,
        "ok": 4,
        "failed": 0,
        "not_run": 2,
        "left": [],
    }
    summary = (tmp_path / "small-study" / "summary.md").read_text()
    assert "`mlp[dropout=0.25]` (plain host): seeds 2" in summary
    assert "4 of 6 cells of small-study are kept" in lab.call(*arguments).out
    (tmp_path / "empty").mkdir()
    message = lab.call("results", "keep", "--study", "small-study", "--runs", tmp_path / "empty").one_message()
    assert "magbench run --suite small-study" in message
    mlp = tmp_path / "small-study" / TASK / "mlp.jsonl"
    mlp.write_text(mlp.read_text().replace('"key": "', '"key": "f'))
    newer = tmp_path / "newer"
    shutil.copytree(cells(runs)["mlp 0"], newer / cells(runs)["mlp 0"].relative_to(runs))
    arguments = ("results", "keep", "--study", "small-study", "--runs", newer, "--to", tmp_path)
    assert f"mlp on {TASK}: 2 kept seeds of other code or data stay" in lab.call(*arguments).out
    assert len(lab.call(*arguments, "--replace", "--json").json()["left"]) == 0
    assert len(mlp.read_text().splitlines()) == 1
    mlp.write_text("{}\n")
    assert "mlp.jsonl" in (message := lab.call(*arguments).one_message()) and "not a record" in message


def test_the_report_shows_the_studies_that_are_kept(
    lab: Lab, runs: Path, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("magbench.paths.checkout", lambda: tmp_path)
    page = tmp_path / "page"
    assert lab.call("report", "--runs", finished, "--out", page).code == 0
    assert not (page / "studies.html").exists()
    assert "studies.html" not in (page / "index.html").read_text()
    assert lab.call("report", "--studies", "--out", page, "--json").json() == {"report": str(page / "studies.html")}
    assert "None is kept yet" in (page / "studies.html").read_text()

    assert lab.call("results", "keep", "--study", "small-study", "--runs", runs).code == 0
    assert (tmp_path / "leaderboard" / "studies" / "small-study" / "summary.json").is_file()
    assert lab.call("report", "--runs", finished, "--out", page).code == 0
    assert '<a href="studies.html">' in (page / "index.html").read_text()
    assert "A small study" in (page / "studies.html").read_text()
    (tmp_path / "leaderboard" / "studies" / "small-study" / TASK / "mlp.jsonl").write_text("{}\n")
    assert "line 1 is not a record" in lab.call("report", "--studies", "--out", page).one_message()


def test_cells_that_are_kept_need_not_run_again(
    lab: Lab, runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a new session, whose runs folder is empty, only what is not kept is to run, and the budget knows the rest."""
    monkeypatch.setattr("magbench.paths.checkout", lambda: tmp_path)
    assert lab.call("results", "keep", "--study", "small-study", "--runs", runs).code == 0
    arguments = ("run", "--suite", "small-study", "--jobs", 1, "--out", tmp_path / "new")
    plan = lab.call(*arguments, "--skip-kept", "--plan", "--json").json()
    assert (plan["cells"], plan["to_run"]) == (6, 2)
    kept = kept_records(tmp_path / "leaderboard" / "studies" / "small-study")
    assert plan["spent_core_hours"] == pytest.approx(sum(record.core_seconds for record in kept) / 3600)
    assert lab.call(*arguments, "--plan", "--json").json()["to_run"] == 6
    own = tmp_path / "leaderboard" / "studies" / "small-study"
    own.rename(own.with_name("other"))  # a study shows its own cells: those of another stand for none of them
    assert lab.call(*arguments, "--skip-kept", "--plan", "--json").json()["to_run"] == 6
    own.with_name("other").rename(own)
    other = ("-t", "nc/toy", "-m", "mlp", "--seeds", "0-1", "--skip-kept", "--plan", "--json", "--out", tmp_path / "o")
    assert lab.run(*other).json()["to_run"] == 1
    outcome = lab.call(*arguments, "--skip-kept", "--json")
    assert outcome.code == 0, outcome.err
    assert set(cells(tmp_path / "new")) == {"mlp[dropout=0] 2", "mlp[dropout=0.25] 2"}
    assert lab.call("results", "keep", "--study", "small-study", "--runs", tmp_path / "new").code == 0
    assert lab.call(*arguments, "--skip-kept", "--plan", "--json").json()["to_run"] == 0
    done = lab.call("run", "--suite", "small-study", "--skip-kept", "--jobs", 1, "--out", tmp_path / "empty")
    assert done.code == 0, done.err


@pytest.fixture
def fixed_study(lab: Lab) -> Iterator[Path]:
    """A finished study on a task that draws its split and on one that fixes it."""
    paths = lab.tasks / "suites" / "fixed-study.toml", lab.tasks / "node_classification" / "toy-fixed.toml"
    for path, text in zip(paths, (FIXED_SUITE, FIXED_TASK), strict=True):
        path.write_text(text)
    out = lab.root / "fixed-study-runs"
    done = lab.call("run", "--suite", "fixed-study", "--jobs", 1, "--out", out)
    assert done.code == 0, done.err
    yield out
    for path in paths:
        path.unlink()


def test_a_study_compares_over_items_where_the_split_is_fixed(lab: Lab, fixed_study: Path, tmp_path: Path) -> None:
    """From the kept predictions alone; a task that is not ranked is kept too."""
    arguments = ("results", "keep", "--study", "fixed-study", "--runs", fixed_study, "--to", tmp_path, "--json")
    assert lab.call(*arguments).json()["ok"] == 8
    folder = tmp_path / "fixed-study"
    (question,) = json.loads((folder / "summary.json").read_text())["questions"]
    over = {answer["task"]: answer for answer in question["answers"]}
    assert {task: answer["fixed"] for task, answer in over.items()} == {"toy": False, "toy-fixed": True}
    assert ["over test items" in over[task]["text"] for task in ("toy", "toy-fixed")] == [False, True]
    right: dict[str, list[np.ndarray]] = {}
    for cell in kept_cells(folder):
        if cell.record.task.design == "fixed":
            found = cell.prediction()
            right.setdefault(cell.record.method.name, []).append(found.true == found.classes)  # type: ignore[attr-defined]
    host, regularised = (np.mean(right[name], axis=0) for name in ("mlp", "mlp+distmatch[warmup=0]"))
    assert (host != regularised).any()
    assert over["toy-fixed"]["difference"] == pytest.approx(100 * np.mean(regularised - host), abs=1e-5)
