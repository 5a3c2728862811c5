"""Near duplicates: the pairs of N items that are almost alike, without comparing all N² / 2.

Each item is given *marks* such that two items that are almost alike share a mark, and few others do; pairs that share
one are then compared. :func:`pairs_that_share` does that for any marks; here are those of hashes and of directions, in
:mod:`magbench.data.report.near_texts` those of texts.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from magbench.data.report.directions import Directions, Index, blocks

LIMIT = 5_000_000
"""A search stops at so many pairs: only content without any variety has more."""
_ROWS, _CANDIDATES = 64, 65_536
_BANDS, _BITS = 48, 24


def pairs_that_share(
    marks: sp.csr_array, accept: Callable[[Index], NDArray[np.bool_]], limit: int = LIMIT
) -> tuple[Index, bool]:
    """The pairs of items that share a mark and are accepted.

    Args:
        marks: int32 [N, marks], 1 where an item has a mark.
        accept: which of some pairs, int64 [2, P], to keep, bool [P].
        limit: the search stops at so many pairs.

    Returns:
        int64 [2, P], the lower item above, in ascending order, and whether that is all of them.
    """
    holders = marks.T.tocsr()
    found, total = [np.empty((2, 0), dtype=np.int64)], 0
    for part in blocks(marks.shape[0], _ROWS):
        first, second = (marks[part] @ holders).nonzero()
        later = first + part.start < second
        pairs = np.stack([first[later] + np.int64(part.start), second[later].astype(np.int64)])
        kept = [pairs[:, some][:, accept(pairs[:, some])] for some in blocks(pairs.shape[1], _CANDIDATES)]
        if kept:
            pairs = np.concatenate(kept, axis=1)
            found.append(pairs[:, np.lexsort(pairs[::-1])])
            total += pairs.shape[1]
        if total > limit:
            return np.concatenate(found, axis=1)[:, :limit], False
    return np.concatenate(found, axis=1), True


def near_hashes(bits: NDArray[np.bool_], most: int, limit: int = LIMIT) -> tuple[Index, bool]:
    """The pairs of hashes that differ in at most `most` bits.

    Cut into ``most + 1`` bands, two such hashes agree on a whole band (the pigeonhole principle), so none is missed.

    Args:
        bits: bool [N, B].
        most: the largest Hamming distance, less than B.
        limit: as in :func:`pairs_that_share`, which also tells what is returned.
    """
    bands = [np.packbits(band, axis=1) for band in np.array_split(bits, most + 1, axis=1)]
    return pairs_that_share(_marks(bands), lambda pairs: (bits[pairs[0]] ^ bits[pairs[1]]).sum(axis=1) <= most, limit)


def near_directions(directions: Directions, nodes: Index, cosine: float, limit: int = LIMIT) -> tuple[Index, bool]:
    """The pairs of `nodes` (int64 [n]) whose directions have at least this cosine, as positions in `nodes`.

    Marks are 48 bands of 24 signs of random projections (Charikar, 2002). Two directions at angle θ agree on a band
    with probability (1 − θ/π)^24: a pair with a cosine of exactly .99 is missed with probability 4e-9.
    """
    planes = np.random.default_rng(0).standard_normal((directions.x.shape[1], _BANDS * _BITS), dtype=np.float32)
    bands = np.empty((len(nodes), _BANDS, _BITS // 8), dtype=np.uint8)
    for part in blocks(len(nodes)):
        signs = directions.rows(nodes[part]) @ planes > 0
        bands[part] = np.packbits(signs.reshape(-1, _BANDS, _BITS), axis=2)
    marks = _marks([bands[:, band] for band in range(_BANDS)])
    return pairs_that_share(marks, lambda pairs: directions.cosines(nodes[pairs]) >= cosine, limit)


def _marks(bands: list[NDArray[np.uint8]]) -> sp.csr_array:
    """A mark for each distinct value of each band (uint8 [N, bytes])."""
    columns, width = [], 0
    for band in bands:
        values = np.unique(band, axis=0, return_inverse=True)[1].ravel()
        columns.append(values + width)
        width += int(values.max(initial=-1)) + 1
    row = np.tile(np.arange(len(bands[0])), len(bands))
    ones = np.ones(len(row), dtype=np.int32)
    return sp.csr_array((ones, (row, np.concatenate(columns))), shape=(len(bands[0]), max(width, 1)))
