"""Homophily: whether edges join nodes of one class. One label column, one number in three ways.

An edge counts when both of its ends are labelled; a graph without such an edge has no homophily (None).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Homophily:
    """The three numbers of one label column; see :func:`edge_homophily` and its neighbours for their meaning."""

    edge: float | None
    node: float | None
    adjusted: float | None

    @classmethod
    def of(cls, edge_index: Tensor, labels: Tensor) -> Homophily:
        """Measure `labels` (int64 [N], −1 = unlabelled) along `edge_index` (int64 [2, E], both directions)."""
        measures = (edge_homophily, node_homophily, adjusted_homophily)
        return cls(*(measure(edge_index, labels) for measure in measures))


def edge_homophily(edge_index: Tensor, labels: Tensor) -> float | None:
    """The share of edges whose ends carry the same label, among edges with two labelled ends (Zhu et al., 2020).

    Args:
        edge_index: int64 [2, E], both directions.
        labels: int64 [N], −1 = unlabelled.

    Returns:
        A number in [0, 1], or None when no edge has two labelled ends.
    """
    source, target = _labelled(edge_index, labels)
    return float((source == target).double().mean()) if source.numel() else None


def node_homophily(edge_index: Tensor, labels: Tensor) -> float | None:
    """The mean over nodes of the share of a node's neighbours that carry its label (Pei et al., 2020).

    Only labelled nodes and neighbours count, and only nodes with such a neighbour: an isolated node has no say. The
    arguments are those of :func:`edge_homophily`.
    """
    known = (labels[edge_index] >= 0).all(dim=0)
    if not known.any():
        return None
    source, target = edge_index[:, known]
    degree = torch.bincount(source, minlength=len(labels))
    same = torch.bincount(source[labels[source] == labels[target]], minlength=len(labels))
    return float((same / degree)[degree > 0].double().mean())


def adjusted_homophily(edge_index: Tensor, labels: Tensor) -> float | None:
    """Edge homophily beyond what class sizes alone give (Platonov et al., 2023).

        h_adj = (h_edge − Σ_k p_k²) / (1 − Σ_k p_k²),   p_k = the share of edge ends that carry label k

    1 = every edge joins equal labels, 0 = as if ends met by chance, below 0 = they avoid each other. It equals Newman's
    assortativity coefficient of the labels. None also when all ends carry one label. The arguments are those of
    :func:`edge_homophily`.
    """
    source, target = _labelled(edge_index, labels)
    share = torch.bincount(source).double() / max(source.numel(), 1)
    chance = float((share**2).sum())
    if not source.numel() or int((share > 0).sum()) < 2:
        return None
    return (float((source == target).double().mean()) - chance) / (1 - chance)


def _labelled(edge_index: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """The labels at both ends of the edges whose ends are labelled."""
    source, target = labels[edge_index[0]], labels[edge_index[1]]
    known = (source >= 0) & (target >= 0)
    return source[known], target[known]
