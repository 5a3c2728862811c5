"""The rows of the OptiMAG studies: random plan, rewired placebo, PPR-weighted pairs; and that none is switched off."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from magbench.errors import MethodError
from magbench.graph.adjacency import Adjacency
from magbench.graph.ppr import ppr
from magbench.ot import graph_cost, modality_cost
from magbench.registry import Registry
from magbench.regularizers import DistMatch, OptiMAG, PlaceboRewired, PPRPairs, RandomPlan
from magbench.regularizers.base import gradient_norm
from magbench.regularizers.ppr_pairs import pair_stress, pair_weights
from magbench.regularizers.rewired import rewire
from magbench.train.compose import compose

pytestmark = pytest.mark.filterwarnings("ignore::magbench.errors.MagbenchWarning")
REGISTRY = Registry.default()
STANDARD = REGISTRY.protocol("standard@1")


def _value(regularizer: Any, ctx: Any) -> float:
    return float(regularizer(ctx)[0].detach())


def test_random_plan_is_optimags_loss_at_a_permutation(make_context: Any) -> None:
    """Against OptiMAG's own sum over i, j, k, l with P_ij = [j = s(i)] / n."""
    ctx = make_context(n=7, modalities=("text",))
    order = torch.randperm(7, generator=torch.Generator().manual_seed(0))
    plan = torch.zeros(7, 7)
    plan[torch.arange(7), order] = 1 / 7
    cost = modality_cost(ctx.z["text"].detach())
    graph = graph_cost(ppr(ctx.edge_index, 7).block(ctx.node_ids))
    gaps = (cost[:, None, :, None] - graph[None, :, None, :]).square()  # [i, j, k, l]
    expected = 0.6 * float(torch.einsum("ijkl,ij,kl->", gaps, plan, plan))
    assert _value(RandomPlan(), ctx) == pytest.approx(expected, rel=1e-5)
    assert _value(DistMatch(), ctx) != pytest.approx(expected, rel=1e-3)


def test_random_plan_is_drawn_anew_from_its_own_generator(make_context: Any) -> None:
    ctx, regularizer = make_context(), RandomPlan()
    state = torch.get_rng_state()
    first, second = _value(regularizer, ctx), _value(regularizer, ctx)
    assert first != second
    assert torch.equal(state, torch.get_rng_state())
    assert _value(RandomPlan(), make_context()) == first


def _edges(n: int = 60, seed: int = 0) -> torch.Tensor:
    from magbench.data.mag import simple_undirected

    return simple_undirected(torch.randint(0, n, (2, 3 * n), generator=torch.Generator().manual_seed(seed)), n)


def test_rewiring_keeps_degrees_and_little_else() -> None:
    edges = _edges()
    wrong = rewire(edges, 60, seed=1)
    assert (Adjacency.of(wrong, 60).degree == Adjacency.of(edges, 60).degree).all()
    assert not (wrong[0] == wrong[1]).any()
    pairs, others = (set(map(tuple, e.t().tolist())) for e in (edges, wrong))
    assert len(others) == len(pairs)
    assert all((b, a) in others for a, b in others)
    assert len(pairs & others) < 0.3 * len(pairs)
    assert torch.equal(wrong, rewire(edges, 60, seed=1))
    assert not torch.equal(wrong, rewire(edges, 60, seed=2))


@pytest.mark.parametrize(
    "edges",
    [torch.empty(2, 0, dtype=torch.int64), torch.tensor([[0, 1], [1, 0]]), torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])],
)
def test_graphs_that_cannot_be_rewired_stay(edges: torch.Tensor) -> None:
    assert torch.equal(rewire(edges, 3, seed=0), edges)


def test_rewired_placebo_is_optimag_on_the_rewired_graph(make_context: Any) -> None:
    ctx = make_context()
    wrong = rewire(ctx.edge_index, 60, seed=ctx.generator.initial_seed())
    expected = _value(OptiMAG(), make_context(edge_index=wrong))
    assert _value(PlaceboRewired(), ctx) == pytest.approx(expected, rel=1e-5)
    assert _value(OptiMAG(), make_context()) != pytest.approx(expected, rel=1e-3)


def test_rewired_placebo_draws_optimags_batches_and_keeps_its_graph(make_context: Any) -> None:
    ctx, other = make_context(), make_context()
    placebo, real = PlaceboRewired(N=25), OptiMAG(N=25)
    for _ in range(2):
        assert placebo(ctx)[1]["batch_degree"] == real(other)[1]["batch_degree"]
    wrong = placebo._structures(ctx)[0]
    assert placebo._structures(ctx)[0] is wrong
    changed = make_context(edge_index=_edges(seed=5))
    assert placebo._structures(changed)[0] is not wrong


def test_rewired_placebo_of_a_mini_batch_rewires_the_whole_graph(make_context: Any) -> None:
    whole = _edges(100, seed=2)
    placebo = PlaceboRewired()
    ctx = make_context(node_ids=torch.arange(40, 100))
    with pytest.raises(MethodError, match="prepare"):
        placebo(ctx)
    placebo.prepare(whole, 100)
    store = placebo._structures(ctx)[0]
    wrong = rewire(whole, 100, seed=ctx.generator.initial_seed())
    assert torch.equal(store.block(ctx.node_ids), ppr(wrong, 100).block(ctx.node_ids))


