"""Linear maps between frozen features, in closed form from the training pairs.

Features are taken as unit rows, centred at the mean of the training rows of their side.

* :func:`ridge_maps`: one side predicts the other, min_W |X W - Y|^2 + alpha |W|^2;
* :func:`procrustes_maps`: both are turned, max tr(A' X' Y B) over A and B with orthonormal columns, which for equal
  widths is the rotation A B' of least |X A B' - Y|.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field, PositiveFloat
from scipy.linalg import svd
from sklearn.linear_model import Ridge
from torch import Tensor
from torch.nn import functional

from magbench.checks import whole
from magbench.options import Options
from magbench.tasks.retrieval.view import RetrievalView, Side
from magbench.train.pure import PureMethod, select

Features = Mapping[str, Tensor]


@dataclass(frozen=True, eq=False)
class Map:
    """x → (x / |x| - mean) weight, for rows float [M, d_m].

    Attributes:
        mean: float64 [d_m].
        weight: float64 [d_m, d], or None: the identity.
    """

    mean: Tensor
    weight: Tensor | None = None

    def __call__(self, x: Tensor) -> Tensor:
        centred = unit_rows(x) - self.mean
        return centred if self.weight is None else centred @ self.weight


Maps = dict[str, Map]


def unit_rows(x: Tensor) -> Tensor:
    """Rows of length 1 in float64; rows of zeros stay."""
    return functional.normalize(x.double(), dim=1)


def ridge_maps(features: Features, train: Tensor, alphas: Sequence[float], sources: Sequence[str]) -> Iterator[Maps]:
    """For each source and each alpha, the map of that side's features onto the other's.

    Args:
        features: first and second side, float [M, d_m].
        train: int64 [2, P], rows that are pairs.
        alphas: strengths of the penalty.
        sources: modalities.
    """
    rows = _training_rows(features, train)
    means = {name: x.mean(0) for name, x in rows.items()}
    for source in sources:
        (target,) = (name for name in rows if name != source)
        x, y = (rows[name] - means[name] for name in (source, target))
        for alpha in alphas:
            fitted = Ridge(alpha=alpha, fit_intercept=False).fit(x.numpy(), y.numpy())
            weight = torch.from_numpy(np.ascontiguousarray(fitted.coef_.T))
            yield {name: Map(means[name], weight if name == source else None) for name in rows}


def procrustes_maps(features: Features, train: Tensor, ranks: Sequence[int]) -> Iterator[Maps]:
    """For each rank, the leading singular vectors of X' Y; a rank above the smaller width is that width.

    Args:
        features: first and second side, float [M, d_m].
        train: int64 [2, P], rows that are pairs.
        ranks: numbers of directions that are kept.

    Raises:
        OptionError: a rank below 1.

    Source: Schönemann, "A generalized solution of the orthogonal Procrustes problem" (1966).
    """
    for rank in ranks:
        whole("ranks", rank, 1)
    rows = _training_rows(features, train)
    means = {name: x.mean(0) for name, x in rows.items()}
    first, second = rows
    product = (rows[first] - means[first]).t() @ (rows[second] - means[second])
    left, _, right = svd(product.numpy(), full_matrices=False)
    for rank in sorted({min(rank, *product.shape) for rank in ranks}):
        bases = {first: left[:, :rank], second: right[:rank].T}
        yield {name: Map(means[name], torch.from_numpy(np.ascontiguousarray(bases[name]))) for name in rows}


def _training_rows(features: Features, train: Tensor) -> dict[str, Tensor]:
    return {name: unit_rows(x[own]) for (name, x), own in zip(features.items(), train, strict=True)}


class RidgeOptions(Options):
    """Options of :class:`RidgeAlignment`."""

    alphas: tuple[PositiveFloat, ...] = Field((0.01, 0.1, 1.0, 10.0), min_length=1)
    """Candidate strengths of the penalty; validation chooses."""
    source: Literal["auto", "first", "second"] = "auto"
    """The side that is mapped onto the other; ``auto``: validation chooses."""

    def sources(self, view: RetrievalView) -> list[str]:
        """Candidate sources."""
        first, second = view.sides
        return {"auto": [first, second], "first": [first], "second": [second]}[self.source]


class RidgeAlignment(PureMethod):
    """Ridge maps, on features that a subclass may smooth over the graph first; validation chooses among all."""

    Options = RidgeOptions
    options: Any
    maps: Maps
    steps: int

    def steps_tried(self) -> Sequence[int]:
        """Candidate numbers of smoothing steps."""
        return (0,)

    def smoothed(self, side: Side, steps: int) -> Tensor:
        """Features float [M, d_m] of a side after ``steps`` steps."""
        return side.x

    def fit(self, view: RetrievalView, *, seed: int) -> None:
        self.steps, self.maps = select(self._candidates(view), view, self.outcome)
        self.outcome.params = sum(part.weight.numel() for part in self.maps.values() if part.weight is not None)

    def embed(self, modality: str, side: Side) -> Tensor:
        return self.maps[modality](self.smoothed(side, self.steps))

    def _candidates(self, view: RetrievalView) -> Iterator[tuple[tuple[int, Maps], dict[str, Tensor]]]:
        for steps in self.steps_tried():
            features = {name: self.smoothed(side, steps) for name, side in view.sides.items()}
            for maps in ridge_maps(features, view.train, self.options.alphas, self.options.sources(view)):
                yield (steps, maps), {name: maps[name](x) for name, x in features.items()}
