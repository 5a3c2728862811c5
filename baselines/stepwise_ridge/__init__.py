"""Stepwise ridge: frozen features after 0 and after 1 step of smoothing, a ridge map for each, and the mean cosine."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from pydantic import Field
from torch import Tensor

from magbench.api import PureMethod, RetrievalView, Side
from magbench.nn.propagation import smooth
from magbench.train.alignment import Maps, RidgeOptions, ridge_maps, unit_rows
from magbench.train.pure import select
from magbench.train.retrieval import pair_mrr


class StepwiseRidgeOptions(RidgeOptions):
    """``steps``: numbers of smoothing steps, all of which are used; ``source``: ``auto`` maps the wider side."""

    steps: tuple[int, ...] = Field((0, 1), min_length=1)


class StepwiseRidge(PureMethod):
    """Beside each other, for every k: the unit rows of S^k X on each side under the ridge map of step k."""

    Options = StepwiseRidgeOptions

    def fit(self, view: RetrievalView, *, seed: int) -> None:
        self.maps, trials = [], 0
        for steps in self.options.steps:
            self.maps.append(select(self._candidates(view, steps), view, self.outcome))
            trials += self.outcome.trials
        self.outcome.metric = "mrr"
        self.outcome.value = pair_mrr({name: self.embed(name, side) for name, side in view.sides.items()}, view.val)
        self.outcome.trials = trials
        weights = [part.weight for maps in self.maps for part in maps.values()]
        self.outcome.params = sum(weight.numel() for weight in weights if weight is not None)

    def embed(self, modality: str, side: Side) -> Tensor:
        parts = zip(self.options.steps, self.maps, strict=True)
        return torch.cat([unit_rows(maps[modality](_smoothed(side, steps))) for steps, maps in parts], dim=1)

    def _candidates(self, view: RetrievalView, steps: int) -> Iterator[tuple[Maps, dict[str, Tensor]]]:
        features = {name: _smoothed(side, steps) for name, side in view.sides.items()}
        for maps in ridge_maps(features, view.train, self.options.alphas, (self.source(view),)):
            yield maps, {name: maps[name](x) for name, x in features.items()}

    def source(self, view: RetrievalView) -> str:
        """One side for all steps, for else the parts' widths on a side would not match; ``auto``: the wider one."""
        if self.options.source != "auto":
            return self.options.sources(view)[0]
        return max(view.sides, key=lambda name: view.sides[name].x.size(1))


def _smoothed(side: Side, steps: int) -> Tensor:
    return smooth(unit_rows(side.x), side.edge_index, steps)
