"""Every method of retrieval embeds a side without the other if it says so, and gives what its formula says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.linalg import orthogonal_procrustes
from sklearn.linear_model import Ridge
from small import short_training, small_retrieval_view
from torch import Tensor
from torch.nn import functional

from magbench.errors import MethodError
from magbench.method_string import parse_method
from magbench.nn.goma import CoupledGraph
from magbench.registry import Registry
from magbench.specs import Protocol
from magbench.tasks.retrieval.view import RetrievalView
from magbench.train.compose import compose
from magbench.train.method import Method

FAMILY = "retrieval"
REGISTRY = Registry.default()
PROTOCOL = Protocol(name="short", version=1, title="", ranked=False, seeds=(0,), training=short_training(6))
FROZEN = ["zero_shot", "realign"]
"""Methods that need both sides in one space."""
HOSTS = [
    name
    for name, entry in REGISTRY.methods.items()
    if entry.spec.kind != "regularizer" and entry.spec.does(FAMILY) and name != "goma"  # which has a file of its own
]
METHODS = [*HOSTS, "sage+optimag", "sage+dagr", "sage+geometric_consistency"]
TURN = torch.linalg.qr(torch.randn(12, 12, generator=torch.Generator().manual_seed(0)))[0]


def fitted(name: str, view: RetrievalView, protocol: Protocol = PROTOCOL) -> Method:
    torch.set_num_threads(1)
    strong = [(part, key, value) for part in ("optimag", "dagr") for key, value in (("warmup", 0), ("lam", 10))]
    strong += [(part, "shared", True) for part in FROZEN]
    method = compose(parse_method(name).with_options(strong), REGISTRY, protocol, FAMILY).build()
    method.fit(view, seed=0)
    return method


def embeddings(name: str, view: RetrievalView) -> dict[str, np.ndarray]:
    return fitted(name, view).predict(view).embeddings


def recall(method: Method, view: RetrievalView) -> float:
    """R@1 of the pairs that the view does not say, mean of both directions, worked out here from the planted map."""
    found = {name: torch.from_numpy(rows) for name, rows in method.predict(view).embeddings.items()}
    text, image = view.sides
    truth = functional.normalize(view.sides[image].x @ TURN.t(), dim=1)
    queries = view.test[text]
    right = (functional.normalize(view.sides[text].x[queries], dim=1) @ truth[view.test[image]].t()).argmax(1)
    scores = found[text][queries] @ found[image][view.test[image]].t()
    back = scores.t().argmax(1)[right] == torch.arange(len(queries))
    return float(((scores.argmax(1) == right).double().mean() + back.double().mean()) / 2)


def view_of(name: str) -> RetrievalView:
    """Both sides have one width where the method needs that."""
    return small_retrieval_view(planted=lambda x: x @ TURN) if name in FROZEN else small_retrieval_view()


def as_bytes(method: Method, view: RetrievalView) -> dict[str, bytes]:
    return {name: rows.tobytes() for name, rows in method.predict(view).embeddings.items()}


@pytest.mark.parametrize("name", METHODS)
def test_embeddings_have_one_width_and_unit_rows(name: str) -> None:
    view = view_of(name)
    method = fitted(name, view)
    found = method.predict(view).embeddings
    assert {part: len(rows) for part, rows in found.items()} == {part: len(side) for part, side in view.sides.items()}
    assert len({rows.shape[1] for rows in found.values()}) == 1
    for part, rows in found.items():
        assert rows.dtype == np.float32
        assert np.allclose(np.linalg.norm(rows[view.sides[part].observed], axis=1), 1, atol=1e-5)
    assert method.towers in ("pure", "coupled")
    assert 0 < method.outcome.value <= 1


@pytest.mark.parametrize("name", METHODS)
def test_a_pure_method_does_not_see_the_other_side(name: str) -> None:
    """Noise in the other side and in ``cross`` after fitting leaves each byte of this side's rows; or it is coupled."""
    view = view_of(name)
    method = fitted(name, view)
    before = as_bytes(method, view)
    seen = []
    for kept, other in (view.sides, reversed(list(view.sides))):
        side = view.sides[other]
        noise = replace(side, x=torch.randn_like(side.x), edge_index=side.edge_index.flip(1)[:, :9])
        cross = {part: edges[:, :1] for part, edges in view.cross.items()}
        changed = replace(view, sides={p: noise if p == other else view.sides[p] for p in view.sides}, cross=cross)
        after = as_bytes(method, changed)
        assert after[other] != before[other]
        seen.append(after[kept] != before[kept])
    assert seen == [method.towers == "coupled"] * 2


