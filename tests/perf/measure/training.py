"""What OptiMAG costs in training: a regularised step over a plain one, both by the one training loop.

The *host* is a 2-layer GraphSAGE on a synthetic graph of 6,000 nodes with two modalities of 256 numbers each; ``emoji``
is the shipped data set, whose plain step is so short that any regulariser dominates it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from magbench.errors import MagbenchWarning
from magbench.perf.timing import Spread, interleave

GRAPHS = ("host", "emoji")
_EPOCHS = 3
_HIDDEN = 128
_OPTIMAG = {"N": 512, "n_outer": 5, "n_sinkhorn": 20}


def step_overhead(graph: str, *, rounds: int, nodes: int = 6_000) -> tuple[Spread, Spread]:
    """Time training with and without OptiMAG (512 nodes a batch, 5 outer x 20) in turns.

    Args:
        graph: ``"host"`` or ``"emoji"``.
        rounds: interleaved rounds of three epochs each.
        nodes: nodes of the host's graph.

    Returns:
        CPU seconds of a plain step (with its share of one validation in three), and the ratio of a regularised one.
    """
    from magbench.regularizers import OptiMAG

    view = _emoji() if graph == "emoji" else _host(nodes)
    plain, regularised = _trainer(view, []), _trainer(view, [OptiMAG(**_OPTIMAG)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MagbenchWarning)
        found = interleave({"plain": plain, "optimag": regularised}, rounds)
    return found.spread("plain").scaled(1.0 / _EPOCHS), found.ratio("optimag", "plain")


def _trainer(view: Any, regularizers: list[Any]) -> Callable[[], object]:
    """A call that trains three epochs; the regulariser's PageRank is kept from call to call."""
    from magbench.registry import Registry
    from magbench.specs import Training
    from magbench.train.method import EncoderMethod

    training = Training(
        lr=1e-3, weight_decay=0.0, hidden=_HIDDEN, layers=2, dropout=0.5, max_epochs=_EPOCHS, patience=_EPOCHS,
        validate_every=_EPOCHS,
    )  # fmt: skip
    sage = Registry.default().method("sage").load()
    method = EncoderMethod(sage, training, regularizers, lr=1e-3, hidden=_HIDDEN, layers=2, dropout=0.5)
    return lambda: method.fit(view, seed=0)


def _host(nodes: int) -> Any:
    from magbench.data.synthetic import generate
    from magbench.registry import Registry
    from magbench.tasks.node_classification.task import NodeClassification

    mag, _ = generate(num_nodes=nodes, dim=256, degree=10.0)
    return NodeClassification(Registry.default().task("node_classification/synthetic-conflict")).view(mag, 0)


def _emoji() -> Any:
    from magbench.data.load import load_dataset
    from magbench.registry import Registry
    from magbench.tasks.node_classification.task import NodeClassification

    registry = Registry.default()
    return NodeClassification(registry.task("node_classification/emoji")).view(
        load_dataset(registry.dataset("emoji")), 0
    )
