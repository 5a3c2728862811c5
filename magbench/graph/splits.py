"""Splits: which nodes train, validate and test, drawn so that every platform and numpy release draws the same.

Only ``PCG64(seed).random_raw`` is used: numpy promises the bit stream of a bit generator, not of ``Generator`` methods.
A random order is the stable argsort of raw 64-bit draws; a bounded integer is the high product.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from magbench.errors import DataError

Index = NDArray[np.int64]
_DIGEST_ROWS = 1 << 12


@dataclass(frozen=True, eq=False)
class Split:
    """Node ids (int64, ascending) of the three parts."""

    train: Index
    val: Index
    test: Index

    def digest(self) -> str:
        """sha256 (hex) over the three parts as little-endian int64."""
        return parts_digest(self.train, self.val, self.test)


def parts_digest(*parts: NDArray[np.integer[Any]]) -> str:
    """sha256 (hex) over arrays as little-endian int64, each after its number of rows."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        for start in range(0, len(part), _DIGEST_ROWS):
            digest.update(part[start : start + _DIGEST_ROWS].astype("<i8").tobytes())
    return digest.hexdigest()


def random_keys(count: int, seed: int | Sequence[int], start: int = 0) -> NDArray[np.uint64]:
    """Draws ``start`` … ``start + count - 1`` of ``PCG64(seed)``, 64 raw bits each; a seed may be several numbers."""
    return np.random.PCG64(seed).advance(start).random_raw(count)


def bounded(keys: NDArray[np.uint64], bound: NDArray[np.int64] | int) -> Index:
    """Integers from 0 to below ``bound`` (at most 2^32): the high 64 bits of ``key * bound``."""
    high, low = keys >> np.uint64(32), keys & np.uint64(0xFFFFFFFF)
    width = np.asarray(bound, dtype=np.uint64)
    product: Index = ((high * width + (low * width >> np.uint64(32))) >> np.uint64(32)).astype(np.int64)
    return product


def stratified_split(labels: Index, seed: int, *, val: float, test: float, min_class_size: int) -> Split:
    """Divide each class by itself: ``max(1, round(share · n))`` nodes to test, as many by ``val``, the rest to train.

    Args:
        labels: int64 [N], -1 = unlabelled (in no part).
        seed: seed of the draw.
        val: share of each class for validation.
        test: share of each class for testing.
        min_class_size: a class with fewer members is training-only.

    Raises:
        DataError: no class is large enough to be tested.
    """
    keys = random_keys(len(labels), seed)
    parts: dict[str, list[Index]] = {"train": [], "val": [], "test": []}
    for label in np.unique(labels[labels >= 0]):
        members = np.flatnonzero(labels == label)
        members = members[np.argsort(keys[members], kind="stable")]
        held = len(members) >= min_class_size
        num_test = max(1, round(test * len(members))) if held else 0
        num_val = max(1, round(val * len(members))) if held else 0
        parts["test"].append(members[:num_test])
        parts["val"].append(members[num_test : num_test + num_val])
        parts["train"].append(members[num_test + num_val :])
    if not any(len(part) for part in parts["test"]):
        raise DataError(
            f"No class has the {min_class_size} members it takes to be validated and tested "
            f"({len(parts['test'])} classes among {int((labels >= 0).sum())} labelled nodes)."
        )
    return Split(**{name: np.sort(np.concatenate(part)) for name, part in parts.items()})
