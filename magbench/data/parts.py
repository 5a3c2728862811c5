"""The parts of a data set that a task trains on and tests, of nodes or of edges alike."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Index = NDArray[np.int64]


class Parts(NamedTuple):
    """What a task trains on and tests: nodes, int64 [n], or edges, int64 [2, n]."""

    train: Index
    test: Index
