"""What smoothing does to the states, step by step, and how much of a node's own other half comes back to it.

Over-smoothing shows as a Dirichlet energy that goes to 0 with the effective rank; a cluster collapse as a similarity of
pairs that rises together with that of strangers. After two steps a node hears its own other half again, by way of a
neighbour (i_v <- j <- i_t): :func:`return_walks` measures that echo.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from magbench.nn.goma.graph import ITSELF, WITHIN, CoupledGraph
from magbench.nn.goma.smoothing import Trajectory, edge_products, propagate
from magbench.spectrum import effective_rank


@dataclass(frozen=True)
class Step:
    """One step of a trajectory; states are taken as unit rows.

    Attributes:
        k: the step.
        dirichlet: for each side, mean over its edges of |h_i - h_j|^2 / 2 = 1 - cos, in [0, 2]; 0 where all is smooth.
        effective_rank: for each side, between 1 and min(n_p, d).
        paired: mean cosine of the two halves of the pairs.
        unpaired: mean cosine of the first half of one pair and the second of another.
    """

    k: int
    dirichlet: tuple[float, float]
    effective_rank: tuple[float, float]
    paired: float
    unpaired: float


@torch.no_grad()
def steps(trajectory: Trajectory, pairs: Tensor) -> list[Step]:
    """Diagnostics of H(0) … H(K).

    Args:
        trajectory: the states.
        pairs: int64 [2, P], rows of the first and the second side that are one node, P >= 2.
    """
    graph, found = trajectory.graph, []
    kind, target = (part.index_select(0, graph.segment) for part in (graph.segment_kind, graph.segment_target))
    second = target >= graph.sizes[0]
    chosen = [(kind == WITHIN) & side for side in (~second, second)]
    for k, state in trajectory.up():
        unit = functional.normalize(state, dim=1)
        gap = 1 - edge_products(graph, unit, unit)
        sides = graph.sides(unit)
        a, b = (side[rows] for side, rows in zip(sides, pairs, strict=True))
        own, count = float((a * b).sum(1).mean()), len(a)
        every = float(a.mean(0) @ b.mean(0))
        energy = [float(gap[mask].mean()) if bool(mask.any()) else 0.0 for mask in chosen]
        ranks = [effective_rank(side) for side in sides]
        found.append(
            Step(k, (energy[0], energy[1]), (ranks[0], ranks[1]), own, (count * every - own) / max(1, count - 1))
        )
    return found


@torch.no_grad()
def return_walks(
    values: Tensor, graph: CoupledGraph, alpha: float, num_steps: int, pairs: Tensor
) -> Iterator[tuple[float, float]]:
    """Mean weight of a pair's second half in H(k) of its first half, and in that of any other row, for k = 0 … K.

    H(k) = P E with the kernel P = alpha sum_{l < k} ((1 - alpha) M)^l + ((1 - alpha) M)^k; the first number is the mean
    diagonal of P's cross block over the pairs, the second the mean of all other entries of their columns.

    Args:
        values: float [E], entries of M.
        graph: its rows.
        alpha: teleport share.
        num_steps: K.
        pairs: int64 [2, P]; a few hundred tell enough, the cost is that of a width P.
    """
    first, second = pairs[0], pairs[1] + graph.sizes[0]
    e = values.new_zeros(graph.num_nodes, pairs.size(1))
    columns = torch.arange(pairs.size(1), device=e.device)
    e[second, columns] = 1
    state, others = e, graph.sizes[0] * pairs.size(1) - pairs.size(1)
    for k in range(num_steps + 1):
        state = propagate(graph, values, state, e, alpha) if k else state
        own = float(state[first, columns].mean())
        total = float(state[: graph.sizes[0]].sum())
        yield own, (total - own * pairs.size(1)) / max(1, others)


def isolated(graph: CoupledGraph) -> Tensor:
    """bool [N]: nodes that nobody sends to; they keep their own state."""
    alone = torch.zeros(graph.num_nodes, dtype=torch.bool, device=graph.segment_kind.device)
    alone[graph.segment_target[graph.segment_kind == ITSELF]] = True
    return alone
