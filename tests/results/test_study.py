"""Kept studies: merging loses nothing, a damaged table is refused with its line, and what was not run is listed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from lab import Lab, cells

from magbench.errors import RecordError, SpecError
from magbench.registry import Registry
from magbench.results.frame import read_cells
from magbench.results.study import CELLS, KeptStudy, StudyCell, keep_study, merge, plan_of, read_rows, read_studies
from magbench.suites import Suite

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
ROW = {
    "task": "t@1",
    "dataset": "d@1",
    "method": "mlp",
    "protocol": "standard@1",
    "seed": 0,
    "status": "ok",
    "scores": {"accuracy": 0.5},
    "key": "k",
    "run_id": "r",
    "source_sha256": "s",
    "engine": 1,
    "finished": "2026-01-01T00:00:00.000+00:00",
}


def row(**fields: Any) -> StudyCell:
    return StudyCell.model_validate({**ROW, **fields})


@pytest.fixture(scope="module")
def runs(lab: Lab) -> Path:
    """A study of six cells of which two seeds of one method are missing, and a cell that is none of its."""
    (lab.tasks / "suites" / "small-study.toml").write_text(SUITE)
    out = lab.root / "study-runs"
    assert lab.call("run", "--suite", "small-study", "--seeds", "0", "--jobs", 1, "--out", out).code == 0
    assert lab.run("-t", "nc/toy", "-m", "mlp", "-m", "label_propagation", "--seeds", "1-2", "--out", out).code == 0
    return out


def keep(lab: Lab, runs: Path, folder: Path) -> KeptStudy:
    with lab.environment():
        registry = Registry.default()
        return keep_study(registry.suite("small-study"), registry, read_cells(runs), folder)


def test_what_is_kept_is_the_records_own(lab: Lab, runs: Path, tmp_path: Path) -> None:
    kept = keep(lab, runs, tmp_path)
    assert kept.rows == read_rows(tmp_path / "small-study")
    assert sorted(kept.cells, key=str) == sorted(kept.rows, key=str)
    record = json.loads((cells(runs)["mlp 0"] / "record.json").read_text())
    (found,) = [cell for cell in kept.cells if (cell.method, cell.seed) == ("mlp", 0)]
    assert found.scores == {score["metric"]: score["value"] for score in record["scores"]}
    assert (found.key, found.run_id, found.n) == (record["key"], record["run_id"], record["scores"][0]["n"])
    assert found.predictions_sha256 == record["predictions"]["sha256"]
    assert found.core_seconds >= found.seconds > 0  # type: ignore[operator]
    environments = json.loads((tmp_path / "small-study" / "environments.json").read_text())
    assert environments[found.env] == record["env"]


def test_what_was_not_run_is_listed_in_the_order_of_a_run(lab: Lab, runs: Path, tmp_path: Path) -> None:
    kept = keep(lab, runs, tmp_path)
    task = "node_classification/toy@1"
    assert kept.not_run == ((task, "mlp[dropout=0]", 2), (task, "mlp[dropout=0.25]", 2))
    assert [place[1:] for place in kept.plan[:3]] == [("mlp", 0), ("mlp[dropout=0]", 0), ("mlp[dropout=0.25]", 0)]
    assert [cell.place for cell in kept.cells] == [place for place in kept.plan if place not in kept.not_run]


def test_two_sessions_merge_and_keeping_twice_changes_nothing(lab: Lab, runs: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for name, folder in cells(runs).items():
        shutil.copytree(folder, (first if name == "mlp 0" else second) / folder.relative_to(runs))
    assert len(keep(lab, first, tmp_path).rows) == 1
    both = keep(lab, second, tmp_path).rows
    whole = keep(lab, runs, tmp_path / "whole").rows
    assert both == whole
    before = (tmp_path / "small-study" / CELLS).read_bytes()
    assert keep(lab, first, tmp_path).rows == both
    assert (tmp_path / "small-study" / CELLS).read_bytes() == before


def test_cells_of_another_study_are_refused(lab: Lab, finished: Path, runs: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    folder = cells(runs)["label_propagation 1"]
    shutil.copytree(folder, other / folder.relative_to(runs))
    with pytest.raises(RecordError, match="None of these cells belongs to the study small-study"):
        keep(lab, other, tmp_path)
    assert not (tmp_path / "small-study").exists()


def test_a_success_replaces_a_failure_and_never_the_reverse() -> None:
    failure, success = row(status="failed", scores={}, error="E: x", finished="2026-02"), row()
    assert merge([failure], [success]) == merge([success], [failure]) == (success,)
    later = row(finished="2026-03", scores={"accuracy": 0.75})
    assert merge([success], [later]) == merge([later], [success]) == (later,)


def test_other_keys_stay_in_the_table_and_only_one_is_shown() -> None:
    """Two seeds of an old key weigh more than one of a new key; with as many, the newer key is shown."""
    suite = Suite.model_validate(
        {"name": "s", "title": "", "protocol": "standard@1", "tasks": ["t"], "methods": ["mlp"], "study": {}}
    )
    plan = tuple(("t@1", "mlp", seed) for seed in (0, 1, 2))
    old = [row(key="old", seed=seed) for seed in (0, 1)]
    new = [row(key="new", seed=seed, finished="2026-05") for seed in (1, 2)]
    rows = merge(old, new[:1])
    assert len(rows) == 3
    assert KeptStudy(suite, plan, rows).cells == tuple(old)
    assert KeptStudy(suite, plan, merge(old, new)).cells == tuple(new)
    assert KeptStudy(suite, plan, merge(old, new)).not_run == (plan[0],)
    other = KeptStudy(suite, plan, (row(protocol="quickstart@1"), row(task="elsewhere@1")))
    assert other.cells == ()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("{", "line 2 is no cell of a study"),
        (json.dumps({**ROW, "seed": -1}), "seed"),
        (json.dumps({**ROW, "scores": {"accuracy": "nan"}}), "scores.accuracy"),
        (json.dumps({**ROW, "colour": 1}), "colour"),
        (json.dumps({**ROW, "status": "fine"}), "status"),
        (json.dumps(ROW), "line 2: t@1 mlp 0 stands twice"),
        ("\udcff", "cannot be read"),
    ],
)
def test_damaged_tables_are_refused(line: str, expected: str, tmp_path: Path) -> None:
    (tmp_path / CELLS).write_bytes((json.dumps(ROW) + "\n" + line + "\n").encode(errors="surrogateescape"))
    with pytest.raises(RecordError) as caught:
        read_rows(tmp_path)
    assert expected in str(caught.value)
    assert CELLS in str(caught.value)


def test_rows_come_back_as_they_were() -> None:
    full = row(telemetry={"mass": 0.25}, epoch=5, seconds=1.5, core_seconds=2.0, commit="c", dirty=True, env="e", n=9)
    assert StudyCell.model_validate_json(full.model_dump_json(exclude_defaults=True)) == full


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
    }
    summary = (tmp_path / "small-study" / "summary.md").read_text()
    assert "`mlp[dropout=0.25]` (plain host): seeds 2" in summary
    assert "4 of 6 cells of small-study are kept" in lab.call(*arguments).out
    (tmp_path / "empty").mkdir()
    message = lab.call("results", "keep", "--study", "small-study", "--runs", tmp_path / "empty").one_message()
    assert "magbench run --suite small-study" in message
    (tmp_path / "small-study" / CELLS).write_text("{}\n")
    assert "line 1 is no cell of a study" in lab.call(*arguments).one_message()


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
    (tmp_path / "leaderboard" / "studies" / "small-study" / CELLS).write_text("{}\n")
    assert "line 1 is no cell of a study" in lab.call("report", "--studies", "--out", page).one_message()


def test_cells_that_are_kept_need_not_run_again(
    lab: Lab, runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a new session, whose runs folder is empty, only what is not kept is to run, and the budget knows the rest."""
    monkeypatch.setattr("magbench.paths.checkout", lambda: tmp_path)
    assert lab.call("results", "keep", "--study", "small-study", "--runs", runs).code == 0
    arguments = ("run", "--suite", "small-study", "--jobs", 1, "--out", tmp_path / "new")
    plan = lab.call(*arguments, "--skip-kept", "--plan", "--json").json()
    assert (plan["cells"], plan["to_run"]) == (6, 2)
    kept = read_rows(tmp_path / "leaderboard" / "studies" / "small-study")
    assert plan["spent_core_hours"] == pytest.approx(sum(row.core_seconds for row in kept) / 3600)
    assert lab.call(*arguments, "--plan", "--json").json()["to_run"] == 6
    outcome = lab.call(*arguments, "--skip-kept", "--json")
    assert outcome.code == 0, outcome.err
    assert set(cells(tmp_path / "new")) == {"mlp[dropout=0] 2", "mlp[dropout=0.25] 2"}
    assert lab.call("results", "keep", "--study", "small-study", "--runs", tmp_path / "new").code == 0
    assert lab.call(*arguments, "--skip-kept", "--plan", "--json").json()["to_run"] == 0
    done = lab.call("run", "--suite", "small-study", "--skip-kept", "--jobs", 1, "--out", tmp_path / "empty")
    assert done.code == 0, done.err


def test_skipping_what_is_kept_needs_a_study(lab: Lab, tmp_path: Path) -> None:
    message = lab.run("-t", "nc/toy", "-m", "mlp", "--skip-kept", "--out", tmp_path).one_message()
    assert "--skip-kept needs --suite" in message
    message = lab.call("run", "--suite", "quickstart", "--skip-kept", "--plan", "--out", tmp_path).one_message()
    assert "Unknown study 'quickstart'" in message


def test_a_study_on_a_fixed_split_is_refused(lab: Lab, tmp_path: Path) -> None:
    """Its comparisons are over seeds; where the version fixes the split they must be over items."""
    path = lab.tasks / "suites" / "fixed-study.toml"
    path.write_text(SUITE.replace("small-study", "fixed-study").replace("nc/toy", "lp/emoji"))
    try:
        message = lab.call("results", "keep", "--study", "fixed-study", "--runs", tmp_path).one_message()
        assert "'fixed-study' has the task lp/emoji, whose version fixes the split" in message
    finally:
        path.unlink()
