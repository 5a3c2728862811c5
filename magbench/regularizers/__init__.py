"""Regularisers of multimodal states on a graph, for any training loop: ``from magbench.regularizers import DAGR``.

Names are imported on first use, so importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from magbench.regularizers.base import Context, Regularizer, calibrated_weight
    from magbench.regularizers.controls import DistMatch, GeometricConsistency, PlaceboConstant, PlaceboPermuted
    from magbench.regularizers.dagr import DAGR
    from magbench.regularizers.optimag import OptiMAG
    from magbench.regularizers.pmrl import PMRL
    from magbench.regularizers.ppr_pairs import PPRPairs
    from magbench.regularizers.random_plan import RandomPlan
    from magbench.regularizers.rewired import PlaceboRewired

_HOMES = {
    "Context": "base",
    "Regularizer": "base",
    "calibrated_weight": "base",
    "OptiMAG": "optimag",
    "DAGR": "dagr",
    "PMRL": "pmrl",
    "DistMatch": "controls",
    "GeometricConsistency": "controls",
    "PlaceboConstant": "controls",
    "PlaceboPermuted": "controls",
    "PlaceboRewired": "rewired",
    "PPRPairs": "ppr_pairs",
    "RandomPlan": "random_plan",
}

__all__ = [
    "DAGR",
    "PMRL",
    "Context",
    "DistMatch",
    "GeometricConsistency",
    "OptiMAG",
    "PPRPairs",
    "PlaceboConstant",
    "PlaceboPermuted",
    "PlaceboRewired",
    "RandomPlan",
    "Regularizer",
    "calibrated_weight",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'magbench.regularizers' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(f"magbench.regularizers.{_HOMES[name]}"), name)
