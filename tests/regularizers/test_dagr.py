"""DAGR: the nine tests of its specification (test 1, closed forms of dispersion, is in test_dispersion.py)."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from torch import Tensor

from magbench.errors import MagbenchWarning, MethodError, OptionError
from magbench.ot.costs import unit_rows
from magbench.regularizers import DAGR
from magbench.regularizers.dagr import two_task_weight
from magbench.spectrum import effective_rank

F64 = torch.float64
pytestmark = pytest.mark.filterwarnings("ignore::magbench.errors.MagbenchWarning")


def _parts(ctx: Any, **options: Any) -> tuple[Tensor, dict[str, float]]:
    loss, found = DAGR(**options)(ctx)
    return loss, found


def _drift(ctx: Any, a: str = "text", b: str = "image") -> Tensor:
    return (unit_rows(ctx.z[a]) - unit_rows(ctx.z[b])).detach().square().sum(1)


def test_2_hinge_is_exactly_inactive_inside_the_radius(make_context: Any) -> None:
    ctx = make_context()
    loss, found = _parts(ctx, tau=4.0, lam_d=0.0, lam_a=1.0)
    loss.backward()
    assert float(loss.detach()) == found["inter"] == found["active_share"] == 0.0
    assert all(float(z.grad.abs().max()) == 0.0 for z in ctx.z.values())


def test_2_hinge_is_linear_above_and_alignment_at_zero(make_context: Any) -> None:
    ctx = make_context(dtype=F64)
    drift = _drift(ctx)
    assert _parts(ctx, tau=0.0)[1]["inter"] == pytest.approx(float(drift.mean()))
    tau = float(drift.min()) / 2
    high, low = (_parts(ctx, tau=value)[1]["inter"] for value in (tau, tau / 2))
    assert low - high == pytest.approx(tau / 2)
    assert _parts(ctx, tau=tau, hinge_power=2)[1]["inter"] == pytest.approx(float((drift - tau).square().mean()))
    assert _parts(ctx, tau=0.0, space="dist")[1]["inter"] == pytest.approx(float(drift.sqrt().mean()))
    smooth = float(torch.nn.functional.softplus(drift - 1.0).mean())
    assert _parts(ctx, tau=1.0, hinge="softplus")[1]["inter"] == pytest.approx(smooth)


def test_3_invariances(make_context: Any) -> None:
    ctx = make_context(dtype=F64)
    turns = [
        torch.linalg.qr(torch.randn(8, 8, generator=torch.Generator().manual_seed(s), dtype=F64))[0] for s in (1, 2)
    ]
    scale = torch.rand(60, 1, generator=torch.Generator().manual_seed(3), dtype=F64) + 0.1
    scaled = dataclasses.replace(ctx, z={m: z * scale for m, z in ctx.z.items()})
    joint = dataclasses.replace(ctx, z={m: z @ turns[0] for m, z in ctx.z.items()})
    apart = dataclasses.replace(ctx, z={m: z @ turn for (m, z), turn in zip(ctx.z.items(), turns, strict=True)})
    base = _parts(ctx, tau=1.0)[1]
    for changed in (scaled, joint):
        found = _parts(changed, tau=1.0)[1]
        assert found["intra"] == pytest.approx(base["intra"])
        assert found["inter"] == pytest.approx(base["inter"])
    assert _parts(apart, tau=1.0)[1]["intra"] == pytest.approx(base["intra"])
    assert _parts(apart, tau=1.0)[1]["inter"] != pytest.approx(base["inter"], rel=1e-3)


def test_3_zero_states_give_no_nan(make_context: Any) -> None:
    ctx = make_context(z={m: torch.zeros(60, 8).requires_grad_() for m in ("text", "image")})
    for options in ({"tau": 0.1}, {"tau": "auto"}, {"tau": 0.1, "space": "dist"}, {"weighting": "pareto"}):
        loss, _ = _parts(ctx, **options)
        loss.backward()
        assert torch.isfinite(loss)
        assert all(torch.isfinite(z.grad).all() for z in ctx.z.values())


def test_4_order_pairs_and_missing(make_context: Any) -> None:
    names = ("a", "b", "c")
    ctx = make_context(modalities=names, dtype=F64)
    swapped = dataclasses.replace(ctx, z={m: ctx.z[m] for m in reversed(names)})
    assert _parts(swapped, tau=1.0)[1]["inter"] == pytest.approx(_parts(ctx, tau=1.0)[1]["inter"])
    pairs = [
        _parts(dataclasses.replace(ctx, z={m: ctx.z[m] for m in pair}), tau=1.0)[1]["inter"]
        for pair in (("a", "b"), ("a", "c"), ("b", "c"))
    ]
    assert _parts(ctx, tau=1.0)[1]["inter"] == pytest.approx(sum(pairs) / 3)
    observed = {m: torch.ones(60, dtype=torch.bool) for m in names}
    observed["c"][:30] = False
    part = dataclasses.replace(ctx, observed=observed)
    expected = [
        (_drift(ctx, *pair)[30 if "c" in pair else 0 :] - 1.0).relu().mean()
        for pair in (("a", "b"), ("a", "c"), ("b", "c"))
    ]
    assert _parts(part, tau=1.0)[1]["inter"] == pytest.approx(float(sum(expected)) / 3)
    nothing = {m: torch.zeros(60, dtype=torch.bool) for m in names}
    loss, found = _parts(dataclasses.replace(ctx, observed=nothing), tau=1.0)
    assert float(loss.detach()) == found["inter"] == 0.0


@pytest.mark.parametrize("dispersion", ["rbf", "cov", "hinge", "logdet", "dispersive"])
def test_5_gradient_equals_finite_differences(dispersion: str, make_context: Any) -> None:
    ctx = make_context(n=10, d=4, dtype=F64)

    def loss(text: Tensor, image: Tensor) -> Tensor:
        value, _ = _parts(dataclasses.replace(ctx, z={"text": text, "image": image}), tau=0.7, dispersion=dispersion)
        return value

    assert torch.autograd.gradcheck(loss, (ctx.z["text"], ctx.z["image"]), eps=1e-6, atol=1e-6)


def _descend(ctx: Any, **options: Any) -> Any:
    regularizer = DAGR(**options)
    states = {m: z.detach().clone().requires_grad_() for m, z in ctx.z.items()}
    optimizer = torch.optim.SGD(states.values(), lr=2.0)
    for _ in range(300):
        optimizer.zero_grad()
        regularizer(dataclasses.replace(ctx, z=states))[0].backward()
        optimizer.step()
    return dataclasses.replace(ctx, z={m: z.detach() for m, z in states.items()})


def test_6_dispersion_raises_rank_and_drift_and_anchoring_caps_drift(make_context: Any) -> None:
    generator = torch.Generator().manual_seed(0)
    shared = torch.randn(60, 2, generator=generator, dtype=F64) @ torch.randn(2, 8, generator=generator, dtype=F64)
    z = {m: shared + 0.2 * torch.randn(60, 8, generator=generator, dtype=F64) for m in ("text", "image")}
    ctx = make_context(z=z)
    spread = _descend(ctx, lam_d=1.0, lam_a=0.0, tau=0.5)
    assert effective_rank(unit_rows(spread.z["text"])) > effective_rank(unit_rows(ctx.z["text"])) + 1
    assert float(_drift(spread).mean()) > float(_drift(ctx).mean())
    held = _descend(ctx, lam_d=1.0, lam_a=5.0, tau=0.1)
    assert float(_drift(held).mean()) < 0.13
    assert float(_drift(spread).mean()) > 0.2


def test_7_lambda_0_leaves_the_gradient_untouched(make_context: Any) -> None:
    grads = []
    for weighted in (False, True):
        ctx = make_context()
        loss = sum(z.square().sum() for z in ctx.z.values())
        state = torch.random.get_rng_state()
        if weighted:
            loss = loss + 0.0 * DAGR(lam=0.0, B=20)(ctx)[0]
        assert torch.equal(state, torch.random.get_rng_state())
        loss.backward()
        grads.append([z.grad for z in ctx.z.values()])
    assert all(torch.equal(a, b) for a, b in zip(*grads, strict=True))


def test_8_pareto_weight_is_the_minimum_norm_point() -> None:
    generator = torch.Generator().manual_seed(0)
    grid = torch.linspace(0, 1, 2001, dtype=F64)
    for _ in range(20):
        first, second = torch.randn(2, 5, generator=generator, dtype=F64)
        norms = (grid[:, None] * first + (1 - grid[:, None]) * second).norm(dim=1)
        assert two_task_weight(first, second) == pytest.approx(float(grid[norms.argmin()]), abs=1e-3)
    assert two_task_weight(torch.ones(3), torch.zeros(3)) == 1.0
    assert 0.0 <= two_task_weight(torch.ones(3), torch.ones(3)) <= 1.0
    assert two_task_weight(3 * torch.ones(3), torch.ones(3), "gradnorm") == pytest.approx(0.25)


@pytest.mark.parametrize("weighting", ["pareto", "gradnorm"])
def test_8_inactive_hinge_keeps_dispersion_on(weighting: str, make_context: Any) -> None:
    ctx = make_context()
    loss, found = _parts(ctx, tau=4.0, weighting=weighting)
    assert found["weight"] == 1.0
    assert float(loss.detach()) == pytest.approx(found["intra"])
    loss.backward()
    assert float(ctx.z["text"].grad.abs().max()) > 0
    assert 0.0 <= _parts(make_context(), tau=0.5, weighting=weighting)[1]["weight"] <= 1.0


def test_9_bfloat16_is_close(make_context: Any) -> None:
    ctx = make_context(d=64)
    half = dataclasses.replace(ctx, z={m: z.bfloat16() for m, z in ctx.z.items()})
    single, low = (_parts(c, tau=1.0)[1] for c in (ctx, half))
    assert low["intra"] == pytest.approx(single["intra"], rel=2e-2)
    assert low["inter"] == pytest.approx(single["inter"], rel=2e-2)


def test_auto_tau_is_the_quantile_at_the_first_call(make_context: Any) -> None:
    ctx = make_context()
    regularizer = DAGR(quantile=0.5)
    assert regularizer.options.warmup == 10
    found = regularizer(ctx)[1]
    assert found["tau"] == pytest.approx(float(_drift(ctx).median()), rel=2e-2)
    assert found["active_share"] == pytest.approx(0.5)
    assert regularizer(make_context(seed=5))[1]["tau"] == found["tau"]


def test_auto_tau_waits_for_a_drift(make_context: Any) -> None:
    ctx, regularizer = make_context(), DAGR()
    apart = {"text": torch.arange(60) < 30, "image": torch.arange(60) >= 30}
    loss, found = regularizer(make_context(observed=apart))
    assert found["inter"] == found["drift"] == found["active_share"] == 0.0
    assert float(loss.detach()) != 0.0  # dispersion acts
    assert "tau" not in found
    assert regularizer(ctx)[1]["tau"] == DAGR()(ctx)[1]["tau"] > 0.0


def test_exclusions_lower_the_repulsion(make_context: Any) -> None:
    ctx = make_context(n=20, y_train=torch.arange(20) % 4)
    base = _parts(ctx, tau=1.0)[1]["intra"]
    without = _parts(ctx, tau=1.0, same_class_exclude=True)[1]["intra"]
    z = unit_rows(ctx.z["text"].detach()), unit_rows(ctx.z["image"].detach())
    keep = (torch.arange(20)[:, None] - torch.arange(20)[None, :]) % 4 != 0
    expected = sum(float(torch.exp(-2 * torch.cdist(u, u).square())[keep].mean().log()) for u in z) / 2
    assert without == pytest.approx(expected, rel=1e-4)
    assert without != pytest.approx(base, rel=1e-4)
    assert _parts(ctx, tau=1.0, exclude_edges=True)[1]["intra"] != pytest.approx(base, rel=1e-4)
    unlabelled = make_context(n=20)
    assert _parts(unlabelled, tau=1.0, same_class_exclude=True)[1]["intra"] == pytest.approx(base, rel=1e-6)


def test_tau_off_scale_warns_once(make_context: Any) -> None:
    regularizer = DAGR(tau=0.01)
    with pytest.warns(MagbenchWarning, match="always-on alignment"):
        regularizer(make_context())
    with pytest.warns(MagbenchWarning, match="hardly acts"):
        DAGR(tau=3.9)(make_context())


def test_bad_options_and_widths_are_named(make_context: Any) -> None:
    for options in ({"tau": -1.0}, {"tau": "median"}, {"t": 0.0}, {"hinge_power": 3}, {"weighting": "sum"}):
        with pytest.raises(OptionError, match=f"dagr.{next(iter(options))}"):
            DAGR(**options)
    with pytest.raises(MethodError, match="widths"):
        DAGR()(make_context(z={"a": torch.ones(60, 3), "b": torch.ones(60, 4)}))