@pytest.mark.parametrize("delta", [1e-6, 0.05])
def test_pair_stress_equals_the_loop(delta: float, make_context: Any) -> None:
    ctx = make_context(n=9)
    pi = ppr(ctx.edge_index, 9).block(ctx.node_ids).double()
    graph = graph_cost(pi, delta=delta)
    total = sum(float(pi[i, k]) for i in range(9) for k in range(9) if i != k)
    expected = 0.0
    for m in ("text", "image"):
        cost = modality_cost(ctx.z[m].detach().double())
        for i in range(9):
            for k in range(9):
                if i != k:
                    expected += float(pi[i, k] / total * (cost[i, k] - graph[i, k]) ** 2) / 2
    assert _value(PPRPairs(delta=delta), ctx) == pytest.approx(expected, rel=1e-5)


def test_pair_weights_live_on_neighbourhoods(make_context: Any) -> None:
    ctx = make_context(n=200)
    weights = pair_weights(ppr(ctx.edge_index, 200).block(ctx.node_ids))
    assert float(weights.sum()) == pytest.approx(1.0, abs=1e-5)
    assert float(weights.diagonal().abs().max()) == 0.0
    source, target = ctx.edge_index
    on_edges = float(weights[source, target].sum())
    assert on_edges > 10 * ctx.edge_index.shape[1] / 200**2  # far above their share of the pairs
    assert PPRPairs()(ctx)[1]["edge_weight"] == pytest.approx(on_edges, rel=1e-5)


def test_pair_stress_is_scale_free_and_zero_where_the_distances_fit() -> None:
    z = torch.randn(12, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    pi = ppr(_edges(12), 12).block(torch.arange(12)).double()
    with torch.no_grad():
        cosine = (1 - torch.nn.functional.normalize(z) @ torch.nn.functional.normalize(z).t()).fill_diagonal_(0)
    fitting = torch.exp(-cosine)  # -log of it is the cosine distance itself
    assert float(pair_stress(z, fitting).detach()) == pytest.approx(0.0, abs=1e-12)
    cost = cosine.clone().requires_grad_()
    loss = (pair_weights(pi) * (cost / cost.mean() - graph_cost(pi)).square()).sum()
    assert float(loss.detach()) == pytest.approx(float(pair_stress(z, pi).detach()), rel=1e-9)
    (gradient,) = torch.autograd.grad(loss, cost)
    assert float((cost.detach() * gradient).sum()) == pytest.approx(0.0, abs=1e-9)


def test_pairs_without_edges_or_modalities(make_context: Any) -> None:
    empty = torch.empty(2, 0, dtype=torch.int64)
    assert _value(PPRPairs(), make_context(edge_index=empty)) == 0.0
    observed = {m: torch.zeros(60, dtype=torch.bool) for m in ("text", "image")}
    loss, _ = PPRPairs()(make_context(observed=observed))
    assert float(loss.detach()) == 0.0
    assert loss.requires_grad


def test_pairs_of_a_mini_batch_have_the_weights_of_the_whole_graph(make_context: Any) -> None:
    ctx, whole = make_context(node_ids=torch.arange(40, 100)), _edges(100, seed=2)
    pairs = PPRPairs()
    with pytest.raises(MethodError, match="prepare"):
        pairs(ctx)
    pairs.prepare(whole, 100)
    diffusion = ppr(whole, 100).block(ctx.node_ids)
    expected = torch.stack([pair_stress(z, diffusion) for z in ctx.z.values()]).mean()
    assert _value(pairs, ctx) == pytest.approx(float(expected.detach()), rel=1e-5)


@pytest.mark.parametrize("name", REGISTRY.suite("optimag-components").method_strings)
def test_no_row_of_the_components_study_is_switched_off(name: str, make_context: Any) -> None:
    """Each row trains both modalities' encoders; W alone does so only because its anchor compares z with h."""
    method: Any = compose(name, REGISTRY, STANDARD).build()
    for regularizer in method.regularizers:
        ctx = make_context(n=80, d=16)
        fused = torch.tanh(sum(ctx.z.values()))
        ctx = make_context(n=80, d=16, z=ctx.z, h=fused)
        loss, _ = regularizer(ctx)
        for modality in ctx.z:
            assert gradient_norm(loss, {modality: ctx.z[modality]}) > 1e-6, (name, modality)


def test_w_alone_has_no_gradient_under_the_soft_graph_anchor(make_context: Any) -> None:
    ctx = make_context()
    loss, _ = OptiMAG(alpha=0.0)(ctx)
    assert 0.0 < float(loss.detach()) < 1.0
    assert gradient_norm(loss, ctx.z) == 0.0


def test_every_row_of_the_components_study_is_calibrated_alike() -> None:
    for name in REGISTRY.suite("optimag-components").method_strings:
        method: Any = compose(name, REGISTRY, STANDARD).build()
        for regularizer in method.regularizers:
            options = regularizer.options
            assert (options.gradient_ratio, options.warmup, options.every) == (1.0, 10, 1), name
            assert getattr(options, "loss_norm", "mass2") == "mass2", name
