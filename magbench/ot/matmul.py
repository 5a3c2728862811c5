"""The float32 matrix product of the solver: torch's, by oneDNN where that is as exact as float32.

On some processors ``torch.set_float32_matmul_precision("medium")`` is twice as fast at the same error (it picks
oneDNN); on others it rounds to bfloat16. One product of known result tells which, once a process. The setting is
changed for the duration of a product only, and for products on a CPU only: on a GPU it means TF32.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch

from magbench.ot.numba_backend import Array

_AS_EXACT = 1e-5
CPU = torch.device("cpu")


def torch_matmul(A: Array, B: Array, out: Array) -> object:
    """``out`` = A B on torch's threads; numpy arrays of one dtype."""
    return torch.mm(torch.from_numpy(A), torch.from_numpy(B), out=torch.from_numpy(out))


@contextmanager
def fast_float32(device: torch.device) -> Iterator[None]:
    """Inside the ``with`` block: torch's fastest product on a CPU that is as exact as float32, whatever is set outside.

    On another device the user's setting stands.
    """
    if device.type != "cpu":
        yield
        return
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium" if medium_is_exact() else "highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


@cache
def medium_is_exact() -> bool:
    """Whether "medium" keeps float32's precision on this processor: relative error under 1e-5 (bfloat16: 4e-3)."""
    generator = torch.Generator().manual_seed(0)
    A, B = (torch.rand(size, generator=generator) for size in ((128, 512), (512, 512)))
    exact = A.double() @ B.double()
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        error = float(((A @ B).double() / exact - 1.0).abs().max())
    finally:
        torch.set_float32_matmul_precision(before)
    return error < _AS_EXACT
