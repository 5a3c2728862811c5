"""The value of a plan, by the formulas of :mod:`magbench.ot.unbalanced` and nothing else, in float64.

Every solver's plan is put through this one function before its time counts, so a solver cannot be fast by solving
something else. KL(x|y) = sum x log(x/y) - m(x) + m(y).
"""

from __future__ import annotations

import numpy as np

from magbench.perf.problem import Array, Problem


def objective(problem: Problem, plan: Array, second: Array | None = None) -> float:
    """J(P, Q) of a joint problem or L(P) of a plain one.

    Args:
        problem: costs and parameters; evaluated in float64 whatever its precision.
        plan: P ``[N, N]``.
        second: Q ``[N, N]`` of a joint problem, default P.
    """
    exact = problem.cast("float64")
    P = np.asarray(plan, dtype=np.float64)
    if exact.kl == "plain":
        return _structure(exact, P, P) + _linear(exact, P) + _penalties(exact, P)
    Q = P if second is None else np.asarray(second, dtype=np.float64)
    linear = 0.5 * (_linear(exact, P) + _linear(exact, Q))
    w, W = exact.weights, np.outer(exact.weights, exact.weights)
    penalty = exact.rho * (_quadratic_kl(P.sum(1), Q.sum(1), w) + _quadratic_kl(P.sum(0), Q.sum(0), w))
    return _structure(exact, P, Q) + linear + penalty + exact.eps * _quadratic_kl(P, Q, W)


def relative_gap(value: float, reference: float) -> float:
    """|value - reference| / |reference|."""
    return abs(value - reference) / abs(reference)


def _structure(p: Problem, P: Array, Q: Array) -> float:
    """alpha sum (Cx_ik - Cy_jl)^2 P_ij Q_kl."""
    squares = P.sum(1) @ (p.Cx * p.Cx) @ Q.sum(1) + P.sum(0) @ (p.Cy * p.Cy) @ Q.sum(0)
    return p.alpha * float(squares - 2.0 * np.vdot(P, p.Cx @ Q @ p.Cy))


def _linear(p: Problem, P: Array) -> float:
    return (1.0 - p.alpha) * float(np.vdot(p.M, P))


def _penalties(p: Problem, P: Array) -> float:
    marginals = _kl(P.sum(1), p.weights) + _kl(P.sum(0), p.weights)
    return p.rho * marginals + p.eps * _kl(P, np.outer(p.weights, p.weights))


def _kl(x: Array, y: Array) -> float:
    return _entropy(x, y) - float(x.sum()) + float(y.sum())


def _quadratic_kl(x1: Array, x2: Array, y: Array) -> float:
    """KL(x1 (x) x2 | y (x) y)."""
    m1, m2, total = float(x1.sum()), float(x2.sum()), float(y.sum())
    return m2 * _entropy(x1, y) + m1 * _entropy(x2, y) - m1 * m2 + total * total


def _entropy(x: Array, y: Array) -> float:
    """sum x log(x / y) with 0 log 0 = 0."""
    ratio = np.divide(x, y, out=np.ones_like(x), where=x > 0)
    return float(np.vdot(x, np.log(ratio)))
