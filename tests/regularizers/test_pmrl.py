"""PMRL against a plain singular value decomposition, its closed forms, and where that decomposition breaks down."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from magbench.baselines.mlp import MLP
from small import short_training, small_task
from torch.nn import functional

from magbench.data.synthetic import generate
from magbench.errors import MethodError
from magbench.regularizers import PMRL
from magbench.regularizers.pmrl import leading_direction
from magbench.train.method import EncoderMethod

THREE = ("text", "image", "audio")


def _unit(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return functional.normalize(torch.randn(*shape, generator=generator, dtype=torch.float64), dim=1)


def test_loss_equals_the_loop_over_decompositions(make_context: Any) -> None:
    ctx = make_context(n=9, modalities=THREE, dtype=torch.float64)
    align, vectors = [], []
    for i in range(9):
        matrix = torch.stack([functional.normalize(ctx.z[m][i].detach(), dim=0) for m in THREE], dim=1)
        left, values, _ = torch.linalg.svd(matrix, full_matrices=False)
        align.append(-float(torch.log_softmax(values / 0.05, 0)[0]))
        side = left[:, 0] @ matrix @ torch.tensor([3.0, 2.0, 1.0], dtype=torch.float64)
        vectors.append(left[:, 0] * torch.sign(side))
    contrast = [math.log(sum(math.exp(float(u @ v) / 0.1) for v in vectors)) - float(u @ u) / 0.1 for u in vectors]
    loss, found = PMRL(lam_align=2.0, lam_instance=3.0)(ctx)
    assert found["align"] == pytest.approx(sum(align) / 9, rel=1e-9)
    assert found["instance"] == pytest.approx(sum(contrast) / 9, rel=1e-9)
    assert float(loss.detach()) == pytest.approx((2 * sum(align) + 3 * sum(contrast)) / 9, rel=1e-9)


@pytest.mark.parametrize("cosine", [0.9, 0.1, 0.0, -0.6])
def test_two_modalities_compare_the_cosine_without_its_sign(make_context: Any, cosine: float) -> None:
    first = torch.tensor([[1.0, 0.0]], dtype=torch.float64).repeat(2, 1)
    second = torch.tensor([[cosine, math.sqrt(1 - cosine**2)]], dtype=torch.float64).repeat(2, 1)
    found = PMRL()(make_context(n=2, z={"text": first, "image": second}))[1]
    gap = (math.sqrt(1 + abs(cosine)) - math.sqrt(1 - abs(cosine))) / 0.05
    assert found["align"] == pytest.approx(math.log1p(math.exp(-gap)), rel=1e-9)
    assert found["leading"] == pytest.approx((1 + abs(cosine)) / 2, rel=1e-9)


def test_opposite_modalities_take_the_side_of_the_first(make_context: Any) -> None:
    """Their leading vector is orthogonal to their sum."""
    first = _unit(6, 16, seed=3)
    second = functional.normalize(_unit(6, 16, seed=4) - 2 * first, dim=1)
    leading = leading_direction(torch.stack([first, second], dim=2))[1]
    torch.testing.assert_close(leading, functional.normalize(first - second, dim=1))
    missing = leading_direction(torch.stack([torch.zeros_like(first), first, second], dim=2))[1]
    torch.testing.assert_close(missing, leading)


def test_more_modalities_than_columns_and_half_precision() -> None:
    states = _unit(5, 3, seed=1)[:, :2, None] * torch.ones(4, dtype=torch.float64)
    values, leading = leading_direction(states)
    assert values.shape == (5, 4)
    assert values[:, 1:].abs().max() < 1e-6
    half = states.bfloat16()
    torch.testing.assert_close(leading_direction(half)[1], leading_direction(half.float())[1], rtol=0, atol=0)
    torch.testing.assert_close(leading_direction(half)[1].double(), leading, rtol=0, atol=5e-3)


def test_gradients_are_those_of_the_decomposition() -> None:
    columns = torch.stack([_unit(5, 6, seed=s) for s in range(3)], dim=2).requires_grad_()
    assert torch.autograd.gradcheck(leading_direction, (columns,))
    probe = _unit(5, 6, seed=9)
    values, leading = leading_direction(columns)
    (own,) = torch.autograd.grad((leading * probe).sum() + values.square().sum() + values[:, 0].sum(), columns)
    left, plain, _ = torch.linalg.svd(columns, full_matrices=False)
    weighted = columns @ torch.tensor([3.0, 2.0, 1.0], dtype=torch.float64)
    sign = torch.sign((left[:, :, 0] * weighted).sum(1, keepdim=True)).detach()
    total = (sign * left[:, :, 0] * probe).sum() + plain.square().sum() + plain[:, 0].sum()
    (expected,) = torch.autograd.grad(total, columns)
    torch.testing.assert_close(own, expected)


def test_agreement_and_orthogonality_have_finite_gradients(make_context: Any) -> None:
    """Two or more singular values are equal there, and the gradient of the plain decomposition is NaN."""
    same = _unit(4, 6)
    apart = torch.eye(6, dtype=torch.float64)
    for states, expected in (
        (dict.fromkeys(THREE, same), math.log1p(2 * math.exp(-math.sqrt(3) / 0.05))),
        ({m: apart[[k] * 4] for k, m in enumerate(THREE)}, math.log(3)),
    ):
        z = {m: state.clone().requires_grad_() for m, state in states.items()}
        loss, found = PMRL()(make_context(n=4, z=z))
        loss.backward()
        assert found["align"] == pytest.approx(expected, abs=1e-6)
        assert all(torch.isfinite(state.grad).all() for state in z.values())


@pytest.mark.parametrize(("tau", "low", "high"), [(1.0, 0.99, 1.0), (0.05, 0.6, 0.8)])
def test_descent_aligns_three_modalities_as_far_as_the_softmax_pulls(
    make_context: Any, tau: float, low: float, high: float
) -> None:
    """At the source's .05 the loss is spent long before the modalities agree: a gap of .8 weighs exp(-16)."""
    ctx = make_context(n=12, d=8, modalities=THREE, dtype=torch.float64)
    before, optimizer = PMRL(tau_align=tau)(ctx)[1], torch.optim.Adam(list(ctx.z.values()), lr=0.05)
    for _ in range(300):
        optimizer.zero_grad()
        loss, found = PMRL(tau_align=tau)(ctx)
        loss.backward()
        optimizer.step()
    assert before["leading"] < low < found["leading"] <= high
    assert found["instance"] < before["instance"]


