"""How edges are divided, and what is asked of them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from magbench.specs import SplitRule
from magbench.tasks.shares import Shares


class EdgeSplitSpec(Shares):
    """How edges are divided and asked: one draw for all seeds (:mod:`magbench.graph.edge_splits`).

    ``negatives`` are drawn for each test edge, ``val_negatives`` for each validation edge.
    """

    rule: Literal["edges"] = "edges"
    train: float = Field(0.8, gt=0, lt=1)
    val: float = Field(0.1, gt=0, lt=1)
    test: float = Field(0.1, gt=0, lt=1)
    seed: int = Field(0, ge=0)
    negatives: int = Field(1000, ge=1)
    val_negatives: int = Field(50, ge=1)


class OfficialEdgeSplitSpec(SplitRule):
    """Edges and negatives that the data set's authors publish, as they are; where each answer is hidden is drawn."""

    rule: Literal["official_edges"] = "official_edges"
    seed: int = Field(0, ge=0)
    val_negatives: int = Field(50, ge=1)
