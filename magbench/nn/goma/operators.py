"""Propagation operators: the entries of M, from the vectors of both modalities.

Each row of M gives its segments (neighbours of its own modality, of the other) the shares w_pq, which sum to 1 over the
segments that it has, and divides a share among the segment's neighbours by a weight exp(s_ij):

    M_ij = w_pq exp(s_ij) / r_i                 (``norm="row"``: rows sum to 1; r_i sums over the segment)
    M_ij = w_pq exp(s_ij) / sqrt(r_i c_j)       (``norm="sym"``: c_j sums over all targets of j in the same block)

* :class:`Uniform`: s = 0, the same operator for every pair of modalities (the default);
* :class:`Cosine`: s_ij = cos(e_i, e_j) / theta, nothing learned;
* :class:`Learned`: s_ij = <W_p^Q e_i, W_q^K e_j> / (sqrt(d_a) theta_pq) + b_pq log(1 + degree_j), of low rank, and
  learned shares.
"""

from __future__ import annotations

from math import log

import torch
from torch import Tensor, nn

from magbench.checks import choice, number
from magbench.nn.goma.graph import ACROSS, ITSELF, OWN, WITHIN, CoupledGraph
from magbench.nn.goma.smoothing import EdgeScores

NORMS = ("row", "sym")


class Operator(nn.Module):
    """Base of the operators.

    Args:
        norm: ``row`` or ``sym``.
        coupling: share w of the other modality in a row that has both kinds of neighbours, in [.01, .99].
        own_share: part of that share that goes to the node's own other half where the graph has such shortcuts.

    Raises:
        OptionError: a value that is not allowed.
    """

    def __init__(self, *, norm: str = "row", coupling: float = 0.5, own_share: float = 0.5) -> None:
        super().__init__()
        choice("norm", norm, NORMS)
        number("coupling", coupling, 0.01, 0.99, low_open=False)
        number("own_share", own_share, 0.01, 0.99, low_open=False)
        self.norm, self.coupling, self.own_share = norm, coupling, own_share

    def forward(self, e: Tensor, graph: CoupledGraph) -> Tensor:
        """Entries of M, float [E], from unit rows ``e`` float [N, d]."""
        scores = self.scores(e, graph)
        return self._normalised(e.new_zeros(graph.num_entries) if scores is None else scores, graph)

    def scores(self, e: Tensor, graph: CoupledGraph) -> Tensor | None:
        """s_ij of every entry, float [E]; None: all equal."""
        return None

    def shares(self) -> Tensor:
        """w_p, float [2, 2]: share of a node's own modality and of the other one, for nodes of each side p."""
        return torch.tensor([[1 - self.coupling, self.coupling]], dtype=torch.float64).repeat(2, 1)

    def _normalised(self, scores: Tensor, graph: CoupledGraph) -> Tensor:
        # The largest score of a segment (of a block, where columns are summed, too) is taken off: it cancels.
        part = graph.segment.long() if self.norm == "row" else self._blocks(graph)
        highest = scores.detach().new_full((max(8, len(graph.segment_kind)),), -torch.inf)
        highest = highest.scatter_reduce(0, part, scores.detach(), "amax")
        mass = (scores - highest[part]).exp()
        rows = mass.new_zeros(len(graph.segment_kind)).index_add(0, graph.segment, mass)
        share = self._segment_shares(graph, mass.dtype)
        if self.norm == "row":
            return mass * (share / rows).index_select(0, graph.segment)
        senders = graph.source.long() * 4 + self._kinds(graph)
        columns = mass.new_zeros(4 * graph.num_nodes).index_add(0, senders, mass)
        return mass * share.index_select(0, graph.segment) / (rows[graph.segment.long()] * columns[senders]).sqrt()

    def _segment_shares(self, graph: CoupledGraph, dtype: torch.dtype) -> Tensor:
        """w of each segment, float [S]: the shares of the row's side, made to sum to 1 over the segments it has."""
        side = (graph.segment_target >= graph.sizes[0]).long()
        target, kind = graph.segment_target, graph.segment_kind
        share = self.shares().to(kind.device, dtype)[side, (kind == ACROSS).long() | (kind == OWN).long()]
        has = [torch.zeros(graph.num_nodes, dtype=torch.bool, device=kind.device) for _ in range(2)]
        has[0][target[kind == ACROSS]] = has[1][target[kind == OWN]] = True
        both = (has[0] & has[1])[target]
        share = torch.where(both & (kind == ACROSS), share * (1 - self.own_share), share)
        share = torch.where(both & (kind == OWN), share * self.own_share, share)
        total = share.new_zeros(graph.num_nodes).index_add(0, graph.segment_target, share)
        return share / total[graph.segment_target]

    @staticmethod
    def _kinds(graph: CoupledGraph) -> Tensor:
        return graph.segment_kind.index_select(0, graph.segment)

    def _blocks(self, graph: CoupledGraph) -> Tensor:
        """int64 [E] in 0..7: the side that an entry sends to, and its kind."""
        side = (graph.segment_target >= graph.sizes[0]).long()
        return (side * 4 + graph.segment_kind).index_select(0, graph.segment)