@pytest.mark.parametrize("name", HOSTS)
def test_graph_without_edges(name: str) -> None:
    view = view_of(name)
    sides = {part: replace(side, edge_index=side.edge_index[:, :0]) for part, side in view.sides.items()}
    bare = replace(view, sides=sides, cross={part: edges[:, :0] for part, edges in view.cross.items()})
    assert all(np.isfinite(rows).all() for rows in embeddings(name, bare).values())


@pytest.mark.parametrize("name", ["smoothed_ridge[K=2]", "crossed_ridge[weights=[1]]", "goma[readout=uniform]"])
def test_a_missing_item_sends_nothing(name: str) -> None:
    """Its row says that nothing is known of it, so what stands there reaches no other item."""
    view = view_of(name)
    assert not view.sides["image"].observed.all()
    sides = {
        part: replace(side, x=torch.where(side.observed[:, None], side.x, torch.ones_like(side.x).cumsum(1)))
        for part, side in view.sides.items()
    }
    method, other = fitted(name, view), fitted(name, replace(view, sides=sides))
    after = other.predict(replace(view, sides=sides)).embeddings
    assert all(np.array_equal(rows, after[part]) for part, rows in method.predict(view).embeddings.items())
    if name.startswith("smoothed"):
        start = next(method.smoothed(view, method.maps, 0))["image"]
        assert torch.equal(start.any(1), view.sides["image"].observed)


def test_smoothed_ridge_makes_its_graph_once_a_view(monkeypatch) -> None:
    view, made, plain = small_retrieval_view(), [], CoupledGraph.of_sides
    monkeypatch.setattr(CoupledGraph, "of_sides", lambda *args, **options: made.append(1) or plain(*args, **options))
    method = fitted("smoothed_ridge", view)
    side = view.sides["image"]
    other = replace(view, sides={**view.sides, "image": replace(side, x=side.x.flip(0))})
    before, after = as_bytes(method, view), as_bytes(method, other)
    assert before != after and as_bytes(method, view) == before
    assert len(made) == 1
    bare = replace(view, sides={**view.sides, "image": replace(side, edge_index=side.edge_index[:, :0])})
    assert as_bytes(method, bare) != before and as_bytes(method, view) == before
    assert len(made) == 3


@pytest.mark.parametrize("name", METHODS)
def test_same_seed_same_bytes(name: str) -> None:
    view = view_of(name)
    assert as_bytes(fitted(name, view), view) == as_bytes(fitted(name, view), view)


def training_rows(view: RetrievalView) -> list[np.ndarray]:
    """Unit rows of the training pairs, centred."""
    rows = [
        functional.normalize(s.x[own].double(), dim=1) for s, own in zip(view.sides.values(), view.train, strict=True)
    ]
    return [(x - x.mean(0)).numpy() for x in rows]


@pytest.mark.parametrize("source", ["first", "second"])
def test_ridge_is_sklearns(source: str) -> None:
    view = small_retrieval_view()
    method = fitted(f"ridge[alphas=[0.3],source={source}]", view)
    x, y = training_rows(view) if source == "first" else training_rows(view)[::-1]
    expected = Ridge(alpha=0.3).fit(x, y)
    a, b = list(view.sides) if source == "first" else list(view.sides)[::-1]
    np.testing.assert_allclose(method.maps[a].weight.numpy(), expected.coef_.T, atol=1e-10)
    assert method.maps[b].weight is None
    closed = np.linalg.solve(x.T @ x + 0.3 * np.eye(x.shape[1]), x.T @ y)
    np.testing.assert_allclose(method.maps[a].weight.numpy(), closed, atol=1e-10)


