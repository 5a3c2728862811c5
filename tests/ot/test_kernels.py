"""The compiled kernels against numpy, one by one."""

from __future__ import annotations

import numpy as np
import pytest
from numba import njit
from scipy.special import logsumexp

from magbench.ot import kernels, reductions
from magbench.ot.kernels import _exp, _log, _top

TYPES = [np.float32, np.float64]


@njit
def _exp_all(x: np.ndarray, out: np.ndarray) -> None:
    for i in range(len(x)):
        out[i] = _exp(x[i])


@njit
def _log_all(x: np.ndarray, out: np.ndarray) -> None:
    for i in range(len(x)):
        out[i] = _log(x[i])


@pytest.mark.parametrize("dtype", TYPES)
def test_exp_and_log_are_within_two_units_in_the_last_place(dtype: type) -> None:
    low, high = (-87.0, 88.0) if dtype is np.float32 else (-700.0, 700.0)
    x = np.concatenate([np.linspace(low, high, 200_001), np.linspace(-1e-3, 1e-3, 1001), [0.0, low, high]]).astype(
        dtype
    )
    out = np.empty_like(x)
    _exp_all(x, out)
    exact = np.exp(x.astype(np.longdouble))
    assert float(np.abs(out / exact - 1).max()) < 2 * np.finfo(dtype).eps
    positive = np.exp(np.linspace(low, high, 200_001)).astype(dtype)
    out = np.empty_like(positive)
    _log_all(positive, out)
    exact = np.log(positive.astype(np.longdouble))
    assert float(np.abs(out - exact).max() / np.maximum(np.abs(exact), 1).max()) < 2 * np.finfo(dtype).eps
    near_one = (1 + np.linspace(-1e-3, 1e-3, 1001)).astype(dtype)
    out = np.empty_like(near_one)
    _log_all(near_one, out)
    np.testing.assert_allclose(
        out, np.log(near_one.astype(np.longdouble)), atol=2 * np.finfo(dtype).eps * 1e-3, rtol=2e-7
    )


def _random(n: int, m: int, dtype: type) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(0)
    H = (-30 * rng.random((n, m))).astype(dtype)
    return H, rng.standard_normal(n).astype(dtype), rng.standard_normal(m).astype(dtype)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize(("n", "m"), [(1, 1), (7, 33), (50, 19)])
def test_absorbed_kernels(n: int, m: int, dtype: type) -> None:
    H, phi, gamma = _random(n, m, dtype)
    K = np.empty_like(H)
    tight = 1e-5 if dtype is np.float32 else 1e-13
    kernels.absorb(H, phi, gamma, K)
    np.testing.assert_allclose(K, np.exp(H.astype(float) + phi[:, None] + gamma), rtol=tight)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize(("n", "m"), [(1, 1), (7, 33), (50, 19)])
@pytest.mark.parametrize(("core", "anchor"), [(True, True), (True, False), (False, True), (False, False)])
def test_a_cold_kernel_has_rows_of_maximum_one(n: int, m: int, dtype: type, core: bool, anchor: bool) -> None:
    G, phi, gamma = _random(n, m, dtype)
    M, nothing = G[::-1].copy(), np.empty((0, 0), dtype)
    expected = 1.5 * G.astype(float) * core - 0.25 * M.astype(float) * anchor
    H, K = np.empty_like(G), np.empty_like(G)
    kernels.reduce_cold(G if core else nothing, 1.5, M if anchor else nothing, -0.25, gamma, H, K, phi)
    np.testing.assert_allclose(H, expected, rtol=1e-6, atol=1e-5)
    np.testing.assert_array_equal(phi, -(H + gamma).max(1))
    tight = 1e-5 if dtype is np.float32 else 1e-13
    np.testing.assert_allclose(K, np.exp(H.astype(float) + phi[:, None] + gamma), rtol=tight)
    assert (K.max(1) == 1.0).all()


@njit
def _top_of(x: np.ndarray) -> float:
    return _top(x)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("values", [[-3.0, -1.0, -2.0], [0.0, -0.0], [-np.inf, -5.0], [1e-40, -1.0], [2.0, np.inf]])
def test_the_top_of_a_vector_is_its_maximum(values: list[float], dtype: type) -> None:
    assert _top_of(np.array(values, dtype)) == max(dtype(value) for value in values)


@pytest.mark.parametrize("dtype", TYPES)
def test_the_top_of_a_vector_with_nan_is_nan(dtype: type) -> None:
    assert np.isnan(_top_of(np.array([1.0, np.nan, 2.0], dtype)))


def test_entries_far_below_any_sum_are_exact_zeros() -> None:
    H = np.array([[0.0, -79.0, -81.0, -1e6]], np.float32)
    K = np.empty_like(H)
    kernels.absorb(H, np.zeros(1, np.float32), np.zeros(4, np.float32), K)
    assert K[0, 1] > 0
    assert K[0, 2] == K[0, 3] == 0.0


