"""The numba backend against the torch one, low rank against dense, and what a caller may rely on beside the plan."""

from __future__ import annotations

import math
import tracemalloc
from typing import Any

import numpy as np
import pytest
import torch
from otcases import F64, INF, make_case

from magbench.errors import DataError, OptionError
from magbench.ot import CosineFactors, MassCollapseWarning, UFGWResult, modality_cost, ufgw, ufgw_batch
from magbench.ot.descent import Iterate, Schedule, Setting, descend_joint, descend_plain
from magbench.ot.matmul import CPU, fast_float32
from magbench.ot.numba_backend import GraphCost, NumbaBackend, numpy_matmul
from magbench.ot.side import Side

pytestmark = pytest.mark.filterwarnings("ignore::magbench.errors.MagbenchWarning")

PLAN = {torch.float64: 1e-11, torch.float32: 2e-3}
"""Relative L1 distance of two plans that differ by rounding: eps is 1/2000 of the costs at worst."""
VALUE = {torch.float64: 1e-11, torch.float32: 5e-4}


def _same(a: UFGWResult, b: UFGWResult, dtype: torch.dtype) -> None:
    assert float((a.plan - b.plan).abs().sum()) <= PLAN[dtype] * a.mass
    for name in ("objective", "mass", "relative_entropy"):
        assert getattr(a, name) == pytest.approx(getattr(b, name), rel=VALUE[dtype], abs=VALUE[dtype]), name
    for left, right in zip(a.potentials, b.potentials, strict=True):
        torch.testing.assert_close(left, right, rtol=PLAN[dtype], atol=PLAN[dtype])
    assert [s.mass for s in a.history] == pytest.approx([s.mass for s in b.history], rel=10 * VALUE[dtype])
    assert a.history[-1].marginal_error == pytest.approx(b.history[-1].marginal_error, abs=PLAN[dtype])


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"kl": "joint"},
        {"eps": 5e-4},
        {"eps": 5e-4, "kl": "joint"},
        {"rho": 10.0, "eps": 0.01},
        {"rho": INF},
        {"rho": INF, "kl": "joint"},
        {"rho": 0.02},
        {"alpha": 0.0},
        {"alpha": 1.0, "mass_step": False},
        {"marginals": "target_fixed", "eps": 0.01},
        {"marginals": "target_free", "eps": 0.01},
        {"gw_mass_norm": True},
        {"rho": "each"},
        {"n_sinkhorn": 1},
    ],
    ids=str,
)
def test_numba_equals_torch(options: dict[str, Any], dtype: torch.dtype) -> None:
    case = make_case(45, dtype=dtype)
    options = {"alpha": 0.6, "rho": 0.1, "eps": 0.05, "mu": case.mu, "nu": case.nu, **options}
    if options["rho"] == "each":
        options["rho"] = torch.linspace(0.05, 1.0, 45, dtype=dtype)
    numba, torch_ = (ufgw(case.Cx, case.Cy, case.M, **options, backend=backend) for backend in ("numba", "torch"))
    _same(numba, torch_, dtype)
    again, torch_again = (
        ufgw(case.Cx, case.Cy, case.M, **options, backend=backend, init=start)
        for backend, start in (("numba", numba), ("torch", torch_))
    )
    _same(again, torch_again, dtype)


@pytest.mark.parametrize(("n", "m"), [(1, 1), (2, 3), (15, 17), (16, 16), (33, 5), (4, 70)])
@pytest.mark.parametrize("kl", ["plain", "joint"])
def test_any_shape(n: int, m: int, kl: str) -> None:
    case = make_case(n, m, dtype=F64)
    if n == 1:
        case = case._replace(Cx=torch.zeros(1, 1, dtype=F64), Cy=torch.zeros(1, 1, dtype=F64))
    options: dict[str, Any] = {"alpha": 0.6, "rho": 0.1, "eps": 0.05, "mu": case.mu, "nu": case.nu, "kl": kl}
    _same(ufgw(*case[:3], **options), ufgw(*case[:3], **options, backend="torch"), F64)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("kl", ["plain", "joint"])
def test_low_rank_equals_dense(kl: str, dtype: torch.dtype) -> None:
    z = torch.randn(60, 5, generator=torch.Generator().manual_seed(0), dtype=dtype)
    case = make_case(60, dtype=dtype)
    factors = CosineFactors(z)
    assert factors.low_rank(factors.dense()) is not None
    options: dict[str, Any] = {"alpha": 0.6, "rho": 0.1, "eps": 0.02, "kl": kl}
    _same(ufgw(factors, case.Cy, case.M, **options), ufgw(modality_cost(z), case.Cy, case.M, **options), dtype)


@pytest.mark.parametrize("broken", ["zero row", "equal rows", "wide"])
def test_factors_that_would_not_be_exact_are_not_used(broken: str) -> None:
    z = torch.randn(20, 30 if broken == "wide" else 5, generator=torch.Generator().manual_seed(0))
    if broken == "zero row":
        z[3] = 0.0
    if broken == "equal rows":
        z = z[:1].repeat(20, 1)
    factors, case = CosineFactors(z), make_case(20, dtype=torch.float32)
    assert factors.low_rank(factors.dense()) is None
    options: dict[str, Any] = {"alpha": 0.6, "rho": 0.1, "eps": 0.05}
    _same(ufgw(factors, case.Cy, **options), ufgw(factors.dense(), case.Cy, **options), torch.float32)


