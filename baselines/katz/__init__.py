"""Katz: ``sum over l of beta^l (A^l)_st``, walks of up to ``length`` steps (Katz, 1953)."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from magbench.api import LinkHeuristic, LinkPredictionView, Options, adjacency


class KatzOptions(Options):
    """``beta`` damps each step; ``length`` is the longest walk."""

    beta: float = Field(0.05, gt=0, lt=1)
    length: int = Field(4, ge=2)


class Katz(LinkHeuristic):
    """One sparse product a step and chunk; the training graph has no edge between a source and its candidates."""

    Options = KatzOptions

    def prepare(self, view: LinkPredictionView) -> None:
        self.matrix = self.options.beta * adjacency(view)

    def rows(self, sources: np.ndarray) -> np.ndarray:
        walks: np.ndarray = self.matrix[sources].toarray()
        scores = walks.copy()
        for _ in range(self.options.length - 1):
            walks = (self.matrix @ walks.T).T
            scores += walks
        return scores
