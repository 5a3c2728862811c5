"""Exact ranks among many candidates: how many score above the right one, how many the same, without a Q x G matrix.

Scores are inner products. Tiles of them are computed in float32 and compared with the right candidate's score; what
lies further from it than float32 can err is counted as it is, the rest is decided in float64
(:func:`magbench.metrics.vectors.pair_scores`). So the counts are those of the float64 scores, at the cost of one
float32 matrix product and a pass over each tile while it is in the cache. Equal rows of the gallery are scored once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from magbench.errors import MethodError
from magbench.metrics.vectors import Vectors, distinct, error_bound, full_float32, pair_scores, parts, prepare

Progress = Callable[[int, int], None]

DOUBLE = ("cpu", "cuda")
"""Devices that have float64; work of others is done on the CPU."""

_CACHED = (512, 1024)
_LARGE = (2048, 8192)
"""Queries and candidates in a tile, on a CPU and elsewhere."""


def rank_counts(
    queries: Tensor, gallery: Tensor, positive: Tensor, *, progress: Progress | None = None
) -> tuple[Tensor, Tensor]:
    """Count the candidates that score above the right one, and the others that score the same.

    Args:
        queries: [Q, d], float32 or float64 (half precisions are taken as float32).
        gallery: [G, d], the candidates.
        positive: int64 [Q], the right candidate of each query; or [Q, P], several, filled up with -1: the best of them
            counts, and the others are in neither count.
        progress: called with the queries done and their number.

    Returns:
        ``above`` and ``equal``, int64 [Q]; ``equal`` without the right candidates themselves.

    Raises:
        MethodError: for vectors or positives that cannot be ranked.

    >>> queries, gallery = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.5, 1.0], [0.5, 0.0], [2.0, 0.0]])
    >>> rank_counts(queries, gallery, torch.tensor([0]))
    (tensor([1]), tensor([1]))
    """
    if isinstance(queries, Tensor) and queries.device.type not in DOUBLE:
        above, equal = rank_counts(queries.cpu(), gallery.cpu(), positive.cpu(), progress=progress)
        return above.to(queries.device), equal.to(queries.device)
    left, right = prepare(queries, gallery)
    wanted = check_positive(positive, len(left), len(right)).to(queries.device)
    if len(left) == 0:
        return wanted.new_zeros(0), wanted.new_zeros(0)
    goals = _positive_scores(left, right, wanted)
    goal = goals.amax(1)
    above, equal = _count(left, right, goal, progress)
    return above, equal - (goals == goal[:, None]).sum(1)


def check_positive(positive: Tensor, num_queries: int, num_candidates: int) -> Tensor:
    """int64 [Q, P], -1 where a query has fewer than P.

    Raises:
        MethodError: for another shape or type, numbers out of range, none or one twice in a row.
    """
    if not isinstance(positive, Tensor) or positive.dtype not in (torch.int64, torch.int32):
        found = positive.dtype if isinstance(positive, Tensor) else type(positive).__name__
        raise MethodError(f"positive is {found}; expected an int64 or int32 tensor.")
    if positive.ndim not in (1, 2) or len(positive) != num_queries:
        raise MethodError(
            f"positive has shape {list(positive.shape)}; expected [{num_queries}] or [{num_queries}, P], a row for "
            "each query."
        )
    rows = positive.long() if positive.ndim == 2 else positive.long()[:, None]
    lowest = 0 if positive.ndim == 1 else -1
    wrong = (rows < lowest) | (rows >= num_candidates)
    if bool(wrong.any()):
        query, column = wrong.nonzero()[0].tolist()
        raise MethodError(
            f"positive of query {query} is {int(rows[query, column])}; the gallery has rows 0 to {num_candidates - 1}."
        )
    ordered = rows.sort(1).values
    none = (rows >= 0).sum(1) == 0
    twice = ((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)).any(1)
    for name, broken in (("no positive", none), ("a positive twice", twice)):
        if bool(broken.any()):
            raise MethodError(f"Query {int(broken.nonzero()[0])} has {name}; expected each right candidate once.")
    return rows


def _positive_scores(queries: Vectors, gallery: Vectors, positive: Tensor) -> Tensor:
    """float64 [Q, P], minus infinity where there is none."""
    found = torch.full(positive.shape, -torch.inf, dtype=torch.float64, device=positive.device)
    row, column = (positive >= 0).nonzero(as_tuple=True)
    found[row, column] = pair_scores(queries.exact, gallery.exact, row, positive[row, column])
    return found


@dataclass(frozen=True)
class _Block:
    """Candidates of a tile: their rows, how many each stands for, their largest norm."""

    rows: Vectors
    weight: Tensor
    reach: float


def _count(queries: Vectors, gallery: Vectors, goal: Tensor, progress: Progress | None) -> tuple[Tensor, Tensor]:
    """Candidates above and equal to ``goal``, float64 [Q], positives included."""
    device = goal.device
    above, equal = (torch.zeros(len(queries), dtype=torch.int64, device=device) for _ in range(2))
    count, (height, width) = (_count_cached, _CACHED) if device.type == "cpu" else (_count_large, _LARGE)
    blocks = list(_blocks(gallery, width))
    asked = (queries.norm > 0).nonzero()[:, 0]
    if len(asked) < len(queries):  # a query of zeros scores everything alike
        equal += len(gallery)
        equal[asked] = 0
    buffer = torch.empty(height * width, device=device)
    done = len(queries) - len(asked)
    for rows in parts(asked, height):
        part, found = queries.pick(rows), (above[rows], equal[rows])
        for block in blocks:
            tile = buffer[: len(part) * len(block.rows)].view(len(part), len(block.rows))
            with full_float32(device):
                torch.mm(part.single, block.rows.single.T, out=tile)
            count(tile, part, block, goal[rows], *found)
        above[rows], equal[rows] = found
        done += len(rows)
        if progress is not None:
            progress(done, len(queries))
    return above, equal


def _blocks(gallery: Vectors, width: int) -> Iterator[_Block]:
    """The distinct candidates, those of like norm together: a tile's error grows with its largest norm."""
    first, group = distinct(gallery.exact)
    weight = torch.bincount(group, minlength=len(first)).to(torch.int32)
    norm = gallery.norm[first]
    order = norm.argsort() if float(norm.max()) > 2.0 * float(norm.min()) else slice(None)
    if len(first) < len(gallery) or not isinstance(order, slice):
        gallery, weight = gallery.pick(first[order]), weight[order]
    for start in range(0, len(gallery), width):
        part = slice(start, start + width)
        rows = Vectors(gallery.exact[part], gallery.single[part], gallery.norm[part])
        yield _Block(rows, weight[part].contiguous(), float(rows.norm.max()))


