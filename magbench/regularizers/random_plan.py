"""Random plan: OptiMAG's loss at a plan that nobody solved for. What transport adds must show against it."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from magbench.regularizers.base import Context
from magbench.regularizers.controls import DistMatch


class RandomPlan(DistMatch):
    """L_m = alpha sum_ik p_i p_k (Cbar_m(i,k) - Cbar_G(s(i),s(k)))^2, the structure term at P_ij = p_i [j = s(i)].

    s is a uniformly random permutation of the batch, one for all modalities, drawn anew at every step. The plan is as
    concentrated as :class:`DistMatch`'s diag(p) and has its mass (p = mu, mass 1; ``softmask`` weighs rows likewise);
    only the partner is wrong. There is no anchor term: at a fixed plan <M, P> has no gradient. Unlike
    :class:`~magbench.regularizers.controls.PlaceboPermuted` nothing is solved, so the plan cannot undo the permutation.
    """

    name: ClassVar[str] = "random_plan"

    def reference(self, graph: Tensor, ctx: Context) -> Tensor:
        """G[s, s]: comparing with the permuted cost on the diagonal is matching i with s(i)."""
        order = torch.randperm(len(graph), generator=ctx.generator, device=ctx.generator.device).to(graph.device)
        return graph[order][:, order]
