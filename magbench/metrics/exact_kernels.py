"""Compiled kernels of exact ranking: the score of a pair in float64, and the count of what beats the right candidate.

A score has one value, whatever it is computed among: the products of two rows, summed in eight lanes over the columns
in order, the lanes then added in halves. :func:`magbench.metrics.vectors.pair_scores` does the same on other devices.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from magbench.numba_cache import compiled

Array = Any
_SPAN = 256
"""Candidates looked through again where one of them is in doubt."""


@compiled()
def score(q: Array, g: Array) -> float:
    """<q, g> in float64."""
    a0, a1, a2, a3, a4, a5, a6, a7 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    width = len(q)
    whole = width // 8 * 8
    for k in range(0, whole, 8):
        a0 += np.float64(q[k]) * np.float64(g[k])
        a1 += np.float64(q[k + 1]) * np.float64(g[k + 1])
        a2 += np.float64(q[k + 2]) * np.float64(g[k + 2])
        a3 += np.float64(q[k + 3]) * np.float64(g[k + 3])
        a4 += np.float64(q[k + 4]) * np.float64(g[k + 4])
        a5 += np.float64(q[k + 5]) * np.float64(g[k + 5])
        a6 += np.float64(q[k + 6]) * np.float64(g[k + 6])
        a7 += np.float64(q[k + 7]) * np.float64(g[k + 7])
    for k in range(whole, width):
        product, lane = np.float64(q[k]) * np.float64(g[k]), k - whole
        if lane == 0:
            a0 += product
        elif lane == 1:
            a1 += product
        elif lane == 2:
            a2 += product
        elif lane == 3:
            a3 += product
        elif lane == 4:
            a4 += product
        elif lane == 5:
            a5 += product
        else:
            a6 += product
    return ((a0 + a4) + (a2 + a6)) + ((a1 + a5) + (a3 + a7))


@compiled()
def scores(queries: Array, gallery: Array, rows: Array, columns: Array, out: Array) -> None:
    """out_n = <queries[rows_n], gallery[columns_n]>, float64."""
    for n in range(len(rows)):
        out[n] = score(queries[rows[n]], gallery[columns[n]])


@compiled()
def count(
    tile: Array,
    right: Array,
    margin: Array,
    reach: float,
    floor: float,
    queries: Array,
    gallery: Array,
    weight: Array,
    above: Array,
    equal: Array,
) -> None:
    """Add to ``above`` and ``equal`` the candidates of a tile whose score exceeds or equals ``right``.

    Args:
        tile: float32 [q, g], scores that are off by at most ``margin[i] * reach + floor``.
        right: float64 [q], the score to beat.
        margin: float64 [q].
        queries, gallery: [q, d] and [g, d], what scores within the error are computed from.
        weight: int32 [g], how many candidates a column stands for.
        above, equal: int64 [q].
    """
    zero = np.int32(0)
    up, down = np.float32(np.inf), np.float32(-np.inf)
    for i in range(tile.shape[0]):
        row, goal = tile[i], right[i]
        error = margin[i] * reach + floor
        high = np.nextafter(np.float32(goal + error), up)
        low = np.nextafter(np.float32(goal - error), down)
        for start in range(0, len(row), _SPAN):
            part, stands = row[start : start + _SPAN], weight[start : start + _SPAN]
            certain, possible = zero, zero
            for j in range(len(part)):
                certain = np.int32(certain + (stands[j] if part[j] > high else zero))
                possible = np.int32(possible + (stands[j] if part[j] >= low else zero))
            above[i] += certain
            if possible == certain:
                continue
            for j in range(len(part)):
                if low <= part[j] <= high:
                    exact = score(queries[i], gallery[start + j])
                    if exact > goal:
                        above[i] += stands[j]
                    elif exact == goal:
                        equal[i] += stands[j]
