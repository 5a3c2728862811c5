"""Common neighbours: ``|N(s) ∩ N(t)|`` (Liben-Nowell & Kleinberg, 2007)."""

from __future__ import annotations

import numpy as np

from magbench.api import LinkHeuristic, LinkPredictionView, adjacency


class CommonNeighbours(LinkHeuristic):
    """Rows of A²."""

    def prepare(self, view: LinkPredictionView) -> None:
        self.matrix = adjacency(view)

    def rows(self, sources: np.ndarray) -> np.ndarray:
        product: np.ndarray = (self.matrix[sources] @ self.matrix).toarray()
        return product