def test_sparse_graph_cost_is_multiplied_as_constant_minus_sparse() -> None:
    generator = np.random.default_rng(0)
    dense = np.full((80, 80), 1.4)
    ends = generator.integers(0, 80, (2, 30))  # under 1 % of the entries
    dense[ends[0], ends[1]] = dense[ends[1], ends[0]] = generator.random(30)
    cost, X = GraphCost(dense), generator.random((7, 80))
    assert cost.sparse
    np.testing.assert_allclose(cost.times(X, numpy_matmul, np.empty((7, 80))), X @ dense, rtol=1e-13)
    assert not GraphCost(generator.random((80, 80))).sparse


def test_batch_is_one_problem_after_another() -> None:
    cases = [make_case(20, seed=seed) for seed in range(3)]
    Cx, M = torch.stack([c.Cx for c in cases]), torch.stack([c.M for c in cases])
    options: dict[str, Any] = {"alpha": 0.6, "rho": 0.1, "eps": 0.05}
    found = ufgw_batch(Cx, cases[0].Cy, M, **options)
    for case, result in zip(cases, found, strict=True):
        assert torch.equal(result.plan, ufgw(case.Cx, cases[0].Cy, case.M, **options).plan)
    warm = ufgw_batch(Cx, torch.stack([cases[0].Cy] * 3), M, init=found, **options)
    assert warm[2].history[0].plan_change < found[2].history[0].plan_change
    z = torch.randn(2, 20, 4, generator=torch.Generator().manual_seed(1), dtype=F64)
    pair = ufgw_batch(CosineFactors(z), cases[0].Cy, **options)
    assert torch.equal(pair[1].plan, ufgw(CosineFactors(z[1]), cases[0].Cy, **options).plan)


def test_bad_batches_are_named() -> None:
    square = torch.zeros(2, 2)
    options: dict[str, Any] = {"alpha": 0.6, "rho": 0.1, "eps": 0.05}
    with pytest.raises(DataError, match="use ufgw_batch"):
        ufgw(torch.zeros(3, 2, 2), square, **options)
    with pytest.raises(DataError, match="use ufgw"):
        ufgw_batch(square, square, **options)
    with pytest.raises(DataError, match="'Cx': 3, 'M': 2"):
        ufgw_batch(torch.zeros(3, 2, 2), square, torch.zeros(2, 2, 2), **options)
    with pytest.raises(DataError, match=r"CosineFactors: Z is torch\.int64"):
        CosineFactors(torch.zeros(3, 2, dtype=torch.int64))
    with pytest.raises(DataError, match="cost has the shape"):
        CosineFactors(torch.zeros(3, 2), torch.zeros(2, 2))
    with pytest.raises(OptionError, match="auto, numba, torch"):
        ufgw(square, square, **options, backend="cuda")


def test_large_symmetric_float32_costs_are_accepted() -> None:
    # Rounding in a probe of 2,000 terms is not asymmetry.
    z = torch.randn(2000, 8, generator=torch.Generator().manual_seed(0))
    cost = modality_cost(z)
    assert float((cost - cost.t()).abs().max()) < 1e-5
    assert ufgw(cost, cost, alpha=0.0, rho=0.1, eps=0.5, n_outer=1, n_sinkhorn=1).mass > 0


@pytest.mark.parametrize("setting", ["highest", "high", "medium"])
def test_the_users_matmul_precision_is_untouched(setting: str) -> None:
    case = make_case(20, dtype=torch.float32)
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision(setting)
        ufgw(case.Cx, case.Cy, alpha=0.6, rho=0.1, eps=0.05)
        assert torch.get_float32_matmul_precision() == setting
        with pytest.raises(ZeroDivisionError), fast_float32(CPU):
            raise ZeroDivisionError
        assert torch.get_float32_matmul_precision() == setting
    finally:
        torch.set_float32_matmul_precision(before)


def test_fast_float32_is_as_exact_as_float32_or_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    A = torch.rand(64, 256, generator=torch.Generator().manual_seed(0))
    with fast_float32(CPU):
        product = A @ A.t()
    exact = A.double() @ A.double().t()
    assert float((product.double() / exact - 1.0).abs().max()) < 1e-5
    monkeypatch.setattr("magbench.ot.matmul.medium_is_exact", lambda: False)
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("medium")
        with fast_float32(CPU):
            assert torch.get_float32_matmul_precision() == "highest"
        with fast_float32(torch.device("cuda")):  # "medium" would be TF32 there
            assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)


