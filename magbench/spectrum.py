"""How many directions a set of states uses."""

from __future__ import annotations

import math

import torch
from torch import Tensor


@torch.no_grad()
def effective_rank(z: Tensor) -> float:
    """exp of the entropy of the normalised singular values of ``z`` (Roy & Vetterli 2007): between 1 and min(B, d)."""
    values = torch.linalg.svdvals(z.double())
    share = values / values.sum().clamp_min(1e-30)
    return math.exp(float(-torch.xlogy(share, share).sum()))
