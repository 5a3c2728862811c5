"""Link heuristics: methods of link prediction that learn nothing and score a pair by a formula.

A heuristic gives the scores of a source with all nodes, one row a source; those of the candidates are taken from it. So
sparse products serve, some sources at a time, and no N x N matrix is formed.
"""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from torch import Tensor

from magbench.metrics.ranking import count_above_equal, mrr
from magbench.tasks.link_prediction.view import LinkAnswer, LinkPredictionView
from magbench.train.method import Method

_CHUNK_CELLS = 4_000_000


class LinkHeuristic(Method):
    """Base of the heuristics: :meth:`prepare` once, then :meth:`rows`."""

    @abstractmethod
    def prepare(self, view: LinkPredictionView) -> None:
        """Compute what all rows need, from the training graph and the features."""

    @abstractmethod
    def rows(self, sources: NDArray[np.int64]) -> NDArray[np.floating]:
        """Scores float [B, N] of distinct sources (int64 [B]) with all nodes; higher is likelier."""

    def fit(self, view: LinkPredictionView, *, seed: int) -> None:
        self._prepare(view)
        candidates = np.concatenate([view.val[1].numpy()[:, None], view.val_negatives.numpy()], axis=1)
        scores = self._scores(view.val[0], candidates, view.num_nodes)
        self.outcome.value = mrr(*count_above_equal(scores, np.zeros(len(scores), dtype=np.int64)))
        self.outcome.metric, self.outcome.params = "mrr", 0

    def predict(self, view: LinkPredictionView) -> LinkAnswer:
        if view is not self._prepared:  # asked in another view than fitted to: it learns nothing, so it looks again
            self._prepare(view)
        return LinkAnswer(self._scores(view.test.source, view.test.candidates.numpy(), view.num_nodes))

    def _prepare(self, view: LinkPredictionView) -> None:
        self._prepared = view
        self.prepare(view)

    def _scores(self, source: Tensor, candidates: NDArray[np.integer], num_nodes: int) -> NDArray[np.float32]:
        """float32 [Q, C]; queries are taken in the order of their sources, so that each row is made once."""
        scores = np.empty(candidates.shape, dtype=np.float32)
        order = np.argsort(source.numpy(), kind="stable")
        step = max(1, _CHUNK_CELLS // num_nodes)
        for start in range(0, len(order), step):
            chosen = order[start : start + step]
            distinct, place = np.unique(source.numpy()[chosen], return_inverse=True)
            scores[chosen] = np.take_along_axis(self.rows(distinct)[place], candidates[chosen].astype(np.int64), axis=1)
        return scores


def adjacency(view: LinkPredictionView) -> sp.csr_array:
    """The training graph as float64 0/1 [N, N]."""
    source, target = view.edge_index.numpy()
    shape = (view.num_nodes, view.num_nodes)
    return sp.csr_array((np.ones(len(source)), (source, target)), shape=shape)
