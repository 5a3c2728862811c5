"""How much a cell of link prediction reads."""

from __future__ import annotations

from magbench.specs import TaskSpec, Training
from magbench.tasks.link_prediction.rule import EdgeSplitSpec
from magbench.tasks.workload import Size, Workload, batch_of, step_of

OFFICIAL = EdgeSplitSpec(negatives=150)
"""What an official edge split is taken for before it is here: 80/10/10 with 150 negatives."""
TARGET_SHARE = 0.2
"""Of the training edges, in a step over the whole graph (:class:`magbench.train.link_prediction`'s default)."""


def workload(task: TaskSpec, size: Size, training: Training) -> Workload:
    """As in node classification; and a decoder scores the targets of each step, and all candidates."""
    rule = task.split if isinstance(task.split, EdgeSplitSpec) else OFFICIAL
    edges, whole = size.edges / 2, step_of(size, training)
    items, of_pair = rule.train * edges, 2 * training.hidden
    validated, tested = rule.val * edges * (1 + rule.val_negatives), rule.test * edges * (1 + rule.negatives)
    step, steps, share = whole, 1.0, TARGET_SHARE
    if training.sampling is not None:  # an edge has two ends, its negative another two
        step, share = step_of(batch_of(4 * training.sampling.batch_size, size, training), training), 1.0
        steps = items / training.sampling.batch_size
    epoch = 3 * (steps * step + 2 * share * items * of_pair) + (whole + validated * of_pair) / training.validate_every
    return Workload(step, training.max_epochs * epoch + whole + tested * of_pair)
