"""What a method is given: a view of its task.

What may not be seen is absent, not masked by convention: the labels of the test nodes are not in the object at all.
What a method gives back is an *answer*; each family has its own view and answer (``magbench/tasks/<family>/view.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from magbench.data.mag import MAG


@dataclass(frozen=True, eq=False)
class TaskView:
    """The part every family shares.

    Attributes:
        task: versioned task id.
        seed: the run's; a split that is not fixed was drawn with it.
        x: modality → float32 [N, d_m]; rows of missing modalities are zero.
        observed: modality → bool [N].
        edge_index: int64 [2, E], both directions.
        texts: the nodes' texts, or ``None``.
    """

    task: str
    seed: int
    x: dict[str, Tensor]
    observed: dict[str, Tensor]
    edge_index: Tensor
    texts: Sequence[str | None] | None

    @property
    def num_nodes(self) -> int:
        return next(iter(self.x.values())).size(0)

    @property
    def y_train(self) -> Tensor:
        """int64 [N]; the class of training nodes, -1 everywhere else: everywhere, where the task has no classes."""
        return torch.full((self.num_nodes,), -1)


def shared_fields(mag: MAG, task: str, seed: int) -> dict[str, Any]:
    """The fields of a :class:`TaskView` that shows all of a MAG but its labels."""
    return {
        "task": task,
        "seed": seed,
        "x": mag.x_dict,
        "observed": mag.has_dict,
        "edge_index": mag.edge_index,
        "texts": mag.texts,
    }
