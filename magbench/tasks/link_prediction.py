"""Link prediction: find the other end of held-out edges among false candidates.

Split, negatives and the order of the candidates are fixed by the task's version; a seed changes the method only. See
:class:`~magbench.tasks.views.LinkPredictionView` for what a method sees, and ``docs/link-prediction.md``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from magbench.data.edges import undirected_edges
from magbench.data.mag import MAG, simple_undirected
from magbench.data.parts import Parts
from magbench.errors import DataError, MethodError
from magbench.graph.edge_splits import DRAWS_PER_EDGE, EdgeSplit, random_edge_split
from magbench.graph.negatives import NonNeighbours, Table, draw_negatives, hide_targets
from magbench.graph.splits import Index, bounded, parts_digest, random_keys
from magbench.metrics import METRICS
from magbench.metrics.ranking import count_above_equal
from magbench.specs import EdgeSplitSpec, OfficialEdgeSplitSpec
from magbench.tasks.base import Score, Task
from magbench.tasks.views import LinkPrediction, LinkPredictionView, Queries, RankPrediction


@dataclass(frozen=True, eq=False)
class Draw:
    """All that the task fixes.

    Attributes:
        split: edges of the three parts.
        val_negatives: int32 [V, K'].
        candidates: int32 [T, K + 1] for the test edges.
    """

    split: EdgeSplit
    val_negatives: Table
    candidates: Table


class LinkPredictionTask(Task):
    """Two rules: ``edges`` draws split and negatives, ``official_edges`` takes those the data set brings along."""

    design = "fixed"
    rules = (EdgeSplitSpec, OfficialEdgeSplitSpec)

    def split(self, mag: MAG) -> EdgeSplit:
        """The edges of the three parts.

        Raises:
            DataError: too few edges, or a data set without the official ones.
        """
        rule = self.rule
        if isinstance(rule, EdgeSplitSpec):
            edges = undirected_edges(mag.edge_index.numpy(), mag.num_nodes)
            return random_edge_split(edges, rule.seed, val=rule.val, test=rule.test)
        return EdgeSplit(*(self._official(mag, f"{part}_edges") for part in ("train", "val", "test")))

    def right(self, mag: MAG, split: EdgeSplit, num_negatives: int) -> Index:
        """int64 [T], the column of each test edge's target among its candidates."""
        keys = random_keys(split.test.shape[1], self.rule.seed, self._after_split(mag))
        return bounded(keys, num_negatives + 1)

    def drawn(self, mag: MAG) -> Draw:
        """Split, negatives and candidates, drawn anew."""
        split, rule = self.split(mag), self.rule
        if isinstance(rule, EdgeSplitSpec):
            known = NonNeighbours.of(mag.edge_index.numpy(), mag.num_nodes)
            start = self._after_split(mag) + split.test.shape[1]
            table = draw_negatives(known, split.test[0], rule.negatives, rule.seed, start, spare=1)
            start += rule.negatives * len(table)
            val_negatives = draw_negatives(known, split.val[0], rule.val_negatives, rule.seed, start)
        else:
            table = np.pad(self._official(mag, "test_negatives").astype(np.int32), ((0, 0), (0, 1)))
            val_negatives = self._official(mag, "val_negatives")[:, : rule.val_negatives].astype(np.int32)
        right = self.right(mag, split, table.shape[1] - 1)
        return Draw(split, val_negatives, hide_targets(table, split.test[1], right))

    def draw(self, mag: MAG, seed: int) -> str:
        drawn = self.drawn(mag)
        return parts_digest(
            *(part.T for part in (drawn.split.train, drawn.split.val, drawn.split.test)),
            drawn.val_negatives,
            drawn.candidates,
        )

    def parts(self, mag: MAG, seed: int) -> Parts:
        split = self.split(mag)
        return Parts(_seen(split, mag.num_nodes), split.test)

    def view(self, mag: MAG, seed: int) -> LinkPredictionView:
        return self.view_of_draw(mag, seed, self.drawn(mag))

    def view_of_draw(self, mag: MAG, seed: int, drawn: Draw) -> LinkPredictionView:
        """The view for a given draw (the leak probe holds it fixed while it changes hidden edges)."""
        split = drawn.split
        train = _seen(split, mag.num_nodes)
        return LinkPredictionView(
            task=self.spec.versioned_id,
            seed=seed,
            x=mag.x_dict,
            observed=mag.has_dict,
            edge_index=simple_undirected(torch.from_numpy(train), mag.num_nodes),
            texts=mag.texts,
            images=mag.images,
            train=torch.from_numpy(train),
            val=torch.from_numpy(split.val),
            val_negatives=torch.from_numpy(drawn.val_negatives),
            test=Queries(torch.from_numpy(split.test[0].copy()), torch.from_numpy(drawn.candidates)),
        )

    def check(self, prediction: LinkPrediction, view: LinkPredictionView) -> None:
        if not isinstance(prediction, LinkPrediction):
            raise MethodError(f"predict() returned {type(prediction).__name__}, expected magbench.api.LinkPrediction.")
        scores, expected = np.asarray(prediction.scores), list(view.test.candidates.shape)
        if list(scores.shape) != expected or scores.dtype.kind != "f":
            raise MethodError(
                f"predict(): scores must be floats of shape {expected}, one for each of view.test.candidates; found "
                f"{scores.dtype} {list(scores.shape)}."
            )

    def kept(self, prediction: LinkPrediction, mag: MAG, seed: int) -> RankPrediction:
        right = self.right(mag, self.split(mag), prediction.scores.shape[1] - 1)
        return RankPrediction(*count_above_equal(prediction.scores, right))

    def score(self, prediction: RankPrediction, mag: MAG, seed: int) -> list[Score]:
        counts = prediction.above, prediction.equal
        return [
            Score(name, METRICS[name].version, "test", METRICS[name](*counts), prediction.rows)
            for name in self.spec.metrics
        ]

    def _after_split(self, mag: MAG) -> int:
        """Number of the first raw draw that the split has not used."""
        if not isinstance(self.rule, EdgeSplitSpec):
            return 0
        return DRAWS_PER_EDGE * int(undirected_edges(mag.edge_index.numpy(), mag.num_nodes).shape[1])

    def _official(self, mag: MAG, name: str) -> NDArray[np.int64]:
        if name not in mag.official:
            raise DataError(
                f"Task {self.spec.id}: data set {mag.name!r} brings no official {name!r}, only {sorted(mag.official)}."
            )
        return np.asarray(mag.official[name], dtype=np.int64)


def _seen(split: EdgeSplit, num_nodes: int) -> Index:
    """The training edges u < v, each once, that are not held out in either direction; self-loops are left out."""
    held_out = np.concatenate([split.val, split.test], axis=1)
    kept, out = (undirected_edges(part, num_nodes) for part in (split.train, held_out))
    return kept[:, ~np.isin(kept[0] * num_nodes + kept[1], out[0] * num_nodes + out[1])]
