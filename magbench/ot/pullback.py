"""The structure term of a cosine cost and its gradient with respect to the states, in closed form.

For C = modality_cost(z) = s (11' - UU') off the diagonal, U the unit rows of z, and a plan P held constant,

    Q(z) = sum_ijkl (C_ik - G_jl)^2 P_ij P_kl = sum_ik C_ik^2 r_i r_k + c' G^2 c - 2 <C, B>,     B = P G P'.

dQ/dC = 2 (C o rr' - B) by the envelope theorem, and only its product with U is needed: the rest of the gradient is what
normalising rows and dividing by the mean add. No N x N matrix is stored for a backward pass and none has N^3 work.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from magbench.ot.costs import unit_rows
from magbench.ot.matmul import fast_float32


def structure_loss(
    z: Tensor, cost: Tensor, graph: Tensor, plan: Tensor, *, scale: float = 1.0, detach_mean: bool = False
) -> Tensor:
    """``scale`` Q(z), with a gradient to ``z`` alone.

    Args:
        z: states ``[N, d]``.
        cost: ``modality_cost(z)``, detached.
        graph: G ``[M, M]``, symmetric.
        plan: P ``[N, M]``, or its diagonal ``[N]`` where it has no other entries.
        scale: factor of the loss.
        detach_mean: hold the mean cost constant, as in :func:`magbench.ot.modality_cost`.
    """
    value, gradient = _value_and_gradient(z.detach(), cost, graph, plan, detach_mean)
    loss: Tensor = _Known.apply(z, (scale * value).to(z.dtype), scale * gradient)  # type: ignore[no-untyped-call]
    return loss


class _Known(torch.autograd.Function):
    """A function whose value and gradient were computed together."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, value: Tensor, gradient: Tensor) -> Tensor:
        ctx.save_for_backward(gradient)
        return value.clone()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = ctx.saved_tensors
        return upstream * gradient, None, None


@torch.no_grad()
def _value_and_gradient(
    z: Tensor, cost: Tensor, graph: Tensor, plan: Tensor, detach_mean: bool
) -> tuple[Tensor, Tensor]:
    n, unit = len(z), unit_rows(z)
    empty = torch.nonzero(unit.abs().amax(1) == 0).flatten()
    norm = z.norm(dim=1, keepdim=True)
    # The mean of 11' - UU' off the diagonal: rows are of length 1, or 0.
    total = n * n - unit.double().sum(0).square().sum() - len(empty)
    s = (n * n / total.clamp_min(1e-6 * n * n)).to(z.dtype)
    with fast_float32(z.device):
        image, row, col = _image(unit, graph, plan)
    square = torch.dot(row, (cost * cost) @ row)
    gap = torch.dot(col, graph @ col) - (unit * image).sum() - _diagonal(graph, plan, empty)
    inner = s * gap
    pushed = row[:, None] * unit
    pushed = s * (pushed.sum(0) - unit @ (unit.t() @ pushed))
    gradient = 2.0 * s * (row[:, None] * pushed - image)
    if not detach_mean:
        gradient -= (2.0 * s * (square - inner) / (n * n)) * unit.sum(0)
    gradient *= -2.0
    gradient -= (gradient * unit).sum(1, keepdim=True) * unit
    gradient = torch.where(norm > 0, gradient / norm.clamp_min(1e-8), torch.zeros_like(gradient))
    gradient[empty] = 0.0
    value = square + torch.dot(col, (graph * graph) @ col) - 2.0 * inner
    return value, gradient


def _image(unit: Tensor, graph: Tensor, plan: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """B U, P 1 and P' 1."""
    if plan.dim() == 1:
        return plan[:, None] * (graph @ (plan[:, None] * unit)), plan, plan
    return plan @ (graph @ (plan.t() @ unit)), plan.sum(1), plan.sum(0)


def _diagonal(graph: Tensor, plan: Tensor, rows: Tensor) -> Tensor:
    """sum of B_ii over the given rows: a zero row is at distance 0 from itself, not 1."""
    if plan.dim() == 1:
        return (plan[rows].square() * graph.diagonal()[rows]).sum()
    return ((plan[rows] @ graph) * plan[rows]).sum()
