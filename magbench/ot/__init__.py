"""Optimal transport: costs on nodes, Sinkhorn, and unbalanced fused Gromov-Wasserstein in plain torch."""

from magbench.ot.costs import anchor_cost, graph_cost, modality_cost
from magbench.ot.ufgw import (
    MassCollapseWarning,
    NotConvergedWarning,
    UFGWResult,
    ufgw,
)

__all__ = [
    "MassCollapseWarning",
    "NotConvergedWarning",
    "UFGWResult",
    "anchor_cost",
    "graph_cost",
    "modality_cost",
    "ufgw",
]
