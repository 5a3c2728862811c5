"""Logistic regression on the concatenated, standardised features: the control that any graph method must beat."""

from __future__ import annotations

import numpy as np
from pydantic import Field
from sklearn.linear_model import LogisticRegression as SklearnLogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from magbench.api import Method, NodeAnswer, NodeClassificationView, Options


class LogisticRegressionOptions(Options):
    """``C``: candidate inverse regularisation strengths; validation accuracy chooses among them."""

    C: tuple[float, ...] = Field((0.001, 0.01, 0.1), min_length=1)
    max_iter: int = Field(300, ge=1)


class LogisticRegression(Method):
    """scikit-learn's multinomial logistic regression; the graph is not used."""

    Options = LogisticRegressionOptions

    def fit(self, view: NodeClassificationView, *, seed: int) -> None:
        features, labels = _features(view), view.y.numpy()
        train, val = view.train.numpy(), view.val.numpy()
        best = -1.0
        for strength in self.options.C:
            model = make_pipeline(
                StandardScaler(),
                SklearnLogisticRegression(C=strength, max_iter=self.options.max_iter, random_state=seed),
            ).fit(features[train], labels[train])
            accuracy = float((model.predict(features[val]) == labels[val]).mean())
            if accuracy > best:
                best, self.model, self.outcome.config = accuracy, model, {"C": strength}
        self.outcome.value, self.outcome.metric, self.outcome.trials = best, "accuracy", len(self.options.C)
        self.outcome.params = _num_params(self.model)

    def predict(self, view: NodeClassificationView) -> NodeAnswer:
        nodes = view.test.numpy()
        scores = np.zeros((len(nodes), view.num_classes), dtype=np.float32)
        scores[:, self.model.classes_] = self.model.predict_proba(_features(view)[nodes])
        return NodeAnswer(nodes, scores)


def _features(view: NodeClassificationView) -> np.ndarray:
    return np.concatenate([features.numpy() for features in view.x.values()], axis=1)


def _num_params(model: Pipeline) -> int:
    last = model[-1]
    return int(last.coef_.size + last.intercept_.size)
