"""Node classification: name the class of held-out nodes from features, graph and the labels of other nodes.

The split is drawn anew for each seed, stratified by class, or fixed: the authors' own, or MAGB's single permutation.
Its hash stands in ``tasks/LOCK.toml``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from magbench.data.mag import MAG
from magbench.data.parts import Parts
from magbench.errors import DataError, MethodError
from magbench.graph.splits import (
    PARTS,
    Index,
    Split,
    bounded,
    magb_split,
    official_split,
    parts_digest,
    random_keys,
    stratified_split,
)
from magbench.predictions.classes import Classes
from magbench.specs import TaskSpec
from magbench.tasks.base import CORRUPTION, Task
from magbench.tasks.node_classification.view import NodeAnswer, NodeClassificationView
from magbench.tasks.views import shared_fields
from magbench.variants import corruptions_of
from magbench.variation.training import corrupt_labels

HIDE = 1
"""Stream of draws, apart from the split's."""


@dataclass(frozen=True, eq=False)
class Draw:
    """The split, what training sees of its part, and the graph, where it is another one than the data set's.

    Attributes:
        split: as it is for every variant.
        labels: int64 [N], what may be seen of training and validation nodes.
        train: int64 [n], the nodes that are trained on.
        edge_index: int64 [2, E]; None: that of the data set.
    """

    split: Split
    labels: Index
    train: Index
    edge_index: Index | None


class NodeClassification(Task[Draw, NodeClassificationView, NodeAnswer]):
    """See :class:`~magbench.tasks.node_classification.view.NodeClassificationView` for what a method sees."""

    def __init__(self, spec: TaskSpec) -> None:
        super().__init__(spec)
        self.design = "drawn" if self.rule.rule == "stratified" else "fixed"

    def labels(self, mag: MAG) -> np.ndarray:
        """int64 [N]: the label column of this task, -1 = unlabelled.

        Raises:
            DataError: the data set has no such column.
        """
        found = getattr(mag, self.spec.label, None)
        if found is None:
            raise DataError(
                f"Task {self.spec.id}: data set {mag.name!r} has no {self.spec.label!r}, only {list(mag.classes)}."
            )
        return np.asarray(found, dtype=np.int64)

    def split(self, mag: MAG, seed: int) -> Split:
        """The split of ``seed``; a fixed one is the same for every seed.

        Raises:
            DataError: no split can be made, or the data set brings no official one.
        """
        rule, labels = self.rule, self.labels(mag)
        if rule.rule == "magb-42":
            return magb_split(labels, train=rule.train, val=rule.val)
        if rule.rule == "official":
            parts = {part: mag.official[part].numpy() for part in PARTS if part in mag.official}
            return official_split(labels, parts, f"{mag.name}@{mag.version}")
        return stratified_split(labels, seed, val=rule.val, test=rule.test, min_class_size=rule.min_class_size)

    def draw(self, mag: MAG, seed: int) -> Draw:
        split, labels = self.split(mag, seed), self.labels(mag)
        visible, train = labels, split.train
        for corruption in corruptions_of(self.spec.variant):
            if corruption.acts_on == "labels":
                classes = len(mag.classes[self.spec.label])
                visible, train = corrupt_labels(visible, train, classes, corruption, (0, CORRUPTION, seed))
        seen = self.varied(mag, seed, asked=True, nodes=split.test)
        other = None if seen.edge_index is mag.edge_index else seen.edge_index.numpy()
        return Draw(split, visible, train, other)

    def digest(self, drawn: Draw) -> str:
        if not self.spec.variant:
            return drawn.split.digest()
        edges = () if drawn.edge_index is None else (drawn.edge_index.T,)
        return parts_digest(drawn.train, drawn.split.val, drawn.split.test, drawn.labels[drawn.train], *edges)

    def parts(self, mag: MAG, seed: int) -> Parts:
        split = self.split(mag, seed)
        return Parts(split.train, split.test)

    def views(self, mag: MAG, seed: int, drawn: Draw, *, asked: bool = False) -> Iterator[NodeClassificationView]:
        split, seen = drawn.split, self.varied(mag, seed, asked=asked, nodes=drawn.split.test)
        visible = np.full_like(drawn.labels, -1)
        visible[drawn.train] = drawn.labels[drawn.train]
        visible[split.val] = self.labels(mag)[split.val]
        yield NodeClassificationView(
            **shared_fields(seen, self.spec.versioned_id, seed),
            y=torch.from_numpy(visible),
            train=torch.from_numpy(drawn.train),
            val=torch.from_numpy(split.val),
            test=torch.from_numpy(split.test),
            num_classes=len(mag.classes[self.spec.label]),
        )

    def hide(self, mag: MAG, seed: int, drawn: Draw) -> MAG:
        """Random classes for the test nodes."""
        labels, test = self.labels(mag).copy(), drawn.split.test
        labels[test] = bounded(random_keys(len(test), (seed, HIDE)), len(mag.classes[self.spec.label]))
        return mag.replaced(**{self.spec.label: torch.from_numpy(labels)})

    def same(self, first: NodeAnswer, second: NodeAnswer) -> bool:
        return np.array_equal(first.nodes, second.nodes) and first.scores.tobytes() == second.scores.tobytes()

    def check(self, answer: NodeAnswer, view: NodeClassificationView) -> None:
        if not isinstance(answer, NodeAnswer):
            raise MethodError(f"predict() returned {type(answer).__name__}, expected magbench.api.NodeAnswer.")
        nodes, scores = np.asarray(answer.nodes), np.asarray(answer.scores)
        expected = (len(nodes), view.num_classes)
        if nodes.ndim != 1 or not np.issubdtype(nodes.dtype, np.integer):
            raise MethodError(f"predict(): nodes must be int64 [M], found {nodes.dtype} {list(nodes.shape)}.")
        if scores.shape != expected:
            raise MethodError(f"predict(): scores must have shape {list(expected)}, found {list(scores.shape)}.")
        if not np.isfinite(scores).all():
            raise MethodError(f"predict(): {int((~np.isfinite(scores)).sum())} scores are NaN or infinite.")
        wanted = view.test.numpy()
        missing, extra = np.setdiff1d(wanted, nodes), np.setdiff1d(nodes, wanted)
        if len(missing) or len(extra) or len(nodes) != len(wanted):
            raise MethodError(
                f"predict(): expected each of the {len(wanted)} test nodes once (view.test), found {len(nodes)} rows, "
                f"{len(missing)} nodes missing {missing[:5].tolist()}, {len(extra)} not asked for {extra[:5].tolist()}."
            )

    def stored(self, answers: Sequence[NodeAnswer], mag: MAG, seed: int, drawn: Draw) -> Classes:
        (answer,) = answers
        order = np.argsort(answer.nodes)
        nodes, scores = answer.nodes[order], answer.scores[order]
        return Classes(nodes, self.labels(mag)[nodes], np.asarray(scores.argmax(axis=1), dtype=np.int64), scores)
