"""The compiled part of :mod:`magbench.graph.rewiring`: swaps, and the set of edges that they look up.

The set is a table of keys a N + b with linear probing: a power of two of slots, at least two for each key, -1 where
empty. A key that goes leaves no gap between another one and its home slot (Knuth 6.4, algorithm R).
"""

from __future__ import annotations

import numpy as np

from magbench.numba_cache import compiled

_U = np.uint64
_GOLDEN, _S32 = _U(0x9E3779B97F4A7C15), _U(32)


@compiled(error_model="numpy")
def _home(key: int, mask: int) -> int:
    """The slot in which a key stands if nothing is in its way."""
    return int((_U(key) * _GOLDEN) >> _S32) & mask


@compiled(error_model="numpy")
def _slot(table: np.ndarray, key: int) -> int:
    """The slot of a key, or the empty one in which it would be put."""
    mask = len(table) - 1
    at = _home(key, mask)
    while table[at] != -1 and table[at] != key:
        at = (at + 1) & mask
    return at


@compiled(error_model="numpy")
def _remove(table: np.ndarray, key: int) -> None:
    """Take a key out, and move up those that its slot stood in the way of."""
    mask = len(table) - 1
    hole = _slot(table, key)
    at = (hole + 1) & mask
    while table[at] != -1:
        if (at - _home(table[at], mask)) & mask >= (at - hole) & mask:
            table[hole] = table[at]
            hole = at
        at = (at + 1) & mask
    table[hole] = -1


@compiled("void(int64[:,::1],int64,int64[::1])", error_model="numpy")
def enter(ends: np.ndarray, num_nodes: int, table: np.ndarray) -> None:
    """Put the keys of the edges ``ends``, ``[E, 2]``, into the empty ``table``."""
    for e in range(len(ends)):
        key = ends[e, 0] * num_nodes + ends[e, 1]
        table[_slot(table, key)] = key


@compiled("void(int64[:,::1],int64[:,::1],boolean[::1],int64,int64[::1])", error_model="numpy")
def swap_ends(ends: np.ndarray, picks: np.ndarray, turns: np.ndarray, num_nodes: int, table: np.ndarray) -> None:
    """Try the swaps in their order; ``ends``, ``[E, 2]`` with a < b, and ``table``, their keys, are changed.

    Args:
        ends: the edges.
        picks: ``[T, 2]``, places in ``ends``.
        turns: ``[T]``, whether the second edge is turned round.
        num_nodes: N.
        table: see the head of the file.
    """
    for t in range(len(picks)):
        i, j = picks[t, 0], picks[t, 1]
        a, b = ends[i, 0], ends[i, 1]
        c, d = ends[j, 0], ends[j, 1]
        if turns[t]:
            c, d = d, c
        if a == d or c == b:
            continue
        one, two = min(a, d) * num_nodes + max(a, d), min(c, b) * num_nodes + max(c, b)
        if one == two or table[_slot(table, one)] == one or table[_slot(table, two)] == two:
            continue
        _remove(table, ends[i, 0] * num_nodes + ends[i, 1])
        _remove(table, ends[j, 0] * num_nodes + ends[j, 1])
        table[_slot(table, one)] = one
        table[_slot(table, two)] = two
        ends[i, 0], ends[i, 1] = min(a, d), max(a, d)
        ends[j, 0], ends[j, 1] = min(c, b), max(c, b)
