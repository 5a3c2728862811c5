"""ReAlign: the first side's frozen features moved into the distribution of the second's, without training and pairs.

With unit rows x of the first side, mu_1 and mu_2 the sides' means and S_1, S_2 their covariances,

    anchor and trace    x' = mu_2 + sqrt(tr S_2 / tr S_1) (x - mu_1)
    sphere              x" = x' / |x'|
    centroid            x* = x" - mean(x") + mu_2, again of length 1

A magbench re-implementation of what the abstract of arXiv 2602.07026 states (three steps: anchor, trace and centroid);
the formulas are our reading. ``centre`` takes mu_2 away from both sides in the end, as removing each modality's mean
closes the gap between means that Liang et al. (NeurIPS 2022) measured.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from torch import Tensor

from magbench.api import Options, PureMethod, RetrievalView, Side
from magbench.train.alignment import unit_rows
from magbench.train.pure import require_shared_space, select


class ReAlignOptions(Options):
    """``centre``: whether the common mean is removed (``auto``: validation chooses); ``shared``: see zero_shot."""

    centre: Literal["auto", "yes", "no"] = "auto"
    shared: bool = False


class Statistics(NamedTuple):
    """What is known of the sides: the first's name, means mu_1 and mu_2, the scale, and the mean of x"."""

    first: str
    source: Tensor
    target: Tensor
    scale: Tensor
    drift: Tensor


class ReAlign(PureMethod):
    """Statistics of all items of each side, paired or not; one choice by validation."""

    Options = ReAlignOptions

    def fit(self, view: RetrievalView, *, seed: int) -> None:
        require_shared_space("realign", view, trusted=self.options.shared)
        self.statistics = statistics(view)
        self.centre = select(self._candidates(view), view, self.outcome)
        self.outcome.params = 0

    def embed(self, modality: str, side: Side) -> Tensor:
        return realigned(self.statistics, modality, side.x, centre=self.centre)

    def _candidates(self, view: RetrievalView) -> Iterator[tuple[bool, dict[str, Tensor]]]:
        for centre in {"auto": (False, True), "yes": (True,), "no": (False,)}[self.options.centre]:
            yield centre, {n: realigned(self.statistics, n, s.x, centre=centre) for n, s in view.sides.items()}


def statistics(view: RetrievalView) -> Statistics:
    """Means and scale of the observed rows of both sides."""
    x, y = (unit_rows(side.x[side.observed]) for side in view.sides.values())
    source, target = x.mean(0), y.mean(0)
    scale = ((y - target).square().sum(1).mean() / (x - source).square().sum(1).mean()).sqrt()
    drift = unit_rows(target + scale * (x - source)).mean(0)
    return Statistics(next(iter(view.sides)), source, target, scale, drift)


def realigned(found: Statistics, modality: str, x: Tensor, *, centre: bool) -> Tensor:
    """Unit rows float64 [M, d] of one side after the three steps; the second side stays, but for its mean."""
    rows = unit_rows(x)
    if modality == found.first:
        rows = unit_rows(found.target + found.scale * (rows - found.source)) - found.drift + found.target
        rows = unit_rows(rows)
    return rows - found.target if centre else rows
