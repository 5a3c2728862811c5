"""The compiled part of :mod:`magbench.graph.push`; import it only where a graph is pushed (numba loads with it).

A push visits few nodes of a large graph in no particular order, so its time is that of waiting for memory. Hence:

* all that a push needs of a node lies in one 16-byte record (:data:`RESIDUAL` ... :data:`FIRST`);
* residual and estimate are divided by the degree, so one threshold serves all nodes, and a node stands in the queue
  exactly while its residual is above it: no flags;
* a node's list of neighbours is prefetched when it enters the queue, their records when it is the next to leave;
* a self-loop returns its share to the node that is pushed, over and over: the geometric series is summed at once;
* unsigned indices spare the test for negative ones.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import cgutils, types
from numba.extending import intrinsic

from magbench.numba_cache import compiled

RESIDUAL, INVERSE, ESTIMATE, FIRST = 0, 1, 2, 3
"""Columns of a node's record, float32: r/d, 1/d, p/d, and (uint32 bits) where its neighbours start in ``targets``."""

_U = np.uint64
_ONE, _ZERO = np.float32(1.0), np.float32(0.0)
_BUSY = np.float32(2.0)  # above any threshold: a node that is being pushed is not queued by its own loop
_SPENT = np.float32(1e-30)  # as good as nothing, but tells a pushed node from an untouched one
_AHEAD = _U(8)  # records prefetched; the processor finds the others itself
_BINS, _SHIFT, _LOWEST = 512, 19, 96 << 4  # 16 bins an octave for float32 from 2^-31 to 2


