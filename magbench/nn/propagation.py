"""Edge weights of linear propagation, right on a whole graph and on a sample of it."""

from __future__ import annotations

import torch
from torch import Tensor


def symmetric_norm(edge_index: Tensor, degree: Tensor) -> tuple[Tensor, Tensor]:
    """D^-1/2 (A + I) D^-1/2 with D = degree + 1 (Kipf & Welling 2017), as edges and their weights.

    Where ``edge_index`` holds k_i of the d_i edges into node i, drawn uniformly, they weigh d_i / k_i times as much, so
    the sum over neighbours is right in expectation; on the whole graph the factor is 1.

    Args:
        edge_index: int64 [2, E], without self-loops.
        degree: int64 [N], in the whole graph.

    Returns:
        int64 [2, E + N], the loops last, and float32 [E + N].
    """
    source, target = edge_index
    root = (degree.float() + 1.0).pow(-0.5)
    drawn = torch.bincount(target, minlength=len(degree)).clamp_min(1)
    weight = root[source] * root[target] * (degree / drawn)[target]
    loops = torch.arange(len(degree), device=degree.device)
    return torch.cat([edge_index, torch.stack([loops, loops])], dim=1), torch.cat([weight, root * root])
