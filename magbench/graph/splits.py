"""Splits: which nodes train, validate and test, drawn so that every platform and numpy release draws the same.

Only ``PCG64(seed).random_raw`` is used: numpy promises the bit stream of a bit generator, not of ``Generator`` methods
(MAGB's split is the exception: it is made with ``RandomState``, which numpy has frozen).
A random order is the stable argsort of raw 64-bit draws; a bounded integer is the high product.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from magbench.errors import DataError

Index = NDArray[np.int64]
_DIGEST_ROWS = 1 << 12
PARTS = ("train", "val", "test")


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


def magb_split(labels: Index, *, train: float, val: float) -> Split:
    """The single split that MAGB uses for all its runs: consecutive parts of one random order of all nodes.

    What is known of MAGB's loader (``GNN/GraphData.py``): the nodes are permuted once by numpy's legacy generator with
    seed 42 and cut at 60 % and 80 %, for every run; no split is published as a file. Taken to be so here: the seed is
    set just before the permutation, which is of ``range(N)``, and the cuts are ``int(share · N)``. Unlabelled nodes,
    of which MAGB has none, are in no part.

    Args:
        labels: int64 [N], -1 = unlabelled.
        train, val: shares of all nodes; the rest is for testing.
    """
    order = np.random.RandomState(42).permutation(len(labels))
    first, second = int(len(labels) * train), int(len(labels) * train) + int(len(labels) * val)
    cut = zip(PARTS, np.split(order, [first, second]), strict=True)
    return official_split(labels, dict(cut), "MAGB")


def official_split(labels: Index, parts: Mapping[str, Index], name: str) -> Split:
    """The published ``train``, ``val`` and ``test`` nodes, without those that have no label.

    Raises:
        DataError: a part is missing or has no labelled node; `name` is the data set's.
    """
    kept = {part: np.sort(nodes[labels[nodes] >= 0]) for part, nodes in parts.items()}
    empty = [part for part in PARTS if part not in kept or not len(kept[part])]
    if empty:
        raise DataError(f"Data set {name} brings no labelled nodes for {', '.join(empty)}; found {sorted(parts)}.")
    return Split(**kept)
