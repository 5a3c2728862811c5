"""Every method of retrieval: sees nothing hidden. And methods that cheat are caught."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from small import short_training, small_mag, small_retrieval_task, stored, views
from torch import Tensor

from magbench.errors import MethodError
from magbench.method_string import parse_method
from magbench.registry import Registry
from magbench.specs import Protocol
from magbench.tasks.retrieval.echo import measure_echo
from magbench.tasks.retrieval.view import RetrievalAnswer, RetrievalView, Side
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


PURE = [name for name in HOSTS if build(name).towers == "pure"]
COUPLED = [name for name in HOSTS if build(name).towers == "coupled"]


@pytest.fixture(scope="module")
def view() -> RetrievalView:
    return TASK.view(MAG, 0)


def turned(view: RetrievalView, name: str, seed: int = 5) -> tuple[RetrievalView, Tensor]:
    """The view with the rows of one side in another order, and row → new row."""
    side = view.sides[name]
    place = torch.randperm(len(side), generator=torch.Generator().manual_seed(seed))
    order = place.argsort()
    moved = Side(side.x[order], side.observed[order], place[side.edge_index])
    column = SIDES.index(name)
    train, val = (part.clone() for part in (view.train, view.val))
    train[column], val[column] = place[train[column]], place[val[column]]
    cross = {
        own: torch.stack([place[e[0]] if own != name else e[0], place[e[1]] if own == name else e[1]])
        for own, e in view.cross.items()
    }
    test = {**view.test, name: place[view.test[name]].sort().values}
    changed = replace(view, sides={**view.sides, name: moved}, train=train, val=val, test=test, cross=cross)
    return changed, place


def follows_rows(method: Method, view: RetrievalView) -> bool:
    """Whether the embeddings of a fitted method follow the rows of each side to any other place."""
    before = method.predict(view).embeddings
    for name in SIDES:
        other, place = turned(view, name)
        after = method.predict(other).embeddings
        expected = {**before, name: before[name][place.argsort()]}
        if not all(np.allclose(after[side], expected[side], rtol=1e-4, atol=1e-5) for side in SIDES):
            return False
    return True


def other_side_replaced(view: RetrievalView, kept: str) -> RetrievalView:
    """Noise for the features, the graph and the messages of the other side."""
    generator = torch.Generator().manual_seed(3)
    other = SIDES[1 - SIDES.index(kept)]
    side = view.sides[other]
    noise = Side(
        torch.randn(side.x.shape, generator=generator), side.observed.roll(7), side.edge_index.roll(13, dims=1).flip(0)
    )
    return replace(view, sides={**view.sides, other: noise}, cross=cross_replaced(view).cross)


def cross_replaced(view: RetrievalView) -> RetrievalView:
    generator = torch.Generator().manual_seed(4)
    count = len(view.sides["text"])
    cross = {m: torch.randint(count, edges.shape, generator=generator) for m, edges in view.cross.items()}
    return replace(view, cross=cross)


def pure_holds(make: Any, view: RetrievalView) -> bool:
    """Byte-equal under any messages between the sides, which alone can tell a hidden pair, and any other side."""
    method = fitted(make(), view)
    before = method.predict(view).embeddings
    without = fitted(make(), cross_replaced(view)).predict(cross_replaced(view)).embeddings
    if any(before[name].tobytes() != without[name].tobytes() for name in SIDES):
        return False
    return all(
        before[name].tobytes() == method.predict(other_side_replaced(view, name)).embeddings[name].tobytes()
        for name in SIDES
    )


def hidden_pairs(view: RetrievalView) -> Tensor:
    """The pairs to be found, from the features of a second view whose features name the nodes."""
    mag = small_mag()
    mag.x_text, mag.x_image = torch.eye(200), torch.eye(200) * mag.has_image[:, None]
    named = TASK.view(mag, view.seed)
    rows = [{int(n): r for r, n in enumerate(named.sides[m].x.argmax(1)) if named.sides[m].observed[r]} for m in SIDES]
    found = torch.tensor([[row[int(node)] for node in TASK.ask(mag).asked] for row in rows])
    return found[:, found[0].argsort()]


@pytest.mark.parametrize("name", [*PURE, *(f"sage+{name}" for name in REGULARIZERS)])
def test_pure_methods_see_one_side_at_a_time(name: str, view: RetrievalView) -> None:
    assert pure_holds(lambda: build(name), view)


@pytest.mark.parametrize("name", HOSTS)
def test_embeddings_follow_the_rows(name: str, view: RetrievalView) -> None:
    assert follows_rows(fitted(build(name), view), view)


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
@pytest.mark.parametrize("name", [*HOSTS, *(f"mlp+{name}" for name in REGULARIZERS)])
def test_every_method_takes_every_control(name: str, control: str) -> None:
    task = small_retrieval_task(control=control)
    answers = []
    for part in views(task, MAG, 0):
        answers.append(fitted(build(name), part).predict(part))
    assert task.score(stored(task, answers, MAG, 0))


class Cheat(Method):
    """Base of methods that claim pure towers."""

    towers = "pure"

    def fit(self, view: RetrievalView, *, seed: int) -> None:
        pass


class ByPosition(Cheat):
    """Takes the k-th item that is asked on one side for the pair of the k-th on the other."""

    def predict(self, view: RetrievalView) -> RetrievalAnswer:
        found = {}
        for name, rows in view.test.items():
            embeddings = np.zeros((len(view.sides[name]), len(rows)), dtype=np.float32)
            embeddings[rows, np.arange(len(rows))] = 1
            found[name] = embeddings
        return RetrievalAnswer(found)


class ByNeighbours(Cheat):
    """Finds the other half of a node as the row whose neighbours send to it across, and reads its features."""

    def predict(self, view: RetrievalView) -> RetrievalAnswer:
        image, text = view.sides["image"], view.sides["text"]
        inside = [frozenset(image.edge_index[0, image.edge_index[1] == row].tolist()) for row in range(len(image))]
        partner = {neighbours: row for row, neighbours in enumerate(inside) if neighbours}
        across = view.cross["text"]
        x = torch.zeros(len(text), image.x.size(1))
        for row in range(len(text)):
            match = partner.get(frozenset(across[0, across[1] == row].tolist()))
            if match is not None:
                x[row] = image.x[match]
        return RetrievalAnswer({"text": x.numpy(), "image": image.x.numpy()})


def test_a_method_that_goes_by_position_is_caught_and_gains_nothing(view: RetrievalView) -> None:
    assert not follows_rows(ByPosition(), view)
    ranks = stored(TASK, [ByPosition().predict(view)], MAG, 0)
    assert TASK.score(ranks)[0].value < 0.15  # a permutation of 36 has one fixed point on average


def test_a_method_that_reads_the_other_half_is_caught(view: RetrievalView) -> None:
    """It would win: its R@1 on the connected nodes is far above chance."""
    cheat = ByNeighbours()
    scores = {(s.metric, s.split): s.value for s in TASK.score(stored(TASK, [cheat.predict(view)], MAG, 0))}
    assert scores["recall@1", "test/connected"] > 0.5
    assert not pure_holds(ByNeighbours, view)
    assert measure_echo(cheat.predict, view, hidden_pairs(view))["echo.exchanged_half"] > 0.3


def test_towers_must_be_declared() -> None:
    class Silent(Cheat):
        towers = None
        predict = ByPosition.predict

    with pytest.raises(MethodError, match='set towers = "pure"'):
        TASK.admit(Silent())