@pytest.mark.parametrize("kl", ["plain", "joint"])
def test_memory_is_at_most_eight_matrices(kl: str) -> None:
    # The caller's Cx, Cy and M count: what is allocated on top must fit into five, and some vectors.
    n = 800
    case = make_case(n, dtype=torch.float32)
    arrays = [part.numpy() for part in case[:3]]
    side = Side(np.full(n, 1 / n), np.full(n, 0.1))
    setting, schedule = Setting(0.6, 0.05, side, side), Schedule(3, 20, None)

    def solve() -> None:
        backend = NumbaBackend(*arrays, side.weights, side.weights)
        start = Iterate(backend.start(None), np.zeros(n), np.zeros(n))
        if kl == "plain":
            descend_plain(backend, setting, schedule, start)
        else:
            descend_joint(backend, setting, schedule, start, start)

    solve()
    tracemalloc.start()
    solve()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5.15 * n * n * 4
    assert peak > 3 * n * n * 4  # the tracer saw the matrices


def test_a_joint_plan_that_vanishes_is_empty_and_named() -> None:
    case = make_case(2, 2, 0)
    rho = math.exp(-3)
    with pytest.warns(MassCollapseWarning, match="kept 0.00%"):
        found = ufgw(
            case.Cx, case.Cy, case.M, mu=case.mu, nu=case.nu, alpha=0.6, rho=rho, eps=rho, kl="joint", n_outer=20
        )
    assert float(found.plan.sum()) == found.mass == 0.0
    assert found.objective == pytest.approx(2 * rho + rho)  # both KL terms and the entropy of the empty plan
    assert not found.converged


def test_history_tells_what_happened() -> None:
    case = make_case(40)
    found = ufgw(case.Cx, case.Cy, case.M, alpha=0.6, rho=0.1, eps=0.05, n_outer=8, n_sinkhorn=30)
    assert max(step.sweeps for step in found.history) < 30  # the potentials stood still before
    assert found.history[-1].marginal_error < 1e-12
    entropy = torch.xlogy(found.plan, found.plan * 40 * 40).sum()
    assert found.relative_entropy == pytest.approx(float(entropy), rel=1e-12)
    short = ufgw(case.Cx, case.Cy, case.M, alpha=0.6, rho=0.1, eps=0.001, n_outer=1, n_sinkhorn=2, mass_step=False)
    implied = torch.exp(-short.potentials[0] / 0.1) / 40
    error = float((short.row_marginal - implied).abs().sum()) / short.mass
    assert error > 1e-3
    assert short.history[0].marginal_error == pytest.approx(error, rel=1e-9)


@pytest.mark.parametrize("kl", ["joint", "plain"])
@pytest.mark.parametrize("backend", ["numba", "torch"])
def test_with_a_tolerance_sweeps_are_saved_and_the_end_is_certified(kl: str, backend: str) -> None:
    case = make_case(40, dtype=torch.float64)
    options = {"alpha": 0.6, "rho": 0.1, "eps": 0.05, "kl": kl, "backend": backend}
    exact = ufgw(case.Cx, case.Cy, case.M, n_outer=60, n_sinkhorn=200, **options)
    found = ufgw(case.Cx, case.Cy, case.M, n_outer=60, n_sinkhorn=20, tol=1e-6, **options)
    last = found.history[-1]
    assert found.converged and len(found.history) < 60
    assert max(last.plan_change, last.marginal_error) < 1e-6
    assert sum(step.sweeps for step in found.history) < 10 * (2 if kl == "joint" else 1) * len(found.history)
    assert found.objective == pytest.approx(exact.objective, rel=1e-10)
    torch.testing.assert_close(found.plan, exact.plan, rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize("kl", ["joint", "plain"])
@pytest.mark.parametrize("backend", ["numba", "torch"])
def test_the_anchor_as_a_start_is_the_plan_of_alpha_zero(kl: str, backend: str) -> None:
    case = make_case(30, dtype=torch.float64)
    options = {"rho": 0.1, "eps": 0.05, "kl": kl, "n_sinkhorn": 50, "backend": backend}
    linear = ufgw(case.Cx, case.Cy, case.M, alpha=0.0, n_outer=1, **options)
    begun = ufgw(case.Cx, case.Cy, case.M, alpha=0.6, n_outer=1, init="anchor", **options)
    given = ufgw(case.Cx, case.Cy, case.M, alpha=0.6, n_outer=1, init=linear, **options)
    torch.testing.assert_close(begun.plan, given.plan, rtol=1e-8, atol=1e-14)
    far = [ufgw(case.Cx, case.Cy, case.M, alpha=0.6, n_outer=60, init=init, **options) for init in (None, "anchor")]
    assert far[0].objective == pytest.approx(far[1].objective, rel=1e-9)
    assert (far[0].plan - far[1].plan).abs().sum() < 1e-3 * far[0].mass


def test_the_anchor_as_a_start_needs_an_anchor() -> None:
    case = make_case(10, dtype=torch.float64)
    options = {"rho": 0.1, "eps": 0.05}
    for M, alpha in ((None, 0.6), (case.M, 1.0)):
        with pytest.raises(OptionError, match="init='anchor' needs an anchor"):
            ufgw(case.Cx, case.Cy, M, alpha=alpha, init="anchor", **options)
    with pytest.raises(OptionError, match="init='anchr'"):
        ufgw(case.Cx, case.Cy, case.M, alpha=0.6, init="anchr", **options)
