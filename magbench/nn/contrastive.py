"""Contrastive losses of pairs."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def info_nce(first: Tensor, second: Tensor, temperature: float, pairs: Tensor | None = None) -> Tensor:
    """Symmetric InfoNCE: row i of one side has to find row i of the other among all rows, in both directions.

        L = (CE(S) + CE(S^T)) / 2,    S_ij = <first_i, second_j> / temperature,    CE(S) = -mean_i log softmax(S_i)_i

    Args:
        first, second: float [P, d].
        temperature: above 0.
        pairs: int64 [2, P], which items the rows are. Given where an item may stand in several pairs: its other
            partners are then no negatives. Default: every pair has items of its own.

    Returns:
        A scalar.

    Source: van den Oord et al., "Representation learning with contrastive predictive coding" (2018); the symmetric form
    as in Radford et al., "Learning transferable visual models from natural language supervision" (2021).
    """
    scores = first @ second.t() / temperature
    if pairs is not None:
        same = (pairs[0][:, None] == pairs[0][None, :]) | (pairs[1][:, None] == pairs[1][None, :])
        same.fill_diagonal_(False)
        scores = scores.masked_fill(same, -torch.inf)
    own = torch.arange(len(scores), device=scores.device)
    return (functional.cross_entropy(scores, own) + functional.cross_entropy(scores.t(), own)) / 2
