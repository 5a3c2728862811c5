"""Crossed ridge: its formula, and that features of noise stay at chance where smoothing both sides finds pairs."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from magbench.baselines.crossed_ridge import CrossedRidge
from magbench.baselines.smoothed_ridge import SmoothedRidge
from small import small_retrieval_view
from torch import Tensor
from torch.nn import functional

from magbench.tasks.retrieval.view import RetrievalView, Side
from magbench.train.retrieval import pair_mrr

NODES, CLIQUE = 800, 8


@pytest.fixture(scope="module")
def noise() -> RetrievalView:
    """Noise for features on cliques that both sides share, with more training pairs than columns; row i is node i."""
    generator = torch.Generator().manual_seed(3)
    nodes = torch.arange(NODES)
    clique = nodes // CLIQUE
    edges = torch.nonzero((clique[:, None] == clique[None]) & (nodes[:, None] != nodes[None])).t()
    order = torch.randperm(NODES, generator=generator)
    train, val, test = (part.sort().values.expand(2, -1) for part in order.tensor_split((480, 640)))
    sides = {
        name: Side(torch.randn(NODES, columns, generator=generator), torch.ones(NODES, dtype=torch.bool), edges)
        for name, columns in (("text", 48), ("image", 96))
    }
    return RetrievalView(
        task="retrieval/noise@1",
        seed=0,
        sides=sides,
        train=train,
        val=val,
        test=dict.fromkeys(sides, test[0]),
        cross=dict.fromkeys(sides, edges),
        train_edges=torch.empty(2, 0, dtype=torch.long),
    )


def test_noise_stays_at_chance_where_smoothing_finds_the_pairs(noise: RetrievalView) -> None:
    """MRR of the test pairs; chance is H_n / n. The neighbours' means are used, not left to validation."""
    test = torch.stack(list(noise.test.values()))
    count = test.size(1)
    chance = sum(1 / rank for rank in range(1, count + 1)) / count

    def mrr_of(method: CrossedRidge | SmoothedRidge) -> float:
        method.fit(noise, seed=0)
        return pair_mrr({name: torch.from_numpy(x) for name, x in method.predict(noise).embeddings.items()}, test)

    assert mrr_of(CrossedRidge(weights=[2.0], alphas=[0.1])) < 1.5 * chance
    assert mrr_of(SmoothedRidge(K=1)) > 5 * chance


def test_scores_are_the_mean_of_two_cosines() -> None:
    view = small_retrieval_view()
    method = CrossedRidge(weights=[2.0], alphas=[0.5])
    method.fit(view, seed=0)
    x: dict[str, Tensor] = {}
    parts = {}
    for (name, side), own in zip(view.sides.items(), view.train, strict=True):
        unit = functional.normalize(side.x.double(), dim=1)
        x[name] = (unit - unit[own].mean(0)) * side.observed[:, None]
    train = dict(zip(view.sides, view.train, strict=True))
    for name, other in (("text", "image"), ("image", "text")):
        rows = []
        for i in range(len(x[name])):
            near = [int(s) for s, t in view.sides[name].edge_index.t() if t == i]
            rows.append(torch.cat([x[name][i], 2 * x[name][near].mean(0) if near else 0 * x[name][i]]))
        states = torch.stack(rows)
        own, goal = states[train[name]], x[other][train[other]]
        weight = torch.linalg.solve(own.t() @ own + 0.5 * torch.eye(own.size(1)).double(), own.t() @ goal)
        parts[name] = functional.cosine_similarity((states @ weight)[:, None], x[other][None], dim=2)
    found = method.predict(view).embeddings
    expected = (parts["text"] + parts["image"].t())[:, view.sides["image"].observed] / 2
    there = found["image"][view.sides["image"].observed]
    np.testing.assert_allclose(found["text"] @ there.T, expected.numpy(), atol=1e-5)
    assert method.outcome.trials == 2
