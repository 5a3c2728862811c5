"""Ridge maps, then untrained coupled smoothing over the graph: the row that a coupled network must beat."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from magbench.api import Method, RetrievalAnswer, RetrievalView
from magbench.nn.goma.graph import CoupledGraph
from magbench.nn.goma.operators import Uniform
from magbench.nn.goma.smoothing import propagate
from magbench.nn.memo import Memo
from magbench.train.alignment import Maps, RidgeOptions, ridge_maps
from magbench.train.pure import select, unit
from magbench.train.retrieval import prediction


class SmoothedRidgeOptions(RidgeOptions):
    """``alpha``: teleport share of each step; ``K``: steps, ``auto``: validation chooses among 1, 2 and 4;
    ``coupling``: share of the other modality among what a node receives."""

    alpha: float = Field(0.2, gt=0, le=1)
    K: Literal["auto"] | Annotated[int, Field(ge=0)] = "auto"
    coupling: float = Field(0.5, ge=0.01, le=0.99)


class SmoothedRidge(Method):
    """H(k + 1) = (1 - alpha) M H(k) + alpha E on both sides stacked, with E the mapped features and M uniform.

    Missing items are zero rows of E: they send nothing of their own."""

    Options = SmoothedRidgeOptions
    towers = "coupled"

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._built: Memo[tuple[CoupledGraph, Tensor]] = Memo()

    def fit(self, view: RetrievalView, *, seed: int) -> None:
        self.steps, self.maps = select(self._candidates(view), view, self.outcome)
        self.outcome.params = sum(part.weight.numel() for part in self.maps.values() if part.weight is not None)

    def predict(self, view: RetrievalView) -> RetrievalAnswer:
        *_, last = self.smoothed(view, self.maps, self.steps)
        return prediction(unit(last))

    def smoothed(self, view: RetrievalView, maps: Maps, steps: int) -> Iterator[dict[str, Tensor]]:
        """H(0) … H(steps) of both sides."""
        mapped = unit({name: maps[name](side.x).float() * side.observed[:, None] for name, side in view.sides.items()})
        sizes = [len(rows) for rows in mapped.values()]
        h = e = torch.cat(list(mapped.values()))
        graph, values = self._operator(view, e)
        for step in range(steps + 1):
            h = propagate(graph, values, h, e, self.options.alpha) if step else h
            yield dict(zip(mapped, h.split(sizes), strict=True))

    def _operator(self, view: RetrievalView, e: Tensor) -> tuple[CoupledGraph, Tensor]:
        """M, made once for as long as the edges are the same."""
        within, across = [side.edge_index for side in view.sides.values()], [view.cross[name] for name in view.sides]

        def made() -> tuple[CoupledGraph, Tensor]:
            graph = CoupledGraph.of_sides([len(side) for side in view.sides.values()], within, across)
            return graph, Uniform(coupling=self.options.coupling)(e, graph)

        sizes = [side.observed for side in view.sides.values()]
        return self._built([*within, *across, *sizes], made)

    def _candidates(self, view: RetrievalView) -> Iterator[tuple[tuple[int, Maps], dict[str, Tensor]]]:
        tried = (1, 2, 4) if self.options.K == "auto" else (self.options.K,)
        features = {name: side.x for name, side in view.sides.items()}
        for maps in ridge_maps(features, view.train, self.options.alphas, self.options.sources(view)):
            for step, embeddings in enumerate(self.smoothed(view, maps, max(tried))):
                if step in tried:
                    yield (step, maps), embeddings
