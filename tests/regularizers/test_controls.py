"""Controls: DistMatch against its formula, placebos against OptiMAG, geometric consistency against loops."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from magbench.errors import MethodError
from magbench.graph.ppr import ppr
from magbench.ot import graph_cost, modality_cost
from magbench.regularizers import DistMatch, GeometricConsistency, OptiMAG, PlaceboConstant, PlaceboPermuted

pytestmark = pytest.mark.filterwarnings("ignore::magbench.errors.MagbenchWarning")


def _value(regularizer: Any, ctx: Any) -> float:
    return float(regularizer(ctx)[0].detach())


def test_distmatch_is_the_mean_squared_difference(make_context: Any) -> None:
    ctx = make_context()
    graph = graph_cost(ppr(ctx.edge_index, 60).block(ctx.node_ids))
    expected = sum(float((modality_cost(z.detach()) - graph).square().mean()) for z in ctx.z.values()) / 2
    assert _value(DistMatch(), ctx) == pytest.approx(0.6 * expected, rel=1e-4)


def test_softmask_weighs_by_the_distortion(make_context: Any) -> None:
    ctx = make_context(modalities=("text",))
    D = (modality_cost(ctx.z["text"].detach()) - graph_cost(ppr(ctx.edge_index, 60).block(ctx.node_ids))).square()
    p = torch.exp(-1.2 * D.mean(1) / (2 * 0.1 + 0.01)) / 60
    loss, found = DistMatch(softmask=True)(ctx)
    assert float(loss.detach()) == pytest.approx(0.6 * float(p @ D @ p), rel=1e-4)
    assert found["lambda_eff_factor"] == pytest.approx(float(p.sum()) ** 2, rel=1e-5)


def test_distmatch_is_balanced_optimag_with_a_diagonal_plan(make_context: Any) -> None:
    # Balanced, the best diagonal plan is diag(mu); a zero-diagonal anchor costs nothing there.
    optimag = OptiMAG(rho=float("inf"), solver="diagonal")
    assert _value(optimag, make_context()) == pytest.approx(_value(DistMatch(), make_context()), rel=1e-5)


def test_permuted_placebo_equals_the_loss_at_alpha_1(make_context: Any) -> None:
    options = {"alpha": 1.0, "eps": 0.05}
    real, placebo = (_value(cls(**options), make_context()) for cls in (OptiMAG, PlaceboPermuted))
    assert placebo == pytest.approx(real, rel=1e-4)


def test_placebos_differ_from_the_loss_below_alpha_1(make_context: Any) -> None:
    real, permuted, constant = (_value(cls(), make_context()) for cls in (OptiMAG, PlaceboPermuted, PlaceboConstant))
    assert real != pytest.approx(permuted, rel=1e-3)
    assert real != pytest.approx(constant, rel=1e-3)


def test_constant_placebo_does_not_see_the_graph(make_context: Any) -> None:
    ctx = make_context()
    other = make_context(edge_index=torch.tensor([[0, 1], [1, 0]]))
    assert _value(PlaceboConstant(), ctx) == pytest.approx(_value(PlaceboConstant(), other), rel=1e-6)


def test_controls_draw_the_same_batch_as_optimag(make_context: Any) -> None:
    batches = [cls(N=25)(make_context())[1] for cls in (OptiMAG, DistMatch, PlaceboPermuted, PlaceboConstant)]
    assert len({(found["floored_fraction"], found["batch_degree"]) for found in batches}) == 1


def test_geometric_consistency_equals_the_loops(make_context: Any) -> None:
    ctx = make_context(n=9)
    v, t = (torch.nn.functional.normalize(ctx.z[m].detach(), dim=1) for m in ("text", "image"))
    inside = across = 0.0
    for i in range(9):
        for j in range(9):
            inside += float((v[i] @ v[j] - t[i] @ t[j]) ** 2) / 81
            across += float((v[i] @ t[j] - v[j] @ t[i]) ** 2) / 81
    loss, found = GeometricConsistency(lam_in=2.0, lam_cross=3.0)(ctx)
    assert found["in_modal"] == pytest.approx(inside, rel=1e-5)
    assert float(loss.detach()) == pytest.approx(2 * inside + 3 * across, rel=1e-5)


def test_geometric_consistency_is_zero_for_equal_modalities(make_context: Any) -> None:
    z = torch.randn(60, 8, generator=torch.Generator().manual_seed(0))
    assert _value(GeometricConsistency(), make_context(z={"text": z, "image": z})) == pytest.approx(0.0, abs=1e-10)


def test_geometric_consistency_needs_one_width_and_skips_missing(make_context: Any) -> None:
    with pytest.raises(MethodError, match="widths"):
        GeometricConsistency()(make_context(z={"a": torch.ones(60, 3), "b": torch.ones(60, 4)}))
    observed = {"text": torch.ones(60, dtype=torch.bool), "image": torch.zeros(60, dtype=torch.bool)}
    assert _value(GeometricConsistency(), make_context(observed=observed)) == 0.0
    assert _value(GeometricConsistency(N=10), make_context()) > 0.0
