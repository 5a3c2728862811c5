"""The load of a cell: how many numbers its training, validation and predictions read, from the size of its task.

The unit is one number that a node's features or a message bring into a step, with all that is done to it: a step over N
nodes, E directed edges, features of width D and hidden width h reads N D + E h of them, a pair that a decoder scores
2 h. Loads serve to scale what cells took (:mod:`magbench.run.estimate`), so only their ratios count.
"""

from __future__ import annotations

from dataclasses import dataclass

from magbench.data.load import load_dataset
from magbench.data.meta import read_meta
from magbench.data.place import dataset_folder, is_here
from magbench.specs import DatasetSpec, EdgeSplitSpec, PairSplitSpec, SplitSpec, TaskSpec, Training

OFFICIAL = EdgeSplitSpec(rule="edges", negatives=150)
"""What an official edge split is taken for before it is here: 80/10/10 with 150 negatives."""
TARGET_SHARE = 0.2
"""Of the training edges, in a step over the whole graph (:class:`magbench.train.link_prediction`'s default)."""

BATCH = 2048
"""Training pairs that are compared with each other at once, at most."""


@dataclass(frozen=True)
class Size:
    """Nodes, directed edges and columns of all modalities."""

    nodes: float
    edges: float
    width: int


@dataclass(frozen=True)
class Load:
    """Numbers read by a training step, which memory grows with, and by a whole cell that uses every epoch it has."""

    step: float
    cell: float


def size_of(spec: DatasetSpec, features: str) -> Size | None:
    """The size of a data set: measured where it is here, else as its specification expects it; ``None``: not known.

    Of edges that papers quote, MAGB and MMAG count both directions; MM-Graph does not say, and is taken not to.
    """
    if spec.source == "synthetic":
        mag = load_dataset(spec, features)
        return Size(mag.num_nodes, mag.edge_index.size(1), sum(x.size(1) for x in mag.x_dict.values()))
    if is_here(spec, features):
        meta = read_meta(dataset_folder(spec))
        return Size(meta.counts.nodes, meta.counts.directed_edges, sum(meta.features[features].values()))
    mirror = next((mirror for mirror in spec.mirrors if features in mirror.features), None)
    if mirror is None or "nodes" not in spec.counts or spec.quoted_edges is None:
        return None
    directions = 2 if mirror.layout == "mmgraph" else 1
    width = sum(part.dim for part in mirror.features[features].values())
    return Size(spec.counts["nodes"], directions * spec.quoted_edges, width)


def load_of(task: TaskSpec, size: Size, training: Training) -> Load:
    """The load of a cell; a forward and backward pass counts three times a forward one."""
    whole = _step(size, training)
    if isinstance(task.split, PairSplitSpec):
        return _of_pairs(task.split, whole, size, training)
    items, validated, tested = _items(task, size)
    step, steps, share = whole, 1.0, TARGET_SHARE
    if training.sampling is not None:
        step, share = _step(_batch(task, size, training), training), 1.0
        steps = items / training.sampling.batch_size
    of_pair = 2 * training.hidden
    trained = 0.0 if isinstance(task.split, SplitSpec) else 2 * share * items
    epoch = 3 * (steps * step + trained * of_pair) + (whole + validated * of_pair) / training.validate_every
    return Load(step, training.max_epochs * epoch + whole + tested * of_pair)


def _of_pairs(split: PairSplitSpec, whole: float, size: Size, training: Training) -> Load:
    """Retrieval: every training pair is compared with all others of its batch, validation and test pairs with all.

    A comparison, an inner product of width h, counts as one number. A control with two passes trains twice;
    node-disjoint context has nearly every node twice.
    """
    train, val, test = (share * size.nodes for share in (split.train, split.val, split.test))
    passes = 2 if split.control in ("node_disjoint", "raw_query") else 1
    forward = whole * (2 if split.control == "node_disjoint" else 1)
    step = forward + train * min(train, BATCH)
    epoch = 3 * step + (forward + 2 * val * val) / training.validate_every
    pool = test if split.pool != "all" else size.nodes
    return Load(step, passes * (training.max_epochs * epoch + forward + 2 * test * pool))


def _items(task: TaskSpec, size: Size) -> tuple[float, float, float]:
    """Nodes or edges trained on, and pairs scored to validate and to test (none where nodes are classified)."""
    if isinstance(task.split, SplitSpec):
        return task.split.train * size.nodes, 0, 0
    rule = task.split if isinstance(task.split, EdgeSplitSpec) else OFFICIAL
    edges = size.edges / 2
    return rule.train * edges, rule.val * edges * (1 + rule.val_negatives), rule.test * edges * (1 + rule.negatives)


def _batch(task: TaskSpec, size: Size, training: Training) -> Size:
    """A mini-batch: its seeds (an edge has two ends, its negative another two) and neighbours of their neighbours."""
    assert training.sampling is not None
    seeds = training.sampling.batch_size * (1 if isinstance(task.split, SplitSpec) else 4)
    drawn = min(training.sampling.fanout, size.edges / size.nodes)
    rings = [seeds * drawn**hop for hop in range(training.layers + 1)]
    return Size(min(size.nodes, sum(rings)), min(size.edges, sum(rings[1:])), size.width)


def _step(size: Size, training: Training) -> float:
    return size.nodes * size.width + size.edges * training.hidden
