"""The leak probe on every task family and method: noise in place of what is hidden changes no answer.

And it can fail: a planted leak of each family is found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from cheats import ByNeighbours, ByPosition
from small import short_training, small_link_task, small_mag, small_retrieval_task, small_task, stored

from magbench.data.mag import MAG
from magbench.method_string import parse_method
from magbench.registry import Registry
from magbench.specs import Protocol
from magbench.tasks.base import AnyTask
from magbench.tasks.link_prediction.task import LinkPredictionTask
from magbench.tasks.node_classification.task import NodeClassification
from magbench.train.compose import compose
from magbench.train.method import Method
from magbench.train.probe import leaks

REGISTRY = Registry.default()
PROTOCOL = Protocol(name="short", version=1, title="", ranked=False, seeds=(0,), training=short_training())
REGULARIZERS = [name for name, entry in REGISTRY.methods.items() if entry.spec.kind == "regularizer"]
STRONG = [(part, key, value) for part in REGULARIZERS for key, value in (("warmup", 0), ("lam", 10))]
TASKS = {
    "node_classification": small_task(),
    "link_prediction": small_link_task(),
    "retrieval": small_retrieval_task(),
}
CASES = [
    (family, name)
    for family in TASKS
    for name in [
        *(n for n, e in REGISTRY.methods.items() if e.spec.kind != "regularizer" and e.spec.does(family)),
        *(f"sage+{name}" for name in REGULARIZERS),
    ]
] + [("link_prediction", "mlp[decoder=dot]"), ("retrieval", "goma[readout=fixed,step=1,steps=1]")]


def probed_mag() -> MAG:
    """Both modalities of one width under the name of a shared space, which some methods need; pictures are missing."""
    mag = small_mag()
    return mag.replaced(x_text=mag.x_text[:, :8].clone(), features="clip")


def maker(name: str, family: str) -> Callable[[], Method]:
    torch.set_num_threads(1)
    return compose(parse_method(name).with_options(STRONG), REGISTRY, PROTOCOL, family).build


@pytest.mark.parametrize(("family", "name"), CASES)
def test_leak_probe(family: str, name: str) -> None:
    assert leaks(maker(name, family), TASKS[family], probed_mag(), 0) == []


@pytest.mark.parametrize("family", TASKS)
def test_what_is_hidden_is_replaced(family: str) -> None:
    """Of every family something is, so that its probe asks anything."""
    task, mag = TASKS[family], probed_mag()
    drawn = task.draw(mag, 0)
    method = maker("mlp", family)()
    hidden = task.hide(mag, 0, drawn)
    found = [probe.hidden for probe in task.probes(mag, 0, drawn, method)]
    if family == "retrieval":
        assert len(found) == 5
        return
    assert found == ["what the task hides"]
    assert hidden.fingerprint() != mag.fingerprint()
    assert task.digest(drawn) == task.digest(task.draw(mag, 0)), "the data set itself stays"


class ShowsTestLabels(NodeClassification):
    """Trains on the test nodes, too."""

    def views(self, mag: MAG, seed: int, drawn: Any, *, asked: bool = False) -> Iterator[Any]:
        for view in super().views(mag, seed, drawn, asked=asked):
            yield replace(view, train=torch.cat([view.train, view.test]), y=torch.from_numpy(self.labels(mag)))


class ShowsTestEdges(LinkPredictionTask):
    """Messages run along every edge, in one direction of those that are asked."""

    def views(self, mag: MAG, seed: int, drawn: Any, *, asked: bool = False) -> Iterator[Any]:
        held = torch.from_numpy(mag.edge_index.numpy())
        for view in super().views(mag, seed, drawn, asked=asked):
            yield replace(view, edge_index=torch.cat([view.edge_index, held[:, held[0] < held[1]]], dim=1))


@pytest.mark.parametrize(
    ("task", "name"),
    [
        (ShowsTestLabels(small_task().spec), "mlp"),
        (ShowsTestEdges(small_link_task().spec), "sage"),
        (ShowsTestEdges(small_link_task().spec), "common_neighbours"),
    ],
)
def test_a_leaking_view_is_found(task: AnyTask, name: str) -> None:
    assert leaks(maker(name, task.spec.family), task, probed_mag(), 0) == ["what the task hides"]


def test_a_method_that_goes_by_position_is_found_and_gains_nothing() -> None:
    task, mag = TASKS["retrieval"], probed_mag()
    found = leaks(ByPosition, task, mag, 0)
    assert {"the order of the rows of 'text'", "the order of the rows of 'image'"} <= set(found)
    ranks = stored(task, [ByPosition().predict(task.view(mag, 0))], mag, 0)
    assert task.score(ranks)[0].value < 0.15  # a permutation of 36 has one fixed point on average


def test_a_method_that_reads_the_other_half_is_found() -> None:
    """It would win: its R@1 on the connected nodes is far above chance."""
    task, mag = TASKS["retrieval"], probed_mag()
    assert "the messages between the sides" in leaks(ByNeighbours, task, mag, 0)
    scores = {
        (s.metric, s.split): s.value
        for s in task.score(stored(task, [ByNeighbours().predict(task.view(mag, 0))], mag, 0))
    }
    assert scores["recall@1", "test/connected"] > 0.5