def _count_cached(tile: Tensor, queries: Vectors, block: _Block, goal: Tensor, above: Tensor, equal: Tensor) -> None:
    from magbench.metrics import exact_kernels

    relative, absolute = error_bound(queries.exact.size(1))
    exact_kernels.count(
        tile.numpy(),
        goal.numpy(),
        queries.norm.numpy(),
        relative * block.reach,
        absolute,
        queries.exact.numpy(),
        block.rows.exact.numpy(),
        block.weight.numpy(),
        above.numpy(),
        equal.numpy(),
    )


def _count_large(tile: Tensor, queries: Vectors, block: _Block, goal: Tensor, above: Tensor, equal: Tensor) -> None:
    relative, absolute = error_bound(queries.exact.size(1))
    error = queries.norm * (relative * block.reach) + absolute
    up = torch.tensor(torch.inf, device=tile.device)
    high = torch.nextafter((goal + error).float(), up)
    low = torch.nextafter((goal - error).float(), -up)
    certain = tile > high[:, None]
    row, column = ((tile >= low[:, None]) & ~certain).nonzero(as_tuple=True)
    exact = pair_scores(queries.exact, block.rows.exact, row, column)
    weight = block.weight.long()
    above += torch.where(certain, block.weight, 0).sum(1)
    above.index_add_(0, row, weight[column] * (exact > goal[row]))
    equal.index_add_(0, row, weight[column] * (exact == goal[row]))
