"""Compiled kernels of the unbalanced fused Gromov-Wasserstein solver; numpy arrays in and out, float32 or float64.

The local cost of a linear problem is never formed. With potentials f, g in units of eps, the log kernel is
phi_i + gamma_j + H_ij, where H ``[N, M]`` is the part of -cost / eps that depends on both ends and phi, gamma hold the
potentials less the parts that depend on one. Each kernel makes one pass over matrices of N x M; all arrays are
C-contiguous. Sums inside a row are taken in lanes, sums over rows in float64.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

from magbench.numba_cache import compiled

Array = Any
Number = Any
_SUMS = {"reassoc", "contract", "nsz", "arcp"}
_BLOCK = 8
"""Rows summed both ways while they are in the cache."""
_FLUSH32, _FLUSH64 = -80.0, -700.0
"""Log entries of the kernel below which it is 0: far below any sum that counts, and subnormal numbers are slow."""

DONE, DRIFTED, UNTRUSTED = 0, 1, 2
"""How a call of :func:`sweeps` ended."""


def _exp(x: Number) -> Number:
    """e^x for x in [-87, 88] within two units in the last place; vectorises, which the C library's does not."""
    raise NotImplementedError


def _log(x: Number) -> Number:
    """log x of a positive normal number within two units in the last place; very negative for 0."""
    raise NotImplementedError


def _exp32(x: Number) -> Number:
    # Cody & Waite's reduction x = n log 2 + r and a polynomial of degree 6 on |r| <= log(2) / 2.
    n = np.int32(x * np.float32(1.44269504) + np.float32(256.5)) - np.int32(256)
    k = np.float32(n)
    r = x - k * np.float32(0.693359375) + k * np.float32(2.12194440e-4)
    p = np.float32(1.9875691500e-4)
    p = p * r + np.float32(1.3981999507e-3)
    p = p * r + np.float32(8.3334519073e-3)
    p = p * r + np.float32(4.1665795894e-2)
    p = p * r + np.float32(1.6666665459e-1)
    p = p * r + np.float32(5.0000001201e-1)
    p = p * (r * r) + r + np.float32(1.0)
    return p * np.int32((n + np.int32(127)) << np.int32(23)).view(np.float32)


def _exp64(x: Number) -> Number:
    # As above; Taylor's polynomial of degree 12 leaves 2e-16.
    n = np.int64(x * 1.4426950408889634 + 2048.5) - np.int64(2048)
    k = np.float64(n)
    r = x - k * 0.693147180369123816490 - k * 1.90821492927058770002e-10
    p = 1.0 / 479001600.0
    p = p * r + 1.0 / 39916800.0
    p = p * r + 1.0 / 3628800.0
    p = p * r + 1.0 / 362880.0
    p = p * r + 1.0 / 40320.0
    p = p * r + 1.0 / 5040.0
    p = p * r + 1.0 / 720.0
    p = p * r + 1.0 / 120.0
    p = p * r + 1.0 / 24.0
    p = p * r + 1.0 / 6.0
    p = p * r + 0.5
    p = p * (r * r) + r + 1.0
    return p * np.int64((n + np.int64(1023)) << np.int64(52)).view(np.float64)


def _log32(x: Number) -> Number:
    # x = 2^k m, m in [sqrt(1/2), sqrt(2)); log m = 2 artanh(s), s = (m - 1) / (m + 1).
    bits = np.float32(x).view(np.int32) - np.int32(0x3F3504F3)
    k = bits >> np.int32(23)
    m = np.int32((bits & np.int32(0x007FFFFF)) + np.int32(0x3F3504F3)).view(np.float32)
    s = (m - np.float32(1.0)) / (m + np.float32(1.0))
    z = s * s
    p = np.float32(2.0 / 9.0)
    p = p * z + np.float32(2.0 / 7.0)
    p = p * z + np.float32(2.0 / 5.0)
    p = p * z + np.float32(2.0 / 3.0)
    p = p * z + np.float32(2.0)
    return np.float32(k) * np.float32(0.6931471806) + p * s


