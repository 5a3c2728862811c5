"""SGC in node classification: logistic regression on S^K X (Wu et al., 2019)."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Annotated, Any, Literal

from magbench.baselines.logistic_regression import LogisticRegression, LogisticRegressionOptions
from pydantic import Field

from magbench.api import Method, NodeClassificationView
from magbench.nn.propagation import smooth


class SGCOptions(LogisticRegressionOptions):
    """``K``: smoothing steps; ``auto``: validation chooses among 1, 2 and 4."""

    K: Literal["auto"] | Annotated[int, Field(ge=0)] = "auto"


class SGC(Method):
    """The baseline ``logistic_regression`` on smoothed features; ``K=0`` is that baseline."""

    Options = SGCOptions

    def fit(self, view: NodeClassificationView, *, seed: int) -> None:
        best, trials = -math.inf, 0
        for steps in (1, 2, 4) if self.options.K == "auto" else (self.options.K,):
            model = LogisticRegression(**self.options.model_dump(exclude={"K"}))
            model.fit(smoothed(view, steps), seed=seed)
            trials += model.outcome.trials
            if model.outcome.value > best:
                best, self.steps, self.model = model.outcome.value, steps, model
        chosen = {**self.model.outcome.config, "K": self.steps}
        self.outcome = replace(self.model.outcome, trials=trials, config=chosen)

    def predict(self, view: NodeClassificationView) -> Any:
        return self.model.predict(smoothed(view, self.steps))


def smoothed(view: NodeClassificationView, steps: int) -> NodeClassificationView:
    """The view with S^steps X in place of each modality's features X."""
    return replace(view, x={name: smooth(features, view.edge_index, steps) for name, features in view.x.items()})
