"""How much a cell of retrieval reads."""

from __future__ import annotations

from typing import cast

from magbench.specs import TaskSpec, Training
from magbench.tasks.retrieval.rule import PairSplitSpec
from magbench.tasks.workload import Size, Workload, step_of

BATCH = 2048
"""Training pairs that are compared with each other at once, at most."""


def workload(task: TaskSpec, size: Size, training: Training) -> Workload:
    """Every training pair is compared with all others of its batch, validation and test pairs with all.

    A comparison, an inner product of width h, counts as one number. A control with two passes trains twice;
    node-disjoint context has nearly every node twice.
    """
    split, control = cast(PairSplitSpec, task.split), task.variant.get("control")
    train, val, test = (share * size.nodes for share in (split.train, split.val, split.test))
    passes = 2 if control in ("node_disjoint", "raw_query") else 1
    forward = step_of(size, training) * (2 if control == "node_disjoint" else 1)
    step = forward + train * min(train, BATCH)
    epoch = 3 * step + (forward + 2 * val * val) / training.validate_every
    pool = test if task.variant.get("pool") != "all" else size.nodes
    return Workload(step, passes * (training.max_epochs * epoch + forward + 2 * test * pool))
