"""GOMA (arXiv 2605.15723, a re-implementation): smoothing of two modalities' vectors over a graph, usable alone.

    graph = CoupledGraph.of_nodes(edge_index, num_nodes)
    goma = GOMA(dim, steps=6, alpha=0.2, readout="node")
    v, t = goma((x_image, x_text), graph).embeddings      # unit rows; the score of a pair is <v_i, t_j>

* :mod:`~magbench.nn.goma.graph`: who sends to whom, and that no node sends to its own other half;
* :mod:`~magbench.nn.goma.operators`: how much: the matrix M;
* :mod:`~magbench.nn.goma.smoothing`: the recursion, its gradients and its limit;
* :mod:`~magbench.nn.goma.readout`: which steps an embedding takes;
* :mod:`~magbench.nn.goma.diagnostics`: what smoothing does to the states, step by step.

Two halves of a node have the same neighbours, so smoothing gives them a common *structural fingerprint*: vectors of
pure noise find their other half (tests/nn/goma/test_fingerprint.py). No recall of a smoothing method means anything
without that of noise beside it.
"""

from magbench.nn.goma.graph import CoupledGraph
from magbench.nn.goma.module import GOMA, Smoothed

__all__ = ["GOMA", "CoupledGraph", "Smoothed"]
