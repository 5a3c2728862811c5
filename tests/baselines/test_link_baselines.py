"""Every method of link prediction: sees nothing hidden, gives what its formula says, and what it gave before.

``PYTHONPATH=tests python tests/baselines/test_link_baselines.py`` writes golden_link.json anew, after ENGINE moved.
"""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
import torch
from small import short_training, small_link_task, small_mag, stored

import magbench
from magbench.data.mag import MAG, simple_undirected
from magbench.errors import MethodError
from magbench.method_string import parse_method
from magbench.registry import Registry
from magbench.specs import Protocol
from magbench.tasks.link_prediction.view import LinkAnswer, LinkPredictionView
from magbench.train.compose import compose

ROUNDING = 1e-3
FAMILY = "link_prediction"
GOLDEN = Path(__file__).with_name("golden_link.json")
REGISTRY = Registry.default()
PROTOCOL = Protocol(name="short", version=1, title="", ranked=False, seeds=(0,), training=short_training(6))
HOSTS = [
    name for name, entry in REGISTRY.methods.items() if entry.spec.kind != "regularizer" and entry.spec.does(FAMILY)
]
HEURISTICS = [name for name in HOSTS if REGISTRY.method(name).spec.kind == "method"]
REGULARIZERS = [name for name, entry in REGISTRY.methods.items() if entry.spec.kind == "regularizer"]
PINNED = [*HOSTS, "mlp[decoder=dot]", "sage+dagr"]
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


def noisy_mag(mag: MAG) -> MAG:
    """The small MAG with every test edge replaced by a random pair; labels, which link prediction never shows, too."""
    test = torch.from_numpy(TASK.split(mag).test)
    keys = mag.edge_index[0] * mag.num_nodes + mag.edge_index[1]
    hidden = torch.cat([test[0] * mag.num_nodes + test[1], test[1] * mag.num_nodes + test[0]])
    generator = torch.Generator().manual_seed(7)
    noise = torch.randint(mag.num_nodes, test.shape, generator=generator)
    noisy = small_mag()
    kept = mag.edge_index[:, ~torch.isin(keys, hidden)]
    noisy.edge_index = simple_undirected(torch.cat([kept, noise], dim=1), mag.num_nodes)
    noisy.y = noisy.y.flip(0)
    return noisy


@pytest.mark.parametrize("name", METHODS)
def test_leak_probe(name: str, view: LinkPredictionView) -> None:
    """Replace everything hidden (test edges, in both directions, and labels) by noise: predictions stay byte-equal."""
    mag = small_mag()
    noisy = noisy_mag(mag)
    assert not torch.equal(noisy.edge_index, mag.edge_index)
    probed = TASK.view_of_draw(noisy, 0, TASK.draw(mag, 0))
    prediction = predict(name, view)
    TASK.check(prediction, view)
    assert prediction.scores.tobytes() == predict(name, probed).scores.tobytes()


@pytest.mark.parametrize("name", ["sage", "common_neighbours"])
def test_the_probe_catches_a_leak(name: str, view: LinkPredictionView) -> None:
    """Messages along the test edges, in one direction only, change a prediction: the probe can fail."""
    test = torch.from_numpy(TASK.split(small_mag()).test)
    for leak in (test, test.flip(0)):
        leaking = replace(view, edge_index=torch.cat([view.edge_index, leak], dim=1))
        assert predict(name, view).scores.tobytes() != predict(name, leaking).scores.tobytes()


@pytest.mark.parametrize("name", METHODS)
def test_the_order_of_the_candidates_says_nothing(name: str, view: LinkPredictionView) -> None:
    """The scores of candidates follow them to any other place, so that none is known by its place."""
    turned = replace(view, test=replace(view.test, candidates=view.test.candidates.roll(5, dims=1)))
    found = np.roll(predict(name, view).scores, 5, axis=1)
    np.testing.assert_allclose(predict(name, turned).scores, found, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", PINNED)
def test_golden_predictions(name: str, view: LinkPredictionView) -> None:
    """As in node classification, where every regulariser is pinned; one of them is enough here."""
    golden = json.loads(GOLDEN.read_text())
    assert golden["engine"] == magbench.ENGINE, "ENGINE was raised: write golden_link.json anew (see this file's head)."
    assert np.allclose(predict(name, view).scores[:2, :8], golden["scores"][name], atol=ROUNDING)


def test_golden_predictions_tell_methods_apart() -> None:
    """No two methods agree within the tolerance, so a change of any of them would be seen."""
    scores = json.loads(GOLDEN.read_text())["scores"]
    for a, b in combinations(PINNED, 2):
        assert not np.allclose(scores[a], scores[b], atol=ROUNDING), (a, b)


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


if __name__ == "__main__":
    shown = TASK.view(small_mag(), 0)
    table = {
        name: [[round(float(v), 5) for v in row[:8]] for row in predict(name, shown).scores[:2]] for name in PINNED
    }
    GOLDEN.write_text(json.dumps({"engine": magbench.ENGINE, "scores": table}, indent=1) + "\n")
