"""Crossed ridge: its formula, and that features of noise stay at chance where smoothing both sides finds pairs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from magbench.baselines.crossed_ridge import CrossedRidge
from magbench.baselines.smoothed_ridge import SmoothedRidge
from small import small_retrieval_view
from torch.nn import functional

from magbench.tasks.views import RetrievalView


@pytest.fixture(scope="module")
def noise() -> RetrievalView:
    """Features that say nothing of the pairs, on a graph that both sides share."""
    view, generator = small_retrieval_view(400), torch.Generator().manual_seed(3)
    sides = {
        name: replace(
            side, x=torch.randn(side.x.size(0), 64, generator=generator), observed=torch.ones_like(side.observed)
        )
        for name, side in view.sides.items()
    }
    return replace(view, sides=sides)


def test_noise_stays_at_chance_where_smoothing_finds_the_pairs(noise: RetrievalView) -> None:
    """Validation MRR; chance is H_n / n."""
    count = noise.val.size(1)
    chance = sum(1 / rank for rank in range(1, count + 1)) / count
    crossed, smoothed = CrossedRidge(), SmoothedRidge(K=1)
    for method in (crossed, smoothed):
        method.fit(noise, seed=0)
    assert crossed.outcome.value < 2 * chance
    assert smoothed.outcome.value > 5 * chance


def test_scores_are_the_mean_of_two_cosines() -> None:
    view = small_retrieval_view()
    method = CrossedRidge(own=[1.0], other=[2.0], alphas=[0.5])
    method.fit(view, seed=0)
    x, parts = {}, {}
    for (name, side), own in zip(view.sides.items(), view.train, strict=True):
        unit = functional.normalize(side.x.double(), dim=1)
        x[name] = (unit - unit[own].mean(0)) * side.observed[:, None]
    train = dict(zip(view.sides, view.train, strict=True))
    for name, other in (("text", "image"), ("image", "text")):
        rows = []
        for i in range(len(x[name])):
            near = [int(s) for s, t in view.sides[name].edge_index.t() if t == i]
            across = [int(s) for s, t in view.cross[name].t() if t == i]
            means = [
                part[chosen].mean(0) if chosen else 0 * part[0]
                for part, chosen in ((x[name], near), (x[other], across))
            ]
            rows.append(torch.cat([x[name][i], means[0], 2 * means[1]]))
        states = torch.stack(rows)
        own, goal = states[train[name]], x[other][train[other]]
        weight = torch.linalg.solve(own.t() @ own + 0.5 * torch.eye(own.size(1)).double(), own.t() @ goal)
        parts[name] = functional.cosine_similarity((states @ weight)[:, None], x[other][None], dim=2)
    found = method.predict(view).embeddings
    expected = (parts["text"] + parts["image"].t()) / 2
    np.testing.assert_allclose(found["text"] @ found["image"].T, expected.numpy(), atol=1e-5)
    assert method.outcome.trials == 2


def test_a_node_never_hears_its_own_other_half() -> None:
    """A change of one picture leaves its own text's row as it was, byte for byte, and reaches its neighbours' texts."""
    view = small_retrieval_view()
    method = CrossedRidge(own=[1.0], other=[1.0])
    method.fit(view, seed=0)
    before = method.predict(view).embeddings["text"]
    text, image = view.val[:, 0].tolist()
    side = view.sides["image"]
    changed = side.x.clone()
    changed[image] = -changed[image].flip(0)
    after = method.predict(replace(view, sides={**view.sides, "image": replace(side, x=changed)})).embeddings["text"]
    moved = set(np.flatnonzero((before != after).any(axis=1)).tolist())
    assert text not in moved
    assert moved == {int(t) for s, t in view.cross["text"].t() if s == image}
