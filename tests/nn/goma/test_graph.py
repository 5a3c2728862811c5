"""Who sends to whom: sides of their own, no duplicates, no self-loops, no edge from a node's own other half."""

from __future__ import annotations

import pytest
import torch
from goma_cases import node_graph, one_way_sides
from scipy.sparse import csr_array

from magbench.errors import DataError
from magbench.nn.goma import CoupledGraph
from magbench.nn.goma.graph import ACROSS, ITSELF, OWN, WITHIN


def entries(graph: CoupledGraph) -> set[tuple[int, int, int]]:
    """(source, target, kind) of every entry."""
    segment = graph.segment.long()
    parts = graph.source, graph.segment_target[segment], graph.segment_kind[segment]
    listed = list(zip(*(part.tolist() for part in parts), strict=True))
    assert len(set(listed)) == len(listed)
    return set(listed)


def test_one_node_set_by_hand() -> None:
    """0 - 1 with a duplicate and a loop, and node 2 alone; rows 3, 4, 5 are the second side."""
    graph = CoupledGraph.of_nodes(torch.tensor([[0, 1, 0, 1], [1, 0, 1, 1]]), 3)
    assert entries(graph) == {
        *((0, 1, WITHIN), (1, 0, WITHIN), (3, 4, WITHIN), (4, 3, WITHIN)),
        *((3, 1, ACROSS), (4, 0, ACROSS), (0, 4, ACROSS), (1, 3, ACROSS)),
        *((2, 2, ITSELF), (5, 5, ITSELF)),
    }
    assert graph.degree.tolist() == [1, 1, 0, 1, 1, 0]
    assert [side.tolist() for side in graph.sides(torch.arange(6))] == [[0, 1, 2], [3, 4, 5]]


def test_uncoupled_and_shortcuts() -> None:
    edges = torch.tensor([[0, 1], [1, 0]])
    kinds = {kind for _, _, kind in entries(CoupledGraph.of_nodes(edges, 3, coupled=False))}
    assert kinds == {WITHIN, ITSELF}
    own = {entry for entry in entries(CoupledGraph.of_nodes(edges, 3, shortcuts=True)) if entry[2] == OWN}
    assert own == {(i, i + 3, OWN) for i in range(3)} | {(i + 3, i, OWN) for i in range(3)}


def test_sides_of_different_sizes_and_one_way_edges() -> None:
    sizes, within, across, pairs = one_way_sides()
    graph = CoupledGraph.of_sides(sizes, within, across, pairs=pairs)
    expected = {(j, i, WITHIN) for j, i in within[0].t().tolist() if i != j}
    expected |= {(j + 12, i + 12, WITHIN) for j, i in within[1].t().tolist() if i != j}
    own = {tuple(pair) for pair in pairs.t().tolist()}
    expected |= {(j + 12, i, ACROSS) for j, i in across[0].t().tolist() if (i, j) not in own}
    expected |= {(j, i + 12, ACROSS) for j, i in across[1].t().tolist() if (j, i) not in own}
    reached = {i for _, i, _ in expected}
    expected |= {(i, i, ITSELF) for i in range(21) if i not in reached}
    assert entries(graph) == expected
    assert len(expected) < 20 + 12 + 25 + 10 + 21  # the draw holds duplicates, loops and own halves


def test_one_picture_and_two_captions() -> None:
    """A row may be in several pairs: no edge across joins any of them, in either direction, and all others stay."""
    captions_to_picture = torch.tensor([[0, 1, 2, 0], [0, 0, 0, 1]])
    pairs = torch.tensor([[0, 1], [0, 0]])  # captions 0 and 1 are of picture 0; picture 1 is another's
    none = torch.zeros(2, 0, dtype=torch.int64)
    across = (captions_to_picture.flip(0), captions_to_picture)
    for turned in (pairs, pairs.flip(1)):
        graph = CoupledGraph.of_sides((3, 2), (none, none), across, pairs=turned)
        found = {entry for entry in entries(graph) if entry[2] == ACROSS}
        assert found == {(2, 3, ACROSS), (3, 2, ACROSS), (0, 4, ACROSS), (4, 0, ACROSS)}
    joined = CoupledGraph.of_sides((3, 2), (none, none), across, pairs=pairs, shortcuts=True)
    own = {entry for entry in entries(joined) if entry[2] == OWN}
    assert own == {(0, 3, OWN), (3, 0, OWN), (1, 3, OWN), (3, 1, OWN)}


def test_the_transpose_is_the_transpose() -> None:
    sizes, within, across, _ = one_way_sides()
    graph = CoupledGraph.of_sides(sizes, within, across)
    values = torch.arange(1.0, graph.num_entries + 1)
    matrix = graph.matrix(values).toarray()
    back = csr_array((values[graph.order].numpy(), graph.target.numpy(), graph.columns.numpy()), shape=(21, 21))
    assert (back.toarray() == matrix.T).all()


def test_order_and_duplicates_of_edges_do_not_matter() -> None:
    edges = node_graph()
    mixed = edges[:, torch.randperm(edges.size(1), generator=torch.Generator().manual_seed(1))]
    one, other = (CoupledGraph.of_nodes(part, 30) for part in (edges, torch.cat([mixed, mixed], dim=1)))
    assert torch.equal(one.source, other.source) and torch.equal(one.indptr, other.indptr)


def test_no_edges_and_no_nodes() -> None:
    none = torch.zeros(2, 0, dtype=torch.int64)
    assert entries(CoupledGraph.of_nodes(none, 2)) == {(i, i, ITSELF) for i in range(4)}
    assert CoupledGraph.of_nodes(none, 0).num_entries == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda e: CoupledGraph.of_nodes(e, 29), r"edge_index has the source .*allowed are 0\.\.28"),
        (lambda e: CoupledGraph.of_nodes(e.float(), 30), r"edge_index: found torch.float32"),
        (lambda e: CoupledGraph.of_nodes(e.t(), 30), r"expected int64 \[2, E\]"),
        (lambda e: CoupledGraph.of_sides((30,), (e,)), r"has two sides; found 1 sizes"),
        (lambda e: CoupledGraph.of_sides((30, 30), (e, e), (e,)), r"has two sides"),
        (lambda e: CoupledGraph.of_sides((30, 9), (e, e)), r"within\[1\] has the source"),
        (lambda e: CoupledGraph.of_sides((30, 40), (e, e), (e + 20, e)), r"across\[0\] has the"),
        (lambda e: CoupledGraph.of_sides((30, 30), (e, e), shortcuts=True), r"shortcuts=True needs pairs"),
    ],
)
def test_bad_input(call, message: str) -> None:
    edges = torch.cat([node_graph(), torch.tensor([[29], [28]])], dim=1)
    with pytest.raises(DataError, match=message):
        call(edges)
