"""Agreement of a modality with the graph, and of two modalities with each other; where it fails there is *conflict*.

**The conflict of an edge** is the share of random pairs of nodes that are more alike in the modality than its two ends:

    q(i, j) = P(cos(a, b) > cos(i, j)) + ½ P(cos(a, b) = cos(i, j)),   a ≠ b drawn uniformly

(:mod:`magbench.data.report.directions` defines the cosine). Three figures follow from it:

* the **AUC** 1 − mean q: the chance that an edge's ends are more alike than a random pair's. ½ = the modality knows
  nothing of the edges, 1 = every edge joins nodes more alike than any random pair;
* the **conflict rate**: the share of edges with q > ½, that is, less alike than the median random pair. ½ = no
  relation, 0 = no conflict. Since q is uniform along edges that know nothing of the modality, twice the rate estimates
  their share (Storey, 2002, with λ = ½);
* the **conflict of a node**: the mean q of its edges. A node is *conflicting* above ½.

**Cross-modal agreement** of a node is the Pearson correlation, over a drawn set of anchor nodes, of its cosines to them
in one modality with those in the other: 1 = both see it in the same place among the others, 0 = no relation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from magbench.data.report.directions import Directions, Floats, Index, blocks, random_pairs

PAIRS = 100_000
"""Random pairs drawn; they add a standard error of about .001 to the AUC."""
ANCHORS = 1000
Doubles = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class EdgeAgreement:
    """How one modality agrees with the edges whose ends both have it.

    Attributes:
        edges: int64 [2, E], each undirected edge once.
        cosine: float32 [E].
        random: float32 [R], the cosines of random pairs, ascending.
        conflict: float64 [E], q of each edge.
    """

    edges: Index
    cosine: Floats
    random: Floats
    conflict: Doubles

    @property
    def auc(self) -> float:
        """1 − mean q, the area under the ROC curve of edges against random pairs."""
        return 1 - float(self.conflict.mean())

    @property
    def rate(self) -> float:
        """The share of edges with q > ½."""
        return float((self.conflict > 0.5).mean())

    def node_conflict(self, num_nodes: int) -> Doubles:
        """float64 [N]: the mean q of a node's edges; NaN for a node without one."""
        ends = self.edges.ravel()
        degree = np.bincount(ends, minlength=num_nodes)
        total = np.bincount(ends, weights=np.tile(self.conflict, 2), minlength=num_nodes)
        found = np.full(num_nodes, np.nan)
        found[degree > 0] = total[degree > 0] / degree[degree > 0]
        return found


def edge_agreement(
    directions: Directions, edge_index: Tensor, generator: np.random.Generator, pairs: int = PAIRS
) -> EdgeAgreement | None:
    """Measure one modality along the edges.

    Args:
        directions: the modality.
        edge_index: int64 [2, E], both directions.
        generator: draws the random pairs.
        pairs: how many of them.

    Returns:
        None when no edge has the modality at both ends.
    """
    edges: Index = edge_index.numpy()
    held = np.zeros(len(directions.x), dtype=bool)
    held[directions.ids] = True
    edges = edges[:, (edges[0] < edges[1]) & held[edges].all(axis=0)]
    if not edges.size:
        return None
    cosine = directions.cosines(edges)
    random = np.sort(directions.cosines(random_pairs(directions.ids, pairs, generator)))
    below, upto = (np.searchsorted(random, cosine, side) for side in ("left", "right"))
    return EdgeAgreement(edges, cosine, random, 1 - (below + upto) / (2 * pairs))


def cross_modal(
    first: Directions, second: Directions, generator: np.random.Generator, anchors: int = ANCHORS
) -> Doubles:
    """float64 [N]: the cross-modal agreement of each node; NaN where it lacks a modality or all its cosines are equal.

    Args:
        first: one modality.
        second: the other.
        generator: draws the anchors among the nodes that have both modalities.
        anchors: how many; all of those nodes if there are fewer.
    """
    both: Index = np.intersect1d(first.ids, second.ids)
    chosen = np.sort(generator.permutation(both)[:anchors])
    rows = [modality.rows(chosen).T for modality in (first, second)]
    found = np.full(len(first.x), np.nan)
    for part in blocks(len(both)):
        nodes = both[part]
        other = nodes[:, None] != chosen  # a node says nothing of itself
        a, b = (
            _centred(modality.rows(nodes) @ row, other) for modality, row in zip((first, second), rows, strict=True)
        )
        scale = np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
        found[nodes[scale > 0]] = ((a * b).sum(axis=1)[scale > 0] / scale[scale > 0]).clip(-1, 1)
    return found


def _centred(values: NDArray[Any], kept: NDArray[np.bool_]) -> Doubles:
    """Each row minus its mean over the entries that are kept; zero elsewhere."""
    values = np.where(kept, values, 0.0).astype(np.float64)
    mean = values.sum(axis=1, keepdims=True) / np.maximum(kept.sum(axis=1, keepdims=True), 1)
    return np.where(kept, values - mean, 0.0)
