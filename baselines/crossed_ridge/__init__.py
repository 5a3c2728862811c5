"""Crossed ridge: what a node and its neighbours show on one side predicts what the other side shows by itself.

A side's rows x_i stand beside the mean of what the neighbours of i have on the same side,

    s_i = [x_i, w mean_j x_j],    p_i = W s_i ~ y_i      (ridge regression on the training pairs)

and the same the other way round. A pair's score is cos(p_i, y_k) + cos(q_k, x_i): in each product one half has seen
neighbours and the other has not. So two halves of a node never meet in what their common neighbours sent to both, and
with features of noise the score of a pair that is not trained on is as good as a stranger's: no *structural
fingerprint*. What is gained over ``ridge`` is content.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from pydantic import Field
from scipy.sparse import csr_array
from sklearn.linear_model import Ridge
from torch import Tensor

from magbench.api import Options, PureMethod, RetrievalView, Side
from magbench.train.alignment import unit_rows
from magbench.train.pure import select
from magbench.train.retrieval import pair_mrr


class CrossedRidgeOptions(Options):
    """Candidates, from which validation chooses for each side: the weight w of the neighbours' means, the penalty."""

    weights: tuple[float, ...] = Field((0.0, 1.0, 2.0), min_length=1)
    alphas: tuple[float, ...] = Field((0.1, 1.0), min_length=1)


class Fitted(NamedTuple):
    """One side's choice: the weight of the neighbours' mean, and W float64 [2 d_m, d_o]."""

    near: float
    weight: Tensor


class CrossedRidge(PureMethod):
    """Two ridge regressions, one a direction; the embeddings of both sides hold both directions."""

    Options = CrossedRidgeOptions

    def fit(self, view: RetrievalView, *, seed: int) -> None:
        rows = {name: unit_rows(side.x[own]) for (name, side), own in zip(view.sides.items(), view.train, strict=True)}
        self.means = {name: x.mean(0) for name, x in rows.items()}
        self.first, self.fitted, trials = next(iter(view.sides)), {}, 0
        for name in view.sides:
            self.fitted[name] = select(self._candidates(view, name), view, self.outcome)
            trials += self.outcome.trials
        self.outcome.metric = "mrr"
        self.outcome.value = pair_mrr({name: self.embed(name, side) for name, side in view.sides.items()}, view.val)
        self.outcome.trials = trials
        self.outcome.params = sum(found.weight.numel() for found in self.fitted.values())
        self.outcome.telemetry |= {f"near.{name}": found.near for name, found in self.fitted.items()}

    def embed(self, modality: str, side: Side) -> Tensor:
        """[d_1 + d_0] wide: a side's prediction of the other and itself, in an order that makes the two products."""
        x, found = self._centred(modality, side), self.fitted[modality]
        parts = unit_rows(_beside(x, side, found.near) @ found.weight), unit_rows(x)
        return torch.cat(parts if modality == self.first else parts[::-1], dim=1) / 2**0.5

    def _candidates(self, view: RetrievalView, name: str) -> Iterator[tuple[Fitted, dict[str, Tensor]]]:
        x = {part: self._centred(part, side) for part, side in view.sides.items()}
        train = dict(zip(view.sides, view.train, strict=True))
        (other,) = (side for side in x if side != name)
        goal = x[other][train[other]].numpy()
        for near in self.options.weights:
            states = _beside(x[name], view.sides[name], near)
            for alpha in self.options.alphas:
                ridge = Ridge(alpha=alpha, fit_intercept=False).fit(states[train[name]].numpy(), goal)
                found = Fitted(near, torch.from_numpy(np.ascontiguousarray(ridge.coef_.T)))
                yield found, {side: states @ found.weight if side == name else x[side] for side in x}

    def _centred(self, modality: str, side: Side) -> Tensor:
        """float64 [M, d_m]; rows of missing items are zero, the mean."""
        return (unit_rows(side.x) - self.means[modality]) * side.observed[:, None]


def _beside(x: Tensor, side: Side, near: float) -> Tensor:
    """float64 [M, 2 d_m]: rows and ``near`` times the mean of their neighbours' rows, zero without a neighbour."""
    source, target = side.edge_index.numpy()
    degree = np.bincount(target, minlength=len(x))
    mean = csr_array((1 / np.maximum(degree, 1)[target], (target, source)), shape=(len(x), len(x)))
    return torch.cat([x, near * torch.from_numpy(mean @ x.numpy())], dim=1)
