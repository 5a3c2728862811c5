"""Data cards: the figures by hand, and both forms of the card."""

from __future__ import annotations

import json
from collections.abc import Callable

import torch

from magbench.data.mag import MAG
from magbench.data.report.cards import card

Small = Callable[..., MAG]


def test_card_by_hand(small: Small) -> None:
    found = card(small(), {"title": "Small", "licence": "CC0-1.0", "source": "by hand", "citation": ["Somebody, 2026"]})
    assert found.counts == (4, 6, 0, 3)
    assert found.mean_degree == 1.5
    assert found.isolated == 0
    assert [(m.name, m.dim, m.missing) for m in found.modalities] == [("text", 2, 0), ("image", 3, 1)]
    fine, coarse = found.labels
    assert (fine.sizes, fine.unlabelled) == ({"dog": 2, "cat": 1}, 1)
    # Of 0-1, 1-2, 2-3 the last has an unlabelled end; of the other two, 1-2 joins equal labels.
    assert fine.edge_homophily == 0.5
    assert coarse.edge_homophily == 1.0
    assert json.loads(json.dumps(found.to_dict()))["counts"]["undirected_edges"] == 3
    for fact in ("# Small (small@1)", "nodes: 4", "missing on 1 nodes", "edge homophily 0.500", "cite: Somebody, 2026"):
        assert fact in found.to_text()


def test_a_graph_without_edges_has_no_homophily(small: Small) -> None:
    found = card(small(edge_index=torch.empty(2, 0, dtype=torch.int64)), {})
    assert [label.edge_homophily for label in found.labels] == [None, None]
    assert found.isolated == 4
    assert "no labelled edge" in found.to_text()
