"""Retrieval in the training loop: the loss of a formula, towers that stay apart, and a network of one's own."""

from __future__ import annotations

from dataclasses import replace
from math import exp, log

import pytest
import torch
from magbench.baselines.gat import GAT
from magbench.baselines.gcn import GCN
from magbench.baselines.mlp import MLP
from magbench.baselines.sage import SAGE
from small import short_training, small_retrieval_view
from torch import Tensor, nn
from torch.nn import functional

from magbench.errors import MethodError
from magbench.metrics.ranking import count_above_equal, mrr
from magbench.nn.contrastive import info_nce
from magbench.registry import Registry
from magbench.regularizers import DAGR, OptiMAG
from magbench.regularizers.base import Context, Regularizer
from magbench.tasks.retrieval.view import RetrievalView
from magbench.train import retrieval
from magbench.train.compose import compose
from magbench.train.method import EncoderMethod
from magbench.train.retrieval import RetrievalObjective, pair_mrr
from magbench.train.towers import Embedded, PureNetwork, RetrievalNetwork, RetrievalNetworkOptions

ENCODERS = [MLP, GCN, SAGE, GAT]


@pytest.fixture(scope="module")
def view() -> RetrievalView:
    return small_retrieval_view()


def fitted(view: RetrievalView, *regularizers: Regularizer, seed: int = 0, epochs: int = 3, cls=SAGE, **options):
    own = {"hidden": 16, "lr": 0.01} if cls in ENCODERS else {}
    method = EncoderMethod(cls, short_training(epochs), regularizers, RetrievalObjective(), **own, **options)
    method.fit(view, seed=seed)
    return method


def as_bytes(method: EncoderMethod, view: RetrievalView) -> dict[str, bytes]:
    return {name: rows.tobytes() for name, rows in method.predict(view).embeddings.items()}


def by_loops(first: Tensor, second: Tensor, temperature: float, excluded: set[tuple[int, int]]) -> float:
    total = 0.0
    for a, b in ((first, second), (second, first)):
        for i in range(len(a)):
            scores = [float(a[i] @ b[j]) / temperature for j in range(len(b)) if (i, j) not in excluded]
            total -= float(a[i] @ b[i]) / temperature - log(sum(exp(score) for score in scores))
    return total / (2 * len(first))


def test_info_nce_is_its_formula_and_has_its_gradient() -> None:
    generator = torch.Generator().manual_seed(0)
    first, second = torch.randn(2, 6, 4, dtype=torch.float64, generator=generator).requires_grad_()
    assert info_nce(first, second, 0.5).item() == pytest.approx(by_loops(first, second, 0.5, set()), rel=1e-12)
    items = torch.tensor([[0, 1, 2, 3, 4, 5], [0, 0, 1, 2, 2, 3]])
    excluded = {(0, 1), (1, 0), (3, 4), (4, 3)}
    found = info_nce(first, second, 0.5, items)
    assert found.item() == pytest.approx(by_loops(first, second, 0.5, excluded), rel=1e-12)
    assert torch.autograd.gradcheck(lambda a, b: info_nce(a, b, 0.5, items), (first, second))
    same = torch.ones(5, 3, dtype=torch.float64)
    assert info_nce(same, same, 0.07).item() == pytest.approx(log(5))


def test_value_is_the_mean_reciprocal_rank_of_both_directions(view: RetrievalView) -> None:
    embeddings = {name: torch.randn(len(side), 5) for name, side in view.sides.items()}
    first, second = (rows[own] for rows, own in zip(embeddings.values(), view.val, strict=True))
    right = range(len(first))
    there, back = (mrr(*count_above_equal(table, right)) for table in (first @ second.t(), second @ first.t()))
    assert pair_mrr(embeddings, view.val) == pytest.approx((there + back) / 2)


