"""Decoders: the score of a pair of nodes from their states, for link prediction.

* ``hadamard_mlp``: a three-layer perceptron on the elementwise product of the two states;
* ``dot``: the inner product of the two states after one linear map (encoders end in a ReLU, and inner products of
  non-negative states could not tell a pair from a non-pair by sign).

Both are symmetric in the two nodes. Neither drops anything out: encoders do, and on emoji's validation edges a decoder
that does so too learns slower.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

_CHUNK_PAIRS = 16_384
_DENSE_FACTOR = 20
"""Up to this many nodes a candidate, all inner products by one matmul are cheaper than gathering the candidates."""


class Decoder(nn.Module, ABC):
    """Base of decoders: :meth:`embed` once for all nodes, then any pairs of the result."""

    def embed(self, h: Tensor) -> Tensor:
        """States float [N, d] of the encoder as the pairs need them, float [N, d']."""
        return h

    @abstractmethod
    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        """Logits float [P] of pairs of embedded states, float [P, d'] each."""

    def rank_scores(self, embedded: Tensor, source: Tensor, candidates: Tensor) -> Tensor:
        """Scores float [Q, C] of each source (int64 [Q]) with its candidates (int [Q, C]), some rows at a time."""
        scores = embedded.new_empty(candidates.shape)
        step = max(1, _CHUNK_PAIRS // candidates.size(1))
        for first in range(0, len(source), step):
            chosen = candidates[first : first + step].long()
            states = embedded[source[first : first + step]].repeat_interleave(chosen.size(1), 0)
            scores[first : first + step] = self(states, embedded[chosen.flatten()]).view(chosen.shape)
        return scores


class HadamardMLP(Decoder):
    """``hidden → hidden → hidden → 1`` with ReLU between."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, 1)
        )

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        logits: Tensor = self.layers(source * target).squeeze(-1)
        return logits


class Dot(Decoder):
    """``<W h_s + b, W h_t + b>``."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.linear = nn.Linear(hidden, hidden)

    def embed(self, h: Tensor) -> Tensor:
        states: Tensor = self.linear(h)
        return states

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        return (source * target).sum(-1)

    def rank_scores(self, embedded: Tensor, source: Tensor, candidates: Tensor) -> Tensor:
        scores = embedded.new_empty(candidates.shape)
        if len(embedded) > _DENSE_FACTOR * candidates.size(1):
            for row, (node, own) in enumerate(zip(source, candidates, strict=True)):
                scores[row] = embedded.index_select(0, own) @ embedded[node]
            return scores
        step = max(1, _CHUNK_PAIRS * embedded.size(1) // len(embedded))
        for first in range(0, len(source), step):
            products = embedded[source[first : first + step]] @ embedded.t()
            scores[first : first + step] = torch.gather(products, 1, candidates[first : first + step].long())
        return scores


DECODERS: dict[str, type[HadamardMLP] | type[Dot]] = {"hadamard_mlp": HadamardMLP, "dot": Dot}
"""Every decoder by the name that the option ``decoder`` takes."""
