"""Compiled sums over whole matrices: what the numba backend computes beside its Sinkhorn kernels.

Arrays are C-contiguous, float32 or float64; sums inside a row are taken in lanes, sums over rows in float64.
"""

from __future__ import annotations

from typing import Any

from magbench.numba_cache import compiled

Array = Any
_SUMS = {"reassoc", "contract", "nsz", "arcp"}


@compiled(fastmath=_SUMS)
def matvecs(C: Array, x: Array, squares: Array, products: Array) -> None:
    """squares_i = sum_k C_ik^2 x_k and products_i = sum_k C_ik x_k."""
    for i in range(C.shape[0]):
        row = C[i]
        square, product = x.dtype.type(0.0), x.dtype.type(0.0)
        for k in range(len(x)):
            term = row[k] * x[k]
            product += term
            square += row[k] * term
        squares[i], products[i] = square, product


@compiled(fastmath=_SUMS)
def distance(P: Array, p_scale: float, Q: Array, q_scale: float) -> float:
    """sum |p_scale P - q_scale Q|."""
    s, t = P.dtype.type(p_scale), P.dtype.type(q_scale)
    total = 0.0
    for i in range(P.shape[0]):
        p, q = P[i], Q[i]
        part = P.dtype.type(0.0)
        for j in range(len(p)):
            part += abs(s * p[j] - t * q[j])
        total += part
    return total


@compiled(fastmath=_SUMS)
def inner_product(P: Array, Q: Array) -> float:
    """<P, Q>."""
    total = 0.0
    for i in range(P.shape[0]):
        p, q = P[i], Q[i]
        part = P.dtype.type(0.0)
        for j in range(len(p)):
            part += p[j] * q[j]
        total += part
    return total
