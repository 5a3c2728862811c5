"""What OptiMAG and its controls share, seen through DistMatch: missing modalities, the prepared graph, telemetry."""

from __future__ import annotations

from statistics import fmean
from typing import Any

import numpy as np
import pytest
import torch

from magbench.graph.ppr import ppr
from magbench.ot import graph_cost, modality_cost
from magbench.regularizers import DistMatch


def _value(regularizer: Any, ctx: Any) -> float:
    return float(regularizer(ctx)[0].detach())


def test_the_graph_cost_of_observed_nodes_has_mean_one(make_context: Any) -> None:
    keep = torch.arange(60) >= 20
    ctx = make_context(modalities=("image",), observed={"image": keep})
    part = graph_cost(ppr(ctx.edge_index, 60).block(ctx.node_ids))[keep][:, keep]
    expected = (modality_cost(ctx.z["image"].detach()[keep]) - part / part.mean()).square().mean()
    assert float(part.mean()) != pytest.approx(1.0, rel=1e-3)
    assert _value(DistMatch(), ctx) == pytest.approx(0.6 * float(expected), rel=1e-4)


@pytest.mark.parametrize("prepared", [False, True])
def test_the_random_walk_shows_at_the_floor_alone(prepared: bool, make_context: Any) -> None:
    """Above it the two normalisations have one cost: log Pi differs by (log d_j - log d_i) / 2, whose mean is 0."""
    ctx, walk, plain = make_context(), DistMatch(norm="rw", delta=0.003), DistMatch(norm="rw")
    if prepared:
        walk.prepare(ctx.edge_index, 60)
    graph = graph_cost(ppr(ctx.edge_index, 60, norm="rw").block(ctx.node_ids), delta=0.003)
    expected = sum(float((modality_cost(z.detach()) - graph).square().mean()) for z in ctx.z.values()) / 2
    assert _value(walk, ctx) == pytest.approx(0.6 * expected, rel=1e-4)
    assert _value(walk, ctx) != pytest.approx(_value(DistMatch(delta=0.003), ctx), rel=1e-3)
    assert _value(plain, ctx) == pytest.approx(_value(DistMatch(), ctx), rel=1e-4)


def test_telemetry_is_the_mean_over_modalities(make_context: Any) -> None:
    _, found = DistMatch(softmask=True)(make_context())
    assert found["mass.text"] != pytest.approx(found["mass.image"], rel=1e-4)
    for key in ("mass", "lambda_eff_factor", "neighbour_distance"):
        assert found[key] == pytest.approx(fmean(found[f"{key}.{m}"] for m in ("text", "image")))


def test_distances_of_neighbours_and_agreement_of_modalities(make_context: Any) -> None:
    ctx = make_context()
    costs = {m: modality_cost(z.detach()).numpy() for m, z in ctx.z.items()}
    source, target = ctx.edge_index.numpy()
    _, found = DistMatch()(ctx)
    for m, cost in costs.items():
        assert found[f"neighbour_distance.{m}"] == pytest.approx(cost[source, target].mean(), rel=1e-5)
    expected = np.corrcoef(costs["text"].ravel(), costs["image"].ravel())[0, 1]
    assert found["correlation.text.image"] == pytest.approx(expected, rel=1e-4)
