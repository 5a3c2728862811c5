"""Personalised PageRank of the target for walks that restart at the source (Jeh & Widom, 2003)."""

from __future__ import annotations

import numpy as np
import torch
from pydantic import Field

from magbench.api import LinkHeuristic, LinkPredictionView, Options
from magbench.graph.ppr import ppr


class PPROptions(Options):
    """``teleport``: restart probability; ``tol`` and ``top_k``: precision on graphs of more than 5,000 nodes."""

    teleport: float = Field(0.15, gt=0, lt=1)
    tol: float = Field(1e-5, ge=1e-12, lt=1)
    top_k: int = Field(512, ge=1)


class PPR(LinkHeuristic):
    """Rows of the symmetric form of :func:`magbench.graph.ppr.ppr`."""

    Options = PPROptions

    def prepare(self, view: LinkPredictionView) -> None:
        self.store = ppr(view.edge_index, view.num_nodes, **self.options.model_dump())

    def rows(self, sources: np.ndarray) -> np.ndarray:
        return self.store.rows(torch.from_numpy(sources)).numpy()
