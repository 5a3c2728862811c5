"""The network of one graph: an encoder and a head, and its states for evaluation."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from magbench.errors import MethodError
from magbench.graph.adjacency import Adjacency
from magbench.nn.blocks import encode_blocks
from magbench.nn.encoder import Encoded, Encoder
from magbench.tasks.views import TaskView


class Network(nn.Module):
    """An encoder and an objective's head. Calling it gives the encoder's states; ``head`` reads the fused ones."""

    def __init__(self, encoder: Encoder, head: nn.Module) -> None:
        super().__init__()
        self.encoder, self.head = encoder, head

    def forward(
        self, x: dict[str, Tensor], edge_index: Tensor, observed: dict[str, Tensor], degree: Tensor | None = None
    ) -> Encoded:
        return checked(self.encoder, x, edge_index, observed, degree)


def checked(
    encoder: Encoder,
    x: dict[str, Tensor],
    edge_index: Tensor,
    observed: dict[str, Tensor],
    degree: Tensor | None = None,
) -> Encoded:
    """The states that ``encoder`` gives.

    Raises:
        MethodError: what it returns is no ``Encoded``, or ``h`` has another shape than [nodes, hidden].
    """
    known = {"degree": degree} if encoder.layered else {}
    encoded = encoder(x, edge_index, observed, **known)
    name, expected = type(encoder).__name__, [len(next(iter(x.values()))), encoder.hidden]
    if not isinstance(encoded, Encoded):
        raise MethodError(f"{name}.forward() returned {type(encoded).__name__}, expected magbench.api.Encoded(z, h).")
    if list(encoded.h.shape) != expected:
        raise MethodError(
            f"{name}.forward(): h must have shape {expected} (nodes, hidden), found {list(encoded.h.shape)}."
        )
    return encoded


@torch.no_grad()
def encode(network: Network, view: TaskView, *, in_blocks: bool = False) -> Encoded:
    """States of all nodes for evaluation: no dropout, every neighbour.

    ``in_blocks`` bounds the memory where the encoder is a layered one, and leaves ``z`` out.
    """
    network.eval()
    device = next(network.parameters()).device
    if in_blocks and network.encoder.layered:
        graph = Adjacency.of(view.edge_index, view.num_nodes)
        return Encoded(z={}, h=encode_blocks(network.encoder, view.x, graph, view.observed).to(device))
    x, observed = ({name: rows.to(device) for name, rows in part.items()} for part in (view.x, view.observed))
    encoded: Encoded = network(x, view.edge_index.to(device), observed)
    return encoded
