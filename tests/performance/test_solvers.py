"""One problem for all: POT, fugw and ott reach our objective, and the formula of the objective is right by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from magbench.errors import OptionError, UnknownNameError
from magbench.perf import ours
from magbench.perf.ceilings import measure_ceilings
from magbench.perf.compare import Row, compare, exponents
from magbench.perf.floor import floor
from magbench.perf.objective import objective, relative_gap
from magbench.perf.peers import PEERS, Peer, peer
from magbench.perf.problem import Problem, make_problem, power_law_edges
from magbench.perf.profiles import PROFILES, chosen_profile
from magbench.perf.solution import Solution, Solve
from magbench.perf.timing import Spread
from magbench.perf.tolerance import time_to_tolerance, work


def test_a_problem_is_what_it_says() -> None:
    p = make_problem(64, precision="float32")
    assert p.Cx.dtype == p.z.dtype == np.float32
    for cost in (p.Cx, p.Cy):
        assert (cost == cost.T).all()
        assert (cost.diagonal() == 0).all()
        assert (cost >= 0).all()
        assert cost.mean() == pytest.approx(1.0, rel=1e-6)
    assert p.M.min() == 0
    assert p.M.max() <= 1
    assert (make_problem(64).cast("float32").Cx == p.Cx).all()
    assert not (make_problem(64, seed=1).Cx == make_problem(64).Cx).all()


def test_the_costs_are_those_of_optimag() -> None:
    torch = pytest.importorskip("torch")
    from magbench.ot import anchor_cost, graph_cost, modality_cost

    p = make_problem(64)
    np.testing.assert_allclose(p.Cx, modality_cost(torch.from_numpy(p.z)).numpy(), atol=1e-12)
    np.testing.assert_allclose(p.M, anchor_cost(torch.from_numpy(p.Cy)).numpy(), atol=1e-12)  # type: ignore[union-attr]
    np.testing.assert_allclose(graph_cost(torch.from_numpy(np.exp(-p.Cy))).numpy(), p.Cy, atol=1e-6)


def test_edges_are_undirected_simple_and_heavy_tailed() -> None:
    rows, columns = power_law_edges(500, np.random.default_rng(0))
    edges = set(zip(rows.tolist(), columns.tolist(), strict=True))
    assert len(edges) == len(rows)
    assert all((b, a) in edges and a != b for a, b in edges)
    degrees = np.bincount(rows, minlength=500)
    assert degrees.max() > 8 * np.median(degrees)


@pytest.mark.parametrize("wrong", [{"n": 4}, {"n": 64, "kl": "both"}, {"n": 64, "precision": "float16"}])
def test_bad_problem(wrong: dict) -> None:  # type: ignore[type-arg]
    with pytest.raises(OptionError, match="is not allowed"):
        make_problem(**wrong)


def test_objective_by_hand() -> None:
    """Cx = [[0,2],[2,0]], Cy = 0, M = 1 - I, P = I/4, mu = 1/2.

    Structure: sum_ijkl (Cx_ik - 0)^2 P_ij P_kl = 2 * 4 / 16 = 1/2, times .6 = .3; linear: 0.
    Each marginal is (1/4, 1/4): KL = 1/2 log(1/2) - 1/2 + 1; KL(P|1/4) = 0 - 1/2 + 1.
    """
    z = np.eye(2)
    p = Problem(z, 2 * (1 - z), np.zeros((2, 2)), 1 - z, "plain", 0.6, 0.1, 0.05)
    marginal = 0.5 * math.log(0.5) + 0.5
    assert objective(p, z / 4) == pytest.approx(0.3 + 2 * 0.1 * marginal + 0.05 * 0.5, rel=1e-14)


def test_joint_objective_of_equal_plans_by_hand() -> None:
    """As above with KL(P x P | W x W) = 2 m H - m^2 + 1: m = 1/2; H = 1/2 log 1/2 for the marginals, 0 for P."""
    z = np.eye(2)
    p = Problem(z, 2 * (1 - z), np.zeros((2, 2)), 1 - z, "joint", 0.6, 0.1, 0.05)
    quadratic = 2 * 0.5 * 0.5 * math.log(0.5) - 0.25 + 1
    assert objective(p, z / 4, z / 4) == pytest.approx(0.3 + 2 * 0.1 * quadratic + 0.05 * 0.75, rel=1e-14)


@pytest.mark.parametrize(("kl", "name"), [("joint", "POT numpy"), ("joint", "POT torch")])
def test_pot_agrees(kl: str, name: str) -> None:
    _agree(kl, name)


@pytest.mark.perf
@pytest.mark.parametrize(("kl", "name"), [("joint", "fugw"), ("plain", "ott")])
def test_peers_agree(kl: str, name: str) -> None:
    _agree(kl, name)


@pytest.mark.parametrize("kl", ["joint", "plain"])
@pytest.mark.parametrize("name", [ours.DENSE, ours.NUMPY])
def test_our_doors_agree(kl: str, name: str) -> None:
    for n in (64, 256):  # by the dense product and by factors
        problem = make_problem(n, kl=kl)
        first = ours.prepare(problem, 3, 20)().value(problem)
        assert relative_gap(peer(name).prepare(problem, 3, 20)().value(problem), first) < 1e-12


def _agree(kl: str, name: str) -> None:
    found = peer(name)
    if not found.installed:
        pytest.skip(f"needs the extra [perf]: {', '.join(found.packages)}")
    problem = make_problem(48, kl=kl)
    mine = ours.prepare(problem, 10, 100)().value(problem)
    assert relative_gap(found.prepare(problem, 10, 100)().value(problem), mine) < 1e-10
    single = problem.cast("float32")
    if found.takes(single):
        assert relative_gap(found.prepare(single, 10, 100)().value(problem), mine) < 1e-6


def _fake(name: str, solve: Solve) -> Peer:
    return Peer(name, (), ("joint",), ("float64",), lambda problem, outer, inner: solve)


def _boom() -> Solution:
    raise ValueError("There is NaN\n   in coupling")


def test_a_solver_of_something_else_and_a_failing_one_are_flagged() -> None:
    plan = np.full((16, 16), 1.0 / 256)
    strange = [
        _fake("lazy", lambda: Solution(plan, plan)),
        _fake("failing", _boom),
        _fake("nan", lambda: Solution(plan * np.nan)),
    ]
    mine, pot, lazy, failing, nan = compare(
        "joint", "float64", 16, rounds=1, peers=[peer(ours.OURS), peer("POT numpy"), *strange]
    )
    assert mine.agrees and mine.seconds is not None and mine.ratio is None
    assert pot.agrees and pot.ratio is not None
    assert not lazy.agrees and lazy.difference is not None and lazy.difference > 1e-3 and lazy.ratio is not None
    assert not failing.agrees and failing.seconds is None and failing.note == "There is NaN"
    assert not nan.agrees and "not finite" in nan.note


def test_work_and_time_to_a_tolerance() -> None:
    for row in time_to_tolerance("joint", "float64", 32, rounds=1, peers=[peer(ours.OURS), peer("POT numpy")]):
        assert row.agrees
    problem = make_problem(32)
    with pytest.raises(ArithmeticError, match=r"outer iterations leave a relative gap of .* \(wanted 1e-06\)"):
        work(problem, reference=1.0)


def test_work_counts_the_iterations_until_the_solver_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = [(2.0, 40), (1.1, 30), (1.0 + 5e-7, 20)]
    monkeypatch.setattr(ours, "history", lambda *arguments: steps)
    found = work(make_problem(16), 1.0)
    assert (found.outer, found.sweeps) == (3, 90)
    assert found.gap == pytest.approx(5e-7)


def test_floor_by_hand() -> None:
    """N = 200, d = 100, float32, all rates 1e9: a half-step has 24 MF, 20 x .16 MB, .04 Mexp and 8 x .16 MB."""
    from magbench.perf.ceilings import Ceilings

    found = floor(Ceilings("float32", 1e9, {200: 1e9}, {200: 1e9}), 200, dim=100, inner=20, kl="plain")
    assert found.matmul == pytest.approx(24e-3)
    assert found.sinkhorn == pytest.approx(3.2e-3)
    assert found.exp == pytest.approx(0.04e-3)
    assert found.moves == pytest.approx(1.28e-3)
    assert found.total == pytest.approx(28.52e-3)
    joint = floor(Ceilings("float32", 1e9, {200: 1e9}, {200: 1e9}), 200, dim=1000, inner=20, kl="joint")
    assert joint.matmul == pytest.approx(2 * 4 * 200**3 / 1e9)  # the dense product is cheaper at this d


def test_ceilings_are_positive_and_leave_torch_as_it_was() -> None:
    torch = pytest.importorskip("torch")
    before = torch.get_float32_matmul_precision()
    found = measure_ceilings("float32", [32], seconds=1e-4)
    assert min(found.flops, found.read[32], found.exp[32]) > 0
    assert torch.get_float32_matmul_precision() == before


def test_exponents_of_a_power_law() -> None:
    rows = [Row("joint", "float64", n, "x", "5 x 20", Spread(n**2.5, 0, 0, 1)) for n in (128, 512, 1024, 2048)]
    assert exponents(rows) == {("joint", "float64", "x"): pytest.approx(2.5)}
    assert exponents(rows[:1]) == {}


def test_profiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MAGBENCH_PERF", raising=False)
    assert chosen_profile() is PROFILES["standard"]
    monkeypatch.setenv("MAGBENCH_PERF", "quick")
    assert chosen_profile() is PROFILES["quick"]
    assert chosen_profile("full") is PROFILES["full"]
    with pytest.raises(UnknownNameError, match="Did you mean 'quick'"):
        chosen_profile("quik")
    with pytest.raises(UnknownNameError, match="Unknown peer 'pot'"):
        peer("pot")
    assert {found.name for found in PEERS} >= {"POT numpy", "POT torch", "fugw", "ott"}