@pytest.mark.parametrize("cls", ENCODERS)
def test_a_tower_does_not_see_the_other_side(view: RetrievalView, cls) -> None:
    """After fitting, noise in the other side's features, graph and in ``cross`` leaves each byte of this one's rows."""
    method = fitted(view, cls=cls)
    assert method.towers == "pure"
    before = as_bytes(method, view)
    text, image = view.sides
    for kept, other in ((text, image), (image, text)):
        side = view.sides[other]
        noise = replace(side, x=torch.randn_like(side.x), edge_index=side.edge_index.flip(1)[:, :9])
        sides = {name: noise if name == other else view.sides[name] for name in view.sides}
        after = as_bytes(
            method, replace(view, sides=sides, cross={name: edges[:, :1] for name, edges in view.cross.items()})
        )
        assert after[kept] == before[kept]
        assert after[other] != before[other]


def test_same_seed_same_bytes_other_seed_other_bytes(view: RetrievalView) -> None:
    first = as_bytes(fitted(view), view)
    assert as_bytes(fitted(view), view) == first
    assert as_bytes(fitted(view, seed=1), view) != first


@pytest.mark.parametrize("cls", [MLP, SAGE])
def test_it_learns_and_keeps_the_best_on_validation(cls) -> None:
    """Pictures that are a turn of the texts are found (chance is .11)."""
    turn = torch.linalg.qr(torch.randn(12, 12, generator=torch.Generator().manual_seed(0)))[0]
    view = small_retrieval_view(planted=lambda x: x @ turn)
    method = fitted(view, epochs=80, cls=cls)
    assert method.outcome.value == max(row["val_mrr"] for row in method.outcome.history) > 0.25
    rows = {name: torch.from_numpy(part) for name, part in method.predict(view).embeddings.items()}
    assert pair_mrr(rows, view.val) == method.outcome.value
    assert all(torch.allclose(part.norm(dim=1), torch.ones(len(part))) for part in rows.values())


class Seen(Regularizer):
    """Keeps what it is shown."""

    def __call__(self, ctx: Context) -> tuple[Tensor, dict[str, float]]:
        self.context = ctx
        torch.rand(1000, generator=ctx.generator)
        return 0.0 * sum(z.sum() for z in ctx.z.values()), {}


def test_regularizers_see_the_training_pairs_alone(view: RetrievalView) -> None:
    seen = Seen(lam=1.0)
    fitted(view, seen, epochs=1)
    ctx, number = seen.context, view.train.size(1)
    assert {name: z.shape for name, z in ctx.z.items()} == {"text": (number, 16), "image": (number, 16)}
    assert torch.equal(ctx.node_ids, torch.arange(number)) and (ctx.y_train == -1).all() and ctx.h.shape == (number, 16)
    for name, own in zip(view.sides, view.train, strict=True):
        edges = {tuple(edge) for edge in view.sides[name].edge_index.t().tolist()}
        place = {row: position for position, row in enumerate(own.tolist())}
        inside = {(place[a], place[b]) for a, b in edges if a in place and b in place}
        assert {tuple(edge) for edge in ctx.edge_index.t().tolist()} == inside
        assert torch.equal(ctx.observed[name], view.sides[name].observed[own])


def test_weight_zero_is_bit_identical_and_others_are_not(view: RetrievalView) -> None:
    plain = as_bytes(fitted(view), view)
    for regularizer in (DAGR(lam=0), OptiMAG(lam=0), Seen(lam=1.0)):
        assert as_bytes(fitted(view, regularizer), view) == plain
    for regularizer in (DAGR(lam=1.0, warmup=0), OptiMAG(lam=1.0, N=32)):
        assert as_bytes(fitted(view, regularizer), view) != plain


def test_a_weight_is_calibrated_to_the_gradient_of_all_states(view: RetrievalView) -> None:
    telemetry = fitted(view, DAGR(gradient_ratio=0.5, warmup=1)).outcome.telemetry
    assert telemetry["dagr.lam"] > 0


