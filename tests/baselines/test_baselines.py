"""Every shipped method and regulariser: fits, sees nothing hidden, and predicts what it predicted before.

``PYTHONPATH=tests python tests/baselines/test_baselines.py`` writes golden.json anew, after ENGINE was raised.
"""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
from small import short_training, small_mag, small_task

import magbench
from magbench.method_string import parse_method
from magbench.registry import Registry
from magbench.specs import Protocol
from magbench.tasks.node_classification.view import NodeAnswer, NodeClassificationView
from magbench.train.compose import compose

ROUNDING = 1e-3
GOLDEN = Path(__file__).with_name("golden.json")
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


@pytest.mark.parametrize("name", METHODS)
def test_leak_probe(name: str, view: NodeClassificationView) -> None:
    """Replace everything hidden (the test labels) by noise: predictions stay byte-equal, and are acceptable."""
    task, mag = small_task(), small_mag()
    noisy = small_mag()
    generator = torch.Generator().manual_seed(7)
    noisy.y[view.test] = torch.randint(0, 4, (len(view.test),), generator=generator)
    assert not torch.equal(noisy.y, mag.y)
    probed = task.view_of_split(noisy, 0, task.draw(mag, 0))
    prediction = predict(name, view)
    task.check(prediction, view)
    assert prediction.scores.tobytes() == predict(name, probed).scores.tobytes()


def test_the_probe_catches_a_leak(view: NodeClassificationView) -> None:
    """A view that carries test labels changes a prediction: the probe can fail."""
    leaking = replace(view, train=torch.cat([view.train, view.test]), y=small_mag().y)
    noisy = replace(leaking, y=leaking.y.flip(0))
    assert predict("mlp", leaking).scores.tobytes() != predict("mlp", noisy).scores.tobytes()


@pytest.mark.parametrize("name", METHODS)
def test_golden_predictions(name: str, view: NodeClassificationView) -> None:
    """Predictions move only when ENGINE does (or the method's own source); processors differ by rounding only."""
    golden = json.loads(GOLDEN.read_text())
    assert golden["engine"] == magbench.ENGINE, "ENGINE was raised: write golden.json anew (see this file's head)."
    assert np.allclose(predict(name, view).scores[:5], golden["scores"][name], atol=ROUNDING)


def test_golden_predictions_tell_methods_apart() -> None:
    """No two methods agree within the tolerance, so a change of any of them would be seen."""
    scores = json.loads(GOLDEN.read_text())["scores"]
    for a, b in combinations(METHODS, 2):
        assert not np.allclose(scores[a], scores[b], atol=ROUNDING), (a, b)


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


if __name__ == "__main__":
    shown = small_task().view(small_mag(), 0)
    table = {name: [[round(float(v), 5) for v in row] for row in predict(name, shown).scores[:5]] for name in METHODS}
    GOLDEN.write_text(json.dumps({"engine": magbench.ENGINE, "scores": table}, indent=1) + "\n")