def _log64(x: Number) -> Number:
    bits = np.float64(x).view(np.int64) - np.int64(0x3FE6A09E667F3BCD)
    k = bits >> np.int64(52)
    m = np.int64((bits & np.int64(0x000FFFFFFFFFFFFF)) + np.int64(0x3FE6A09E667F3BCD)).view(np.float64)
    s = (m - 1.0) / (m + 1.0)
    z = s * s
    p = 2.0 / 21.0
    p = p * z + 2.0 / 19.0
    p = p * z + 2.0 / 17.0
    p = p * z + 2.0 / 15.0
    p = p * z + 2.0 / 13.0
    p = p * z + 2.0 / 11.0
    p = p * z + 2.0 / 9.0
    p = p * z + 2.0 / 7.0
    p = p * z + 2.0 / 5.0
    p = p * z + 2.0 / 3.0
    p = p * z + 2.0
    return np.float64(k) * 0.6931471805599453 + p * s


@overload(_exp, inline="always")
def _exp_of(x: Number) -> Any:
    return _exp32 if x == types.float32 else _exp64


@overload(_log, inline="always")
def _log_of(x: Number) -> Any:
    return _log32 if x == types.float32 else _log64


def _top(x: Array) -> Number:
    """Largest number of a vector, NaN where it holds one. Compared as integers, which vectorises; floats do not."""
    raise NotImplementedError


def _top32(x: Array) -> Number:
    # Negative numbers' bits, all but the sign inverted, make integers of the numbers' order.
    bits, best = x.view(np.int32), np.int32(-(2**31))
    for j in range(len(bits)):
        best = max(best, bits[j] ^ ((bits[j] >> np.int32(31)) & np.int32(2**31 - 1)))
    return np.int32(best ^ ((best >> np.int32(31)) & np.int32(2**31 - 1))).view(np.float32)


def _top64(x: Array) -> Number:
    bits, best = x.view(np.int64), np.int64(-(2**63))
    for j in range(len(bits)):
        best = max(best, bits[j] ^ ((bits[j] >> np.int64(63)) & np.int64(2**63 - 1)))
    return np.int64(best ^ ((best >> np.int64(63)) & np.int64(2**63 - 1))).view(np.float64)


@overload(_top, jit_options={"nogil": True})
def _top_of(x: Array) -> Any:
    return _top32 if x.dtype == types.float32 else _top64


def _flush(x: Number) -> Number:
    """Smallest log entry of the kernel that is kept, of the type of x."""
    raise NotImplementedError


def _flush32(x: Number) -> Number:
    return np.float32(_FLUSH32)


def _flush64(x: Number) -> Number:
    return np.float64(_FLUSH64)


@overload(_flush, inline="always")
def _flush_of(x: Number) -> Any:
    return _flush32 if x == types.float32 else _flush64


@compiled(fastmath=_SUMS)
def asymmetry(C: Array, x: Array) -> float:
    """max_i |(C x - C' x)_i|, summed in float64 (``x`` is)."""
    gap = np.zeros(len(x))
    for i in range(len(x)):
        row, total = C[i], 0.0
        for k in range(len(x)):
            total += row[k] * x[k]
            gap[k] -= x[i] * row[k]
        gap[i] += total
    return float(_top(np.abs(gap)))


@compiled(fastmath={"contract", "nsz"})
def reduce_cold(G: Array, weight: float, M: Array, anchor: float, gamma: Array, H: Array, K: Array, phi: Array) -> None:
    """H = weight G + anchor M, phi_i = -max_j (H_ij + gamma_j), K = exp(phi + gamma + H).

    Rows of K have maximum 1, so none underflows. ``G`` and ``M`` may have no rows (no such term); ``H`` may be ``G``.
    """
    w, a = H.dtype.type(weight), H.dtype.type(anchor)
    flush, zero = _flush(H[0, 0]), H.dtype.type(0.0)
    for i in range(H.shape[0]):
        h, k = H[i], K[i]
        if G.shape[0] == 0:
            h[:] = zero
        else:
            g = G[i]
            for j in range(len(h)):
                h[j] = w * g[j]
        if M.shape[0] > 0:
            m = M[i]
            for j in range(len(h)):
                h[j] += a * m[j]
        for j in range(len(h)):
            k[j] = h[j] + gamma[j]
        top = _top(k)
        phi[i] = -top
        for j in range(len(h)):
            value = k[j] - top
            kept = _exp(value if value > flush else flush)
            k[j] = kept if value > flush else zero


