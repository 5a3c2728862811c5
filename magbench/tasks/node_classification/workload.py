"""How much a cell of node classification reads."""

from __future__ import annotations

from typing import cast

from magbench.specs import TaskSpec, Training
from magbench.tasks.node_classification.rule import SplitSpec
from magbench.tasks.workload import Size, Workload, batch_of, step_of


def workload(task: TaskSpec, size: Size, training: Training) -> Workload:
    """Every epoch passes the graph, or a batch for each of its seeds; a backward pass counts twice a forward one."""
    whole = step_of(size, training)
    step, steps = whole, 1.0
    if training.sampling is not None:
        step = step_of(batch_of(training.sampling.batch_size, size, training), training)
        steps = cast(SplitSpec, task.split).train * size.nodes / training.sampling.batch_size
    epoch = 3 * steps * step + whole / training.validate_every
    return Workload(step, training.max_epochs * epoch + whole)
