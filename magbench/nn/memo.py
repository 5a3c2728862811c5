"""What was made of some tensors, kept for as long as they stay as they were."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import torch
from torch import Tensor

T = TypeVar("T")


class Memo(Generic[T]):
    """The last result of one function of tensors.

    Tensors stay as they were if they are the same objects and were not written to, or others that are equal (as where
    each step moves them to a device anew). Only the last result is held, and let go before the next is made.

    >>> kept, x = Memo(), torch.ones(2)
    >>> kept([x], lambda: "made"), kept([x.clone()], lambda: "made again")
    ('made', 'made')
    >>> kept([x.mul_(3)], lambda: "made again")
    'made again'
    """

    def __init__(self) -> None:
        self._inputs: list[tuple[Tensor, int]] = []
        self._result: list[T] = []

    def __call__(self, inputs: Sequence[Tensor], make: Callable[[], T]) -> T:
        """The kept result where ``inputs`` are what it was made of, else that of ``make()``."""
        if self._result and self._same(inputs):
            return self._result[0]
        self._inputs, self._result = [], []
        result = make()
        self._inputs, self._result = [(tensor, _version(tensor)) for tensor in inputs], [result]
        return result

    def _same(self, inputs: Sequence[Tensor]) -> bool:
        if len(inputs) != len(self._inputs):
            return False
        return all(
            _version(kept) == version and (kept is tensor or _equal(kept, tensor))
            for (kept, version), tensor in zip(self._inputs, inputs, strict=True)
        )


def _version(tensor: Tensor) -> int:
    """Counts writes to a tensor; those of inference mode do not count theirs."""
    return 0 if tensor.is_inference() else tensor._version


def _equal(a: Tensor, b: Tensor) -> bool:
    return a.device == b.device and a.dtype == b.dtype and torch.equal(a, b)