def test_procrustes_recovers_a_planted_turn() -> None:
    """A B' is the turn that made the pictures, and scipy's rotation."""
    view = small_retrieval_view(planted=lambda x: x @ TURN)
    method = fitted("procrustes[ranks=[99]]", view)
    first, second = (method.maps[name].weight.numpy() for name in view.sides)
    np.testing.assert_allclose(first @ second.T, TURN.double().numpy(), atol=1e-6)
    np.testing.assert_allclose(first @ second.T, orthogonal_procrustes(*training_rows(view))[0], atol=1e-8)
    assert recall(method, view) == 1


@pytest.mark.parametrize("name", ["ridge[alphas=[1e-9]]", "procrustes"])
def test_a_planted_turn_is_found_by_everyone(name: str) -> None:
    view = small_retrieval_view(planted=lambda x: x @ TURN)
    assert recall(fitted(name, view), view) == 1


def test_trained_linear_maps_find_a_planted_turn() -> None:
    view = small_retrieval_view(planted=lambda x: x @ TURN)
    protocol = PROTOCOL.model_copy(update={"training": short_training(150)})
    assert recall(fitted("linear_infonce[hidden=64,dropout=0]", view, protocol), view) > 0.8


def shifted(x: Tensor) -> Tensor:
    """Unit rows at another place and of another spread, to which ReAlign takes them back."""
    rows = functional.normalize(x, dim=1)
    mean = rows.mean(0)
    return functional.normalize(rows.mean(0) + 3 + 0.5 * (rows - mean), dim=1)


def test_realign_closes_a_gap_that_zero_shot_falls_into() -> None:
    view = small_retrieval_view(planted=shifted)
    before, after = fitted("zero_shot", view), fitted("realign", view)
    assert after.outcome.value > 0.9 > before.outcome.value
    assert after.outcome.trials == 2
    found = fitted("realign[centre=no]", view)
    sides = {
        name: torch.from_numpy(rows)[view.sides[name].observed] for name, rows in found.predict(view).embeddings.items()
    }
    first, second = sides.values()
    torch.testing.assert_close(first.mean(0), second.mean(0), atol=2e-2, rtol=0)


@pytest.mark.parametrize("name", FROZEN)
def test_frozen_features_are_compared_only_where_they_can_be(name: str) -> None:
    with pytest.raises(MethodError, match=r"widths .*12.*8.*Use ridge or procrustes"):
        fitted(f"{name}[shared=true]", small_retrieval_view())
    view = replace(small_retrieval_view(planted=lambda x: x), features="roberta+clip")
    method = compose(name, REGISTRY, PROTOCOL, FAMILY).build()
    with pytest.raises(MethodError, match=rf"'roberta\+clip' are not known to share a space.*{name}\[shared=true\]"):
        method.fit(view, seed=0)
    method.fit(replace(view, features="clip"), seed=0)
    if name == "zero_shot":
        assert method.outcome.value == 1


def test_validation_chooses_and_every_choice_is_counted() -> None:
    view = small_retrieval_view()
    every = fitted("ridge", view)
    alone = [fitted(f"ridge[alphas=[{a}],source={s}]", view) for a in (0.01, 0.1, 1, 10) for s in ("first", "second")]
    assert every.outcome.trials == len(alone) == 8
    assert every.outcome.value == max(method.outcome.value for method in alone)
    assert fitted("sgc", view).outcome.trials == 24
    assert fitted("smoothed_ridge[K=2]", view).outcome.trials == 8


def test_stepwise_ridge_is_the_mean_of_its_parts() -> None:
    view = small_retrieval_view()
    parts = [embeddings(f"{name},alphas=[0.3],source=second]", view) for name in ("sgc[K=0", "sgc[K=1")]
    expected = sum(part["text"] @ part["image"].T for part in parts) / 2
    found = embeddings("stepwise_ridge[alphas=[0.3],source=second]", view)
    np.testing.assert_allclose(found["text"] @ found["image"].T, expected, atol=1e-5)
