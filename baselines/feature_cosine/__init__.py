"""Feature cosine: how alike two nodes' features are, summed over the modalities that both have; no graph."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

from magbench.api import LinkHeuristic, LinkPredictionView


class FeatureCosine(LinkHeuristic):
    """A missing modality has a zero row, so it adds nothing."""

    def prepare(self, view: LinkPredictionView) -> None:
        self.features = [functional.normalize(x, dim=1) for x in view.x.values()]

    def rows(self, sources: np.ndarray) -> np.ndarray:
        chosen = torch.from_numpy(sources)
        return sum((x[chosen] @ x.t() for x in self.features), torch.zeros(())).numpy()
