"""Link prediction in the training loop: targets leave the graph, negatives are seeded, regularisers stay outside."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from magbench.baselines.mlp import MLP
from magbench.baselines.sage import SAGE
from small import short_training, small_link_task, small_mag, stored

from magbench.data.mag import MAG, simple_undirected
from magbench.metrics.ranking import mrr
from magbench.nn import decoders
from magbench.nn.decoders import DECODERS
from magbench.registry import Registry
from magbench.regularizers import DAGR
from magbench.regularizers.base import Context, Regularizer
from magbench.tasks.link_prediction.view import LinkPredictionView
from magbench.train.compose import compose
from magbench.train.link_prediction import LinkPredictionObjective, with_negatives
from magbench.train.method import EncoderMethod
from magbench.train.network import encode
from magbench.variation.controls import CONTROLS, controlled


@pytest.fixture(scope="module")
def view() -> LinkPredictionView:
    return small_link_task().view(small_mag(), 0)


@pytest.fixture(scope="module")
def ring() -> MAG:
    """Nodes on a circle, known by harmonics of their angle, each joined to the four nearest on either side."""
    nodes = torch.arange(200)
    angles = nodes[:, None] * torch.arange(1, 9) * (2 * torch.pi / 200)
    steps = torch.arange(1, 5).repeat_interleave(200)
    edges = torch.stack([nodes.repeat(4), (nodes.repeat(4) + steps) % 200])
    features = {"text": angles.cos(), "image": angles.sin()}
    return MAG.build(name="ring", version=1, edge_index=simple_undirected(edges, 200), x=features)


def fitted(view: LinkPredictionView, *regularizers: Regularizer, seed: int = 0, epochs: int = 4, encoder=SAGE, **own):
    objective = LinkPredictionObjective(**own)
    method = EncoderMethod(encoder, short_training(epochs), regularizers, objective, hidden=16, lr=0.01)
    method.fit(view, seed=seed)
    return method


def pairs(edges: torch.Tensor) -> set[tuple[int, int]]:
    return {(u, v) for u, v in edges.t().tolist()}


def test_targets_and_their_reverses_are_not_in_the_messages(view: LinkPredictionView) -> None:
    """An epoch is one step, whose targets are a share of the training edges, others each time."""
    objective = LinkPredictionObjective(target_share=0.3)
    generator = torch.Generator().manual_seed(0)
    seen = []
    for _ in range(12):
        (batch,) = objective.batches(view, generator)
        positives = batch.targets[:, batch.labels == 1]
        assert positives.size(1) == (batch.labels == 0).sum()
        messages, targets = pairs(batch.edge_index), pairs(positives)
        assert not messages & targets and not messages & pairs(positives.flip(0))
        assert messages | targets | pairs(positives.flip(0)) == pairs(view.edge_index)
        assert batch.graph is view.edge_index and (batch.y_train == -1).all()
        assert len(targets) == round(0.3 * view.train.size(1)) and targets <= pairs(view.train)
        seen.append(frozenset(targets))
    assert len(set(seen)) == 12


def test_plain_messages_are_the_training_edges_in_the_order_of_the_draw(view: LinkPredictionView) -> None:
    """Sums run along them in this order, so every score depends on it, but not on the order of the view's edges."""
    order = torch.randperm(view.train.size(1), generator=torch.Generator().manual_seed(3))
    rest = view.train[:, order][:, round(0.2 * view.train.size(1)) :]
    shuffled = replace(view, edge_index=view.edge_index[:, torch.randperm(view.edge_index.size(1))])
    for same in (view, shuffled):
        (batch,) = LinkPredictionObjective().batches(same, torch.Generator().manual_seed(3))
        assert torch.equal(batch.edge_index, torch.cat([rest, rest.flip(0)], dim=1))


@pytest.mark.parametrize("control", CONTROLS)
def test_a_control_changes_the_messages_and_no_target(view: LinkPredictionView, control: str) -> None:
    mag = small_mag().replaced(edge_index=view.edge_index)
    other = replace(view, edge_index=controlled(mag, control, (0,)).edge_index)
    for seed in range(3):
        (plain,), (batch,) = (
            LinkPredictionObjective().batches(seen, torch.Generator().manual_seed(seed)) for seen in (view, other)
        )
        assert torch.equal(batch.targets, plain.targets) and torch.equal(batch.labels, plain.labels)
        positives = pairs(batch.targets[:, batch.labels == 1])
        reverse = {(v, u) for u, v in positives}
        assert pairs(batch.edge_index) == pairs(other.edge_index) - positives - reverse
        assert len(pairs(batch.edge_index)) == batch.edge_index.size(1) and batch.graph is other.edge_index
    scores = [fitted(seen).predict(seen).scores.tobytes() for seen in (view, other)]
    assert (scores[0] == scores[1]) == (control == "random")  # its edges are the task's


