"""What each task of a data set trains on and tests, for the search for duplicates across the two."""

from __future__ import annotations

import numpy as np

from magbench.data.conflict import Parts
from magbench.data.mag import MAG
from magbench.registry import Registry
from magbench.tasks.base import make_task

SEED = 0
"""The seed whose split is looked at, where a split is drawn per seed."""


def task_parts(registry: Registry, mag: MAG) -> dict[str, Parts]:
    """versioned task id → training and test part of seed 0, for every task on the data set of `mag` that splits it.

    A task splits when it has ``split(mag, seed)``, whose ``train`` and ``test`` are nodes, int64 [n], or edges,
    int64 [2, n].
    """
    parts = {}
    for spec in registry.tasks.values():
        task = make_task(spec) if spec.dataset == mag.name else None
        if task is not None and hasattr(task, "split"):
            split = task.split(mag, SEED)
            parts[spec.versioned_id] = Parts(np.asarray(split.train), np.asarray(split.test))
    return parts
