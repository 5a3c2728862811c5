"""Adamic–Adar: ``sum over common neighbours of 1 / log degree`` (Adamic & Adar, 2003)."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from magbench.api import LinkHeuristic, LinkPredictionView, adjacency


class AdamicAdar(LinkHeuristic):
    """Rows of A D A with D = 1 / log degree; a node of degree 1 is nobody's common neighbour."""

    def prepare(self, view: LinkPredictionView) -> None:
        self.matrix = adjacency(view)
        degree = self.matrix.sum(axis=0)
        weight = np.divide(1.0, np.log(np.maximum(degree, 1.0)), out=np.zeros(len(degree)), where=degree > 1)
        self.weighted = sp.diags_array(weight) @ self.matrix

    def rows(self, sources: np.ndarray) -> np.ndarray:
        product: np.ndarray = (self.matrix[sources] @ self.weighted).toarray()
        return product