def _fetch(_context: Any, array: Any, index: Any) -> Any:
    """Ask for the cache line of ``array[index]`` without waiting for it."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        byte, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
        function = get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        address = builder.bitcast(builder.gep(data, [arguments[1]]), byte)
        builder.call(function, [address, number(0), number(3), number(1)])  # to read, keep in all caches, data
        return context.get_dummy_value()

    return types.void(array, types.intp), generate


_prefetch: Any = intrinsic(_fetch)
get_or_insert_function: Any = cgutils.get_or_insert_function


@compiled("int64(int64[::1],int64[::1],int64[::1],uint32[::1],uint32[::1],uint32[::1])", error_model="numpy")
def symmetric_csr(
    rows: np.ndarray,
    columns: np.ndarray,
    start: np.ndarray,
    loose: np.ndarray,
    offsets: np.ndarray,
    targets: np.ndarray,
) -> int:
    """A' = A + I, undirected, without duplicates, each row ascending; returns the number of entries.

    Two counting sorts: by one end, then, walking that in order, by the other, which leaves each row ascending and
    duplicates side by side. The multigraph is symmetric, so one set of row sizes serves both.

    Args:
        rows: one end of each edge ``[E]``.
        columns: the other.
        start: where rows start when both directions of all edges and N loops are counted, ``[N + 1]``.
        loose: workspace ``[2 E + N]``.
        offsets: out, row pointers ``[N + 1]``, zeros.
        targets: out, columns, as long as ``loose``.
    """
    num_nodes = len(offsets) - 1
    end = np.empty(num_nodes, np.int64)
    for v in range(num_nodes):
        loose[start[v]] = v
        end[v] = start[v] + 1
    for e in range(len(rows)):
        a, b = rows[e], columns[e]
        loose[end[a]] = b
        end[a] += 1
        loose[end[b]] = a
        end[b] += 1
    for v in range(num_nodes):
        end[v] = start[v]
    for u in range(num_nodes):
        for e in range(start[u], start[u + 1]):
            v = loose[e]
            if end[v] == start[v] or targets[end[v] - 1] != u:
                targets[end[v]] = u
                end[v] += 1
    filled = 0
    for v in range(num_nodes):
        for e in range(start[v], end[v]):
            targets[filled] = targets[e]
            filled += 1
        offsets[v + 1] = filled
    return filled


@compiled(error_model="numpy")
def _push(
    nodes: np.ndarray,
    first: np.ndarray,
    targets: np.ndarray,
    ring: np.ndarray,
    touched: np.ndarray,
    start: np.uint32,
    teleport: np.float32,
    tol: np.float32,
) -> np.uint64:
    """Push from one start node until no residual is above ``tol``; returns how many nodes were touched."""
    mask, kept = _U(len(ring) - 1), _ONE - teleport
    nodes[start, RESIDUAL] = nodes[start, INVERSE]
    touched[0], ring[0] = start, start
    count, head, tail = _U(1), _U(0), _U(1)
    while head < tail:
        u = ring[head & mask]
        head += _U(1)
        mass = nodes[u, RESIDUAL] / (_ONE - kept * nodes[u, INVERSE])
        share = kept * mass
        nodes[u, ESTIMATE] += teleport * mass
        nodes[u, RESIDUAL] = _BUSY
        if head < tail:
            following = ring[head & mask]
            begin, end = _U(first[following, FIRST]), _U(first[following + np.uint32(1), FIRST])
            for edge in range(begin, min(begin + _AHEAD, end)):
                _prefetch(nodes, _U(4) * _U(targets[edge]))
        for edge in range(_U(first[u, FIRST]), _U(first[u + np.uint32(1), FIRST])):
            v = targets[edge]
            before = nodes[v, RESIDUAL]
            after = before + share * nodes[v, INVERSE]
            nodes[v, RESIDUAL] = after
            touched[count] = v
            count += _U(before == _ZERO)
            if after > tol and before <= tol:
                ring[tail & mask] = v
                tail += _U(1)
                _prefetch(targets, first[v, FIRST])
                _prefetch(targets, first[v, FIRST] + _U(16))
        nodes[u, RESIDUAL] = _SPENT
    return count


@compiled(error_model="numpy")
def _bin(bits: int) -> int:
    """Bin of a positive float32 given as its bits, which are in the same order as the numbers."""
    return max((bits >> _SHIFT) - _LOWEST, 0)


@compiled(error_model="numpy")
def _read(
    nodes: np.ndarray,
    touched: np.ndarray,
    teleport: np.float32,
    scale: np.float32,
    root: bool,
    values: np.ndarray,
    order: np.ndarray,
    bins: np.ndarray,
) -> None:
    """Scores of the touched nodes into ``values`` and their histogram into ``bins``; their records are made as new."""
    bins[:] = 0
    for i in range(len(touched)):
        v = touched[i]
        inverse = nodes[v, INVERSE]
        estimate = nodes[v, ESTIMATE] + teleport * nodes[v, RESIDUAL]
        values[i] = scale * estimate / (np.sqrt(inverse) if root else inverse)
        nodes[v, RESIDUAL], nodes[v, ESTIMATE] = _ZERO, _ZERO
        bins[_bin(order[i])] += 1


@compiled(error_model="numpy")
def _reaching(order: np.ndarray, least: np.int32) -> int:
    """How many are at least ``least``."""
    count = 0
    for bits in order:
        count += bits >= least
    return count


@compiled(error_model="numpy")
def _largest(
    touched: np.ndarray,
    values: np.ndarray,
    order: np.ndarray,
    bins: np.ndarray,
    top_k: int,
    columns: np.ndarray,
    kept: np.ndarray,
) -> None:
    """The ``top_k`` largest, of equal ones those touched first: by histogram, then by bisection inside one bin.

    ``order`` are the bits of ``values``, the same memory. Every entry is written and the counter moved only where it
    stays: no branch that the processor has to guess.
    """
    cut, above = _BINS - 1, 0
    while above + bins[cut] < top_k:
        above += bins[cut]
        cut -= 1
    low, high = np.int32((cut + _LOWEST) << _SHIFT if cut > 0 else 0), np.int32((cut + 1 + _LOWEST) << _SHIFT)
    left = 0
    for i in range(len(order)):
        stays = order[i] >= low
        touched[left], order[left] = touched[i], order[i]
        left += stays
    while high - low > 1:  # the least bits that stay: of at least top_k entries, while ``high`` are of fewer
        middle = np.int32((low + high) // 2)
        if _reaching(order[:left], middle) >= top_k:
            low = middle
        else:
            high = middle
    ties = top_k - _reaching(order[:left], low + np.int32(1))
    filled = 0
    for i in range(left):
        equal = order[i] == low
        columns[filled], kept[filled] = touched[i], values[i]
        filled += order[i] > low or (equal and ties > 0)
        ties -= equal


@compiled(
    "int64(float32[:,::1],uint32[::1],uint32[::1],uint32[::1],int64[::1],float32,float32,boolean,int64,"
    "int64[::1],int32[::1],float32[::1])",
    error_model="numpy",
)
def push_seeds(
    nodes: np.ndarray,
    targets: np.ndarray,
    ring: np.ndarray,
    touched: np.ndarray,
    seeds: np.ndarray,
    teleport: np.float32,
    tol: np.float32,
    root: bool,
    top_k: int,
    counts: np.ndarray,
    columns: np.ndarray,
    values: np.ndarray,
) -> int:
    """Rows of scores, one after the other; returns how many entries there are.

    Args:
        nodes: records ``[N + 1, 4]``, residuals and estimates 0; left as they were found.
        targets: neighbours in A' of every node.
        ring: workspace, the queue; a power of two long, at least N.
        touched: workspace ``[N + 1]``.
        seeds: start nodes ``[S]``.
        teleport: restart probability b.
        tol: residual per degree at which a push stops.
        root: rows of the sym matrix, else of rw.
        top_k: entries kept in a row.
        counts: out ``[S]``, entries in each row.
        columns: out, at least ``S top_k + 1`` long.
        values: out, as long.
    """
    first = nodes.view(np.uint32)
    found, order = ring.view(np.float32), ring.view(np.int32)  # the queue is empty when scores are read
    bins, filled = np.empty(_BINS, np.int32), 0
    for row in range(len(seeds)):
        start = np.uint32(seeds[row])
        count = np.int64(_push(nodes, first, targets, ring, touched, start, teleport, tol))
        scale = np.float32(_ONE / np.sqrt(nodes[start, INVERSE])) if root else _ONE
        _read(nodes, touched[:count], teleport, scale, root, found, order, bins)
        kept = min(int(count), top_k)
        if kept < count:
            _largest(touched[:count], found[:count], order[:count], bins, top_k, columns[filled:], values[filled:])
        else:
            for i in range(kept):
                columns[filled + i], values[filled + i] = touched[i], found[i]
        counts[row] = kept
        filled += kept
    return filled


@compiled("int64(int64[::1],int32[::1],float32[::1],int64[::1],int32[::1],float32[:,::1])", error_model="numpy")
def gather_block(
    offsets: np.ndarray,
    columns: np.ndarray,
    values: np.ndarray,
    ids: np.ndarray,
    position: np.ndarray,
    block: np.ndarray,
) -> int:
    """Entries among the nodes ``ids`` (distinct) into ``block`` ``[B, B]``, zeros; -1, or a row with a bad column.

    ``position`` ``[N]`` is a workspace of zeros; files may hold any column, so columns are compared with N.
    """
    for i in range(len(ids)):
        position[ids[i]] = i + 1
    for i in range(len(ids)):
        for entry in range(offsets[ids[i]], offsets[ids[i] + 1]):
            column = np.uint32(columns[entry])
            if column >= len(position):
                return int(ids[i])
            j = position[column]
            if j > 0:
                block[i, j - 1] = values[entry]
    return -1
