"""UFGW: the numbered invariants of its specification, POT as oracle, closed forms, bad input."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import ot
import pytest
import torch
from otcases import F64, INF, Case, make_case
from scipy.special import lambertw
from torch import Tensor

from magbench.errors import DataError, OptionError
from magbench.ot import MassCollapseWarning, NotConvergedWarning, ufgw
from magbench.ot.descent import optimal_scale
from magbench.ot.torch_backend import squared_distortion

# Few iterations are what many of these tests are about; the warning itself has tests of its own.
pytestmark = pytest.mark.filterwarnings("ignore::magbench.ot.NotConvergedWarning")


def _solve(case: Case, **options: Any) -> Any:
    return ufgw(case.Cx, case.Cy, case.M, **{"alpha": 0.6, "rho": 0.1, "eps": 0.05, **options})


def _pot_balanced(case: Case, alpha: float, eps: float) -> Tensor:
    uniform = np.full(len(case.Cx), 1.0 / len(case.Cx))
    plan = ot.gromov.entropic_fused_gromov_wasserstein(
        case.M.numpy(), case.Cx.numpy(), case.Cy.numpy(), uniform, uniform, "square_loss", epsilon=eps, alpha=alpha,
        symmetric=True, max_iter=100, tol=1e-15, numItermax=1000, stopThr=1e-13,
    )  # fmt: skip
    return torch.from_numpy(plan)


def test_invariants_1_and_2_balanced_limit_equals_pot() -> None:
    case = make_case(12)
    reference = _pot_balanced(case, 0.6, 0.05)
    gaps = []
    for rho in (10.0, 1e3, 1e5, INF):
        found = _solve(case, rho=rho, n_outer=100, n_sinkhorn=100)
        gaps.append(float((found.plan - reference).abs().max() / reference.max()))
    uniform = 1.0 / len(case.Cx)
    assert float((found.row_marginal - uniform).abs().max()) * len(case.Cx) < 1e-3
    assert gaps[3] < 1e-6
    assert gaps[0] / gaps[1] == pytest.approx(100.0, rel=0.3)
    assert gaps[1] / gaps[2] == pytest.approx(100.0, rel=0.3)


def test_invariant_1_marginals_are_met_at_default_iterations() -> None:
    found = _solve(make_case(30, dtype=torch.float32), rho=INF)
    assert float((found.row_marginal - 1 / 30).abs().max()) * 30 < 1e-3


@pytest.mark.parametrize("mass_step", [True, False])
def test_invariant_3_soft_threshold_law(mass_step: bool) -> None:
    case = make_case()
    found = _solve(case, mu=case.mu, nu=case.nu, n_outer=100, n_sinkhorn=100, mass_step=mass_step)
    f, g = found.potentials
    torch.testing.assert_close(found.row_marginal, case.mu * torch.exp(-f / 0.1), rtol=1e-6, atol=0)
    torch.testing.assert_close(found.col_marginal, case.nu * torch.exp(-g / 0.1), rtol=1e-6, atol=0)


def test_mass_step_changes_the_path_and_not_the_solution() -> None:
    case = make_case(20)
    plans = [_solve(case, n_outer=100, n_sinkhorn=50, mass_step=step).plan for step in (True, False)]
    torch.testing.assert_close(plans[0], plans[1], rtol=1e-6, atol=1e-12)


def test_invariant_4_tensor_equals_the_four_loops() -> None:
    case = make_case(6, 5)
    plan = torch.rand(6, 5, generator=torch.Generator().manual_seed(1), dtype=F64)
    expected = torch.zeros(6, 5, dtype=F64)
    for i in range(6):
        for j in range(5):
            for k in range(6):
                for el in range(5):
                    expected[i, j] += (case.Cx[i, k] - case.Cy[j, el]) ** 2 * plan[k, el]
    torch.testing.assert_close(squared_distortion(case.Cx, case.Cy, plan), expected)


def test_invariant_5_identical_costs() -> None:
    Cx = make_case(64).Cx
    identity = torch.eye(64, dtype=F64) / 64
    assert abs(float((squared_distortion(Cx, Cx, identity) * identity).sum())) < 1e-12
    M = 1.0 - torch.eye(64, dtype=F64)
    found = ufgw(Cx, Cx, M, alpha=0.6, rho=1.0, eps=0.002)
    assert abs(float((squared_distortion(Cx, Cx, found.plan) * found.plan).sum())) < 1e-12
    assert float(found.plan.diagonal().sum()) / found.mass == pytest.approx(1.0, abs=1e-9)
    assert found.mass == pytest.approx(0.996, abs=1e-3)


def test_invariant_7_equivariance() -> None:
    case = make_case()
    order = torch.randperm(30, generator=torch.Generator().manual_seed(2))
    plan = _solve(case).plan
    rows = _solve(case._replace(Cx=case.Cx[order][:, order], M=case.M[order])).plan
    torch.testing.assert_close(rows, plan[order], rtol=1e-10, atol=1e-15)
    both = case._replace(Cx=case.Cx[order][:, order], Cy=case.Cy[order][:, order], M=case.M[order][:, order])
    torch.testing.assert_close(_solve(both).plan, plan[order][:, order], rtol=1e-10, atol=1e-15)


def test_invariant_9_row_law_at_alpha_0() -> None:
    case, rho, eps = make_case(), 0.1, 0.05
    found = _solve(case, alpha=0.0, mu=case.mu, nu=case.nu, marginals="target_free")
    expected = case.mu * (case.nu * torch.exp(-case.M / eps)).sum(1) ** (eps / (rho + eps))
    torch.testing.assert_close(found.row_marginal, expected, rtol=1e-12, atol=0)
    soft_min = -eps * torch.log((case.nu * torch.exp(-case.M / eps)).sum(1))
    torch.testing.assert_close(found.row_marginal, case.mu * torch.exp(-soft_min / (rho + eps)), rtol=1e-12, atol=0)


@pytest.mark.parametrize(("alpha", "rho", "eps"), [(1.0, 0.1, 1e-4), (0.6, 0.5, 0.05), (0.3, 1.0, 0.01)])
def test_invariant_10_mass_of_a_constant_distortion(alpha: float, rho: float, eps: float) -> None:
    # Every pair costs D, so P = m mu nu' and 2 alpha D m + (2 rho + eps) log m = 0.
    n, D = 12, 0.7
    Cx, Cy = torch.zeros(n, n, dtype=F64), torch.full((n, n), math.sqrt(D), dtype=F64)
    found = ufgw(Cx, Cy, alpha=alpha, rho=rho, eps=eps, n_outer=20)
    ratio = 2 * alpha * D / (2 * rho + eps)
    assert found.mass == pytest.approx(float(lambertw(ratio).real) / ratio, rel=1e-9)
    limit = alpha * D / rho
    assert found.mass == pytest.approx(float(lambertw(limit).real) / limit, rel=3 * eps / rho)


def test_invariant_15_mass_grows_with_rho() -> None:
    masses = [_solve(make_case(), rho=rho, n_outer=20).mass for rho in (0.05, 0.1, 0.3, 1.0, 3.0, INF)]
    assert masses == sorted(masses)
    assert masses[-1] == pytest.approx(1.0)


@pytest.mark.parametrize("n", [64, 128, 256])
def test_invariant_17_entropic_mass_bias(n: int) -> None:
    Cx = make_case(n, dtype=torch.float32).Cx
    found = ufgw(Cx, Cx, 1.0 - torch.eye(n), alpha=0.6, rho=0.1, eps=0.01)
    assert found.mass == pytest.approx(n ** (-0.01 / 0.21), abs=1e-3)


@pytest.mark.parametrize(
    ("alpha", "rho", "eps", "outer", "inner"), [(0.6, 0.1, 0.05, 12, 400), (0.3, 1.0, 0.1, 12, 400)]
)
def test_joint_equals_pot_value_for_value(alpha: float, rho: float, eps: float, outer: int, inner: int) -> None:
    case = make_case(14, 18)
    first, second, log = ot.gromov.fused_unbalanced_gromov_wasserstein(
        case.Cx.numpy(), case.Cy.numpy(), case.mu.numpy(), case.nu.numpy(), reg_marginals=rho / alpha,
        epsilon=eps / alpha, unbalanced_solver="sinkhorn", alpha=(1 - alpha) / alpha, M=case.M.numpy(),
        max_iter=outer, tol=0, max_iter_ot=inner, tol_ot=0, log=True,
    )  # fmt: skip
    found = _solve(
        case, alpha=alpha, rho=rho, eps=eps, mu=case.mu, nu=case.nu, kl="joint", n_outer=outer, n_sinkhorn=inner
    )
    torch.testing.assert_close(found.plan, torch.from_numpy(first), rtol=1e-9, atol=1e-13)
    torch.testing.assert_close(found.plan2, torch.from_numpy(second), rtol=1e-9, atol=1e-13)
    assert found.objective == pytest.approx(alpha * float(log["fugw_cost"]), rel=1e-10)


def test_balanced_joint_is_plain_at_twice_the_entropy() -> None:
    # With both masses 1 and P = Q, KL(P x P | (mu nu') x (mu nu')) = 2 KL(P | mu nu').
    case = make_case(20)
    joint = _solve(case, rho=INF, eps=0.05, kl="joint", n_outer=60, n_sinkhorn=200)
    plain = _solve(case, rho=INF, eps=0.1, n_outer=120, n_sinkhorn=200)
    torch.testing.assert_close(joint.plan, plain.plan, rtol=1e-6, atol=1e-12)
    assert joint.objective == pytest.approx(plain.objective, rel=1e-9)


def test_plain_equals_a_loop_of_pot_sinkhorn_step_by_step() -> None:
    case, alpha, rho, eps = make_case(20, 26), 0.6, 0.1, 0.05
    a, b = case.mu.numpy(), case.nu.numpy()
    plan = a[:, None] * b[None, :]
    for steps in range(1, 4):
        tensor = squared_distortion(case.Cx, case.Cy, torch.from_numpy(plan)).numpy()
        cost = (1 - alpha) * case.M.numpy() + 2 * alpha * tensor
        plan = ot.unbalanced.sinkhorn_knopp_unbalanced(
            a, b, cost, eps, rho, reg_type="kl", c=a[:, None] * b[None, :], numItermax=5000, stopThr=1e-16
        )
        found = _solve(case, mu=case.mu, nu=case.nu, mass_step=False, n_outer=steps, n_sinkhorn=3000)
        torch.testing.assert_close(found.plan, torch.from_numpy(plan), rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("options", [{}, {"rho": INF}, {"marginals": "target_fixed"}, {"marginals": "target_free"}])
def test_objective_is_the_formula(options: dict[str, Any]) -> None:
    case = make_case(20, 26)
    found = _solve(case, mu=case.mu, nu=case.nu, n_outer=30, n_sinkhorn=100, **options)
    P, r, c = found.plan, found.row_marginal, found.col_marginal
    rho_row = options.get("rho", 0.1)
    rho_col = {"target_fixed": INF, "target_free": 0.0}.get(options.get("marginals", ""), rho_row)

    def kl(x: Tensor, y: Tensor) -> float:
        return float((torch.xlogy(x, x / y) - x + y).sum())

    expected = 0.4 * float((case.M * P).sum()) + 0.6 * float((squared_distortion(case.Cx, case.Cy, P) * P).sum())
    expected += 0.05 * kl(P, case.mu[:, None] * case.nu[None, :])
    expected += rho_row * kl(r, case.mu) if math.isfinite(rho_row) else 0.0
    expected += rho_col * kl(c, case.nu) if math.isfinite(rho_col) else 0.0
    assert found.objective == pytest.approx(expected, rel=1e-10)


def test_mass_step_bounds_the_two_cycle() -> None:
    case = make_case(40)
    options = {"alpha": 1.0, "rho": 0.01, "eps": 0.05, "n_outer": 12}
    rises = {}
    with pytest.warns(NotConvergedWarning):
        for step in (True, False):
            values = [s.objective for s in ufgw(case.Cx, case.Cy, **options, mass_step=step).history]
            rises[step] = max(b - a for a, b in pairwise(values))
    assert rises[False] > 1e-2
    assert rises[True] < 0.1 * rises[False]


def test_rho_for_each_node() -> None:
    case = make_case()
    torch.testing.assert_close(
        _solve(case, rho=torch.full((30,), 0.1, dtype=F64)).plan, _solve(case).plan, rtol=1e-12, atol=1e-15
    )
    mixed = torch.full((30,), 0.1, dtype=F64)
    mixed[:5] = INF
    found = _solve(case, rho=mixed, marginals="target_free", n_outer=50)
    torch.testing.assert_close(found.row_marginal[:5], torch.full((5,), 1 / 30, dtype=F64), rtol=1e-9, atol=0)
    assert float(found.row_marginal[5:].max()) < 1 / 30


@pytest.mark.parametrize("kl", ["plain", "joint"])
def test_zero_weight_nodes_have_zero_rows(kl: str) -> None:
    case = make_case(dtype=torch.float32)
    mu = case.mu.clone()
    mu[4] = 0.0
    found = _solve(case, mu=mu / mu.sum(), nu=mu / mu.sum(), kl=kl)
    assert torch.isfinite(found.plan).all()
    assert float(found.plan[4].sum() + found.plan[:, 4].sum()) == 0.0
    assert math.isfinite(found.objective)
    keep = torch.arange(30) != 4
    part = case._replace(Cx=case.Cx[keep][:, keep], Cy=case.Cy[keep][:, keep], M=case.M[keep][:, keep])
    alone = _solve(part, mu=(mu / mu.sum())[keep], nu=(mu / mu.sum())[keep], kl=kl)
    torch.testing.assert_close(found.plan[keep][:, keep], alone.plan, rtol=1e-4, atol=1e-8)


@pytest.mark.parametrize("eps", [5e-4, 1e-3, 0.01])
def test_small_eps_is_finite_in_float32(eps: float) -> None:
    found = _solve(make_case(100, dtype=torch.float32), eps=eps)
    assert torch.isfinite(found.plan).all()
    assert math.isfinite(found.objective)
    assert 0.05 < found.mass < 1.0


def test_tolerance_stops_and_warm_start_continues() -> None:
    case = make_case()
    whole = _solve(case, n_outer=6)
    first = _solve(case, n_outer=3)
    assert [s.objective for s in (*first.history, *_solve(case, n_outer=3, init=first).history)] == pytest.approx(
        [s.objective for s in whole.history], rel=1e-12
    )
    stopped = _solve(case, n_outer=500, tol=1e-7)
    assert stopped.converged
    assert len(stopped.history) < 200
    assert stopped.history[-1].plan_change < 1e-7


def test_gw_mass_norm_feels_structure_at_any_mass() -> None:
    # T / mass is that of a plan of mass 1, so at a constant distortion D the cost is 2 alpha D at any mass:
    # (2 rho + eps) log m + 2 alpha D = 0.
    Cx, Cy = torch.zeros(8, 8, dtype=F64), torch.full((8, 8), math.sqrt(0.3), dtype=F64)
    found = ufgw(Cx, Cy, alpha=0.6, rho=0.2, eps=0.05, gw_mass_norm=True, n_outer=20)
    assert found.mass == pytest.approx(math.exp(-2 * 0.6 * 0.3 / 0.45), rel=1e-9)


def test_too_few_iterations_are_named() -> None:
    with pytest.warns(NotConvergedWarning, match="raise n_outer") as caught:
        assert not _solve(make_case(), n_outer=1).converged
    assert caught[0].filename == __file__


@pytest.mark.parametrize("linear", [-3.0, 0.0, 2.0, 90.0])
@pytest.mark.parametrize("quadratic", [0.0, 0.3, 40.0])
def test_optimal_scale_is_stationary(linear: float, quadratic: float) -> None:
    s = optimal_scale(linear, quadratic, 0.7)
    assert s > 0
    assert linear + 2 * s * quadratic + 0.7 * math.log(s) == pytest.approx(0.0, abs=1e-9)


def test_mass_collapse_is_named() -> None:
    case = make_case(20)
    with pytest.warns(MassCollapseWarning, match="kept"):
        _solve(case._replace(M=torch.ones_like(case.M)), rho=0.01, n_outer=50)


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"Cx": torch.zeros(3, 4)}, DataError, "Cx has the shape"),
        ({"Cx": torch.tensor([[0.0, 1.0], [2.0, 0.0]])}, DataError, "Cx is not symmetric"),
        ({"Cx": torch.full((2, 2), float("nan"))}, DataError, "Cx holds 4 NaN"),
        ({"Cy": torch.full((2, 2), INF)}, DataError, "Cy holds"),
        ({"Cx": torch.zeros(2, 2, dtype=torch.int64)}, DataError, "dtype"),
        ({"Cy": torch.zeros(2, 2, dtype=F64)}, DataError, "convert"),
        ({"M": torch.zeros(2, 3)}, DataError, "M has the shape"),
        ({"M": torch.full((2, 2), float("nan"))}, DataError, "M holds"),
        ({"mu": torch.tensor([-1.0, 2.0])}, DataError, "mu has the smallest value -1"),
        ({"nu": torch.zeros(2)}, DataError, "nu has the smallest value"),
        ({"mu": torch.ones(3)}, DataError, "mu has the shape"),
        ({"mu": torch.ones(2), "rho": INF}, DataError, "mu sums to 2"),
        ({"rho": 0.0}, OptionError, "rho=0.0"),
        ({"rho": -1.0}, OptionError, "rho=-1.0"),
        ({"rho": float("nan")}, OptionError, "rho=nan"),
        ({"rho": torch.tensor([0.1, -0.1])}, OptionError, "rho has the smallest value -0.1"),
        ({"rho": torch.ones(3)}, OptionError, "rho has the shape"),
        ({"rho": torch.ones(2), "kl": "joint"}, OptionError, "a rho for each node"),
        ({"eps": 0.0}, OptionError, "eps=0.0"),
        ({"eps": INF}, OptionError, "eps=inf"),
        ({"alpha": 1.5}, OptionError, "alpha=1.5"),
        ({"kl": "quadratic"}, OptionError, "plain, joint"),
        ({"marginals": "one"}, OptionError, "target_fixed"),
        ({"n_outer": 0}, OptionError, "n_outer=0"),
        ({"n_sinkhorn": 2.5}, OptionError, "n_sinkhorn=2.5"),
        ({"tol": 1e-9}, OptionError, "float32"),
        ({"init": torch.zeros(3, 3)}, OptionError, "init has the shape"),
        ({"kl": "joint", "gw_mass_norm": True}, OptionError, "gw_mass_norm"),
    ],
)
def test_bad_input_is_named(change: dict[str, Any], error: type[Exception], match: str) -> None:
    square = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    arguments: dict[str, Any] = {"Cx": square, "Cy": square, "alpha": 0.6, "rho": 0.1, "eps": 0.05, **change}
    with pytest.raises(error, match=match):
        ufgw(**arguments)
