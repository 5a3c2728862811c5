"""The parts of a data set that a task trains on and tests, of nodes or of edges alike."""

from __future__ import annotations

from typing import NamedTuple

from magbench.data.directions import Index


class Parts(NamedTuple):
    """What a task trains on and tests: nodes, int64 [n], or edges, int64 [2, n]."""

    train: Index
    test: Index
