"""Every shipped method of node classification: graphs without edges, missing modalities, what its folder says."""

from __future__ import annotations

import pytest
import torch
from small import short_training, small_mag, small_task

from magbench.method_string import parse_method
from magbench.registry import Registry
from magbench.specs import Protocol
from magbench.tasks.node_classification.view import NodeAnswer, NodeClassificationView
from magbench.train.compose import compose

REGISTRY = Registry.default()
PROTOCOL = Protocol(name="short", version=1, title="", ranked=False, seeds=(0,), training=short_training())
HOSTS = [
    name
    for name, entry in REGISTRY.methods.items()
    if entry.spec.kind != "regularizer" and entry.spec.does("node_classification")
]
REGULARIZERS = [name for name, entry in REGISTRY.methods.items() if entry.spec.kind == "regularizer"]
METHODS = [*HOSTS, *(f"{host}+{name}" for host in ("mlp", "sage") for name in REGULARIZERS)]


def predict(name: str, view: NodeClassificationView) -> NodeAnswer:
    torch.set_num_threads(1)
    strong = [(part, key, value) for part in REGULARIZERS for key, value in (("warmup", 0), ("lam", 10))]
    strong.append(("placebo_rewired", "gradient_ratio", 10))  # two epochs hardly tell one wrong graph from another
    string = parse_method(name).with_options(strong)
    method = compose(string, REGISTRY, PROTOCOL).build()
    method.fit(view, seed=0)
    return method.predict(view)


@pytest.fixture(scope="module")
def view() -> NodeClassificationView:
    return small_task().view(small_mag(), 0)


@pytest.mark.parametrize("name", HOSTS)
def test_graph_without_edges(name: str) -> None:
    mag = small_mag()
    mag.edge_index = mag.edge_index[:, :0]
    view = small_task().view(mag, 0)
    small_task().check(predict(name, view), view)


def test_encoders_zero_a_missing_modality(view: NodeClassificationView) -> None:
    for name in ("mlp", "gcn", "sage", "gat"):
        encoder = REGISTRY.method(name).load()({"text": 12, "image": 8}, hidden=16).eval()
        z = encoder(view.x, view.edge_index, view.observed).z
        assert (z["image"][~view.observed["image"]] == 0).all()
        assert (z["image"][view.observed["image"]] != 0).any(dim=1).all()


def test_every_method_has_a_readme_and_a_citation_or_none() -> None:
    for entry in REGISTRY.methods.values():
        assert (entry.source / "README.md").is_file(), entry.spec.name
        assert entry.spec.summary, entry.spec.name
