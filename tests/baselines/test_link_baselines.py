"""Every method of link prediction gives what its formula says, whatever the order of the candidates."""

from __future__ import annotations

from dataclasses import replace

import networkx as nx
import numpy as np
import pytest
import torch
from small import short_training, small_link_task, small_mag, stored

from magbench.data.mag import simple_undirected
from magbench.errors import MethodError
from magbench.method_string import parse_method
from magbench.registry import Registry
from magbench.specs import Protocol
from magbench.tasks.link_prediction.view import LinkAnswer, LinkPredictionView
from magbench.train.compose import compose

FAMILY = "link_prediction"
REGISTRY = Registry.default()
PROTOCOL = Protocol(name="short", version=1, title="", ranked=False, seeds=(0,), training=short_training(6))
HOSTS = [
    name for name, entry in REGISTRY.methods.items() if entry.spec.kind != "regularizer" and entry.spec.does(FAMILY)
]
HEURISTICS = [name for name in HOSTS if REGISTRY.method(name).spec.kind == "method"]
REGULARIZERS = [name for name, entry in REGISTRY.methods.items() if entry.spec.kind == "regularizer"]
METHODS = [*HOSTS, "mlp[decoder=dot]", *(f"{host}+{name}" for host in ("mlp", "sage") for name in REGULARIZERS)]
TASK = small_link_task()


def predict(name: str, view: LinkPredictionView) -> LinkAnswer:
    torch.set_num_threads(1)
    strong = [(part, key, value) for part in REGULARIZERS for key, value in (("warmup", 0), ("lam", 10))]
    method = compose(parse_method(name).with_options(strong), REGISTRY, PROTOCOL, FAMILY).build()
    method.fit(view, seed=0)
    return method.predict(view)


@pytest.fixture(scope="module")
def view() -> LinkPredictionView:
    return TASK.view(small_mag(), 0)


@pytest.mark.parametrize("name", METHODS)
def test_the_order_of_the_candidates_says_nothing(name: str, view: LinkPredictionView) -> None:
    """The scores of candidates follow them to any other place, so that none is known by its place."""
    turned = replace(view, test=replace(view.test, candidates=view.test.candidates.roll(5, dims=1)))
    found = np.roll(predict(name, view).scores, 5, axis=1)
    np.testing.assert_allclose(predict(name, turned).scores, found, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", HOSTS)
def test_graph_of_few_edges(name: str) -> None:
    """Most nodes are isolated."""
    mag = small_mag()
    mag.edge_index = simple_undirected(mag.edge_index[:, :40], mag.num_nodes)
    view = TASK.view(mag, 0)
    prediction = predict(name, view)
    TASK.check(prediction, view)
    stored(TASK, [prediction], mag, 0)


def reference(name: str, view: LinkPredictionView) -> list[list[float]]:
    """The formulas by networkx, by dense powers and a dense inverse, and by sums over modalities."""
    n, pairs = (
        view.num_nodes,
        [(int(s), int(t)) for s, row in zip(view.test.source, view.test.candidates, strict=True) for t in row],
    )
    graph = nx.Graph(view.edge_index.t().tolist())
    graph.add_nodes_from(range(n))
    dense = nx.to_numpy_array(graph, nodelist=range(n))
    if name == "common_neighbours":
        found = [len(list(nx.common_neighbors(graph, s, t))) for s, t in pairs]
    elif name == "adamic_adar":
        found = [0.0 if s == t else p for s, t, p in nx.adamic_adar_index(graph, pairs)]
    elif name == "katz":
        table = sum(0.05**step * np.linalg.matrix_power(dense, step) for step in (1, 2, 3, 4))
        found = [table[pair] for pair in pairs]
    elif name == "ppr":
        loops = dense + np.eye(n)
        root = np.sqrt(loops.sum(1))
        table = 0.15 * np.linalg.inv(np.eye(n) - 0.85 * loops / root[:, None] / root[None, :])
        found = [table[pair] for pair in pairs]
    else:
        unit = [
            x.double().numpy() / np.maximum(np.linalg.norm(x.numpy(), axis=1), 1e-12)[:, None] for x in view.x.values()
        ]
        found = [sum(float(x[s] @ x[t]) for x in unit) for s, t in pairs]
    return np.reshape(found, view.test.candidates.shape).tolist()


@pytest.mark.parametrize("name", HEURISTICS)
def test_heuristics_follow_their_formulas(name: str, view: LinkPredictionView, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = reference(name, view)
    np.testing.assert_allclose(predict(name, view).scores, expected, rtol=1e-4, atol=1e-6)
    monkeypatch.setattr("magbench.train.heuristic._CHUNK_CELLS", 1500)
    np.testing.assert_allclose(predict(name, view).scores, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "family", "message"),
    [
        ("logistic_regression", FAMILY, "'logistic_regression' does node_classification, not link_prediction"),
        ("label_propagation", FAMILY, "'label_propagation' does node_classification, not link_prediction"),
        ("katz", "node_classification", "'katz' does link_prediction, not node_classification"),
    ],
)
def test_a_method_of_another_family_is_refused(name: str, family: str, message: str) -> None:
    with pytest.raises(MethodError, match=message):
        compose(name, REGISTRY, PROTOCOL, family)
