"""PMRL: pull all modalities of a node onto one direction, without an anchor, and keep the nodes' directions apart.

A magbench re-implementation of arXiv 2507.17343 as a regulariser. Z_i = [z_i^1 ... z_i^M], unit columns, has the
singular values s_i1 >= ... >= s_iM and the leading left vector u_i; all modalities agree where s_i1 is the only one:

    L_align    = -mean_i log softmax(s_i / tau_align)_1
    L_instance = -mean_i log softmax(<u_i, u_j> / tau_instance, over j)_i
    loss = lam_align L_align + lam_instance L_instance

Ours: u_i points along a weighted sum of its columns (a decomposition leaves its sign open, and with it that of every
<u_i, u_j>), a missing modality is a column of zeros, and gradients pass through the M x M Gram matrix, where equal
singular values, such as the zeros of a node that is fully aligned, do no harm.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from magbench.errors import MethodError
from magbench.ot.costs import unit_rows
from magbench.regularizers.base import (
    Context,
    Diagnostics,
    Regularizer,
    RegularizerOptions,
    observed_mask,
    require_shared_width,
    sample_nodes,
)

GAP = 1e-6
"""Eigenvalues of the Gram matrix that are closer to the largest than this do not turn its vector."""


class PMRLOptions(RegularizerOptions):
    """Options of :class:`PMRL`; the common ``lam`` multiplies the whole loss."""

    N: int = Field(default=512, ge=2)
    """Nodes in a batch, drawn uniformly among those that have two modalities or more."""
    lam_align: float = Field(default=1.0, ge=0)
    """Weight of the alignment of a node's modalities."""
    lam_instance: float = Field(default=1.0, ge=0)
    """Weight of the contrast between the nodes' leading vectors."""
    tau_align: float = Field(default=0.05, gt=0)
    """What the singular values are divided by."""
    tau_instance: float = Field(default=0.1, gt=0)
    """What the inner products of leading vectors are divided by."""


class PMRL(Regularizer):
    """Principled multimodal representation learning: the leading singular value of each node's modalities."""

    name: ClassVar[str] = "pmrl"
    Options: ClassVar[type[RegularizerOptions]] = PMRLOptions

    def __call__(self, ctx: Context) -> tuple[Tensor, Diagnostics]:
        """Loss, its two terms, and ``leading``, the mean of s_i1^2 / sum_k s_ik^2: 1 where all modalities agree, 0 for
        states of zeros.

        Raises:
            MethodError: there are less than two modalities, or their states differ in width.
        """
        if len(ctx.z) < 2:
            raise MethodError(
                f"{self.name} aligns two modalities or more; the states have {', '.join(ctx.z)} alone. Take a data set "
                f"with more, or leave out +{self.name}."
            )
        require_shared_width(self.name, ctx.z)
        observed = torch.stack([observed_mask(ctx, name) for name in ctx.z], dim=1)
        nodes = sample_nodes(torch.nonzero(observed.sum(1) >= 2).flatten(), self.options.N, ctx.generator)
        if not len(nodes):
            return torch.stack([z.sum() * 0.0 for z in ctx.z.values()]).sum(), {"align": 0.0, "instance": 0.0}
        columns = torch.stack([unit_rows(z[nodes]) for z in ctx.z.values()], dim=2) * observed[nodes, None]
        values, leading = leading_direction(columns)
        first = torch.zeros(len(nodes), dtype=torch.int64, device=nodes.device)
        align = functional.cross_entropy(values / self.options.tau_align, first)
        scores = leading @ leading.t() / self.options.tau_instance
        instance = functional.cross_entropy(scores, torch.arange(len(nodes), device=nodes.device))
        squares = values.detach().square()
        found = {
            "align": float(align.detach()),
            "instance": float(instance.detach()),
            "leading": float((squares[:, 0] / squares.sum(1).clamp_min(1e-30)).mean()),
        }
        return self.options.lam_align * align + self.options.lam_instance * instance, found


def leading_direction(columns: Tensor) -> tuple[Tensor, Tensor]:
    """Singular values and leading left singular vector of each matrix, with gradients that are finite everywhere.

    Args:
        columns: float [B, d, M]; half precision is taken as float32.

    Returns:
        Values [B, M], falling, those beyond d zero; unit vectors [B, d] on the side of M z_1 + (M - 1) z_2 + ... + z_M:
        the plain sum is orthogonal to the leading vector of two columns with a negative cosine.

    Source: Liu et al. 2025 (arXiv 2507.17343); the gradients, by first-order perturbation, are ours.
    """
    columns = columns if columns.dtype == torch.float64 else columns.float()
    gram = columns.transpose(1, 2) @ columns
    squares, vectors = torch.linalg.eigh(gram.detach().double())
    squares, vectors = squares.flip(1).to(columns.dtype), vectors.flip(2).to(columns.dtype)
    values = (columns @ vectors).norm(dim=1)
    # The leading right vector turns by sum_k v_k <v_k, dG v_1> / (l_1 - l_k): a gradient, its value stays.
    gap = squares[:, :1] - squares[:, 1:]
    top, others = vectors[:, :, :1], vectors[:, :, 1:]
    turn = (others.transpose(1, 2) @ gram @ top).squeeze(2) * torch.where(gap > GAP, 1.0 / gap.clamp_min(GAP), 0.0)
    right = top + others @ (turn - turn.detach())[:, :, None]
    leading = functional.normalize((columns @ right).squeeze(2), dim=1)
    weights = torch.arange(columns.size(2), 0, -1, dtype=columns.dtype, device=columns.device)
    along = (leading * (columns @ weights)).detach().sum(1, keepdim=True)
    return values, torch.where(along < 0, -leading, leading)
