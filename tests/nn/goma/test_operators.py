"""Entries of M against their definition, written with loops; and where options lead."""

from __future__ import annotations

from collections.abc import Callable
from math import exp, log, sqrt

import numpy as np
import pytest
import torch
from goma_cases import dense_m, node_graph, one_way_sides, unit_rows

from magbench.errors import OptionError
from magbench.nn.goma import CoupledGraph
from magbench.nn.goma.operators import Cosine, Learned, Operator, Uniform

SIZES, WITHIN, ACROSS, PAIRS = one_way_sides()
OWN = {(i, j + 12) for i, j in PAIRS.t().tolist()} | {(j + 12, i) for i, j in PAIRS.t().tolist()}
E = unit_rows(21, 6)
Weight = Callable[[int, int, int, int], float]


def learned(norm: str) -> tuple[Operator, Weight, np.ndarray]:
    torch.manual_seed(1)
    module = Learned(6, rank=3, init=0.8, degree_bias=True, norm=norm).double()
    with torch.no_grad():
        module.log_theta.normal_()
        module.share_logits.normal_()
        module.degree_bias.normal_()
    graph = CoupledGraph.of_sides(SIZES, WITHIN, ACROSS, pairs=PAIRS)
    query, key, theta, bias = (
        part.detach().numpy() for part in (module.query, module.key, module.log_theta.exp(), module.degree_bias)
    )
    e = E.numpy()

    def weight(i: int, j: int, p: int, q: int) -> float:
        score = (e[i] @ query[p]) @ (e[j] @ key[q]) / (sqrt(3) * theta[p, q])
        return exp(score + bias[p, q] * log(1 + graph.degree[j]))

    return module, weight, module.share_logits.softmax(1)[:, 1].detach().numpy()


def cosine(norm: str) -> tuple[Operator, Weight, float]:
    return Cosine(theta=0.5, coupling=0.3, norm=norm), lambda i, j, p, q: exp(float(E[i] @ E[j]) / 0.5), 0.3


def uniform(norm: str) -> tuple[Operator, Weight, float]:
    return Uniform(coupling=0.7, norm=norm), lambda i, j, p, q: 1.0, 0.7


@pytest.mark.parametrize("coupled", [True, False])
@pytest.mark.parametrize("norm", ["row", "sym"])
@pytest.mark.parametrize("make", [uniform, cosine, learned])
def test_entries_are_those_of_the_definition(make, norm: str, coupled: bool) -> None:
    across = ACROSS if coupled else None
    operator, weight, coupling = make(norm)
    expected = dense_m(SIZES, WITHIN, across, weight, coupling=coupling, norm=norm, forbidden=OWN)
    graph = CoupledGraph.of_sides(SIZES, WITHIN, across, pairs=PAIRS)
    assert np.abs(graph.matrix(operator(E, graph)).toarray() - expected).max() < 1e-14


@pytest.mark.parametrize("norm", ["row", "sym"])
def test_uniform_is_cosine_of_equal_vectors(norm: str) -> None:
    graph = CoupledGraph.of_nodes(node_graph(), 30)
    same = torch.ones(60, 4, dtype=torch.float64) / 2
    assert torch.allclose(Uniform(norm=norm)(same, graph), Cosine(norm=norm)(same, graph), atol=1e-14)


def test_symmetric_matrices_are_symmetric_and_no_larger_than_one() -> None:
    graph, e = CoupledGraph.of_nodes(node_graph(), 30), unit_rows(60, 6)
    for operator in (Uniform(norm="sym"), Cosine(norm="sym")):
        matrix = graph.matrix(operator(e, graph)).toarray()
        assert np.abs(matrix - matrix.T).max() < 1e-15
        assert abs(np.linalg.norm(matrix, 2) - 1) < 1e-12
    rows = graph.matrix(Uniform()(e, graph)).toarray()
    assert np.linalg.norm(rows, 2) > 1.01  # why statements about row-stochastic M use the infinity norm


def test_shortcuts_take_their_part_of_the_other_modality() -> None:
    """Node 0 has the neighbour 1: .5 own modality, .5 * (1 - .3) across, .5 * .3 its own other half."""
    graph = CoupledGraph.of_nodes(torch.tensor([[0, 1], [1, 0]]), 3, shortcuts=True)
    matrix = graph.matrix(Uniform(own_share=0.3)(torch.eye(6), graph)).toarray()
    assert np.allclose(matrix[0], [0, 0.5, 0, 0.15, 0.35, 0])
    assert np.allclose(matrix[2], [0, 0, 0, 0, 0, 1])  # an isolated node has nothing but the shortcut


def test_a_small_start_is_nearly_uniform_and_learns() -> None:
    torch.manual_seed(0)
    graph, e = CoupledGraph.of_nodes(node_graph(), 30), unit_rows(60, 32).float()
    operator = Learned(32)
    values, flat = operator(e, graph), Uniform()(e, graph)
    assert 0 < float((values / flat - 1).detach().abs().max()) < 0.05
    values.square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in operator.parameters())


@pytest.mark.parametrize(
    "make",
    [
        lambda: Uniform(norm="rows"),
        lambda: Uniform(coupling=1.0),
        lambda: Uniform(own_share=0.0),
        lambda: Cosine(theta=0.0),
        lambda: Learned(4, rank=0),
        lambda: Learned(4, init=float("nan")),
    ],
)
def test_bad_options(make) -> None:
    with pytest.raises(OptionError, match="is not allowed"):
        make()
