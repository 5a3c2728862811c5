"""What this machine reaches at best, on one thread: multiply matrices, read memory, exponentiate.

Measured, never looked up, and at the working set of the problem: an N x N matrix that fits a cache is read at that
cache's speed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from magbench.perf.problem import Array
from magbench.perf.timing import rate

_GEMM = 1024


@dataclass(frozen=True)
class Ceilings:
    """Rates a second of one precision.

    Attributes:
        precision: ``"float32"`` or ``"float64"``.
        flops: floating-point operations in a product of 1024 x 1024 matrices.
        read: bytes read in a dot product of two equal N^2 vectors, by N.
        exp: exponentials of N^2 numbers, by N.
    """

    precision: str
    flops: float
    read: dict[int, float]
    exp: dict[int, float]


def measure_ceilings(precision: str, sizes: Iterable[int], *, seconds: float = 0.05) -> Ceilings:
    """Measure the ceilings of one precision for problems of the given sizes.

    Args:
        precision: ``"float32"`` or ``"float64"``.
        sizes: numbers of nodes N.
        seconds: CPU seconds of each of the five repeats of each measurement.
    """
    generator = np.random.default_rng(0)
    read, exp = {}, {}
    for n in sizes:
        x = generator.random(n * n).astype(precision)
        y = np.empty_like(x)
        read[n] = rate(x.nbytes, lambda x=x: np.dot(x, x), seconds=seconds)  # type: ignore[misc]
        exp[n] = rate(n * n, lambda x=x, y=y: np.exp(x, out=y), seconds=seconds)  # type: ignore[misc]
    square = generator.random((_GEMM, _GEMM)).astype(precision)
    flops = max(rate(2 * _GEMM**3, call, seconds=seconds) for call in _products(square))
    return Ceilings(precision, flops, read, exp)


def _products(a: Array) -> Iterator[Callable[[], object]]:
    """The matrix products at hand: numpy's BLAS and, where torch is installed, torch's fastest."""
    out = np.empty_like(a)
    yield lambda: np.matmul(a, a, out=out)
    try:
        import torch
    except ImportError:
        return
    left, result = torch.from_numpy(a), torch.empty(a.shape, dtype=getattr(torch, str(a.dtype)))
    with _fast_matmul():
        yield lambda: torch.mm(left, left, out=result)


@contextmanager
def _fast_matmul() -> Iterator[None]:
    """oneDNN's float32 product, which on processors without bf16 units has float32's error; the setting is restored."""
    import torch

    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
