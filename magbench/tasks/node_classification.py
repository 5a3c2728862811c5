"""Node classification: name the class of held-out nodes from features, graph and the labels of other nodes.

The split is drawn anew for each seed, stratified by class, or fixed: the authors' own, or MAGB's single permutation.
Its hash stands in ``tasks/LOCK.toml``.
"""

from __future__ import annotations

import numpy as np
import torch

from magbench.data.mag import MAG
from magbench.data.parts import Parts
from magbench.errors import DataError, MethodError
from magbench.graph.splits import PARTS, Split, magb_split, official_split, stratified_split
from magbench.metrics import METRICS
from magbench.specs import SplitSpec, TaskSpec
from magbench.tasks.base import Score, Task
from magbench.tasks.views import FixedNodePrediction, NodeClassificationView, NodePrediction


class NodeClassification(Task):
    """See :class:`~magbench.tasks.views.NodeClassificationView` for what a method sees."""

    rules = (SplitSpec,)

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

    def draw(self, mag: MAG, seed: int) -> str:
        return self.split(mag, seed).digest()

    def parts(self, mag: MAG, seed: int) -> Parts:
        split = self.split(mag, seed)
        return Parts(split.train, split.test)

    def view(self, mag: MAG, seed: int) -> NodeClassificationView:
        return self.view_of_split(mag, seed, self.split(mag, seed))

    def view_of_split(self, mag: MAG, seed: int, split: Split) -> NodeClassificationView:
        """The view for a given split (the leak probe holds the split fixed while it changes hidden labels)."""
        labels = self.labels(mag)
        visible = np.full_like(labels, -1)
        for part in (split.train, split.val):
            visible[part] = labels[part]
        return NodeClassificationView(
            task=self.spec.versioned_id,
            seed=seed,
            x=mag.x_dict,
            observed=mag.has_dict,
            edge_index=mag.edge_index,
            texts=mag.texts,
            images=mag.images,
            y=torch.from_numpy(visible),
            train=torch.from_numpy(split.train),
            val=torch.from_numpy(split.val),
            test=torch.from_numpy(split.test),
            num_classes=len(mag.classes[self.spec.label]),
        )

    def check(self, prediction: NodePrediction, view: NodeClassificationView) -> None:
        if not isinstance(prediction, NodePrediction):
            raise MethodError(f"predict() returned {type(prediction).__name__}, expected magbench.api.NodePrediction.")
        nodes, scores = np.asarray(prediction.nodes), np.asarray(prediction.scores)
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

    def kept(self, prediction: NodePrediction, mag: MAG, seed: int) -> NodePrediction:
        """The prediction; of a fixed split in the order of the nodes, with their classes."""
        if self.design == "drawn":
            return prediction
        order = np.argsort(prediction.nodes)
        nodes = prediction.nodes[order]
        return FixedNodePrediction(nodes, prediction.scores[order], self.labels(mag)[nodes])

    def score(self, prediction: NodePrediction, mag: MAG, seed: int) -> list[Score]:
        true = self.labels(mag)[prediction.nodes]
        scores = []
        for name in self.spec.metrics:
            metric = METRICS[name]
            scores.append(Score(name, metric.version, "test", metric(true, prediction.classes), len(true)))
        return scores
