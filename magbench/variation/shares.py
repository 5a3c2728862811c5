"""A share of some items, drawn so that a smaller share is always a part of a larger one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from magbench.graph.splits import Index, random_keys

Seeds = tuple[int, ...]


def leading(items: Index, share: float, keys: NDArray[np.uint64]) -> Index:
    """The first ``round(share · n)`` of n items in the order of their keys."""
    return items[np.argsort(keys, kind="stable")][: round(share * len(items))]


def leading_nodes(nodes: Index, num_nodes: int, share: float, seed: Sequence[int]) -> Index:
    """The same of distinct ``nodes``; a node's key follows from the seed and its number, whichever others there are."""
    return leading(nodes, share, random_keys(num_nodes, seed)[nodes])
