"""Directions: what a modality's features say once its mean is taken away, and the cosine of two of them.

Features of one encoder share a large constant part (all image features point into one cone, all texts into another), so
plain cosines are high between any two nodes. The cosine here is that of x − mean, the mean taken over the nodes that
have the modality: about 0 between unrelated nodes, whatever the encoder.

Rows are made when asked for and in blocks, so that memory-mapped features stay on the disk.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Index = NDArray[np.int64]
Floats = NDArray[np.float32]
BLOCK = 4096


def blocks(count: int, size: int = BLOCK) -> Iterator[slice]:
    """Slices of at most `size` that cover 0 … count−1."""
    return (slice(start, min(start + size, count)) for start in range(0, count, size))


@dataclass(frozen=True, eq=False)
class Directions:
    """The unit vectors of one modality.

    Attributes:
        x: float32 [N, d].
        ids: int64, ascending: the nodes that have the modality.
        mean: float32 [d], over those nodes.
    """

    x: Floats
    ids: Index
    mean: Floats

    @classmethod
    def of(cls, x: Tensor, has: Tensor) -> Directions:
        """From float32 [N, d] and bool [N]."""
        values, ids = x.numpy(), np.flatnonzero(has.numpy())
        total = np.zeros(values.shape[1])
        for part in blocks(len(ids)):
            total += values[ids[part]].sum(axis=0, dtype=np.float64)
        return cls(values, ids, (total / max(len(ids), 1)).astype(np.float32))

    def rows(self, nodes: Index) -> Floats:
        """float32 [n, d] of length 1 (0 where a feature equals the mean) for the nodes, int64 [n]."""
        found: Floats = self.x[nodes] - self.mean
        length = np.linalg.norm(found, axis=1, keepdims=True)
        found /= np.where(length > 0, length, 1)
        return found

    def cosines(self, pairs: Index) -> Floats:
        """float32 [P], the cosine of each pair of nodes, int64 [2, P]."""
        found = np.empty(pairs.shape[1], dtype=np.float32)
        for part in blocks(pairs.shape[1]):
            found[part] = np.einsum("pd,pd->p", self.rows(pairs[0, part]), self.rows(pairs[1, part]))
        return found


def random_pairs(ids: Index, count: int, generator: np.random.Generator) -> Index:
    """int64 [2, count]: pairs of two different members of `ids` (at least two), uniform, with replacement."""
    first = generator.integers(len(ids), size=count)
    second = (first + generator.integers(1, len(ids), size=count)) % len(ids)
    return np.stack([ids[first], ids[second]])
