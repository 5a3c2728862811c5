"""Coupled smoothing: H(k + 1) = (1 - alpha) M H(k) + alpha E from H(0) = E, its readout and its limit.

Steps are linear, so gradients are written out here instead of recorded: the backward pass of a readout goes through the
states that were kept, all K + 1 of them as long as they fit ``KEEP_BYTES``. Beyond that it makes them again: where
gradients go to E or M from about every sqrt(K)-th one, which holds about 2 sqrt(K) states at a time, else from E alone.
Sparse products are compiled loops on a CPU and torch's CSR products elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil, isqrt, log
from typing import Any

import torch
from torch import Tensor

from magbench.nn.goma.graph import CoupledGraph

KEEP_BYTES = 1 << 29
"""States of all steps are kept for the backward pass up to this size; beyond it some are computed again."""
_CHUNK_ROWS = 1 << 13
_CHUNK_EDGES = 1 << 18
_TINY = 1e-12
_COMPILED = ("cpu",)
"""Types of devices that the compiled loops run on."""


def propagate(
    graph: CoupledGraph, values: Tensor, h: Tensor, e: Tensor | None, alpha: float, *, transpose: bool = False
) -> Tensor:
    """(1 - alpha) M h + alpha e, float [N, d]; without ``e`` that term is left out. No gradient.

    Args:
        graph: rows of M.
        values: float [E], the entries of M.
        h: float [N, d].
        e: float [N, d] or None.
        alpha: share of ``e``.
        transpose: take M' for M.
    """
    indptr, indices = (graph.columns, graph.target) if transpose else (graph.indptr, graph.source)
    values = values.detach().to(h.dtype)
    values = values.index_select(0, graph.order) if transpose else values
    if h.device.type not in _COMPILED:
        matrix = torch.sparse_csr_tensor(indptr, indices.long(), values, size=(len(h), len(h)), check_invariants=False)
        product = (matrix @ h).mul_(1 - alpha)
        return product if e is None else product.add_(e, alpha=alpha)
    from magbench.nn.goma import kernels

    h = h.detach().contiguous()
    other = h if e is None else e.detach().contiguous()
    out = torch.empty_like(h)
    scale, shift = (torch.tensor(x, dtype=h.dtype).numpy()[()] for x in (1 - alpha, 0.0 if e is None else alpha))
    kernels.propagate(
        indptr.numpy(), indices.numpy(), values.numpy(), h.numpy(), other.numpy(), scale, shift, out.numpy()
    )
    return out


def edge_products(graph: CoupledGraph, a: Tensor, b: Tensor) -> Tensor:
    """<a_i, b_j> of every entry (i, j) of M, float [E]. No gradient."""
    if a.device.type not in _COMPILED:
        out = a.new_empty(graph.num_entries)
        target = graph.segment_target
        for start in range(0, len(out), _CHUNK_EDGES):
            part = slice(start, start + _CHUNK_EDGES)
            out[part] = (a[target[graph.segment[part].long()]] * b[graph.source[part].long()]).sum(1)
        return out
    from magbench.nn.goma import kernels

    a, b = a.detach().contiguous(), b.detach().contiguous()
    out = a.new_empty(graph.num_entries)
    kernels.edge_products(graph.indptr.numpy(), graph.source.numpy(), a.numpy(), b.numpy(), out.numpy())
    return out


class Trajectory:
    """H(0) … H(K): every ``every``-th state is kept, the others are computed again when they are asked for.

    Args:
        e: float [N, d].
        values: float [E], the entries of M.
        graph: its rows.
        alpha: share of ``e`` in each step.
        steps: K.
        every: 1 keeps all, K + 1 only E.

    Attributes:
        features: what a readout made of the states, kept with them; None: nothing yet.
    """

    def __init__(self, e: Tensor, values: Tensor, graph: CoupledGraph, alpha: float, steps: int, every: int) -> None:
        self.e, self.values, self.graph = e.detach(), values.detach(), graph
        self.alpha, self.steps, self.every = alpha, steps, every
        self.features: Tensor | None = None
        self._kept = {0: self.e}
        self._inverse: dict[int, Tensor] = {}

    def up(self) -> Iterator[tuple[int, Tensor]]:
        """(k, H(k)) from 0 to K."""
        state = self.e
        for k in range(self.steps + 1):
            state = self._at(k, state)
            yield k, state

    def down(self) -> Iterator[tuple[int, Tensor]]:
        """(k, H(k)) from K to 0, after :meth:`up` has run once."""
        for start in reversed(range(0, self.steps + 1, self.every)):
            part = [self._kept[start]]
            for k in range(start + 1, min(start + self.every, self.steps + 1)):
                part.append(self._at(k, part[-1]))
            while part:
                yield start + len(part) - 1, part.pop()

    def inverse_norm(self, k: int, state: Tensor) -> Tensor:
        """1 / |H(k)_i|, float [N], and 0 for rows that are zero; ``state`` is H(k)."""
        if k not in self._inverse:
            self._inverse[k] = _inverse_norm(state)
        return self._inverse[k]

    def _at(self, k: int, before: Tensor) -> Tensor:
        if k in self._kept:
            return self._kept[k]
        state = propagate(self.graph, self.values, before, self.e, self.alpha)
        if k % self.every == 0:
            self._kept[k] = state
        return state


def keep_every(e: Tensor, steps: int, *, deep: bool) -> int:
    """Which states a :class:`Trajectory` should keep: all of few and small ones, else as few as its backward needs.

    ``deep``: gradients go through the steps, to M or to E.
    """
    if (steps + 1) * e.numel() * e.element_size() <= KEEP_BYTES:
        return 1
    return 1 + isqrt(steps) if deep else steps + 1


def mix(e: Tensor, values: Tensor, weights: Tensor, trajectory: Trajectory) -> Tensor:
    """y_i = sum_k g_ik H(k)_i / |H(k)_i|, float [N, d], with gradients to ``e``, ``values`` and ``weights``.

    Args:
        e: float [N, d], the E of the trajectory.
        values: float [E], its entries of M.
        weights: g, float [N, K + 1] or [1, K + 1].
        trajectory: the states.
    """
    mixed: Tensor = _Mix.apply(e, values, weights, trajectory)  # type: ignore[no-untyped-call]
    return mixed


LEAST_ALPHA = 1e-3
"""The least alpha whose limit is taken: 16 thousand steps in float32, and as many more for each power of ten."""


def limit(e: Tensor, values: Tensor, graph: CoupledGraph, alpha: float) -> Tensor:
    """H(inf) = alpha (I - (1 - alpha) M)^-1 E, float [N, d], with gradients to ``e`` and ``values``.

    The recursion is run for :func:`limit_steps` steps, after which (1 - alpha)^k is below the type's precision: for a
    row-stochastic M the error in the infinity norm is that share of the start's. The backward pass solves with M'.
    """
    found: Tensor = _Limit.apply(e, values, graph, alpha)  # type: ignore[no-untyped-call]
    return found


def limit_steps(alpha: float, dtype: torch.dtype) -> int:
    """Steps until (1 - alpha)^k <= eps of the type."""
    return 1 if alpha == 1 else ceil(log(torch.finfo(dtype).eps) / log(1 - alpha))


class EdgeScores(torch.autograd.Function):
    """:func:`edge_products` with gradients."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor, graph: CoupledGraph) -> Tensor:
        ctx.save_for_backward(a, b)
        ctx.graph = graph
        return edge_products(graph, a, b)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> tuple[Tensor, Tensor, None]:
        (a, b), graph, gradient = ctx.saved_tensors, ctx.graph, gradients[0]
        return (
            propagate(graph, gradient, b, None, 0.0),
            propagate(graph, gradient, a, None, 0.0, transpose=True),
            None,
        )


