"""Metrics of ranks: where the right candidate stands among a query's candidates.

A query is kept as two counts: ``above``, the wrong candidates that score higher than the right one, and ``equal``,
those that score the same. Its rank is the mean of the optimistic and the pessimistic one (the *realistic* rank), so
that a method that gives every candidate the same score gains nothing:

    rank = 1 + above + equal / 2

``mrr`` is the mean of 1 / rank; ``hits_at_k`` the share of queries with rank <= k, as in link prediction's evaluators.
``recall_at_k``, of retrieval, is what hits@k is on average where ties stand in random order. The two differ where items
are tied for a reason: nodes with the same neighbours are equal after smoothing, but whether to the last bit depends on
the order of sums. A tie that rounding breaks counts as its average; one that is met exactly hits@1 counts as a miss, so
the same model would have another score on another machine.

Counts are made of a table of scores by :func:`count_above_equal`, some rows at a time, and of embeddings, without such
a table, by :func:`rank_counts <magbench.metrics.exact.rank_counts>`.

Source: Berrendorf et al., "On the ambiguity of rank-based evaluation of entity alignment or link prediction methods"
(2020), section 3.1.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from magbench.errors import MethodError
from magbench.metrics.base import Metric

if TYPE_CHECKING:
    from magbench.metrics.exact import rank_counts
    from magbench.metrics.topk import top_k

__all__ = [
    "HITS_AT_1",
    "HITS_AT_3",
    "HITS_AT_10",
    "MRR",
    "count_above_equal",
    "hits",
    "hits_at_k",
    "mrr",
    "rank_counts",
    "realistic_ranks",
    "recall_at_k",
    "recalls",
    "reciprocal_ranks",
    "top_k",
]

_CHUNK_CELLS = 4_000_000

Floats = NDArray[np.float64]
Counts = NDArray[np.int32]


def __getattr__(name: str) -> Any:
    """``rank_counts`` and ``top_k``, which need torch, are imported when they are asked for."""
    if name == "rank_counts":
        from magbench.metrics import exact

        return exact.rank_counts
    if name == "top_k":
        from magbench.metrics import topk

        return topk.top_k
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def count_above_equal(scores: ArrayLike, right: ArrayLike) -> tuple[Counts, Counts]:
    """Count in each row the entries above and equal to the right one, itself left out.

    Args:
        scores: float [Q, C], one row a query; higher is better.
        right: int [Q], the column of the right candidate.

    Returns:
        ``above`` and ``equal``, int32 [Q].

    Raises:
        MethodError: for scores that are NaN or of another shape, and a place that is none of the columns.

    >>> count_above_equal([[0.2, 0.9, 0.2, 0.1]], [0])
    (array([1], dtype=int32), array([1], dtype=int32))
    """
    table, columns = np.asarray(scores), np.asarray(right)
    if table.ndim != 2 or len(table) != len(columns):
        raise MethodError(
            f"scores have shape {list(table.shape)}; expected one row for each of {len(columns)} queries."
        )
    if columns.dtype.kind not in "iu" and len(columns):
        raise MethodError(f"places of the right candidates must be integers, not {columns.dtype}.")
    if len(columns) and not (columns.min() >= 0 and columns.max() < table.shape[1]):
        raise MethodError(
            f"places of the right candidates are {columns.min()} to {columns.max()}; the columns are 0 to"
            f" {table.shape[1] - 1}."
        )
    above, equal = np.empty(len(table), dtype=np.int32), np.empty(len(table), dtype=np.int32)
    step = max(1, _CHUNK_CELLS // max(1, table.shape[1]))
    for start in range(0, len(table), step):
        rows = slice(start, start + step)
        part = table[rows]
        broken = np.isnan(part).any(axis=1)
        if broken.any():
            raise MethodError(f"scores of query {start + int(broken.argmax())} hold NaN, which has no rank.")
        own = np.take_along_axis(part, columns[rows, None], axis=1)
        above[rows] = np.count_nonzero(part > own, axis=1)
        equal[rows] = np.count_nonzero(part == own, axis=1) - 1
    return above, equal


def realistic_ranks(above: ArrayLike, equal: ArrayLike) -> Floats:
    """float64 [Q], ``1 + above + equal / 2``.

    Raises:
        MethodError: for counts that are negative, no integers, empty, or of two shapes.

    >>> realistic_ranks([0, 2], [0, 3])
    array([1. , 4.5])
    """
    counts = [_array(values) for values in (above, equal)]
    for name, values in zip(("above", "equal"), counts, strict=True):
        if values.ndim != 1 or values.size == 0 or values.shape != counts[0].shape:
            raise MethodError(f"{name} has shape {values.shape}; expected one count for each of at least one query.")
        if values.dtype.kind not in "iu" or values.min() < 0:
            raise MethodError(f"{name} holds {values.dtype} from {values.min()}; expected integers from 0 up.")
    return 1.0 + counts[0].astype(np.float64) + counts[1].astype(np.float64) / 2.0


def _array(values: ArrayLike) -> NDArray[Any]:
    """A numpy array of what may be a tensor on any device."""
    return np.asarray(values.cpu() if hasattr(values, "cpu") else values)


def reciprocal_ranks(above: ArrayLike, equal: ArrayLike) -> Floats:
    """float64 [Q], 1 / rank; raises as :func:`realistic_ranks`."""
    return 1.0 / realistic_ranks(above, equal)


def hits(above: ArrayLike, equal: ArrayLike, k: int, pool: int | None = None) -> Floats:
    """float64 [Q], 1 where rank <= k, else 0.

    Raises:
        MethodError: as :func:`realistic_ranks`; for a k that is no integer from 1 up; and, where the number of
            candidates ``pool`` is given, for a k above it or for counts that it cannot hold.
    """
    ranks = realistic_ranks(above, equal)
    _check_k(above, equal, k, pool)
    return (ranks <= k).astype(np.float64)


def recalls(above: ArrayLike, equal: ArrayLike, k: int, pool: int | None = None) -> Floats:
    """float64 [Q], the chance that the right candidate is among the first k when ties stand in random order:
    (k - above) / (equal + 1), at least 0 and at most 1. Raises as :func:`hits`; only where ``pool`` says how many
    candidates there are, is a k above that seen.

    >>> recalls([0, 0, 3], [0, 3, 0], k=1)
    array([1.  , 0.25, 0.  ])
    """
    realistic_ranks(above, equal)
    _check_k(above, equal, k, pool)
    higher, same = (_array(counts).astype(np.float64) for counts in (above, equal))
    return np.clip((k - higher) / (same + 1), 0.0, 1.0)


def _check_k(above: ArrayLike, equal: ArrayLike, k: int, pool: int | None) -> None:
    if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or k < 1:
        raise MethodError(f"k is {k!r}; expected an integer from 1 up.")
    if pool is not None:
        if isinstance(pool, bool) or not isinstance(pool, (int, np.integer)) or pool < 1:
            raise MethodError(f"pool is {pool!r}; expected the number of candidates, an integer from 1 up.")
        if k > pool:
            raise MethodError(f"k is {k}, but there are {pool} candidates: every query would count. Take k <= {pool}.")
        most = int((_array(above).astype(np.int64) + _array(equal)).max())
        if most >= pool:
            raise MethodError(f"{most} candidates score as high as the right one; among {pool} at most {pool - 1} can.")


def mrr(above: ArrayLike, equal: ArrayLike) -> float:
    """Mean reciprocal rank.

    >>> mrr([0, 3], [0, 0])
    0.625
    """
    return float(reciprocal_ranks(above, equal).mean())


def hits_at_k(above: ArrayLike, equal: ArrayLike, k: int, pool: int | None = None) -> float:
    """Share of queries with rank <= k; raises as :func:`hits`.

    >>> hits_at_k([0, 3, 0], [0, 0, 1], k=1)
    0.3333333333333333
    """
    return float(hits(above, equal, k, pool).mean())


def recall_at_k(above: ArrayLike, equal: ArrayLike, k: int, pool: int | None = None) -> float:
    """Mean of :func:`recalls`, where a query has one right candidate, or any of several counts; raises as that.

    >>> recall_at_k([0, 3, 0], [0, 0, 1], k=1)
    0.5
    """
    return float(recalls(above, equal, k, pool).mean())


def median_rank(above: ArrayLike, equal: ArrayLike) -> float:
    """Median of the ranks; lower is better.

    >>> median_rank([0, 3, 9], [0, 0, 1])
    4.0
    """
    return float(np.median(realistic_ranks(above, equal)))


def _hits_metric(k: int) -> Metric:
    items: Callable[[ArrayLike, ArrayLike], Floats] = partial(hits, k=k)
    return Metric(f"hits@{k}", 1, True, (0.0, 1.0), partial(hits_at_k, k=k), items)


def _recall_metric(k: int) -> Metric:
    """Version 1 was hits@k."""
    items: Callable[[ArrayLike, ArrayLike], Floats] = partial(recalls, k=k)
    return Metric(f"recall@{k}", 2, True, (0.0, 1.0), partial(recall_at_k, k=k), items)


MRR = Metric("mrr", version=1, higher_is_better=True, bounds=(0.0, 1.0), function=mrr, items=reciprocal_ranks)
HITS_AT_1, HITS_AT_3, HITS_AT_10 = (_hits_metric(k) for k in (1, 3, 10))
RECALL_AT_1, RECALL_AT_5, RECALL_AT_10 = (_recall_metric(k) for k in (1, 5, 10))
MEDIAN_RANK = Metric("median_rank", version=1, higher_is_better=False, bounds=(1.0, np.inf), function=median_rank)