def test_many_pairs_are_compared_in_parts(view: RetrievalView, monkeypatch) -> None:
    monkeypatch.setattr(retrieval, "MOST_PAIRS", 50)
    objective, training = RetrievalObjective(), short_training()
    epochs = objective.epochs(Own({name: side.x.size(1) for name, side in view.sides.items()}), view, training, (), 0)
    first, second = list(epochs(1)), list(epochs(2))
    assert max(batch.pairs.size(1) for batch in first) <= 50 and len(first) == -(-view.train.size(1) // 50)
    as_set = {tuple(pair) for pair in view.train.t().tolist()}
    for batches in (first, second):
        assert {tuple(pair) for batch in batches for pair in batch.pairs.t().tolist()} == as_set
    assert not torch.equal(first[0].pairs, second[0].pairs)
    assert as_bytes(fitted(view), view) == as_bytes(fitted(view), view)


@pytest.mark.parametrize("name", ["sage", "ridge"])
def test_sampled_neighbours_are_refused_when_a_run_is_planned(name: str) -> None:
    registry = Registry.default()
    with pytest.raises(MethodError, match=r"samples neighbours\. Use --protocol standard@1"):
        compose(name, registry, registry.protocol("sampled@1"), "retrieval")


class OwnOptions(RetrievalNetworkOptions):
    width: int = 8
    penalty: float = 0.0


class Own(RetrievalNetwork):
    """Adds what the neighbours of the other side say: the smallest coupled network."""

    Options = OwnOptions

    def __init__(self, in_dims, **options) -> None:
        super().__init__(in_dims, **options)
        self.maps = nn.ModuleDict({name: nn.Linear(dim, self.options.width) for name, dim in in_dims.items()})
        self.scale = nn.Parameter(torch.ones(()))

    def prepare(self, view, training, seed, objective) -> None:
        self.prepared = (view.task, training.max_epochs, seed, objective.options.temperature)

    def parameter_groups(self):
        return [{"params": list(self.maps.parameters())}, {"params": [self.scale], "lr": 0.0, "weight_decay": 0.0}]

    def forward(self, sides, cross) -> Embedded:
        z = {name: self.maps[name](side.x) for name, side in sides.items()}
        found = {}
        for name, other in zip(sides, reversed(list(sides)), strict=True):
            source, target = cross[name]
            found[name] = functional.normalize(z[name].index_add(0, target, self.scale * z[other][source]), dim=1)
        return Embedded(z, found, self.options.penalty * self.maps["text"].weight.square().sum())

    def telemetry(self) -> dict[str, float]:
        return {"scale": self.scale.item()}


def test_a_network_of_ones_own(view: RetrievalView) -> None:
    method = fitted(view, cls=Own)
    assert method.towers == "coupled" and method.network.prepared == (view.task, 3, 0, 0.07)
    assert method.outcome.telemetry == {"scale": 1.0}
    plain = as_bytes(method, view)
    assert as_bytes(fitted(view, cls=Own), view) == plain
    assert as_bytes(fitted(view, cls=Own, penalty=1.0), view) != plain
    assert as_bytes(fitted(view, DAGR(lam=1.0, warmup=0), cls=Own), view) != plain
    without = replace(view, cross={name: edges[:, :0] for name, edges in view.cross.items()})
    assert as_bytes(method, without) != plain


class Projection(PureNetwork):
    """One draw that is never trained: buffers and no parameters."""

    def __init__(self, in_dims, **options) -> None:
        super().__init__(in_dims, **options)
        for name, dim in in_dims.items():
            self.register_buffer(name, torch.randn(dim, 4))

    def embed(self, modality, side):
        rows = side.x @ getattr(self, modality)
        return rows, rows


def test_a_network_of_buffers_gets_the_sides_where_it_lies(view: RetrievalView) -> None:
    """Another device stands in for a GPU: one where a product with a tensor of the CPU fails as well."""
    objective, training = RetrievalObjective(), short_training(1)
    network = Projection({name: side.x.size(1) for name, side in view.sides.items()})
    assert fitted(view, cls=Projection).outcome.params == 0
    states = objective.encode(network.to("meta"), view, training)
    assert {rows.device.type for rows in states.embeddings.values()} == {"meta"}
    epoch = objective.epochs(network, view, training, (), 0)
    (first,), (second,) = epoch(1), epoch(2)
    for name, side in first.sides.items():
        assert side.x.device.type == "meta" and side.x is second.sides[name].x, "moved once"
        assert first.cross[name] is second.cross[name]
