"""Controls: the data set without its graph, without its features, or with its graph tied to other nodes or other edges.

=============  =====================================================================================================
``no_graph``   no edges
``random``     independent normal noise in place of the features, of their width and root mean square; a missing
               modality stays missing; texts and pictures are gone, references stay
``shuffled``   the graph as it is, at other nodes: every node gets a stranger's neighbourhood
``rewired``    other edges, by ten tried swaps an edge; every node keeps its degree
=============  =====================================================================================================
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from magbench.data.edges import both_directions, undirected_edges
from magbench.data.mag import MAG
from magbench.errors import UnknownNameError
from magbench.graph.rewiring import rewired
from magbench.variation.edges import strangers
from magbench.variation.features import noisy
from magbench.variation.shares import Seeds

_SHUFFLED = 21
"""Last number of the seed of ``shuffled``, as :attr:`magbench.corruption.Kind.stream`."""


def controlled(mag: MAG, control: str, seed: Seeds) -> MAG:
    """Another MAG, which shares with ``mag`` all that the control leaves.

    Args:
        mag: a valid MAG.
        control: one of :data:`CONTROLS`.
        seed: of what is drawn: the noise of modality i from ``(*seed, i)``, the swaps from ``seed``.

    Raises:
        UnknownNameError: there is no such control.
    """
    if control not in _CONTROLS:
        raise UnknownNameError("control", control, _CONTROLS)
    return _CONTROLS[control](mag, seed)


def _no_graph(mag: MAG, seed: Seeds) -> MAG:
    return mag.replaced(edge_index=mag.edge_index[:, :0])


def _random(mag: MAG, seed: Seeds) -> MAG:
    return noisy(mag, None, seed).replaced(texts=None, images=None)


def _shuffled(mag: MAG, seed: Seeds) -> MAG:
    n = int(mag.num_nodes)
    moved = strangers(n, (*seed, _SHUFFLED))[undirected_edges(mag.edge_index.numpy(), n)]
    return mag.replaced(edge_index=torch.from_numpy(both_directions(moved, n)))


def _rewired(mag: MAG, seed: Seeds) -> MAG:
    return mag.replaced(edge_index=torch.from_numpy(rewired(mag.edge_index.numpy(), int(mag.num_nodes), seed)))


_CONTROLS: dict[str, Callable[[MAG, Seeds], MAG]] = {
    "no_graph": _no_graph,
    "random": _random,
    "shuffled": _shuffled,
    "rewired": _rewired,
}
CONTROLS = tuple(_CONTROLS)
