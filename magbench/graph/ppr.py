"""Personalised PageRank: how much of a random walk that restarts at node i is spent at node j.

With A' = A + I (undirected, unweighted), D its degrees and teleport probability b:

    rw:   Pi = b (I - (1-b) D^-1 A')^-1                 rows sum to 1
    sym:  Pi = b (I - (1-b) D^-1/2 A' D^-1/2)^-1 = D^1/2 Pi_rw D^-1/2        symmetric

Small graphs are solved exactly. Larger ones by forward push (:mod:`magbench.graph.push`): estimates are low by at most
``tol`` d_j (rw; ``tol`` sqrt(d_i d_j) for sym), and the ``top_k`` largest of each row are kept, in memory or, where
they are too many (8 ``top_k`` bytes a node), on disk (:mod:`magbench.graph.rows`). No N x N matrix is formed.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from magbench import paths
from magbench.checks import choice, number
from magbench.data.edges import distinct
from magbench.errors import DataError, OptionError, OutputError
from magbench.graph.adjacency import check_nodes
from magbench.graph.push import PushGraph
from magbench.graph.rows import SparseRows, collect, open_rows, write_rows

__all__ = ["DENSE_LIMIT", "PPRStore", "kept_ppr", "ppr"]

DENSE_LIMIT = 5000
_TOP_K = 512
_ROOM = 1 << 29
"""Bytes of rows that :func:`kept_ppr` holds in memory."""


@dataclass(frozen=True)
class PPRStore:
    """Scores Pi of one graph: a dense float32 ``[N, N]`` tensor or sparse rows.

    Attributes:
        scores: the matrix; entries that a sparse row lacks count as 0.
        symmetric: whether Pi is symmetric (norm="sym").
    """

    scores: Tensor | SparseRows
    symmetric: bool

    @classmethod
    def open(cls, path: Path) -> PPRStore:
        """Map the scores that ``ppr(..., out=path)`` wrote.

        Raises:
            DataError: a folder that holds something else, or damaged files.
        """
        rows, header = open_rows(path)
        if not isinstance(header.get("symmetric"), bool):
            raise DataError(f"{path} holds rows, but not of PageRank: its header does not say whether it is symmetric.")
        return cls(rows, header["symmetric"] is True)

    @property
    def num_nodes(self) -> int:
        """Number of nodes N of the graph."""
        return len(self.scores) if isinstance(self.scores, Tensor) else self.scores.num_nodes

    def rows(self, node_ids: Tensor) -> Tensor:
        """Scores ``[B, N]`` of the given nodes with all, float32; a sparse row is 0 where it has no entry."""
        if isinstance(self.scores, Tensor):
            return self.scores[node_ids.to(self.scores.device)]
        kept = self.scores
        shape = (kept.num_nodes, kept.num_nodes)
        matrix = sp.csr_array((kept.values, kept.columns, kept.offsets), shape=shape)
        return torch.from_numpy(matrix[node_ids.cpu().numpy()].toarray())

    def block(self, node_ids: Tensor) -> Tensor:
        """Scores ``[B, B]`` among the given nodes, float32, on the device of ``node_ids``.

        Raises:
            DataError: with sparse rows, a node that does not exist or was not among the seeds.
        """
        if isinstance(self.scores, Tensor):
            ids = node_ids.to(self.scores.device)
            return self.scores.index_select(0, ids).index_select(1, ids).to(node_ids.device)
        block = torch.from_numpy(self.scores.block(node_ids.cpu().numpy()))
        if self.symmetric:
            # Truncation only loses mass, so of (i, j) and (j, i) the larger is nearer to the truth.
            block = torch.maximum(block, block.t())
        return block.to(node_ids.device)


def ppr(
    edge_index: Tensor,
    num_nodes: int,
    *,
    teleport: float = 0.15,
    norm: str = "sym",
    method: str = "auto",
    tol: float = 1e-5,
    top_k: int = _TOP_K,
    seeds: Tensor | None = None,
    out: Path | None = None,
    num_threads: int | None = None,
) -> PPRStore:
    """Personalised PageRank of a graph.

    Args:
        edge_index: int64 ``[2, E]``; directions, self-loops and duplicates do not matter.
        num_nodes: N.
        teleport: restart probability b, in (0, 1).
        norm: ``"sym"`` or ``"rw"``, see the module's formulas.
        method: ``"dense"`` (exact), ``"push"`` (sparse) or ``"auto"``: dense up to 5,000 nodes, push where more nodes,
            ``seeds`` or ``out`` ask for rows.
        tol: residual per degree at which a push stops, at least 1e-12.
        top_k: entries kept in each row of a sparse result.
        seeds: int64 ``[S]``, the rows to compute, by push; default: all. To push from many batches of one graph, make a
            :class:`magbench.graph.push.PushGraph` once.
        out: a new folder to write sparse rows to, a part at a time; the result maps it.
        num_threads: threads of a push, default PyTorch's; the result does not depend on them.

    Raises:
        DataError: an edge or a seed outside 0..N-1.
        OptionError: an option out of its range.
        OutputError: ``out`` exists or cannot be written.
    """
    number("teleport", teleport, high=1.0)
    number("tol", tol, low=1e-12, high=1.0, low_open=False)
    number("top_k", top_k, low=1.0, low_open=False)
    choice("norm", norm, ("sym", "rw"))
    choice("method", method, ("auto", "dense", "push"))
    edges = edge_index.cpu().numpy()
    check_nodes("edge_index points at", edges, num_nodes)
    rows_wanted = seeds is not None or out is not None
    if method == "dense" and rows_wanted:
        raise OptionError("method='dense' computes all rows in memory; leave seeds and out away, or use method='push'.")
    if method == "dense" or (method == "auto" and num_nodes <= DENSE_LIMIT and not rows_wanted):
        return PPRStore(_dense(_adjacency(edges, num_nodes), teleport, norm), norm == "sym")
    starts = np.arange(num_nodes) if seeds is None else distinct(seeds.cpu().numpy())
    check_nodes("seeds holds", starts, num_nodes)
    threads = torch.get_num_threads() if num_threads is None else num_threads
    number("num_threads", threads, low=1.0, low_open=False)
    parts = PushGraph.of(edges, num_nodes).rows(
        starts, teleport=teleport, norm=norm, tol=tol, top_k=top_k, num_threads=threads
    )
    if out is None:
        return PPRStore(collect(parts, starts, num_nodes, top_k), norm == "sym")
    options = {"teleport": teleport, "norm": norm, "tol": tol, "top_k": top_k}
    write_rows(parts, starts, num_nodes, out, {"symmetric": norm == "sym", "options": options})
    return PPRStore.open(out)


def kept_ppr(edge_index: Tensor, num_nodes: int, *, teleport: float, norm: str) -> PPRStore:
    """:func:`ppr` of all nodes; rows that weigh over 512 MB are written under ``MAGBENCH_HOME`` once, and mapped.

    Raises:
        DataError: an edge outside 0..N-1, or a damaged file of an earlier call.
        OptionError: an option out of its range.
        OutputError: the rows cannot be written.
    """
    if num_nodes * _TOP_K * 8 <= _ROOM:
        return ppr(edge_index, num_nodes, teleport=teleport, norm=norm)
    digest = hashlib.sha256(f"{num_nodes} {teleport!r} {norm} {_TOP_K}\n".encode())
    digest.update(np.ascontiguousarray(edge_index.cpu().numpy(), "<i8").data)
    path = paths.cache("ppr") / digest.hexdigest()[:32]
    if not path.exists():
        try:
            ppr(edge_index, num_nodes, teleport=teleport, norm=norm, out=path)
        except OutputError:
            if not path.exists():  # else another process was faster
                raise
    return PPRStore.open(path)


def _adjacency(edges: np.ndarray, num_nodes: int) -> sp.csr_matrix:
    """A' = A + I as 0/1 float64."""
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