class _Mix(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, e: Tensor, values: Tensor, weights: Tensor, trajectory: Trajectory) -> Tensor:
        out = torch.zeros_like(trajectory.e)
        for k, state in trajectory.up():
            if weights[:, k].any():
                out.addcmul_(state, (trajectory.inverse_norm(k, state) * weights[:, k])[:, None])
        ctx.save_for_backward(weights)
        ctx.trajectory = trajectory
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> tuple[Tensor | None, Tensor | None, Tensor | None, None]:
        (weights,), run, dy = ctx.saved_tensors, ctx.trajectory, gradients[0].contiguous()
        for_e, for_values, for_weights, _ = ctx.needs_input_grad
        dw = weights.new_zeros(len(dy), run.steps + 1)
        if for_e or for_values:
            de, dvalues = _back(run, weights, dy, dw, for_e=for_e, for_values=for_values)
        else:
            de, dvalues = None, None
            for k, state in run.up():
                dw[:, k] = row_dot(dy, state) * run.inverse_norm(k, state)
        if len(weights) == 1:
            dw = dw.sum(0, keepdim=True)
        return de, dvalues, dw if for_weights else None, None


def _back(
    run: Trajectory, weights: Tensor, dy: Tensor, dw: Tensor, *, for_e: bool, for_values: bool
) -> tuple[Tensor | None, Tensor | None]:
    """Gradients of ``<dy, mix>`` to E and M, back through the steps; fills ``dw`` on the way."""
    de = torch.zeros_like(dy) if for_e else None
    dvalues = dy.new_zeros(run.graph.num_entries) if for_values else None
    back: Tensor | None = None  # the gradient of H(k)
    for k, state in run.down():
        if back is not None:
            if dvalues is not None:
                dvalues.add_(edge_products(run.graph, back, state), alpha=1 - run.alpha)
            if de is not None:
                de.add_(back, alpha=run.alpha)
            back = propagate(run.graph, run.values, back, None, run.alpha, transpose=True)
        inverse = run.inverse_norm(k, state)
        dw[:, k] = along = row_dot(dy, state) * inverse
        share = weights[:, k] * inverse
        if share.any():
            back = torch.zeros_like(dy) if back is None else back
            back.addcmul_(dy, share[:, None])
            back.addcmul_(state, (-share * along * inverse)[:, None])
    if de is not None and back is not None:
        de.add_(back)
    return de, dvalues


