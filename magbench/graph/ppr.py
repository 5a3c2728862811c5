"""Personalised PageRank: how much of a random walk that restarts at node i is spent at node j.

With A' = A + I (undirected, unweighted), D its degrees and teleport probability b:

    rw:   Pi = b (I - (1-b) D^-1 A')^-1                 rows sum to 1
    sym:  Pi = b (I - (1-b) D^-1/2 A' D^-1/2)^-1 = D^1/2 Pi_rw D^-1/2        symmetric

Small graphs are solved exactly. Larger ones by forward push (Andersen, Chung & Lang 2006): for each start node mass is
moved from residual to estimate until every residual is below ``tol`` times the degree, so estimates are low by at most
``tol`` d_j (rw; ``tol`` sqrt(d_i d_j) for sym); the ``top_k`` largest of each row are kept. No N x N matrix is formed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from magbench.checks import choice, number
from magbench.errors import DataError
from magbench.graph.push import push_rows

DENSE_LIMIT = 5000
_SEEDS_AT_ONCE = 4096


@dataclass(frozen=True)
class PPRStore:
    """Scores Pi of one graph: a dense float32 ``[N, N]`` tensor or a sparse CSR matrix.

    Attributes:
        scores: the matrix; entries that a sparse one lacks count as 0.
        symmetric: whether Pi is symmetric (norm="sym").
    """

    scores: Tensor | sp.csr_matrix
    symmetric: bool

    @property
    def num_nodes(self) -> int:
        """Number of nodes N of the graph."""
        return int(self.scores.shape[0])

    def block(self, node_ids: Tensor) -> Tensor:
        """Scores ``[B, B]`` among the given nodes, float32, on the device of ``node_ids``."""
        if isinstance(self.scores, Tensor):
            ids = node_ids.to(self.scores.device)
            return self.scores[ids[:, None], ids[None, :]].to(node_ids.device)
        rows = node_ids.cpu().numpy()
        dense = torch.from_numpy(self.scores[rows][:, rows].toarray().astype(np.float32))
        if self.symmetric:
            # Truncation only loses mass, so of (i, j) and (j, i) the larger is nearer to the truth.
            dense = torch.maximum(dense, dense.t())
        return dense.to(node_ids.device)


def ppr(
    edge_index: Tensor,
    num_nodes: int,
    *,
    teleport: float = 0.15,
    norm: str = "sym",
    method: str = "auto",
    tol: float = 1e-5,
    top_k: int = 512,
) -> PPRStore:
    """Personalised PageRank of a graph.

    Args:
        edge_index: int64 ``[2, E]``; directions, self-loops and duplicates do not matter.
        num_nodes: N.
        teleport: restart probability b, in (0, 1).
        norm: ``"sym"`` or ``"rw"``, see the module's formulas.
        method: ``"dense"`` (exact), ``"push"`` (sparse) or ``"auto"``: dense up to 5,000 nodes.
        tol: residual per degree at which a push stops.
        top_k: entries kept in each row of a sparse result.

    Raises:
        DataError: an edge that points outside 0..N-1.
        OptionError: an option out of its range.
    """
    number("teleport", teleport, high=1.0)
    number("tol", tol, high=1.0)
    choice("norm", norm, ("sym", "rw"))
    choice("method", method, ("auto", "dense", "push"))
    adjacency = _adjacency(edge_index, num_nodes)
    if method == "dense" or (method == "auto" and num_nodes <= DENSE_LIMIT):
        return PPRStore(_dense(adjacency, teleport, norm), norm == "sym")
    return PPRStore(_push(adjacency, teleport, norm, tol, top_k), norm == "sym")


def _adjacency(edge_index: Tensor, num_nodes: int) -> sp.csr_matrix:
    """A' = A + I as 0/1 float64."""
    edges = edge_index.cpu().numpy()
    if edges.size and (edges.min() < 0 or edges.max() >= num_nodes):
        raise DataError(
            f"edge_index points at node {int(edges.max())} (smallest {int(edges.min())}), but the graph has"
            f" {num_nodes} nodes; allowed are 0..{num_nodes - 1}."
        )
    loops = np.arange(num_nodes)
    rows = np.concatenate([edges[0], edges[1], loops])
    cols = np.concatenate([edges[1], edges[0], loops])
    matrix = sp.csr_matrix((np.ones(len(rows)), (rows, cols)), shape=(num_nodes, num_nodes))
    matrix.data[:] = 1.0
    return matrix


def _dense(adjacency: sp.csr_matrix, teleport: float, norm: str) -> Tensor:
    """Exact scores: the sym system is positive definite, so a Cholesky factor inverts it."""
    root = torch.from_numpy(np.sqrt(np.asarray(adjacency.sum(1)).ravel()))
    system = torch.from_numpy(adjacency.toarray()).mul_(-(1.0 - teleport)).div_(root[:, None]).div_(root[None, :])
    system.diagonal().add_(1.0)
    scores = torch.cholesky_inverse(torch.linalg.cholesky(system)).mul_(teleport)
    if norm == "rw":
        scores = scores / root[:, None] * root[None, :]
    return scores.float()


def _push(adjacency: sp.csr_matrix, teleport: float, norm: str, tol: float, top_k: int) -> sp.csr_matrix:
    """Forward push from every node, a block of start nodes at a time."""
    offsets, targets = adjacency.indptr.astype(np.int64), adjacency.indices.astype(np.int64)
    num_nodes, root = len(offsets) - 1, np.sqrt(np.diff(offsets))
    blocks = []
    for start in range(0, num_nodes, _SEEDS_AT_ONCE):
        seeds = np.arange(start, min(start + _SEEDS_AT_ONCE, num_nodes))
        pointers, columns, values = push_rows(offsets, targets, seeds, teleport, tol, top_k)
        if norm == "sym":
            values = values * np.repeat(root[seeds], np.diff(pointers)) / root[columns]
        blocks.append(sp.csr_matrix((values.astype(np.float32), columns, pointers), shape=(len(seeds), num_nodes)))
    return sp.csr_matrix(sp.vstack(blocks))
