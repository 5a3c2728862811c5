"""The k best candidates of each query, exactly: float32 finds who may be among them, float64 decides.

Some queries at a time are scored against the whole gallery. Whoever's score plus its error reaches the k-th largest
score less its error is scored anew in float64 (:func:`magbench.metrics.vectors.pair_scores`). Equal scores stand in
the order of the candidates' numbers. Equal rows of the gallery are scored once and take their places afterwards.
"""

from __future__ import annotations

from numbers import Integral

import torch
from torch import Tensor

from magbench.errors import MethodError
from magbench.metrics.exact import DOUBLE, Progress
from magbench.metrics.vectors import Vectors, distinct, error_bound, full_float32, pair_scores, prepare

_CELLS = 2**23
"""Scores held at once."""


def top_k(queries: Tensor, gallery: Tensor, k: int, *, progress: Progress | None = None) -> tuple[Tensor, Tensor]:
    """The k candidates with the largest inner products, best first; of equal ones the lower number first.

    Args:
        queries: [Q, d], float32 or float64 (half precisions are taken as float32).
        gallery: [G, d], the candidates.
        k: how many, from 1 to G.
        progress: called with the queries done and their number.

    Returns:
        Scores, float64 [Q, k], and ids, int64 [Q, k].

    Raises:
        MethodError: for vectors that cannot be ranked, or a k out of range.

    >>> top_k(torch.tensor([[1.0]]), torch.tensor([[1.0], [3.0], [3.0], [2.0]]), k=3)
    (tensor([[3., 3., 2.]], dtype=torch.float64), tensor([[1, 2, 3]]))
    """
    if isinstance(queries, Tensor) and queries.device.type not in DOUBLE:
        scores, ids = top_k(queries.cpu(), gallery.cpu(), k, progress=progress)
        return scores.float().to(queries.device), ids.to(queries.device)
    left, right = prepare(queries, gallery)
    if isinstance(k, bool) or not isinstance(k, Integral) or not 1 <= k <= len(right):
        raise MethodError(f"k is {k}; expected an integer from 1 to {len(right)}, the candidates in the gallery.")
    first, group = distinct(right.exact)
    members = _Members(group, len(first))
    kinds = right.pick(first) if len(first) < len(right) else right
    ids = torch.empty(len(left), k, dtype=torch.int64, device=queries.device)
    step = max(1, _CELLS // max(len(right), k))
    for start in range(0, len(left), step):
        rows = torch.arange(start, min(start + step, len(left)), device=queries.device)
        part = left.pick(rows)
        query, kind, score = _candidates(part, kinds, min(k, len(kinds)))
        query, kind, score = _best(query, kind, score, min(k, len(kinds)), len(part))
        ids[rows] = _best(*members.expand(query, kind, score, k), k, len(part))[1].view(-1, k)
        if progress is not None:
            progress(int(rows[-1]) + 1, len(left))
    return _scores(queries, gallery, ids), ids


def _candidates(queries: Vectors, kinds: Vectors, k: int) -> tuple[Tensor, Tensor, Tensor]:
    """Query, candidate and exact score of all pairs that may be among a query's k best."""
    relative, absolute = error_bound(queries.exact.size(1))
    with full_float32(queries.exact.device):
        scores = queries.single @ kinds.single.T
    error = torch.outer(queries.norm, kinds.norm).mul_(2.0 * relative).add_(2.0 * absolute).float()
    kth = (scores - error).topk(k).values[:, -1:]  # twice the error: this is float32 as well
    query, kind = (scores + error >= kth).nonzero(as_tuple=True)
    return query, kind, pair_scores(queries.exact, kinds.exact, query, kind)


def _best(query: Tensor, candidate: Tensor, score: Tensor, k: int, num_queries: int) -> tuple[Tensor, Tensor, Tensor]:
    """The k first of each query by falling score, then rising candidate; every query has k."""
    order = candidate.argsort(stable=True)
    order = order[score[order].argsort(descending=True, stable=True)]
    order = order[query[order].argsort(stable=True)]
    counts = torch.bincount(query, minlength=num_queries)
    place = torch.arange(len(order), device=order.device) - (counts.cumsum(0) - counts)[query[order]]
    order = order[place < k]
    return query[order], candidate[order], score[order]


class _Members:
    """The candidates of each kind of row."""

    def __init__(self, group: Tensor, kinds: int) -> None:
        self.ids = group.argsort(stable=True)
        self.sizes = torch.bincount(group, minlength=kinds)
        self.starts = self.sizes.cumsum(0) - self.sizes

    def expand(self, query: Tensor, kind: Tensor, score: Tensor, k: int) -> tuple[Tensor, Tensor, Tensor]:
        """Each kind's first k candidates in its place."""
        times = self.sizes[kind].clamp(max=k)
        source = torch.arange(len(kind), device=kind.device).repeat_interleave(times)
        place = torch.arange(len(source), device=kind.device) - (times.cumsum(0) - times)[source]
        return query[source], self.ids[self.starts[kind[source]] + place], score[source]


def _scores(queries: Tensor, gallery: Tensor, ids: Tensor) -> Tensor:
    """float64 [Q, k], of the vectors as they were given."""
    rows = torch.arange(len(ids), device=ids.device).repeat_interleave(ids.size(1))
    dtype = torch.float64 if torch.float64 in (queries.dtype, gallery.dtype) else torch.float32
    left, right = (side.detach().to(dtype).contiguous() for side in (queries, gallery))
    return pair_scores(left, right, rows, ids.flatten()).view_as(ids)
