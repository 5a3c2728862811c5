"""Evaluation without sampling on a graph of any size: layer by layer, and inside a layer node block by node block.

Every node of a block has all its neighbours there, so the states are those of the whole graph up to rounding. Memory
holds the states of all nodes before and after one layer, and what one block takes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor

from magbench.graph.adjacency import Adjacency
from magbench.graph.neighbors import ALL, NeighborSampler
from magbench.nn.encoder import Encoder

BLOCK = 1 << 16
"""Nodes and edges that a block holds by default (more only where a single node has more neighbours)."""


@torch.no_grad()
def encode_blocks(
    encoder: Encoder,
    x: Mapping[str, Tensor],
    graph: Adjacency,
    observed: Mapping[str, Tensor],
    *,
    block: int = BLOCK,
) -> Tensor:
    """Fused states of all nodes, float [N, hidden], on the CPU.

    Args:
        encoder: a layered one, in evaluation mode; it may lie on a GPU.
        x: features of each modality, float [N, d_m]; may be memory-mapped.
        graph: all neighbours.
        observed: bool [N] for each modality.
        block: nodes and edges taken at once.
    """
    device = next(encoder.parameters()).device
    sampler = NeighborSampler(graph, [ALL] if encoder.hops else [])
    degree = torch.from_numpy(graph.degree)
    h = torch.empty(graph.num_nodes, encoder.fused_dim)
    for start, end in _spans(np.arange(graph.num_nodes + 1), block // 8):
        rows = {name: values[start:end].to(device) for name, values in x.items()}
        masks = {name: mask[start:end].to(device) for name, mask in observed.items()}
        h[start:end] = encoder.fuse(encoder.project(rows, masks))
    size = np.arange(graph.num_nodes + 1) + (graph.indptr if encoder.hops else 0)
    for index in range(encoder.depth):
        after = torch.empty(0, encoder.hidden)
        for start, end in _spans(size, block):
            part = sampler.sample(np.arange(start, end), (0,))
            nodes, edges = torch.from_numpy(part.nodes), torch.from_numpy(part.edge_index)
            around = h[nodes].to(device), edges.to(device), degree[nodes].to(device)
            states = encoder.layer(index, *around, end - start)
            if start == 0:  # a step's width may be its own
                after = torch.empty(graph.num_nodes, states.size(1))
            after[start:end] = states
        h = after
    return h


def _spans(size: np.ndarray, most: int) -> Iterator[tuple[int, int]]:
    """Consecutive ranges of nodes that hold at most ``most``, but at least one node; ``size`` is cumulative."""
    start, last = 0, len(size) - 1
    while start < last:
        end = max(start + 1, int(np.searchsorted(size, size[start] + most, side="right")) - 1)
        yield start, end
        start = end
