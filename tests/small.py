"""A small MAG and task for tests that must not depend on any data set's files."""

from __future__ import annotations

import torch

from magbench.data.mag import MAG, simple_undirected
from magbench.specs import TaskSpec, Training
from magbench.tasks.link_prediction import LinkPredictionTask
from magbench.tasks.node_classification import NodeClassification


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
            task_class="magbench.tasks.node_classification:NodeClassification",
            dataset="small",
            metrics=("accuracy", "macro_f1"),
            select="accuracy",
        )
    )


def small_link_task(rule: str = "edges") -> LinkPredictionTask:
    """Link prediction on :func:`small_mag`, 30 negatives a test edge."""
    split = {"rule": rule, "val_negatives": 10, **({"negatives": 30} if rule == "edges" else {})}
    return LinkPredictionTask(
        TaskSpec.parse(
            {
                "family": "link_prediction",
                "name": "small",
                "version": 1,
                "title": "small",
                "task_class": "magbench.tasks.link_prediction:LinkPredictionTask",
                "dataset": "small",
                "metrics": ("mrr", "hits@1", "hits@3", "hits@10"),
                "select": "mrr",
                "split": split,
            },
            "small",
        )
    )


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