def test_a_missing_modality_is_a_column_of_zeros(make_context: Any) -> None:
    observed = {m: torch.ones(60, dtype=torch.bool) for m in THREE}
    observed["audio"][:] = False
    loss = PMRL(tau_align=0.5)(make_context(modalities=THREE, observed=observed))[1]["align"]
    z = make_context(modalities=THREE).z
    matrix = torch.stack([functional.normalize(z[m].detach(), dim=1) for m in THREE[:2]], dim=2)
    values = functional.pad(torch.linalg.svdvals(matrix), (0, 1)) / 0.5
    assert loss == pytest.approx(float(-torch.log_softmax(values, 1)[:, 0].mean()), rel=1e-5)


def test_nodes_of_one_modality_do_not_count(make_context: Any) -> None:
    observed = {"text": torch.ones(60, dtype=torch.bool), "image": torch.arange(60) < 30}
    ctx = make_context(observed=observed)
    loss, found = PMRL()(ctx)
    loss.backward()
    assert not ctx.z["text"].grad[30:].any()
    assert ctx.z["text"].grad[:30].any()
    assert found["align"] > 0
    dead = {m: torch.zeros(60, 8, requires_grad=True) for m in ("text", "image")}
    assert PMRL()(make_context(z=dead))[1]["leading"] == 0.0
    nothing = PMRL()(make_context(observed={"text": observed["text"], "image": torch.zeros(60, dtype=torch.bool)}))
    assert float(nothing[0].detach()) == 0.0


def test_batches_are_drawn_from_the_contexts_generator(make_context: Any) -> None:
    found = [PMRL(N=10)(make_context())[1] for _ in range(2)]
    assert found[0] == found[1] != PMRL()(make_context())[1]


def test_one_modality_and_two_widths_are_refused(make_context: Any) -> None:
    with pytest.raises(MethodError, match="two modalities or more; the states have text alone"):
        PMRL()(make_context(modalities=("text",)))
    with pytest.raises(MethodError, match="widths"):
        PMRL()(make_context(z={"a": torch.ones(60, 3), "b": torch.ones(60, 4)}))


def test_each_term_gets_its_way_with_an_encoders_three_modalities() -> None:
    """Some nodes have two of them. The contrast alone costs agreement."""
    mag, _ = generate(num_nodes=300, num_classes=4, modalities=THREE, dim=16, missing={"audio": 0.3})
    view = small_task().view(mag, 0)

    def told(**options: float) -> dict[str, float]:
        method = EncoderMethod(MLP, short_training(20), [PMRL(tau_align=1.0, **options)], hidden=16, lr=0.01)
        method.fit(view, seed=0)
        return method.outcome.telemetry

    plain, aligned, apart = told(lam=1e-9), told(lam_instance=0.0), told(lam_align=0.0)
    assert aligned["pmrl.leading"] > plain["pmrl.leading"] + 0.05
    assert apart["pmrl.instance"] < plain["pmrl.instance"] - 0.5
    assert apart["pmrl.leading"] < plain["pmrl.leading"]