@pytest.mark.parametrize("dtype", TYPES)
def test_sums_and_products(dtype: type) -> None:
    H, phi, gamma = _random(37, 21, dtype)
    tight = 1e-5 if dtype is np.float32 else 1e-12
    out = np.empty(37, dtype)
    products = np.empty_like(out)
    reductions.matvecs(H, gamma, out, products)
    np.testing.assert_allclose(out, (H.astype(float) ** 2) @ gamma, rtol=10 * tight)
    np.testing.assert_allclose(products, H.astype(float) @ gamma, rtol=10 * tight)
    kernels.log_row_sums(H, gamma, out)
    np.testing.assert_allclose(out, logsumexp(H.astype(float) + gamma, axis=1), rtol=tight)
    cols = np.empty(21, dtype)
    kernels.log_col_sums(H, phi, cols)
    np.testing.assert_allclose(cols, logsumexp(H.astype(float) + phi[:, None], axis=0), rtol=tight)
    assert reductions.inner_product(H, H) == pytest.approx(float((H.astype(float) ** 2).sum()), rel=tight)
    other = H[::-1].copy()
    gap = np.abs(2 * H.astype(float) - 3 * other).sum()
    assert reductions.distance(H, 2.0, other, 3.0) == pytest.approx(gap, rel=tight)
    P, row = np.empty_like(H), np.empty(37, dtype)
    K, a, b = np.exp(H), np.exp(phi), np.exp(gamma)
    inner, linear = kernels.plan_of(K, a, b, H, other, P, row)
    expected = a[:, None].astype(float) * K * b
    np.testing.assert_allclose(P, expected, rtol=tight)
    np.testing.assert_allclose(row, expected.sum(1), rtol=10 * tight)
    assert inner == pytest.approx(float((expected * H).sum()), rel=tight)
    assert linear == pytest.approx(float((expected * other).sum()), rel=tight)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize(("n", "m"), [(1, 2), (16, 16), (35, 22)])
def test_sweeps_are_the_formula(n: int, m: int, dtype: type) -> None:
    rng = np.random.default_rng(1)
    K = rng.random((n, m)).astype(dtype)
    mu, nu = (rng.random(k).astype(dtype) for k in (n, m))
    lags, kappas = [(0.1 * rng.random(k)).astype(dtype) for k in (n, m)], [np.full(k, 0.7, dtype) for k in (n, m)]
    bases = [rng.random(k) for k in (n, m)]
    log_a, log_b, a, b, sums = np.zeros(n, dtype), np.zeros(m, dtype), mu.copy(), nu.copy(), np.zeros(m, dtype)
    rates = (0.4, 0.4)
    used, status = kernels.sweeps(
        K, mu, nu, *lags, *kappas, *bases, rates, b, log_a, log_b, a, sums, 5, 20.0, 50.0, 0.0
    )
    assert (used, status) == (5, kernels.DONE)
    x, y = np.zeros(n), np.zeros(m)
    for _ in range(5):
        x = lags[0] - 0.7 * np.log(K.astype(float) @ (nu * np.exp(y)))
        y = lags[1] - 0.7 * np.log(K.T.astype(float) @ (mu * np.exp(x)))
        t = (logsumexp(np.log(mu) - 0.4 * (bases[0] + x)) - logsumexp(np.log(nu) - 0.4 * (bases[1] + y))) / 0.8
        x, y = x + t, y - t
    tight = 1e-5 if dtype is np.float32 else 1e-12
    np.testing.assert_allclose(log_a, x, atol=tight)
    np.testing.assert_allclose(log_b, y, atol=tight)
    np.testing.assert_allclose(a, mu * np.exp(x), rtol=tight)
    np.testing.assert_allclose(sums, K.T.astype(float) @ (mu * np.exp(x)), rtol=tight)


@pytest.mark.parametrize(
    ("factor", "expected"), [(1e-15, kernels.DRIFTED), (1e-30, kernels.UNTRUSTED), (0.0, kernels.UNTRUSTED)]
)
def test_sweeps_say_when_they_cannot_be_trusted(factor: float, expected: int) -> None:
    n, one = 4, np.ones(4, np.float32)
    K = np.full((n, n), factor, np.float32)
    log_a, log_b, sums = np.zeros((3, n), np.float32)
    a, b = one / n, one / n
    used, status = kernels.sweeps(
        K, one / n, one / n, 0 * one, 0 * one, one, one, np.zeros(n), np.zeros(n), (0.0, 0.0), b, log_a, log_b, a, sums,
        5, 20.0, 50.0, 0.0,
    )  # fmt: skip
    assert status == expected
    assert used == (1 if expected == kernels.DRIFTED else 0)
    if expected == kernels.UNTRUSTED:  # that sweep left no trace
        assert not log_b.any()
        np.testing.assert_array_equal(b, one / n)
