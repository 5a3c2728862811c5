"""Orthogonal Procrustes: the turn of both sides' frozen features that brings the training pairs together; no graph."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field
from torch import Tensor

from magbench.api import Options, PureMethod, RetrievalView, Side
from magbench.train.alignment import Maps, procrustes_maps
from magbench.train.pure import select


class ProcrustesOptions(Options):
    """``ranks``: candidate numbers of directions that are kept, at most the smaller width; validation chooses."""

    ranks: tuple[int, ...] = Field((64, 128, 256, 4096), min_length=1)


class Procrustes(PureMethod):
    """The leading singular vectors of the cross-covariance of the training pairs, as the embedding of each side."""

    Options = ProcrustesOptions

    def fit(self, view: RetrievalView, *, seed: int) -> None:
        self.maps = select(self._candidates(view), view, self.outcome)
        self.outcome.params = sum(part.weight.numel() for part in self.maps.values())

    def embed(self, modality: str, side: Side) -> Tensor:
        return self.maps[modality](side.x)

    def _candidates(self, view: RetrievalView) -> Iterator[tuple[Maps, dict[str, Tensor]]]:
        features = {name: side.x for name, side in view.sides.items()}
        for maps in procrustes_maps(features, view.train, self.options.ranks):
            yield maps, {name: maps[name](x) for name, x in features.items()}
