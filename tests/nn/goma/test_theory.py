"""The eleven statements about GOMA that hold whatever the data are, each on a small graph with isolated nodes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from goma_cases import node_graph, one_way_sides, unit_rows
from scipy.sparse import eye_array
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import spsolve
from torch import Tensor

from magbench.nn.goma import GOMA, CoupledGraph
from magbench.nn.goma.smoothing import Trajectory, limit

N, D = 30, 16
OPERATORS = ("uniform", "cosine", "learned")
READOUTS = ("node", "global", "uniform", "limit", "fixed:1")


def trained(readout: str = "fixed:1", *, dim: int = D, operator: str = "learned", **options: object) -> GOMA:
    """A module in float64 with parameters far from their start."""
    torch.manual_seed(0)
    module = GOMA(dim, operator=operator, readout=readout, **options).double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return module


def problem(operator: str = "learned", norm: str = "row") -> tuple[CoupledGraph, Tensor, Tensor]:
    """Graph, E and the entries of M."""
    graph, e = CoupledGraph.of_nodes(node_graph(N), N), unit_rows(2 * N, D)
    with torch.no_grad():
        return graph, e, trained(operator=operator, norm=norm).operator(e, graph)


def states(e: Tensor, values: Tensor, graph: CoupledGraph, alpha: float, steps: int) -> list[Tensor]:
    return [state for _, state in Trajectory(e, values, graph, alpha, steps, 1).up()]


def exact_limit(e: Tensor, values: Tensor, graph: CoupledGraph, alpha: float) -> np.ndarray:
    matrix = eye_array(graph.num_nodes) - (1 - alpha) * graph.matrix(values)
    return spsolve(matrix.tocsc(), alpha * e.numpy())


def infinity_norm(x: np.ndarray) -> float:
    return np.abs(x).sum(1).max()


@pytest.mark.parametrize("alpha", [0.05, 0.2, 0.5])
@pytest.mark.parametrize("operator", OPERATORS)
def test_1_steps_approach_the_limit_geometrically(operator: str, alpha: float) -> None:
    """||H(K) - H(inf)|| <= (1 - alpha)^K ||E - H(inf)||, in the norm that M does not enlarge: of rows, or spectral."""
    for norm, size in (("row", infinity_norm), ("sym", lambda x: np.linalg.norm(x, 2))):
        graph, e, values = problem(operator, norm)
        end = exact_limit(e, values, graph, alpha)
        if norm == "sym" and operator == "learned":
            continue  # learned blocks are not symmetric, so no norm of theirs is bounded by 1
        for k, state in enumerate(states(e, values, graph, alpha, 20)):
            assert size(state.numpy() - end) <= (1 - alpha) ** k * size(e.numpy() - end) * (1 + 1e-12)
        assert size(state.numpy() - end) > 1e-9  # the bound was put to the test


@pytest.mark.parametrize("operator", OPERATORS)
def test_2_the_limit_is_the_fixed_point(operator: str) -> None:
    graph, e, values = problem(operator)
    end = limit(e, values, graph, 0.2)
    residual = end.numpy() - 0.8 * (graph.matrix(values) @ end.numpy()) - 0.2 * e.numpy()
    assert np.abs(residual).max() < 1e-14
    assert np.abs(end.numpy() - states(e, values, graph, 0.2, 300)[-1].numpy()).max() < 1e-14
    assert np.abs(end.numpy() - exact_limit(e, values, graph, 0.2)).max() < 1e-14


@pytest.mark.parametrize("operator", OPERATORS)
def test_3_the_limit_keeps_the_rank(operator: str) -> None:
    """sigma_min(H(inf)) >= alpha sigma_min(E) / (1 + (1 - alpha) ||M||_2); E of rank r has a limit of rank r."""
    graph, e, values = problem(operator)
    for rank in (D, 5):
        part = e[:, :rank] @ unit_rows(rank, D, seed=3)
        singular = np.linalg.svd(exact_limit(part, values, graph, 0.2), compute_uv=False)
        start = np.linalg.svd(part.numpy(), compute_uv=False)
        norm = np.linalg.norm(graph.matrix(values).toarray(), 2)
        assert singular[rank - 1] >= 0.2 * start[rank - 1] / (1 + 0.8 * norm)
        assert (singular[rank:] < 1e-13).all() and singular[rank - 1] > 1e-3


def test_4_the_ends_of_alpha() -> None:
    """alpha = 1 leaves E as it is; alpha -> 0 in the limit makes rows constant on each component."""
    graph, e, values = problem("uniform")
    for readout in READOUTS:
        out = GOMA(D, alpha=1.0, readout=readout).double()((e[:N], e[N:]), graph)
        assert torch.allclose(torch.cat(out.embeddings), e, atol=1e-12)
    end = exact_limit(e, values, graph, 1e-6)
    count, component = connected_components(graph.matrix(values))
    assert count == 7  # one of both modalities, and six isolated rows
    for label in range(count):
        rows = end[component == label]
        assert np.abs(rows - rows.mean(0)).max() < 1e-3 * np.abs(rows).max()
    assert np.abs(end - end.mean(0)).max() > 0.1  # isolated nodes keep their own


@pytest.mark.parametrize("norm", ["row", "sym"])
@pytest.mark.parametrize("operator", OPERATORS)
def test_5_the_cross_diagonal_is_zero(operator: str, norm: str) -> None:
    """Also after learning, with duplicates and self-loops in the input; and where only some pairs are known."""
    graph, _, values = problem(operator, norm)
    matrix = graph.matrix(values).toarray()
    assert (matrix[:N, N:].diagonal() == 0).all() and (matrix[N:, :N].diagonal() == 0).all()
    assert matrix[:N, N:].any()
    sizes, within, across, pairs = one_way_sides()
    graph = CoupledGraph.of_sides(sizes, within, across, pairs=pairs)
    matrix = graph.matrix(torch.ones(graph.num_entries)).toarray()
    assert not matrix[pairs[0], pairs[1] + sizes[0]].any() and not matrix[pairs[1] + sizes[0], pairs[0]].any()


@pytest.mark.parametrize("operator", OPERATORS)
def test_6_rows_of_m_sum_to_one(operator: str) -> None:
    graph, _, values = problem(operator)
    assert np.abs(graph.matrix(values).sum(1) - 1).max() < 1e-14
    assert (values > 0).all()
    sizes, within, across, pairs = one_way_sides()  # rows with one kind of neighbours, and with none
    for shortcuts in (False, True):
        sides = CoupledGraph.of_sides(sizes, within, across, pairs=pairs, shortcuts=shortcuts)
        values = trained(operator=operator).operator(unit_rows(21, D), sides)
        assert np.abs(sides.matrix(values).sum(1) - 1).max() < 1e-14


@pytest.mark.parametrize("readout", ["node", "global", "uniform", "fixed:2"])
def test_7_weights_sum_to_one_and_step_0_is_the_input(readout: str) -> None:
    graph, e, _ = problem()
    out = trained(readout)((e[:N], e[N:]), graph)
    assert out.weights is not None
    assert torch.allclose(out.weights.sum(1), torch.ones(len(out.weights), dtype=torch.float64), atol=1e-14)
    assert (out.weights >= 0).all()
    start = torch.cat(trained("fixed:0")((3 * e[:N], e[N:]), graph).embeddings)
    assert torch.allclose(start, e, atol=1e-15)
    scores, raw = start[:N] @ start[N:].t(), e[:N] @ e[N:].t()
    assert torch.equal(scores.argmax(1), raw.argmax(1)) and torch.equal(scores.argmax(0), raw.argmax(0))


@pytest.mark.parametrize("readout", READOUTS)
@pytest.mark.parametrize("operator", OPERATORS)
def test_8_numbering_does_not_matter(operator: str, readout: str) -> None:
    e, module = unit_rows(2 * N, D), trained(readout, operator=operator)
    order = torch.randperm(N, generator=torch.Generator().manual_seed(0))
    place = order.argsort()  # node i gets the number place[i]
    edges = node_graph(N)
    plain = module((e[:N], e[N:]), CoupledGraph.of_nodes(edges, N)).embeddings
    moved = module((e[:N][order], e[N:][order]), CoupledGraph.of_nodes(place[edges], N)).embeddings
    for before, after in zip(plain, moved, strict=True):
        assert torch.allclose(before[order], after, atol=1e-12)


@pytest.mark.parametrize("norm", ["row", "sym"])
@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("readout", ["node", "global", "uniform", "fixed:1"])
def test_9_one_step_hears_nothing_of_the_own_other_half(readout: str, operator: str, norm: str) -> None:
    """Neither the embedding nor its gradient; at two steps the echo by way of a neighbour is there."""
    graph, e = CoupledGraph.of_nodes(node_graph(N), N), unit_rows(2 * N, D)
    other = e.clone()
    other[N + 4] = unit_rows(1, D, seed=9)[0]
    module = trained(readout, operator=operator, norm=norm, steps=1)
    before, after = (module((x[:N], x[N:]), graph).embeddings[0] for x in (e, other))
    assert torch.equal(before[4], after[4])
    neighbours = graph.matrix(torch.ones(graph.num_entries)).toarray()[:N, N + 4].nonzero()[0]
    assert len(neighbours) and not torch.isclose(before, after, rtol=0, atol=1e-9).all(1)[neighbours].any()
    second = e[N:].clone().requires_grad_()
    module((e[:N], second), graph).embeddings[0][4].sum().backward()
    assert second.grad is not None and not second.grad[4].any() and second.grad.any()
    deep = trained("fixed:2", operator=operator, norm=norm, steps=2)
    before, after = (deep((x[:N], x[N:]), graph).embeddings[0] for x in (e, other))
    assert not torch.allclose(before[4], after[4])


@pytest.mark.parametrize("readout", READOUTS)
def test_10_components_do_not_mix(readout: str) -> None:
    half = node_graph(15)
    graph, e = CoupledGraph.of_nodes(torch.cat([half, half + 15], dim=1), 30), unit_rows(60, D)
    other = e.clone()
    other[15:30], other[45:] = unit_rows(15, D, seed=5), unit_rows(15, D, seed=6)
    module = trained(readout)
    for before, after in zip(*(module((x[:30], x[30:]), graph).embeddings for x in (e, other)), strict=True):
        assert torch.equal(before[:15], after[:15])
        assert not torch.isclose(before[15:], after[15:]).all(1).any()


@pytest.mark.parametrize("operator", OPERATORS)
def test_11_the_recursion_is_a_polynomial(operator: str) -> None:
    """H(K) = alpha sum_{k < K} ((1 - alpha) M)^k E + ((1 - alpha) M)^K E."""
    graph, e, values = problem(operator)
    damped = 0.7 * graph.matrix(values).toarray()
    for steps, state in enumerate(states(e, values, graph, 0.3, 6)):
        powers = [np.linalg.matrix_power(damped, k) @ e.numpy() for k in range(steps + 1)]
        assert np.abs(state.numpy() - 0.3 * sum(powers[:-1]) - powers[-1]).max() < 1e-14
