"""A MAG under a corruption of its features or its graph.

Every kind draws a random order of what it can take or spoil and acts on the first of it, by count. So with one seed a
smaller rate is a part of a larger one, and noise only grows. The exception is ``edge_swap``: the edges that swap are
nested, where they go is not.
"""

from __future__ import annotations

import numpy as np
import torch

from magbench.corruption import Corruption
from magbench.data.edges import both_directions, undirected_edges
from magbench.data.mag import MAG
from magbench.errors import OptionError
from magbench.graph.rewiring import rewired
from magbench.graph.splits import Index
from magbench.variation.edges import apart, fewer, more
from magbench.variation.features import lost_modalities, noisy, without_modalities
from magbench.variation.shares import Seeds, leading_nodes


def corrupt(
    mag: MAG, corruption: Corruption, seed: Seeds, *, asked: Index | None = None, known: Index | None = None
) -> MAG:
    """Another MAG, which shares with ``mag`` all that the corruption leaves; the same one where it changes nothing.

    Args:
        mag: a valid MAG.
        corruption: of the features or the graph.
        seed: of what is drawn; one seed serves all kinds.
        asked: int64 [T], the nodes that are asked, of which ``cold_start`` draws.
        known: int64 [2, K], edges as u < v that ``edge_add`` may not add though the graph lacks them.

    Raises:
        OptionError: a corruption of labels or pairs (:mod:`magbench.variation.training`), or ``cold_start`` of a task
            that asks no nodes.
        DataError: more false edges asked for than there are free pairs of nodes.
    """
    if corruption.acts_on not in ("features", "graph"):
        raise OptionError(f"{corruption} acts on the training {corruption.acts_on}, not on features or graph.")
    if corruption.neutral:
        return mag.replaced()
    if corruption.acts_on == "features":
        return _other_features(mag, corruption, seed)
    edges = torch.from_numpy(_other_edges(mag, corruption, seed, asked, known))
    return mag.replaced(edge_index=edges)


def _other_features(mag: MAG, corruption: Corruption, seed: Seeds) -> MAG:
    rate, own = corruption.rate, corruption.seeded(seed)
    if corruption.kind == "feature_noise":
        return noisy(mag, rate, own)
    observed = np.stack([has.numpy() for has in mag.has_dict.values()])
    lost = lost_modalities(observed, rate, own)
    return without_modalities(mag, {name: torch.from_numpy(lost[i]) for i, name in enumerate(mag.modalities)})


def _other_edges(mag: MAG, corruption: Corruption, seed: Seeds, asked: Index | None, known: Index | None) -> Index:
    """int64 [2, E'], both directions, ascending."""
    rate, own, n = corruption.rate, corruption.seeded(seed), int(mag.num_nodes)
    edge_index = mag.edge_index.numpy()
    if corruption.kind == "edge_swap":  # with the seed as it is: draws of its own, apart from those above
        return rewired(edge_index, n, seed, rate)
    edges = undirected_edges(edge_index, n)
    if corruption.kind == "edge_drop":
        edges = fewer(edges, rate, own)
    elif corruption.kind == "edge_add":
        edges = more(edges, n, rate, own, known)
    elif asked is None:
        raise OptionError(f"{corruption} takes the edges of asked nodes, but none are named.")
    else:
        edges = apart(edges, n, leading_nodes(np.unique(asked), n, rate, own))
    return both_directions(edges, n)
