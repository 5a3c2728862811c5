"""Forward push (Andersen, Chung & Lang 2006), the compiled kernel of :mod:`magbench.graph.ppr`.

From a start node s: residual r = e_s, estimate p = 0. While some r_u > tol d_u: p_u += b r_u; (1-b) r_u / d_u goes to
the residual of each neighbour. At the end pi_rw(s, v) - tol d_v <= p_v <= pi_rw(s, v) on an undirected graph.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

_SIGNATURE = "Tuple((int64[::1],int64[::1],float64[::1]))(int64[::1],int64[::1],int64[::1],float64,float64,int64)"


def push_rows(
    offsets: np.ndarray, targets: np.ndarray, seeds: np.ndarray, teleport: float, tol: float, top_k: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Estimates p from each start node, the ``top_k`` largest of each.

    Args:
        offsets: int64 ``[N + 1]``, CSR row pointers of A' = A + I.
        targets: int64, CSR columns.
        seeds: int64 ``[S]``, start nodes.
        teleport: restart probability b.
        tol: residual per degree at which a push stops.
        top_k: entries kept for each start node.

    Returns:
        CSR row pointers ``[S + 1]``, columns (not sorted) and values.
    """
    return _compiled()(offsets, targets, seeds, teleport, tol, top_k)


@cache
def _compiled() -> Callable[..., tuple[np.ndarray, np.ndarray, np.ndarray]]:
    # numba is imported here because only graphs beyond the dense limit need it.
    import numba

    kernel: Callable[..., tuple[np.ndarray, np.ndarray, np.ndarray]] = numba.njit(_SIGNATURE, cache=True)(_push_rows)
    return kernel


def _push_rows(
    offsets: np.ndarray, targets: np.ndarray, seeds: np.ndarray, teleport: float, tol: float, top_k: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    n = len(offsets) - 1
    estimate, residual = np.zeros(n), np.zeros(n)
    seen, queued = np.zeros(n, np.bool_), np.zeros(n, np.bool_)
    touched, queue = np.empty(n, np.int64), np.empty(n, np.int64)
    pointers = np.zeros(len(seeds) + 1, np.int64)
    columns = np.empty(len(seeds) * min(top_k, n), np.int64)
    values = np.empty(len(seeds) * min(top_k, n), np.float64)
    filled = 0
    for row in range(len(seeds)):
        start = seeds[row]
        residual[start], seen[start], touched[0], queue[0] = 1.0, True, start, start
        count, head, waiting = 1, 0, 1
        while waiting > 0:
            u = queue[head]
            head, waiting = (head + 1) % n, waiting - 1
            queued[u] = False
            mass, degree = residual[u], offsets[u + 1] - offsets[u]
            residual[u] = 0.0
            estimate[u] += teleport * mass
            share = (1.0 - teleport) * mass / degree
            for edge in range(offsets[u], offsets[u + 1]):
                v = targets[edge]
                residual[v] += share
                if not seen[v]:
                    seen[v], touched[count] = True, v
                    count += 1
                if not queued[v] and residual[v] > tol * (offsets[v + 1] - offsets[v]):
                    queued[v] = True
                    queue[(head + waiting) % n] = v
                    waiting += 1
        nodes = touched[:count]
        found = estimate[nodes]
        if count > top_k:
            largest = np.argsort(-found)[:top_k]
            kept, amounts = nodes[largest], found[largest]
        else:
            kept, amounts = nodes.copy(), found
        for i in range(len(kept)):
            if amounts[i] > 0.0:
                columns[filled], values[filled] = kept[i], amounts[i]
                filled += 1
        pointers[row + 1] = filled
        for i in range(count):
            v = touched[i]
            estimate[v], residual[v], seen[v] = 0.0, 0.0, False
    return pointers, columns[:filled].copy(), values[:filled].copy()
