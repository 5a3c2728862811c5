"""A small MAG and task for tests that must not depend on any data set's files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from magbench.data.mag import MAG, simple_undirected
from magbench.specs import TaskSpec, Training
from magbench.tasks.base import AnyTask
from magbench.tasks.link_prediction.rule import EdgeSplitSpec, OfficialEdgeSplitSpec
from magbench.tasks.link_prediction.task import LinkPredictionTask
from magbench.tasks.node_classification.rule import SplitSpec
from magbench.tasks.node_classification.task import NodeClassification
from magbench.tasks.retrieval.rows import pairs_among
from magbench.tasks.retrieval.rule import PairSplitSpec
from magbench.tasks.retrieval.task import RetrievalTask
from magbench.tasks.retrieval.view import RetrievalView, Side


def small_mag(num_nodes: int = 200, num_classes: int = 4, seed: int = 0) -> MAG:
    """Noisy class means as text and image features, mostly homophilous edges, a tenth of the pictures missing."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(num_nodes) % num_classes
    edges = torch.randint(0, num_nodes, (2, 8 * num_nodes), generator=generator)
    same = labels[edges[0]] == labels[edges[1]]
    edges = edges[:, same | (torch.rand(edges.size(1), generator=generator) < 0.1)]
    centres = torch.randn(num_classes, 12, generator=generator)
    features = {
        name: centres[labels, :dim] + 2 * torch.randn(num_nodes, dim, generator=generator)
        for name, dim in (("text", 12), ("image", 8))
    }
    has_image = torch.rand(num_nodes, generator=generator) > 0.1
    features["image"][~has_image] = 0
    mag = MAG.build(
        name="small",
        version=1,
        edge_index=simple_undirected(edges, num_nodes),
        x=features,
        has={"text": torch.ones(num_nodes, dtype=torch.bool), "image": has_image},
        labels={"y": labels},
        classes={"y": [f"class {label}" for label in range(num_classes)]},
        texts=[f"node {node}" for node in range(num_nodes)],
        features="noise",
    )
    mag.validate()
    return mag


def small_task() -> NodeClassification:
    """Node classification on :func:`small_mag`."""
    return NodeClassification(
        TaskSpec(
            family="node_classification",
            name="small",
            version=1,
            title="small",
            task_class="magbench.tasks.node_classification.task:NodeClassification",
            dataset="small",
            split=SplitSpec(),
            metrics=("accuracy", "macro_f1"),
        )
    )


def small_link_task(rule: str = "edges") -> LinkPredictionTask:
    """Link prediction on :func:`small_mag`, 30 negatives a test edge."""
    few = {"val_negatives": 10}
    split = EdgeSplitSpec(negatives=30, **few) if rule == "edges" else OfficialEdgeSplitSpec(**few)
    return LinkPredictionTask(
        TaskSpec.parse(
            {
                "family": "link_prediction",
                "name": "small",
                "version": 1,
                "title": "small",
                "task_class": "magbench.tasks.link_prediction.task:LinkPredictionTask",
                "dataset": "small",
                "metrics": ("mrr", "hits@1", "hits@3", "hits@10"),
                "split": split,
            },
            "small",
        )
    )


def small_retrieval_task(**variant: str | None) -> RetrievalTask:
    """Retrieval on :func:`small_mag`; ``variant`` gives a pool, control or text."""
    return RetrievalTask(
        TaskSpec.parse(
            {
                "family": "retrieval",
                "name": "small",
                "version": 1,
                "title": "small",
                "task_class": "magbench.tasks.retrieval.task:RetrievalTask",
                "dataset": "small",
                "metrics": ("recall@1", "recall@5", "recall@10", "mrr", "median_rank"),
                "split": PairSplitSpec(),
                "variant": {option: value for option, value in variant.items() if value is not None},
            },
            "small",
        )
    )


def views(task: AnyTask, mag: MAG, seed: int) -> list[Any]:
    """Every view that a cell of this seed fits a method to."""
    return list(task.views(mag, seed, task.draw(mag, seed)))


def stored(task: AnyTask, answers: Sequence[Any], mag: MAG, seed: int) -> Any:
    """The prediction that the task stores of these answers."""
    return task.stored(answers, mag, seed, task.draw(mag, seed))


def digest(task: AnyTask, mag: MAG, seed: int) -> str:
    """sha256 of what the task draws."""
    return task.digest(task.draw(mag, seed))


def short_training(max_epochs: int = 2) -> Training:
    """The standard constants, shrunk."""
    return Training(
        lr=0.01,
        weight_decay=1e-4,
        hidden=16,
        layers=2,
        dropout=0.5,
        max_epochs=max_epochs,
        patience=50,
        validate_every=1,
    )


def small_retrieval_view(
    num_nodes: int = 200, seed: int = 0, *, planted: Callable[[Tensor], Tensor] | None = None
) -> RetrievalView:
    """The sides of :func:`small_mag` in orders of their own; of the nodes with a picture 60 % train, 20 % validate.

    Args:
        num_nodes: of the small MAG.
        seed: of the orders and the split.
        planted: from text features to picture features, in place of the picture features there are.
    """
    mag = small_mag(num_nodes)
    if planted is not None:
        mag.x_image = planted(mag.x_text) * mag.has_image[:, None]
    generator = torch.Generator().manual_seed(seed)
    rows = {name: torch.randperm(num_nodes, generator=generator) for name in mag.modalities}
    sides = {}
    for name in mag.modalities:
        order = rows[name].argsort()
        x = mag.x_dict[name][order]
        edges = rows[name][mag.edge_index]
        sides[name] = Side(x, mag.has_dict[name][order], edges)
    text, image = mag.modalities
    both = torch.nonzero(mag.has_dict[image]).flatten()
    both = both[torch.randperm(len(both), generator=generator)]
    train, val, test = both.tensor_split((int(0.6 * len(both)), int(0.8 * len(both))))
    source, target = mag.edge_index
    return RetrievalView(
        task="retrieval/small@1",
        seed=seed,
        sides=sides,
        train=torch.stack([rows[text][train], rows[image][train]]),
        val=torch.stack([rows[text][val], rows[image][val]]),
        test={name: rows[name][test].sort().values for name in mag.modalities},
        cross={
            text: torch.stack([rows[image][source], rows[text][target]]),
            image: torch.stack([rows[text][source], rows[image][target]]),
        },
        train_edges=pairs_among(train.numpy(), mag.edge_index.numpy(), num_nodes),
    )
