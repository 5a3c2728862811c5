"""LOCK.toml: what the code draws today is what was drawn when each task was published."""

from __future__ import annotations

import pytest

from magbench.errors import SpecError
from magbench.registry import Registry
from magbench.tasks.lock import current_lock, merged, read_lock, to_toml


def test_every_shipped_task_is_locked_and_unchanged() -> None:
    lock, current = read_lock(), current_lock(Registry.default())
    assert set(current) <= set(lock)
    assert merged(lock, current) == lock


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
