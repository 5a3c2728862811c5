"""The echo: how much of a node's own other half comes back to it through its neighbours.

Towers that are *coupled* pass messages between the sides, never from a node to itself; over two steps and more a node's
picture still reaches its own text by way of a neighbour. The echo measures what that does: one item's features are
replaced by those of another item that is asked, and the embedding of the same node's other item is looked at. It is
zero for pure towers, and for coupled ones at one step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from magbench.tasks.retrieval.view import RetrievalAnswer, RetrievalView

SAMPLES = 8
"""Nodes that are looked at; each costs a prediction a side."""


def measure_echo(
    predict: Callable[[RetrievalView], RetrievalAnswer], view: RetrievalView, pairs: Tensor
) -> dict[str, float]:
    """The mean relative change of an embedding when the other half of its node is exchanged.

    Args:
        predict: of a fitted method.
        view: what it was fitted to.
        pairs: int64 [2, T], rows of the same node on both sides, T >= 2; some of them, evenly spread, are looked at.

    Returns:
        ``echo.exchanged_half``: mean of |y' - y| / |y| over nodes and sides, and ``echo.exchanged_self``, the same when
        the item's own features are exchanged, for scale.
    """
    names = tuple(view.sides)
    before = predict(view).embeddings
    chosen = torch.linspace(0, pairs.size(1) - 1, min(SAMPLES, pairs.size(1))).long()
    changes: dict[str, list[float]] = {"half": [], "self": []}
    for place in chosen.tolist():
        for changed in (0, 1):
            partner = int(pairs[changed, (place + 1) % pairs.size(1)])
            after = predict(_exchanged(view, names[changed], int(pairs[changed, place]), partner)).embeddings
            for side, kind in ((1 - changed, "half"), (changed, "self")):
                row, name = int(pairs[side, place]), names[side]
                size = max(float(np.linalg.norm(before[name][row])), 1e-12)
                changes[kind].append(float(np.linalg.norm(after[name][row] - before[name][row])) / size)
    return {f"echo.exchanged_{kind}": float(np.mean(values)) for kind, values in changes.items()}


def _exchanged(view: RetrievalView, name: str, row: int, partner: int) -> RetrievalView:
    """The view with the features of ``partner`` in ``row`` too."""
    x = view.sides[name].x.clone()
    x[row] = x[partner]
    return replace(view, sides={**view.sides, name: replace(view.sides[name], x=x)})