@compiled(fastmath={"contract", "nsz"})
def absorb(H: Array, phi: Array, gamma: Array, K: Array) -> None:
    """K = exp(phi + gamma + H), cut off where the type ends."""
    flush, zero = _flush(H[0, 0]), H.dtype.type(0.0)
    for i in range(H.shape[0]):
        h, k, p = H[i], K[i], phi[i]
        for j in range(len(gamma)):
            value = h[j] + p + gamma[j]
            value = value if value < -flush else -flush
            kept = _exp(value if value > flush else flush)
            k[j] = kept if value > flush else zero


@compiled(fastmath=_SUMS)
def log_weighted_sum(w: Array, rate: float, base: Array, log_s: Array) -> Number:
    """log sum_i w_i exp(-rate (base_i + log_s_i))."""
    logs = -rate * (base + log_s)
    top, total = _top(logs), 0.0
    for i in range(len(w)):
        total += w[i] * _exp(max(logs[i] - top, -80.0))
    return top + np.log(total)


@compiled(fastmath=_SUMS)
def sweeps(
    K: Array,
    mu: Array,
    nu: Array,
    lag_row: Array,
    lag_col: Array,
    kappa_row: Array,
    kappa_col: Array,
    base_row: Array,
    base_col: Array,
    rates: tuple[float, float],
    b: Array,
    log_a: Array,
    log_b: Array,
    a: Array,
    sums: Array,
    n_iter: int,
    drift: float,
    trust: float,
    still: float,
) -> tuple[int, int]:
    """Up to ``n_iter`` Sinkhorn sweeps around one kernel, each one pass over it.

    log_a = lag_row - kappa_row log(K b), a = mu e^log_a, then the same for the columns: b = nu e^log_b. ``log_a``,
    ``log_b``, ``a``, ``b`` and ``sums`` = K' a are those of the last sweep that counts. ``base_row`` and ``base_col``
    (float64) are f0 / eps and g0 / eps; after each sweep the best constant moves from g to f
    (:func:`magbench.ot.sinkhorn.shift`), unless both ``rates`` are 0.

    Stops early where no log_b moved by more than ``still``, where a log scaling exceeds ``drift`` (absorb anew) or
    ``trust`` (that sweep does not count: repeat it in the log domain).

    Returns:
        Sweeps that count, and one of DONE, DRIFTED, UNTRUSTED.
    """
    n, m = K.shape
    new_log_a, new_a = np.empty_like(log_a), np.empty_like(a)
    new_log_b, acc, moves = np.empty_like(log_b), np.empty_like(sums), np.empty_like(log_b)
    zero, flush = K.dtype.type(0.0), _flush(K[0, 0])
    for done in range(n_iter):
        acc[:] = zero
        for start in range(0, n, _BLOCK):
            stop = min(start + _BLOCK, n)
            quads = start + (stop - start) // 4 * 4
            for i in range(start, quads, 4):
                k0, k1, k2, k3 = K[i], K[i + 1], K[i + 2], K[i + 3]
                s0, s1, s2, s3 = zero, zero, zero, zero
                for j in range(m):
                    s0 += k0[j] * b[j]
                    s1 += k1[j] * b[j]
                    s2 += k2[j] * b[j]
                    s3 += k3[j] * b[j]
                new_a[i], new_a[i + 1], new_a[i + 2], new_a[i + 3] = s0, s1, s2, s3
            for i in range(quads, stop):
                k0, s0 = K[i], zero
                for j in range(m):
                    s0 += k0[j] * b[j]
                new_a[i] = s0
            for i in range(start, stop):
                value = lag_row[i] - kappa_row[i] * _log(new_a[i])
                new_log_a[i] = value
                new_a[i] = mu[i] * _exp(min(max(value, flush), -flush))
            for i in range(start, quads, 4):
                k0, k1, k2, k3 = K[i], K[i + 1], K[i + 2], K[i + 3]
                a0, a1, a2, a3 = new_a[i], new_a[i + 1], new_a[i + 2], new_a[i + 3]
                for j in range(m):
                    acc[j] += k0[j] * a0 + k1[j] * a1 + (k2[j] * a2 + k3[j] * a3)
            for i in range(quads, stop):
                k0, a0 = K[i], new_a[i]
                for j in range(m):
                    acc[j] += k0[j] * a0
        for j in range(m):
            new_log_b[j] = lag_col[j] - kappa_col[j] * _log(acc[j])
        largest = max(_top(np.abs(new_log_a)), _top(np.abs(new_log_b)))
        if not largest < trust:  # also true for NaN
            return done, UNTRUSTED
        lift = 0.0
        if rates[0] + rates[1] > 0.0:
            left = log_weighted_sum(mu, rates[0], base_row, new_log_a)
            right = log_weighted_sum(nu, rates[1], base_col, new_log_b)
            lift = min(max((left - right) / (rates[0] + rates[1]), -drift), drift)
        shift, grown = K.dtype.type(lift), K.dtype.type(np.exp(lift))
        for j in range(m):
            value = new_log_b[j] - shift
            moves[j] = abs(value - log_b[j])
            log_b[j] = value
            b[j] = nu[j] * _exp(value)
            sums[j] = acc[j] * grown
        for i in range(n):
            log_a[i] = new_log_a[i] + shift
            a[i] = new_a[i] * grown
        largest = max(largest, abs(shift))
        if largest > drift:
            return done + 1, DRIFTED
        if _top(moves) <= still and done > 0:
            return done + 1, DONE
    return n_iter, DONE


