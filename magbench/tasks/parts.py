"""What each task of a data set trains on and tests, for the search for duplicates across the two."""

from __future__ import annotations

from magbench.data.mag import MAG
from magbench.data.parts import Parts
from magbench.registry import Registry
from magbench.tasks.base import make_task

SEED = 0
"""The seed whose split is looked at, where a split is drawn per seed."""


def task_parts(registry: Registry, mag: MAG) -> dict[str, Parts]:
    """versioned task id → training and test part of seed 0, for every task on the data set of `mag` that has them."""
    found = {s.versioned_id: make_task(s).parts(mag, SEED) for s in registry.tasks.values() if s.dataset == mag.name}
    return {name: parts for name, parts in found.items() if parts is not None}
