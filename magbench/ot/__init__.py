"""Optimal transport: costs on nodes, Sinkhorn, and unbalanced fused Gromov-Wasserstein.

Names are loaded when asked for, so that the compiled backend can be used without torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from magbench.ot.costs import anchor_cost, graph_cost, modality_cost
    from magbench.ot.factors import CosineFactors
    from magbench.ot.unbalanced import MassCollapseWarning, NotConvergedWarning, UFGWResult, ufgw, ufgw_batch

__all__ = [
    "CosineFactors",
    "MassCollapseWarning",
    "NotConvergedWarning",
    "UFGWResult",
    "anchor_cost",
    "graph_cost",
    "modality_cost",
    "ufgw",
    "ufgw_batch",
]
_COSTS = ("anchor_cost", "graph_cost", "modality_cost")


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = "costs" if name in _COSTS else "factors" if name == "CosineFactors" else "unbalanced"
    return getattr(import_module(f"{__name__}.{module}"), name)