class _Limit(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, e: Tensor, values: Tensor, graph: CoupledGraph, alpha: float) -> Tensor:
        state = e.detach()
        for _ in range(limit_steps(alpha, e.dtype)):
            state = propagate(graph, values, state, e, alpha)
        ctx.save_for_backward(values, state)
        ctx.graph, ctx.alpha = graph, alpha
        return state

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> tuple[Tensor, Tensor | None, None, None]:
        (values, state), graph, alpha, dy = ctx.saved_tensors, ctx.graph, ctx.alpha, gradients[0]
        back = dy  # alpha (I - (1 - alpha) M')^-1 dy
        for _ in range(limit_steps(alpha, dy.dtype)):
            back = propagate(graph, values, back, dy, alpha, transpose=True)
        dvalues = None
        if ctx.needs_input_grad[1]:
            dvalues = edge_products(graph, back, state).mul_((1 - alpha) / alpha)
        return back, dvalues, None, None


def row_dot(a: Tensor, b: Tensor) -> Tensor:
    """<a_i, b_i>, float [N], some rows at a time."""
    return torch.cat([(a[part] * b[part]).sum(1) for part in _parts(a)])


def row_distance(a: Tensor, b: Tensor) -> Tensor:
    """|a_i - b_i|, float [N], some rows at a time."""
    return torch.cat([torch.linalg.vector_norm(a[part] - b[part], dim=1) for part in _parts(a)])


def _parts(rows: Tensor) -> list[slice]:
    return [slice(start, start + _CHUNK_ROWS) for start in range(0, max(1, len(rows)), _CHUNK_ROWS)]


def _inverse_norm(h: Tensor) -> Tensor:
    """1 / |h_i|, and 0 for rows that are zero (a missing item that nobody sends to)."""
    norm = h.norm(dim=1)
    return torch.where(norm > _TINY, 1 / norm.clamp_min(_TINY), torch.zeros_like(norm))
