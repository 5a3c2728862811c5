"""Link prediction: find the other end of held-out edges among false candidates.

Split, negatives and the order of the candidates are fixed by the task's version; a seed changes the method only. See
:class:`~magbench.tasks.link_prediction.view.LinkPredictionView` for what a method sees; ``docs/link-prediction.md``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
from magbench.metrics.ranking import count_above_equal
from magbench.predictions.ranks import Ranks
from magbench.tasks.base import Task
from magbench.tasks.link_prediction.rule import EdgeSplitSpec
from magbench.tasks.link_prediction.view import LinkAnswer, LinkPredictionView, Queries
from magbench.tasks.views import shared_fields

HIDE = 1
"""Stream of draws, apart from the split's."""


@dataclass(frozen=True, eq=False)
class Draw:
    """All that the task fixes.

    Attributes:
        split: edges of the three parts.
        val_negatives: int32 [V, K'].
        candidates: int32 [T, K + 1] for the test edges.
        right: int64 [T], the column of each test edge's target among its candidates.
        edge_index: int64 [2, E], what messages run along when the method is asked; None: the training edges.
    """

    split: EdgeSplit
    val_negatives: Table
    candidates: Table
    right: Index
    edge_index: Index | None


class LinkPredictionTask(Task[Draw, LinkPredictionView, LinkAnswer]):
    """Two rules: ``edges`` draws split and negatives, ``official_edges`` takes those the data set brings along."""

    design = "fixed"

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

    def draw(self, mag: MAG, seed: int) -> Draw:
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
        right = bounded(random_keys(split.test.shape[1], rule.seed, self._after_split(mag)), table.shape[1])
        candidates = hide_targets(table, split.test[1], right)
        seen = self._seen(mag, seed, split, asked=True) if self.spec.variant else None
        return Draw(split, val_negatives, candidates, right, None if seen is None else seen.edge_index.numpy())

    def digest(self, drawn: Draw) -> str:
        split = drawn.split
        edges = () if drawn.edge_index is None else (drawn.edge_index.T,)
        return parts_digest(split.train.T, split.val.T, split.test.T, drawn.val_negatives, drawn.candidates, *edges)

    def parts(self, mag: MAG, seed: int) -> Parts:
        split = self.split(mag)
        return Parts(_trained(split, mag.num_nodes), split.test)

    def views(self, mag: MAG, seed: int, drawn: Draw, *, asked: bool = False) -> Iterator[LinkPredictionView]:
        split, seen = drawn.split, self._seen(mag, seed, drawn.split, asked=asked)
        yield LinkPredictionView(
            **shared_fields(seen, self.spec.versioned_id, seed),
            train=torch.from_numpy(_trained(split, mag.num_nodes)),
            val=torch.from_numpy(split.val),
            val_negatives=torch.from_numpy(drawn.val_negatives),
            test=Queries(torch.from_numpy(split.test[0].copy()), torch.from_numpy(drawn.candidates)),
        )

    def check(self, answer: LinkAnswer, view: LinkPredictionView) -> None:
        if not isinstance(answer, LinkAnswer):
            raise MethodError(f"predict() returned {type(answer).__name__}, expected magbench.api.LinkAnswer.")
        scores, expected = np.asarray(answer.scores), list(view.test.candidates.shape)
        if list(scores.shape) != expected or scores.dtype.kind != "f":
            raise MethodError(
                f"predict(): scores must be floats of shape {expected}, one for each of view.test.candidates; found "
                f"{scores.dtype} {list(scores.shape)}."
            )

    def stored(self, answers: Sequence[LinkAnswer], mag: MAG, seed: int, drawn: Draw) -> Ranks:
        (answer,) = answers
        return Ranks(*count_above_equal(answer.scores, drawn.right))

    def hide(self, mag: MAG, seed: int, drawn: Draw) -> MAG:
        """Other edges in place of those of the validation and the test part."""
        keys = random_keys(2 * drawn.split.test.shape[1], (self.rule.seed, HIDE, seed))
        edges = np.concatenate(
            [_trained(drawn.split, mag.num_nodes), bounded(keys, mag.num_nodes).reshape(2, -1)], axis=1
        )
        return mag.replaced(edge_index=simple_undirected(torch.from_numpy(edges), mag.num_nodes))

    def same(self, first: LinkAnswer, second: LinkAnswer) -> bool:
        return first.scores.tobytes() == second.scores.tobytes()

    def _seen(self, mag: MAG, seed: int, split: EdgeSplit, *, asked: bool) -> MAG:
        """The data set with the training edges alone, under the variant."""
        train = torch.from_numpy(_trained(split, mag.num_nodes))
        held_out = undirected_edges(np.concatenate([split.val, split.test], axis=1), mag.num_nodes)
        seen = mag.replaced(edge_index=simple_undirected(train, mag.num_nodes))
        return self.varied(seen, seed, asked=asked, nodes=split.test[0], known=held_out)

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


def _trained(split: EdgeSplit, num_nodes: int) -> Index:
    """The training edges u < v, each once, that are not held out in either direction; self-loops are left out."""
    held_out = np.concatenate([split.val, split.test], axis=1)
    kept, out = (undirected_edges(part, num_nodes) for part in (split.train, held_out))
    return kept[:, ~np.isin(kept[0] * num_nodes + kept[1], out[0] * num_nodes + out[1])]
