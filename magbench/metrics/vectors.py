"""Rows to be ranked by inner product: checked, scaled, their duplicates found, single pairs scored exactly.

Scaling all queries, or the whole gallery, by a power of two changes no comparison; it keeps float32 products from
over- and underflow. The score of a pair is computed in float64 from the two rows alone, in a fixed order of additions,
so that equal rows have equal scores wherever they stand and on every device.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from magbench.errors import MethodError
from magbench.ot.matmul import fast_float32

_LANES = 8
_ROUNDING = 2.0**-24
_MODERATE = 2.0**30
"""Numbers up to this, and from its inverse up, are not scaled."""
_CELLS = 2**20
"""Numbers in a temporary array."""


@dataclass(frozen=True)
class Vectors:
    """Rows of one side.

    Attributes:
        exact: float32 or float64 [N, d], the rows times one power of two.
        single: float32 [N, d], ``exact`` rounded; the same tensor where it is float32.
        norm: float64 [N], Euclidean norm of ``exact``.
    """

    exact: Tensor
    single: Tensor
    norm: Tensor

    def __len__(self) -> int:
        return len(self.exact)

    def pick(self, rows: Tensor) -> Vectors:
        """The rows with these numbers."""
        exact = self.exact[rows]
        single = exact if self.single is self.exact else self.single[rows]
        return Vectors(exact, single, self.norm[rows])


def prepare(queries: Tensor, gallery: Tensor) -> tuple[Vectors, Vectors]:
    """Check both sides and make them ready.

    Raises:
        MethodError: for no floating-point matrix, widths or devices that differ, NaN, infinity, no candidates.
    """
    sides = {"queries": queries, "gallery": gallery}
    for name, rows in sides.items():
        if not isinstance(rows, Tensor) or rows.ndim != 2 or not rows.is_floating_point():
            found = f"{rows.dtype} {list(rows.shape)}" if isinstance(rows, Tensor) else type(rows).__name__
            raise MethodError(f"{name} is {found}; expected a floating-point tensor with one row a vector.")
    if queries.size(1) != gallery.size(1):
        raise MethodError(
            f"queries have {queries.size(1)} columns and the gallery {gallery.size(1)}; an inner product needs the "
            "same width: map one side to the other first."
        )
    if queries.device != gallery.device:
        raise MethodError(f"queries lie on {queries.device} and the gallery on {gallery.device}; move one of them.")
    if len(gallery) == 0:
        raise MethodError("The gallery is empty: there is nothing to rank.")
    dtype = torch.float64 if torch.float64 in (queries.dtype, gallery.dtype) else torch.float32
    left, right = (_scaled(name, rows.detach().to(dtype)) for name, rows in sides.items())
    return left, right


def _scaled(name: str, rows: Tensor) -> Vectors:
    step = max(1, _CELLS // max(1, rows.size(1)))
    finite = torch.cat([torch.isfinite(part).all(1) for part in parts(rows, step)] or [rows.new_ones(0).bool()])
    if not bool(finite.all()):
        raise MethodError(f"Row {int((~finite).nonzero()[0])} of {name} holds NaN or infinity, which has no rank.")
    low, high = rows.aminmax() if rows.numel() else (0.0, 0.0)
    largest = max(-float(low), float(high))
    if largest > 0.0 and not 1.0 / _MODERATE <= largest <= _MODERATE:
        rows = torch.ldexp(rows, torch.tensor(-math.frexp(largest)[1], device=rows.device))
    rows = rows.contiguous()
    norm = torch.empty(len(rows), dtype=torch.float64, device=rows.device)
    for part, out in zip(parts(rows, step), parts(norm, step), strict=True):
        torch.linalg.vector_norm(part.double(), dim=1, out=out)
    return Vectors(rows, rows if rows.dtype == torch.float32 else rows.float(), norm)


def error_bound(width: int) -> tuple[float, float]:
    """``(relative, absolute)``: a float32 score is off by at most relative * norm * norm + absolute.

    The sum of d products in any order errs by gamma_d = d u / (1 - d u) (Higham, "Accuracy and Stability of Numerical
    Algorithms", section 3.1), u = 2^-24; four more u pay for rounding float64 inputs and for the float64 score that it
    is compared with; the absolute part pays for underflow.
    """
    spread = (width + 4) * _ROUNDING
    return spread / (1.0 - spread), width * 2.0**-94


def distinct(rows: Tensor) -> tuple[Tensor, Tensor]:
    """``(first, group)``: the first of each kind of row, int64 [U] in order, and each row's place among them [N].

    Zeros of both signs are one. Rows are told apart by a hash, and those with the same hash compared; where two kinds
    share a hash, the rows of the later kind count as distinct (which costs time, no correctness).
    """
    step = max(1, _CELLS // max(1, rows.size(1)))
    hashes = torch.cat([_hash(part) for part in parts(rows, step)])
    _, group = torch.unique(hashes, return_inverse=True)
    ids = torch.arange(len(rows), device=rows.device)
    first = torch.full((int(group.max()) + 1,), len(rows), device=rows.device).scatter_reduce_(0, group, ids, "amin")
    leader = first[group]
    follower = (leader != ids).nonzero()[:, 0]
    for part in parts(follower, step):
        other = (rows[part] != rows[leader[part]]).any(1)
        leader[part[other]] = part[other]
    first, group = torch.unique(leader, return_inverse=True)
    return first, group


def parts(rows: Tensor, step: int) -> Iterator[Tensor]:
    """``step`` rows at a time."""
    return (rows[start : start + step] for start in range(0, len(rows), step))


def _hash(rows: Tensor) -> Tensor:
    """int64 [N]: random odd multiples of the rows' bits, summed and mixed."""
    bits = (rows + 0.0).view(torch.int32 if rows.dtype == torch.float32 else torch.int64).long()
    generator = torch.Generator().manual_seed(0)
    odd = torch.randint(-(2**62), 2**62, (rows.size(1),), generator=generator).to(rows.device) * 2 + 1
    mixed = bits * odd
    return ((mixed ^ (mixed >> 29)) * odd.flip(0)).sum(1)


def pair_scores(queries: Tensor, gallery: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """float64 [n]: the exact score of each pair (row of ``queries``, row of ``gallery``)."""
    if queries.device.type != "cpu":
        return lane_scores(queries, gallery, rows, columns)
    from magbench.metrics import exact_kernels

    out = torch.empty(len(rows), dtype=torch.float64)
    exact_kernels.scores(queries.numpy(), gallery.numpy(), rows.numpy(), columns.numpy(), out.numpy())
    return out


def lane_scores(queries: Tensor, gallery: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """:func:`pair_scores` by torch, on any device that has float64; the same numbers."""
    out = torch.empty(len(rows), dtype=torch.float64, device=queries.device)
    step = max(1, _CELLS // max(1, queries.size(1)))
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        out[part] = lane_sums(queries[rows[part]].double() * gallery[columns[part]].double())
    return out


def lane_sums(products: Tensor) -> Tensor:
    """Sum over the columns in the order of :func:`magbench.metrics.exact_kernels.score`."""
    total = torch.zeros(len(products), _LANES, dtype=products.dtype, device=products.device)
    for start in range(0, products.size(1), _LANES):
        lanes = products[:, start : start + _LANES]
        total[:, : lanes.size(1)] += lanes
    for half in (4, 2, 1):
        total = total[:, :half] + total[:, half:]
    return total[:, 0]


@contextmanager
def full_float32(device: torch.device) -> Iterator[None]:
    """Inside the ``with`` block float32 products have float32's error, whatever is set outside (TF32, bfloat16)."""
    if device.type == "cpu":
        with fast_float32(device):
            yield
        return
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
