"""The lock: sha256 of each task's specification and of every split it draws, in ``tasks/LOCK.toml``.

The file only grows: an entry, once written, never changes. Whoever edits a task raises its version, and the lock gets a
new entry (``python -m magbench.tasks.lock``); a test compares all entries with what the code draws today.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from magbench import paths
from magbench.data.digests import part_digests
from magbench.data.load import load_dataset
from magbench.data.place import is_here
from magbench.errors import SpecError
from magbench.registry import Registry
from magbench.specs import read_toml
from magbench.tasks.base import make_task

SEEDS = range(10)
FILE = "LOCK.toml"

Lock = dict[str, dict[str, Any]]


def current_lock(registry: Registry, known: Iterable[str] = ()) -> Lock:
    """versioned task id → ``spec``, ``data`` (the parts that its family reads) and ``splits``, computed afresh.

    ``splits`` has one hash a seed, or a single one where the task's version fixes what is drawn, and of a variant.
    Tasks on data sets that are not on this machine are left out (see :func:`absent`). Variants in one option are locked
    beside their task, and what is in ``known`` is looked at, too.
    """
    lock: Lock = {}
    others = [spec for name in known if (spec := registry.find_task(name)) is not None]
    for spec in registry.tasks.values():
        if not is_here(registry.dataset(spec.dataset)):
            continue
        mag = load_dataset(registry.dataset(spec.dataset))
        further = [other for other in others if other.base_id == spec.id]
        for variant in dict.fromkeys((spec, *registry.variants(spec), *further)):
            if "text" in variant.variant and mag.captions is None:
                continue  # a feature set that has them is not here
            task = make_task(variant)
            seeds = SEEDS if task.design == "drawn" and not variant.variant else SEEDS[:1]
            lock[variant.versioned_id] = {
                "spec": variant.digest(),
                "data": part_digests(mag, registry.family(variant.family).reads),
                "splits": [task.digest(task.draw(mag, seed)) for seed in seeds],
            }
    return lock


def absent(registry: Registry) -> dict[str, list[str]]:
    """Data sets that are not on this machine → the versioned ids of the tasks on them, which cannot be locked here."""
    found: dict[str, list[str]] = {}
    for spec in registry.tasks.values():
        if not is_here(registry.dataset(spec.dataset)):
            found.setdefault(spec.dataset, []).append(spec.versioned_id)
    return found


def merged(old: Lock, new: Lock) -> Lock:
    """``old`` with the entries of ``new`` that it lacks.

    Raises:
        SpecError: an entry that is locked would change.
    """
    for name, entry in new.items():
        if name in old and old[name] != entry:
            changed = ", ".join(key for key in entry if old[name].get(key) != entry[key])
            raise SpecError(
                f"Task {name} is locked, but its {changed} changed. Raise its version in tasks/, then run "
                "`python -m magbench.tasks.lock`."
            )
    return {**old, **new}


def read_lock() -> Lock:
    """The shipped lock."""
    path = paths.content("tasks") / FILE
    return read_toml(path) if path.is_file() else {}


def to_toml(lock: Lock) -> str:
    """The lock as TOML, tasks in alphabetical order."""
    blocks = []
    for name in sorted(lock):
        entry = lock[name]
        splits = "".join(f'  "{digest}",\n' for digest in entry["splits"])
        data = ", ".join(f'{part} = "{digest}"' for part, digest in entry["data"].items())
        blocks.append(f'["{name}"]\nspec = "{entry["spec"]}"\ndata = {{ {data} }}\nsplits = [\n{splits}]\n')
    return "\n".join(blocks)


def main() -> int:
    """Add what is missing to the lock."""
    path: Path = paths.content("tasks") / FILE
    registry = Registry.default()
    try:
        locked = read_lock()
        path.write_text(to_toml(merged(locked, current_lock(registry, locked))), encoding="utf-8")
    except SpecError as error:
        sys.stderr.write(f"Error: {error}\n")
        return 2
    for dataset, tasks in absent(registry).items():
        sys.stderr.write(f"Not locked, for {dataset} is not here (`magbench data get {dataset}`): {', '.join(tasks)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
