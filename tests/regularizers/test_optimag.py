"""OptiMAG: gradients by the envelope theorem, planted conflicts, its options, telemetry and warnings."""

from __future__ import annotations

import dataclasses
import math
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor

from magbench.data.synthetic import generate
from magbench.errors import MagbenchWarning, MethodError, OptionError
from magbench.graph.adjacency import Adjacency
from magbench.graph.ppr import ppr
from magbench.graph.sampling import sample_nodes
from magbench.ot import (
    MassCollapseWarning,
    NotConvergedWarning,
    anchor_cost,
    graph_cost,
    modality_cost,
    ufgw,
)
from magbench.regularizers import OptiMAG
from magbench.regularizers.alignment import Costs, structure_term
from magbench.regularizers.optimag import DiagonalPlanWarning

F64 = torch.float64
pytestmark = pytest.mark.filterwarnings("ignore::magbench.errors.MagbenchWarning")


def _costs(n: int = 20, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    Cx, Cy = (modality_cost(torch.randn(n, 5, generator=generator, dtype=F64)) for _ in range(2))
    M = anchor_cost(Cy)
    assert M is not None
    return Cx, Cy, M


@pytest.mark.parametrize(("alpha", "rho", "eps"), [(0.6, 0.1, 0.1), (0.9, 0.3, 0.05)])
def test_invariant_6_envelope_gradient_equals_central_differences(alpha: float, rho: float, eps: float) -> None:
    Cx, Cy, M = _costs(12)
    options: dict[str, Any] = {"alpha": alpha, "rho": rho, "eps": eps, "n_outer": 400, "n_sinkhorn": 50, "tol": 1e-13}
    plan = ufgw(Cx, Cy, M, **options).plan
    C = Cx.clone().requires_grad_()
    (alpha * structure_term(C, Cy, plan.sum(1), plan.sum(0), plan @ Cy @ plan.t())).backward()
    assert C.grad is not None
    step = 1e-5
    for i, k in ((0, 1), (3, 7), (10, 2)):
        bump = torch.zeros_like(Cx)
        bump[i, k] = bump[k, i] = step
        high, low = (ufgw(Cx + sign * bump, Cy, M, **options).objective for sign in (1, -1))
        assert float(C.grad[i, k] + C.grad[k, i]) == pytest.approx((high - low) / (2 * step), rel=1e-3, abs=1e-9)


def test_structure_term_is_the_quadratic_form_and_its_gradient() -> None:
    Cx, Cy, _ = _costs(6)
    plan = torch.rand(6, 6, generator=torch.Generator().manual_seed(5), dtype=F64)
    gap = (Cx[:, None, :, None] - Cy[None, :, None, :]) ** 2
    expected = float(torch.einsum("ijkl,ij,kl->", gap, plan, plan))
    row, col, image = plan.sum(1), plan.sum(0), plan @ Cy @ plan.t()
    C = Cx.clone().requires_grad_()
    value = structure_term(C, Cy, row, col, image)
    assert float(value.detach()) == pytest.approx(expected, rel=1e-12)
    value.backward()
    torch.testing.assert_close(C.grad, 2 * (Cx * torch.outer(row, row) - image))


@pytest.mark.parametrize("detach_mean", [True, False])
def test_invariant_11_a_truncated_node_gets_no_gradient_with_detached_mean(detach_mean: bool) -> None:
    z = torch.randn(20, 5, generator=torch.Generator().manual_seed(1), dtype=F64).requires_grad_()
    _, Cy, _ = _costs(20)
    plan = torch.rand(20, 20, generator=torch.Generator().manual_seed(2), dtype=F64)
    plan[4] = 0.0
    cost = modality_cost(z, detach_mean=detach_mean)
    structure_term(cost, Cy, plan.sum(1), plan.sum(0), plan @ Cy @ plan.t()).backward()
    assert z.grad is not None
    assert (float(z.grad[4].abs().max()) < 1e-12) == detach_mean
    assert float(z.grad[3].abs().max()) > 1e-6


def test_invariant_12_loss_is_invariant_to_the_scale_of_a_modality_cost(make_context: Any) -> None:
    Cx, Cy, M = _costs(20)
    plan = ufgw(Cx, Cy, M, alpha=0.6, rho=0.1, eps=0.1).plan
    raw = (3.0 * Cx).requires_grad_()
    normal = raw / raw.mean()
    structure_term(normal, Cy, plan.sum(1), plan.sum(0), plan @ Cy @ plan.t()).backward()
    assert raw.grad is not None
    assert float((raw.detach() * raw.grad).sum()) == pytest.approx(0.0, abs=1e-12)


def _train(regularizer: OptiMAG | None, context: Any) -> dict[str, Tensor]:
    """Ten full-batch steps of a linear encoder; returns its weights."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.Dropout(0.5), torch.nn.Linear(8, 3))
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
        y = torch.arange(60) % 3
        for step in range(10):
            hidden = {m: model[0](state.detach()) for m, state in context.z.items()}
            logits = sum(model[2](model[1](state)) for state in hidden.values())
            loss = torch.nn.functional.cross_entropy(logits, y)
            if regularizer is not None:
                now = dataclasses.replace(context, z=hidden, step=step)
                loss = loss + regularizer.options.lam * regularizer(now)[0]
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return model.state_dict()


def test_invariant_13_lambda_0_is_bit_identical(make_context: Any) -> None:
    plain, off = _train(None, make_context()), _train(OptiMAG(lam=0.0, N=40), make_context())
    on = _train(OptiMAG(lam=10.0, N=40), make_context())
    assert all(torch.equal(plain[key], off[key]) for key in plain)
    assert not all(torch.equal(plain[key], on[key]) for key in plain)


@pytest.mark.parametrize("seed", range(5))
def test_invariant_16_planted_conflicts_are_found(seed: int) -> None:
    mag, truth = generate(
        num_nodes=1600, num_classes=8, degree=4.0, homophily=0.85, instance_signal=0.2,
        class_signal={"text": 0.2, "image": 0.6}, conflict={"image": 0.25}, seed=seed,
    )  # fmt: skip
    graph = Adjacency.of(mag.edge_index, 1600)
    batch = sample_nodes(graph, 512, torch.Generator().manual_seed(seed))
    reference = graph_cost(ppr(mag.edge_index, 1600).block(batch))
    found = ufgw(modality_cost(mag.x_image[batch]), reference, anchor_cost(reference), alpha=0.6, rho=0.1, eps=0.01)
    kept = found.row_marginal * len(batch)
    assert roc_auc_score(truth.conflict["image"][batch.numpy()], 1 - kept.numpy()) > 0.85


@pytest.mark.parametrize("options", [{}, {"mu": "degree"}, {"diag": "raw"}, {"delta": 0.01}], ids=str)
def test_loss_is_the_formula(options: dict[str, Any], make_context: Any) -> None:
    ctx = make_context()
    loss, found = OptiMAG(eps=0.1, n_outer=10, **options)(ctx)
    diffusion = ppr(ctx.edge_index, 60).block(ctx.node_ids)
    Cy = graph_cost(diffusion, delta=options.get("delta", 1e-6), diag=options.get("diag", "zero"))
    M = anchor_cost(Cy)
    assert M is not None
    weight = torch.ones(60)
    if "mu" in options:
        weight += torch.bincount(ctx.edge_index[0], minlength=60)
    mu = weight / weight.sum()
    expected = []
    for z in ctx.z.values():
        Cx = modality_cost(z.detach())
        P = ufgw(Cx, Cy, M, alpha=0.6, rho=0.1, eps=0.1, mu=mu, nu=mu, n_outer=10).plan
        gap = (Cx[:, None, :, None] - Cy[None, :, None, :]) ** 2
        expected.append(0.4 * float((M * P).sum()) + 0.6 * float(torch.einsum("ijkl,ij,kl->", gap, P, P)))
    assert float(loss.detach()) == pytest.approx(np.mean(expected), rel=1e-4)
    assert found["lambda_eff_factor"] == pytest.approx(found["mass"] ** 2, rel=0.05)


def test_entropic_tau_is_eps_with_the_papers_eps_as_floor(make_context: Any) -> None:
    swapped = OptiMAG(tau_role="entropic", tau=0.3, eps=0.02)(make_context())
    said = OptiMAG(tau=1.0, eps=0.3, delta=0.02)(make_context())
    assert float(swapped[0].detach()) == float(said[0].detach())
    assert swapped[1] == said[1]


def test_mass2_makes_the_loss_free_of_the_mass(make_context: Any) -> None:
    Cx, Cy, _ = _costs(30)
    losses = {}
    for norm in ("none", "mass2"):
        regularizer = OptiMAG(loss_norm=norm, solver="diagonal", anchor="identity")
        costs = Costs(Cx, Cy, Cx, None, torch.full((30,), 1 / 30, dtype=F64))
        losses[norm], found = regularizer.align(costs)
    plan_mass = found["mass"]
    assert float(losses["none"]) == pytest.approx(float(losses["mass2"]) * plan_mass**2, rel=1e-9)
    assert found["lambda_eff_factor"] == 1.0


def test_solver_auto_takes_the_closed_form_where_it_holds_and_only_there(make_context: Any) -> None:
    grads = {}
    for solver in ("full", "auto"):
        ctx = make_context(n=120, d=32)
        loss, found = OptiMAG(solver=solver, alpha=0.4)(ctx)
        loss.backward()
        grads[solver] = torch.cat([z.grad.flatten() for z in ctx.z.values()])
        assert ("off_diagonal" in found) == (solver == "auto")
    assert float(torch.nn.functional.cosine_similarity(grads["full"], grads["auto"], dim=0)) > 0.999999
    assert float(grads["auto"].norm() / grads["full"].norm()) == pytest.approx(1.0, abs=1e-4)
    assert "off_diagonal" not in OptiMAG(solver="auto", relative_eps=0.9)(make_context(n=120, d=32))[1]


def test_relative_eps_leaves_the_diagonal(make_context: Any) -> None:
    shares = [OptiMAG(relative_eps=kappa)(make_context(n=120))[1]["diag_share"] for kappa in (0.2, 0.9, 1.8)]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > 0.99
    assert shares[2] < 0.9
    assert OptiMAG(relative_eps=0.9)(make_context(n=120))[1]["eps_ratio"] == pytest.approx(0.9, rel=1e-4)


def test_diagonal_share_falls_with_tau() -> None:
    _, Cy, _ = _costs(60)
    Cx = modality_cost(torch.randn(60, 5, generator=torch.Generator().manual_seed(9), dtype=F64))
    shares = []
    for tau in (0.1, 0.5, 1.0, 2.0):
        found = ufgw(Cx, Cy, anchor_cost(Cy, tau=tau), alpha=0.6, rho=0.1, eps=0.05, n_outer=20)
        shares.append(float(found.plan.diagonal().sum()) / found.mass)
    assert shares == sorted(shares, reverse=True)


def test_missing_modalities_stand_outside(make_context: Any) -> None:
    observed = {m: torch.ones(60, dtype=torch.bool) for m in ("text", "image")}
    observed["image"][:20] = False
    ctx = make_context(observed=observed)
    loss, _ = OptiMAG()(ctx)
    loss.backward()
    assert float(ctx.z["image"].grad[:20].abs().max()) == 0.0
    assert float(ctx.z["image"].grad[20:].abs().max()) > 0.0
    nobody = make_context(observed={m: torch.zeros(60, dtype=torch.bool) for m in ("text", "image")})
    loss, _ = OptiMAG()(nobody)
    loss.backward()
    assert float(loss.detach()) == 0.0


def test_graph_without_edges_warns_and_works(make_context: Any) -> None:
    ctx = make_context(edge_index=torch.zeros(2, 0, dtype=torch.int64))
    with pytest.warns(MagbenchWarning, match="almost no structure"):
        loss, found = OptiMAG()(ctx)
    loss.backward()
    assert all(math.isfinite(value) for value in found.values())
    assert found["floored_fraction"] == 1.0


def test_any_number_of_modalities_and_widths(make_context: Any) -> None:
    loss, found = OptiMAG()(make_context(modalities=("text", "image", "audio")))
    assert {f"mass.{m}" for m in ("text", "image", "audio")} <= set(found)
    assert torch.isfinite(loss)
    generator = torch.Generator().manual_seed(0)
    uneven = {"a": torch.randn(60, 4, generator=generator), "b": torch.randn(60, 9, generator=generator)}
    assert torch.isfinite(OptiMAG()(make_context(z=uneven, observed={}))[0])


def test_half_precision_states_are_solved_in_float32(make_context: Any) -> None:
    ctx = make_context()
    half = dataclasses.replace(ctx, z={m: z.bfloat16() for m, z in ctx.z.items()})
    assert float(OptiMAG()(half)[0].detach()) == pytest.approx(float(OptiMAG()(ctx)[0].detach()), rel=5e-2)


def test_mini_batches_need_the_whole_graph_first(make_context: Any) -> None:
    ctx = make_context()
    part = dataclasses.replace(ctx, node_ids=ctx.node_ids + 40)
    with pytest.raises(MethodError, match="prepare"):
        OptiMAG()(part)
    whole = torch.cat([ctx.edge_index, ctx.edge_index + 40], dim=1)
    regularizer = OptiMAG()
    regularizer.prepare(whole, 100)
    assert torch.isfinite(regularizer(part)[0])


def test_batch_is_drawn_from_the_given_generator(make_context: Any) -> None:
    contexts = [make_context(generator=torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)]
    values = [float(OptiMAG(N=20)(ctx)[0].detach()) for ctx in contexts]
    assert values[0] == values[1] != values[2]


def test_cross_anchor_has_a_gradient(make_context: Any) -> None:
    h = torch.randn(60, 8, generator=torch.Generator().manual_seed(4)).requires_grad_()
    loss, _ = OptiMAG(anchor="cross", eps=0.1)(make_context(h=h))
    loss.backward()
    assert float(h.grad.abs().max()) > 0


@pytest.mark.parametrize(
    "options",
    [
        {"kl": "joint"}, {"marginals": "target_free"}, {"marginals": "target_fixed"}, {"gw_mass_norm": True},
        {"anchor": "identity"}, {"anchor": "none"}, {"tau_role": "entropic"}, {"mu": "degree"}, {"diag": "raw"},
        {"norm": "rw"}, {"rho": math.inf}, {"alpha": 0.0, "anchor": "cross"}, {"alpha": 1.0}, {"tol": 1e-4},
        {"mass_step": False}, {"sampler": "bfs", "N": 30}, {"detach_mean": True}, {"N": 30, "sampler": "task_batch"},
    ],
)  # fmt: skip
def test_every_option_gives_a_finite_loss_and_gradient(options: dict[str, Any], make_context: Any) -> None:
    ctx = make_context(h=torch.randn(60, 8, generator=torch.Generator().manual_seed(4)))
    loss, found = OptiMAG(**options)(ctx)
    assert all(math.isfinite(value) for value in found.values())
    loss.backward()
    assert all(0.0 < float(z.grad.abs().max()) < math.inf for z in ctx.z.values())
    assert all(bool(torch.isfinite(z.grad).all()) for z in ctx.z.values())


@pytest.mark.parametrize(
    ("options", "category"),
    [
        ({}, DiagonalPlanWarning),
        ({"rho": 0.005, "anchor": "identity", "eps": 0.05}, MassCollapseWarning),
        ({"n_outer": 1, "eps": 0.1}, NotConvergedWarning),
        ({"delta": 0.5}, MagbenchWarning),
        ({"eps": 50.0}, MagbenchWarning),
    ],
)
def test_each_failure_signature_warns_once(options: dict[str, Any], category: type[Warning], make_context: Any) -> None:
    regularizer = OptiMAG(**options)
    with pytest.warns(category):
        regularizer(make_context())
    with warnings.catch_warnings():
        warnings.simplefilter("error", category)
        regularizer(make_context())


def test_collapsed_states_warn(make_context: Any) -> None:
    with pytest.warns(MagbenchWarning, match="coincide"):
        OptiMAG()(make_context(z={m: torch.ones(60, 8) for m in ("text", "image")}))


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"rho": -1}, "optimag.rho = -1"),
        ({"rho": math.nan}, "optimag.rho = nan"),
        ({"lam": math.inf}, "optimag.lam = inf"),
        ({"eps": "small"}, "optimag.eps"),
        ({"rhoo": 1}, "Did you mean"),
        ({"solver": "auto", "kl": "joint"}, "solver=full"),
        ({"N": 1}, "optimag.N"),
    ],
)
def test_bad_options_are_named(options: dict[str, Any], match: str) -> None:
    with pytest.raises(OptionError, match=match):
        OptiMAG(**options)