def test_dropout_is_the_familys_unless_given() -> None:
    protocol, family = Registry.default().protocol("standard"), LinkPredictionObjective.family
    options = [compose(name, Registry.default(), protocol, family).options[0] for name in ("sage", "sage[dropout=0.4]")]
    assert [o["dropout"] for o in options] == [0.2, 0.4]
    assert compose("sage", Registry.default(), protocol).options[0]["dropout"] == protocol.training.dropout == 0.5


def test_negatives_keep_one_end_and_are_seeded(view: LinkPredictionView) -> None:
    edges = view.train
    found, labels = with_negatives(edges, view.num_nodes, torch.Generator().manual_seed(1))
    again, _ = with_negatives(edges, view.num_nodes, torch.Generator().manual_seed(1))
    other, _ = with_negatives(edges, view.num_nodes, torch.Generator().manual_seed(2))
    assert torch.equal(found, again) and not torch.equal(found, other)
    negatives = found[:, labels == 0]
    assert torch.equal(found[:, labels == 1], edges)
    assert ((negatives[0] == edges[0]) | (negatives[0] == edges[1])).all()
    assert 0.3 < (negatives[0] == edges[0]).double().mean() < 0.7
    assert (negatives[0] != negatives[1]).all()
    assert (negatives >= 0).all() and (negatives < view.num_nodes).all()


def test_same_seed_same_bytes_other_seed_other_bytes(view: LinkPredictionView) -> None:
    first = fitted(view).predict(view).scores.tobytes()
    assert fitted(view).predict(view).scores.tobytes() == first
    assert fitted(view, seed=1).predict(view).scores.tobytes() != first
    assert fitted(view, decoder="dot").predict(view).scores.tobytes() != first


class Chatty(Regularizer):
    """Draws random numbers and returns an exact zero: must leave no trace in the training."""

    def __call__(self, ctx: Context) -> tuple[torch.Tensor, dict[str, float]]:
        torch.rand(1000, generator=ctx.generator)
        return 0.0 * sum(z.sum() for z in ctx.z.values()), {}


@pytest.mark.parametrize("encoder", [MLP, SAGE])
def test_weight_zero_is_bit_identical(view: LinkPredictionView, encoder) -> None:
    plain = fitted(view, encoder=encoder).predict(view).scores.tobytes()
    for regularizer in (DAGR(lam=0), Chatty(lam=1.0)):
        assert fitted(view, regularizer, encoder=encoder).predict(view).scores.tobytes() == plain
    assert fitted(view, DAGR(lam=1.0, warmup=0), encoder=encoder).predict(view).scores.tobytes() != plain


@pytest.mark.parametrize("decoder", list(DECODERS))
@pytest.mark.parametrize("encoder", [MLP, SAGE])
def test_it_learns_and_selects_by_validation_mrr(ring: MAG, encoder, decoder: str) -> None:
    """Test MRR is far above chance (.13 with 30 negatives), and the kept value is that of the kept states."""
    task = small_link_task()
    view = task.view(ring, 0)
    method = fitted(view, epochs=80, encoder=encoder, decoder=decoder)
    values = [row["val_mrr"] for row in method.outcome.history]
    assert method.outcome.value == max(values)
    encoded, head = encode(method.network, view), method.network.head
    with torch.no_grad():
        assert method.objective.validate(method.network, encoded, view) == method.outcome.value
        embedded = head.embed(encoded.h)
        source = embedded[view.val[0]]
        own = head(source, embedded[view.val[1]])
        wrong = torch.stack([head(source, embedded[column.long()]) for column in view.val_negatives.t()])
    ranks = 1 + (wrong > own).sum(0) + (wrong == own).sum(0) / 2
    assert (1 / ranks).double().mean().item() == pytest.approx(method.outcome.value, abs=1e-6)
    kept = stored(task, [method.predict(view)], ring, 0)
    assert mrr(kept.above, kept.equal) > 0.3


@pytest.mark.parametrize("decoder", list(DECODERS))
@pytest.mark.parametrize("factor", [0, 1000])
def test_ranking_scores_are_those_of_the_pairs(decoder: str, factor: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """By matmul over all nodes and by gathering, whole and in chunks; symmetric in the two ends."""
    monkeypatch.setattr(decoders, "_DENSE_FACTOR", factor)
    torch.manual_seed(0)
    head = DECODERS[decoder](8)
    embedded = head.embed(torch.randn(40, 8))
    source, candidates = torch.randint(40, (13,)), torch.randint(40, (13, 6), dtype=torch.int32)
    with torch.no_grad():
        expected = torch.stack([head(embedded[source], embedded[column.long()]) for column in candidates.t()], dim=1)
        swapped = torch.stack([head(embedded[column.long()], embedded[source]) for column in candidates.t()], dim=1)
        torch.testing.assert_close(head.rank_scores(embedded, source, candidates), expected)
        monkeypatch.setattr(decoders, "_CHUNK_PAIRS", 10)
        torch.testing.assert_close(head.rank_scores(embedded, source, candidates), expected)
    torch.testing.assert_close(swapped, expected)
