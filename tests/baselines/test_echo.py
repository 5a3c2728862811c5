"""The echo of coupled towers, and every method of retrieval under its controls."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from cheats import ByNeighbours, ByPosition, Cheat
from small import short_training, small_mag, small_retrieval_task, stored, views
from torch import Tensor

from magbench.errors import MethodError
from magbench.method_string import parse_method
from magbench.registry import Registry
from magbench.specs import Protocol
from magbench.tasks.retrieval.echo import measure_echo
from magbench.tasks.retrieval.view import RetrievalView
from magbench.train.compose import compose
from magbench.train.method import Method

REGISTRY = Registry.default()
PROTOCOL = Protocol(name="short", version=1, title="", ranked=False, seeds=(0,), training=short_training(2))
HOSTS = [
    name
    for name, entry in REGISTRY.methods.items()
    if entry.spec.kind != "regularizer" and entry.spec.does("retrieval")
]
REGULARIZERS = [name for name, entry in REGISTRY.methods.items() if entry.spec.kind == "regularizer"]
SIDES = ("text", "image")
WIDTH = 8
TASK = small_retrieval_task()
ONE_STEP = "goma[readout=fixed,step=1,steps=1]"


def same_width(mag: Any) -> Any:
    """Sides of one width, and the name of a shared space, which methods without a map of their own need."""
    mag.x_text, mag.features = mag.x_text[:, :WIDTH].clone(), "clip"
    return mag


MAG = same_width(small_mag())


def build(name: str) -> Method:
    torch.set_num_threads(1)
    strong = [(part, key, value) for part in REGULARIZERS for key, value in (("warmup", 0), ("lam", 10))]
    method = compose(parse_method(name).with_options(strong), REGISTRY, PROTOCOL, "retrieval").build()
    TASK.admit(method)
    return method


def fitted(method: Method, view: RetrievalView) -> Method:
    method.fit(view, seed=0)
    TASK.check(method.predict(view), view)
    return method


@pytest.fixture(scope="module")
def view() -> RetrievalView:
    return TASK.view(MAG, 0)


def hidden_pairs(view: RetrievalView) -> Tensor:
    """The pairs to be found, from the features of a second view whose features name the nodes."""
    mag = small_mag()
    mag.x_text, mag.x_image = torch.eye(200), torch.eye(200) * mag.has_image[:, None]
    named = TASK.view(mag, view.seed)
    rows = [{int(n): r for r, n in enumerate(named.sides[m].x.argmax(1)) if named.sides[m].observed[r]} for m in SIDES]
    found = torch.tensor([[row[int(node)] for node in TASK.ask(mag).asked] for row in rows])
    return found[:, found[0].argsort()]


def test_one_coupled_step_brings_nothing_of_the_same_node(view: RetrievalView) -> None:
    found = measure_echo(fitted(build(ONE_STEP), view).predict, view, hidden_pairs(view))
    assert found["echo.exchanged_half"] == 0 < found["echo.exchanged_self"]


def test_the_echo_of_more_steps_is_measured(view: RetrievalView) -> None:
    method = fitted(build("goma[readout=fixed,step=2,steps=2]"), view)
    found = TASK.telemetry(method, view, MAG, 0)
    assert found == measure_echo(method.predict, view, hidden_pairs(view))
    assert 0 < found["echo.exchanged_half"] < found["echo.exchanged_self"]
    assert TASK.telemetry(fitted(build("mlp"), view), view, MAG, 0) == {}


@pytest.mark.parametrize("control", ["no_graph", "node_disjoint", "edge_disjoint", "raw_query"])
@pytest.mark.parametrize("name", HOSTS)
def test_every_method_takes_every_control(name: str, control: str) -> None:
    task = small_retrieval_task(control=control)
    answers = []
    for part in views(task, MAG, 0):
        answers.append(fitted(build(name), part).predict(part))
    assert task.score(stored(task, answers, MAG, 0))


def test_the_echo_of_a_method_that_reads_the_other_half(view: RetrievalView) -> None:
    cheat = ByNeighbours()
    assert measure_echo(cheat.predict, view, hidden_pairs(view))["echo.exchanged_half"] > 0.3


def test_towers_must_be_declared() -> None:
    class Silent(Cheat):
        towers = None
        predict = ByPosition.predict

    with pytest.raises(MethodError, match='set towers = "pure"'):
        TASK.admit(Silent())
