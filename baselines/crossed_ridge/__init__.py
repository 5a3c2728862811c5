"""Crossed ridge: what a node and its neighbours show on one side predicts what the other side shows by itself.

A side's rows x_i stand beside the means of what the neighbours of i have, on this side and on the other one,

    s_i = [x_i, w mean_j x_j, v mean_j y_j],    p_i = W s_i ~ y_i      (ridge regression on the training pairs)

and the same the other way round. A pair's score is cos(p_i, y_k) + cos(q_k, x_i): in each product one half has seen
neighbours and the other has not. So two halves of a node never meet in what their common neighbours sent to both: the
*structural fingerprint* that smoothing gives to noise cannot arise, and what is gained over ``ridge`` is content.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

import numpy as np
import torch
from pydantic import Field
from scipy.sparse import csr_array
from sklearn.linear_model import Ridge
from torch import Tensor

from magbench.api import Method, Options, RetrievalPrediction, RetrievalView
from magbench.train.alignment import unit_rows
from magbench.train.pure import select
from magbench.train.retrieval import pair_mrr, prediction


class CrossedRidgeOptions(Options):
    """Candidates, from which validation chooses for each side: ``own``, the weight w of the neighbours' means on the
    same side; ``other``, the weight v of those on the other side; ``alphas``, the penalty."""

    own: tuple[float, ...] = Field((0.0, 1.0, 2.0), min_length=1)
    other: tuple[float, ...] = Field((0.0, 1.0, 2.0), min_length=1)
    alphas: tuple[float, ...] = Field((0.1, 1.0), min_length=1)


class Fitted(NamedTuple):
    """One side's choice: weights of both means, and W float64 [d_m + d_m + d_o, d_o]."""

    own: float
    other: float
    weight: np.ndarray


class CrossedRidge(Method):
    """Two ridge regressions, one a direction; the embeddings of both sides hold both directions."""

    Options = CrossedRidgeOptions
    towers = "coupled"

    def fit(self, view: RetrievalView, *, seed: int) -> None:
        rows = {name: unit_rows(side.x[own]) for (name, side), own in zip(view.sides.items(), view.train, strict=True)}
        self.means = {name: x.mean(0) for name, x in rows.items()}
        x, means = self._centred(view), self._neighbour_means(view)
        self.fitted, trials = {}, 0
        for name in view.sides:
            self.fitted[name] = select(self._candidates(view, name, x, means), view, self.outcome)
            trials += self.outcome.trials
        embedded = self._embedded(view)
        self.outcome.value, self.outcome.trials = pair_mrr(embedded, view.val), trials
        self.outcome.params = sum(found.weight.size for found in self.fitted.values())
        for name, found in self.fitted.items():
            self.outcome.telemetry |= {f"own.{name}": found.own, f"other.{name}": found.other}

    def predict(self, view: RetrievalView) -> RetrievalPrediction:
        return prediction(self._embedded(view))

    def _candidates(
        self, view: RetrievalView, name: str, x: dict[str, Tensor], means: dict[str, tuple[Tensor, Tensor]]
    ) -> Iterator[tuple[Fitted, dict[str, Tensor]]]:
        train = dict(zip(view.sides, view.train, strict=True))
        (other,) = (side for side in view.sides if side != name)
        goal = x[other][train[other]].numpy()
        for own, cross in product(self.options.own, self.options.other):
            states = _beside(x[name], means[name], own, cross)
            for alpha in self.options.alphas:
                ridge = Ridge(alpha=alpha, fit_intercept=False).fit(states[train[name]].numpy(), goal)
                found = Fitted(own, cross, np.ascontiguousarray(ridge.coef_.T))
                yield found, {side: states @ torch.from_numpy(found.weight) if side == name else x[side] for side in x}

    def _embedded(self, view: RetrievalView) -> dict[str, Tensor]:
        """[d_1 + d_0] wide: a side's prediction of the other and itself, in an order that makes the two products."""
        x, means = self._centred(view), self._neighbour_means(view)
        halves = []
        for name in view.sides:
            found = self.fitted[name]
            predicted = _beside(x[name], means[name], found.own, found.other) @ torch.from_numpy(found.weight)
            halves.append((unit_rows(predicted), unit_rows(x[name])))
        first, second = view.sides
        (p, x_unit), (q, y_unit) = halves
        return {
            first: torch.cat([p, x_unit], dim=1) / 2**0.5,
            second: torch.cat([y_unit, q], dim=1) / 2**0.5,
        }

    def _centred(self, view: RetrievalView) -> dict[str, Tensor]:
        """float64 [M, d_m]; rows of missing items are zero, the mean."""
        return {
            name: (unit_rows(side.x) - self.means[name]) * side.observed[:, None] for name, side in view.sides.items()
        }

    def _neighbour_means(self, view: RetrievalView) -> dict[str, tuple[Tensor, Tensor]]:
        """For each side, what its nodes' neighbours have on this side and on the other one, in the mean."""
        x, found = self._centred(view), {}
        for name, side in view.sides.items():
            (other,) = (rows for part, rows in x.items() if part != name)
            found[name] = _mean(side.edge_index, x[name], len(side)), _mean(view.cross[name], other, len(side))
        return found


def _mean(edges: Tensor, x: Tensor, size: int) -> Tensor:
    """Mean of the senders' rows ``x`` for each of ``size`` receivers, float64 [size, d]; zero without a sender."""
    source, target = edges.numpy()
    degree = np.bincount(target, minlength=size)
    matrix = csr_array((1 / np.maximum(degree, 1)[target], (target, source)), shape=(size, len(x)))
    return torch.from_numpy(matrix @ x.numpy())


def _beside(x: Tensor, means: tuple[Tensor, Tensor], own: float, other: float) -> Tensor:
    return torch.cat([x, own * means[0], other * means[1]], dim=1)