@compiled(fastmath=_SUMS)
def log_row_sums(H: Array, shift: Array, out: Array) -> None:
    """out_i = log sum_j exp(H_ij + shift_j)."""
    flush = _flush(H[0, 0])
    for i in range(H.shape[0]):
        logs = H[i] + shift
        top, total = _top(logs), 0.0
        for j in range(len(logs)):
            total += _exp(max(logs[j] - top, flush))
        out[i] = top + np.log(total)


@compiled(fastmath={"contract", "nsz"})
def log_col_sums(H: Array, shift: Array, out: Array) -> None:
    """out_j = log sum_i exp(H_ij + shift_i)."""
    flush = _flush(H[0, 0])
    top = H[0] + shift[0]
    for i in range(1, H.shape[0]):
        h, s = H[i], shift[i]
        for j in range(len(top)):
            top[j] = max(top[j], h[j] + s)
    total = np.zeros(len(top))
    for i in range(H.shape[0]):
        h, s = H[i], shift[i]
        for j in range(len(top)):
            total[j] += _exp(max(h[j] + s - top[j], flush))
    for j in range(len(top)):
        out[j] = top[j] + np.log(total[j])


@compiled(fastmath=_SUMS)
def plan_of(K: Array, a: Array, b: Array, H: Array, M: Array, P: Array, row: Array) -> tuple[float, float]:
    """P = diag(a) K diag(b) and its row sums.

    Returns:
        <H, P> and <M, P> (0 where ``M`` has no rows).
    """
    zero = K.dtype.type(0.0)
    inner, linear = 0.0, 0.0
    for i in range(K.shape[0]):
        k, h, p, ai = K[i], H[i], P[i], a[i]
        r, hp, mp = zero, zero, zero
        for j in range(len(b)):
            value = ai * k[j] * b[j]
            p[j] = value
            r += value
            hp += value * h[j]
        row[i] = r
        inner += hp
        if M.shape[0] > 0:
            m = M[i]
            for j in range(len(b)):
                mp += p[j] * m[j]
            linear += mp
    return inner, linear
