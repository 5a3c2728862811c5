"""Node classification: name the class of held-out nodes from features, graph and the labels of other nodes.

The split is drawn anew for each seed, stratified by class, or fixed: the authors' own, or MAGB's single permutation.
Its hash stands in ``tasks/LOCK.toml``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy

import numpy as np
import torch

from magbench.data.mag import MAG
from magbench.data.parts import Parts
from magbench.errors import DataError, MethodError
from magbench.graph.splits import PARTS, Split, bounded, magb_split, official_split, random_keys, stratified_split
from magbench.predictions.classes import Classes
from magbench.specs import TaskSpec
from magbench.tasks.base import Task
from magbench.tasks.node_classification.view import NodeAnswer, NodeClassificationView

HIDE = 1
"""Stream of draws, apart from the split's."""


class NodeClassification(Task[Split, NodeClassificationView, NodeAnswer]):
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

    def draw(self, mag: MAG, seed: int) -> Split:
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

    def digest(self, drawn: Split) -> str:
        return drawn.digest()

    def parts(self, mag: MAG, seed: int) -> Parts:
        split = self.draw(mag, seed)
        return Parts(split.train, split.test)

    def views(self, mag: MAG, seed: int, drawn: Split) -> Iterator[NodeClassificationView]:
        labels = self.labels(mag)
        visible = np.full_like(labels, -1)
        for part in (drawn.train, drawn.val):
            visible[part] = labels[part]
        yield NodeClassificationView(
            task=self.spec.versioned_id,
            seed=seed,
            x=mag.x_dict,
            observed=mag.has_dict,
            edge_index=mag.edge_index,
            texts=mag.texts,
            images=mag.images,
            y=torch.from_numpy(visible),
            train=torch.from_numpy(drawn.train),
            val=torch.from_numpy(drawn.val),
            test=torch.from_numpy(drawn.test),
            num_classes=len(mag.classes[self.spec.label]),
        )

    def hide(self, mag: MAG, seed: int, drawn: Split) -> MAG:
        """Random classes for the test nodes."""
        hidden = copy(mag)
        labels = self.labels(mag).copy()
        keys = random_keys(len(drawn.test), (seed, HIDE))
        labels[drawn.test] = bounded(keys, len(mag.classes[self.spec.label]))
        hidden[self.spec.label] = torch.from_numpy(labels)
        return hidden

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

    def stored(self, answers: Sequence[NodeAnswer], mag: MAG, seed: int, drawn: Split) -> Classes:
        (answer,) = answers
        order = np.argsort(answer.nodes)
        nodes, scores = answer.nodes[order], answer.scores[order]
        return Classes(nodes, self.labels(mag)[nodes], np.asarray(scores.argmax(axis=1), dtype=np.int64), scores)
