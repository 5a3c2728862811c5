"""The workload of a cell: how many numbers its training, validation and predictions read, from the size of its task.

The unit is one number that a node's features or a message bring into a step, with all that is done to it: a step over N
nodes, E directed edges, features of width D and hidden width h reads N D + E h of them, a pair that a decoder scores
2 h. Workloads serve to scale what cells took, so only their ratios count. A family's own function makes one of a task:
``workload(task, size, training)``.
"""

from __future__ import annotations

from dataclasses import dataclass

from magbench.specs import Training


@dataclass(frozen=True)
class Size:
    """Nodes, directed edges and columns of all modalities."""

    nodes: float
    edges: float
    width: int


@dataclass(frozen=True)
class Workload:
    """Numbers read by a training step, which memory grows with, and by a whole cell that uses every epoch it has."""

    step: float
    cell: float


def step_of(size: Size, training: Training) -> float:
    """Numbers that one pass over a graph of this size reads."""
    return size.nodes * size.width + size.edges * training.hidden


def batch_of(seeds: float, size: Size, training: Training) -> Size:
    """A mini-batch: its seeds, and neighbours of their neighbours."""
    assert training.sampling is not None
    drawn = min(training.sampling.fanout, size.edges / size.nodes)
    rings = [seeds * drawn**hop for hop in range(training.layers + 1)]
    return Size(min(size.nodes, sum(rings)), min(size.edges, sum(rings[1:])), size.width)
