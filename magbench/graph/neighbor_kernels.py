"""The compiled part of :mod:`magbench.graph.adjacency` and :mod:`magbench.graph.neighbors`.

Random numbers are splitmix64's (Steele, Lea & Flood 2014), whose state the caller seeds: the same on every platform.
"""

from __future__ import annotations

import numpy as np

from magbench.numba_cache import compiled

_U = np.uint64
_STEP, _FIRST, _SECOND = _U(0x9E3779B97F4A7C15), _U(0xBF58476D1CE4E5B9), _U(0x94D049BB133111EB)
_S27, _S30, _S31, _S32 = _U(27), _U(30), _U(31), _U(32)


@compiled("void(int64[::1],int64[::1],int64[::1],int32[::1])", error_model="numpy")
def fill_rows(rows: np.ndarray, columns: np.ndarray, indptr: np.ndarray, indices: np.ndarray) -> None:
    """Counting sort of entries by row; ``indptr`` (zeros, ``[N + 1]``) and ``indices`` are filled."""
    for row in rows:
        indptr[row + 1] += 1
    for v in range(len(indptr) - 1):
        indptr[v + 1] += indptr[v]
    end = indptr[:-1].copy()
    for e in range(len(rows)):
        row = rows[e]
        indices[end[row]] = columns[e]
        end[row] += 1


@compiled(error_model="numpy")
def _below(state: np.ndarray, bound: int) -> int:
    """A number in 0..bound-1 for bounds below 2^31: the high part of a 32-bit product."""
    state[0] += _STEP
    z = state[0]
    z = (z ^ (z >> _S30)) * _FIRST
    z = (z ^ (z >> _S27)) * _SECOND
    return int((((z ^ (z >> _S31)) >> _S32) * _U(bound)) >> _S32)


@compiled(
    "UniTuple(int64,2)(int64[::1],int32[::1],int64[::1],int64,int64,uint64[::1],int32[::1],int32[::1],"
    "int64[::1],int64[::1],boolean[::1],int64,int64[::1],int64[:,::1])",
    error_model="numpy",
)
def draw_hop(
    indptr: np.ndarray,
    indices: np.ndarray,
    frontier: np.ndarray,
    first: int,
    fanout: int,
    state: np.ndarray,
    position: np.ndarray,
    order: np.ndarray,
    barred_ptr: np.ndarray,
    barred: np.ndarray,
    mark: np.ndarray,
    known: int,
    nodes: np.ndarray,
    edges: np.ndarray,
) -> tuple[int, int]:
    """Neighbours of the frontier, drawn without replacement; returns the numbers of new nodes and of edges.

    A partial Fisher-Yates shuffle of the places in a row: O(fanout) whatever the degree, because the swaps are undone.

    Args:
        indptr: row pointers of the graph.
        indices: its neighbours.
        frontier: nodes whose neighbours are drawn; their positions are ``first``, ``first + 1``, ...
        first: position of the first of them.
        fanout: neighbours drawn for each, all where there are fewer; negative: all.
        state: of the random numbers, ``[1]``; moved on.
        position: workspace ``[N]``: 1 + position of a known node, 0 of the others; new nodes are entered.
        order: workspace: 0, 1, 2, ... as long as the longest row; left as it was found.
        barred_ptr: nodes not to be drawn for frontier node i are ``barred[barred_ptr[i]:barred_ptr[i + 1]]``; rows that
            are missing at the end bar nothing.
        barred: see ``barred_ptr``.
        mark: workspace ``[N]``, all False; left so.
        known: number of nodes that have a position.
        nodes: out, new nodes in the order of their positions.
        edges: out ``[2, .]``, positions of source and target.
    """
    found, count = 0, 0
    picks = np.empty(max(fanout, 0), np.int64)
    for i in range(len(frontier)):
        begin = indptr[frontier[i]]
        degree = indptr[frontier[i] + 1] - begin
        choices = degree
        some_barred = i + 1 < len(barred_ptr) and barred_ptr[i + 1] > barred_ptr[i]
        if some_barred:
            for b in range(barred_ptr[i], barred_ptr[i + 1]):
                mark[barred[b]] = True
            choices = 0
            for place in range(degree):
                if not mark[indices[begin + place]]:
                    order[choices] = place
                    choices += 1
            for b in range(barred_ptr[i], barred_ptr[i + 1]):
                mark[barred[b]] = False
        taken = choices if fanout < 0 else min(fanout, choices)
        if taken < choices:
            for t in range(taken):
                other = t + _below(state, choices - t)
                picks[t] = other
                order[t], order[other] = order[other], order[t]
        for t in range(taken):
            source = indices[begin + order[t]]
            if position[source] == 0:
                nodes[found] = source
                found += 1
                position[source] = known + found
            edges[0, count] = position[source] - 1
            edges[1, count] = first + i
            count += 1
        if some_barred:
            for place in range(choices):
                order[place] = place
        elif taken < choices:
            for t in range(taken):
                order[t] = t
                order[picks[t]] = picks[t]
    return found, count
