"""LOCK.toml: what the code draws today is what was drawn when each task was published."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from magbench import paths
from magbench.errors import SpecError
from magbench.registry import Registry
from magbench.tasks.lock import current_lock, main, merged, read_lock, to_toml

PACKAGE_BASELINES = paths.content("baselines")
KEPT = ("datasets", "protocols", "suites", "node_classification")


def test_every_shipped_task_is_locked_and_unchanged() -> None:
    registry, lock = Registry.default(), read_lock()
    current = current_lock(registry, lock)
    with_data = {task.versioned_id for task in registry.tasks.values() if not registry.dataset(task.dataset).mirrors}
    assert with_data <= set(current)
    assert with_data <= set(lock)
    assert merged(lock, {name: entry for name, entry in current.items() if name in lock}) == lock


def test_tasks_on_data_that_are_not_here_are_left_out_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MAGBENCH_HOME", str(tmp_path))
    tasks = tmp_path / "tasks"
    shutil.copytree(paths.content("tasks"), tasks)
    for path in tasks.glob("*/*.toml"):  # of tasks that are here, one is enough
        if path.name in ("tabler.toml", "synthetic-conflict.toml", "emoji.toml") and path.parent.name not in KEPT:
            path.unlink()
    monkeypatch.setattr(paths, "content", lambda kind: tasks if kind == "tasks" else PACKAGE_BASELINES)
    before = (tasks / "LOCK.toml").read_text()
    assert main() == 0
    assert (tasks / "LOCK.toml").read_text() == before
    said = capsys.readouterr().err
    assert "magbench data get movies`): link_prediction/movies@2, node_classification/movies" in said


def test_an_edited_task_needs_a_new_version() -> None:
    lock = read_lock()
    name = "node_classification/emoji@1"
    edited = {name: {**lock[name], "spec": "0" * 64}}
    with pytest.raises(SpecError, match=r"its spec changed. Raise its version"):
        merged(lock, edited)
    raised = {"node_classification/emoji@2": edited[name]}
    assert merged(lock, raised)[name] == lock[name]


def test_toml_round_trip() -> None:
    import tomllib

    lock = read_lock()
    assert tomllib.loads(to_toml(lock)) == lock
