"""Work of a push: nodes that it reaches from one start node."""

from __future__ import annotations

from ..measure.pagerank import Graph


class Push:
    """On a power-law graph of 2,000 nodes; the same on every machine."""

    params = ((1e-3, 1e-4),)
    param_names = ("tol",)

    def track_count_touched(self, tol: float) -> float:
        return round(Graph.draw(2_000, 100).touched(tol), 1)