class Uniform(Operator):
    """Every neighbour of a segment counts alike. No parameters."""

    def _normalised(self, scores: Tensor, graph: CoupledGraph) -> Tensor:
        if self.norm != "row":
            return super()._normalised(scores, graph)
        counts = torch.bincount(graph.segment, minlength=len(graph.segment_kind))
        return (self._segment_shares(graph, scores.dtype) / counts).index_select(0, graph.segment)


class Cosine(Operator):
    """Neighbours count by cosine similarity; no parameters.

    Args:
        theta: temperature, > 0; at .2, a neighbour with a cosine higher by .2 counts e times as much.
        options: those of :class:`Operator`.
    """

    def __init__(self, *, theta: float = 0.2, **options: float | str) -> None:
        super().__init__(**options)  # type: ignore[arg-type]
        number("theta", theta)
        self.theta = theta

    @torch.no_grad()
    def scores(self, e: Tensor, graph: CoupledGraph) -> Tensor:
        products: Tensor = EdgeScores.apply(e, e, graph)  # type: ignore[no-untyped-call]
        return products / self.theta


class Learned(Operator):
    """Low-rank attention of modality p to modality q, and learned shares.

    Args:
        dim: width d of the vectors.
        rank: d_a.
        init: standard deviation of the entries of W^Q and W^K at the start; 0.1 starts near :class:`Uniform`.
        degree_bias: whether b_pq is learned; else it is 0.
        options: those of :class:`Operator`; ``coupling`` is where the shares start.
    """

    def __init__(
        self, dim: int, *, rank: int = 64, init: float = 0.1, degree_bias: bool = False, **options: float | str
    ) -> None:
        super().__init__(**options)  # type: ignore[arg-type]
        number("rank", rank, 1, low_open=False)
        number("init", init)
        self.query = nn.Parameter(torch.randn(2, dim, rank) * init)
        self.key = nn.Parameter(torch.randn(2, dim, rank) * init)
        self.log_theta = nn.Parameter(torch.zeros(2, 2))
        self.share_logits = nn.Parameter(super().shares().log().float())
        self.degree_bias = nn.Parameter(torch.zeros(2, 2)) if degree_bias else None

    def scores(self, e: Tensor, graph: CoupledGraph) -> Tensor:
        """Shortcuts of the kind ``OWN`` use the attention of the block that they lie in."""
        first, second = graph.sides(e)
        query = torch.cat([first @ self.query[0], second @ self.query[1]])
        key = torch.cat([first @ self.key[0], second @ self.key[1]])
        products: Tensor = EdgeScores.apply(query, key, graph)  # type: ignore[no-untyped-call]
        target_side, kind = self._blocks(graph) // 4, self._kinds(graph)
        source_side = torch.where((kind == WITHIN) | (kind == ITSELF), target_side, 1 - target_side)
        pair = target_side * 2 + source_side
        scores = products * (-self.log_theta.flatten() - 0.5 * log(self.query.size(2))).exp()[pair]
        if self.degree_bias is not None:
            degree = graph.degree.to(scores.dtype).log1p()
            scores = scores + self.degree_bias.flatten()[pair] * degree.index_select(0, graph.source)
        return scores

    def shares(self) -> Tensor:
        return self.share_logits.softmax(1)
