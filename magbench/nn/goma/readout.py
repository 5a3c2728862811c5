"""Readouts: how much of each step a node's embedding takes, weights g_ik that sum to 1 over k = 0 … K.

* ``fixed:k``: all of step k; ``uniform``: 1 / (K + 1) each; neither learns anything;
* ``global``: one learned vector for all nodes of both modalities;
* ``node``: a small network a modality, from what a node's own trajectory in that modality looks like.

(The readout ``limit`` takes H(inf) and has no weights.)
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from math import log

import torch
from torch import Tensor, nn

from magbench.checks import number
from magbench.errors import OptionError
from magbench.nn.goma.graph import CoupledGraph
from magbench.nn.goma.smoothing import Trajectory, row_distance, row_dot

READOUTS = ("node", "global", "uniform", "limit", "fixed:K")
_EMBEDDING = 8


class Readout(nn.Module, ABC):
    """Base of the readouts; ``steps`` is K."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.steps = steps

    @abstractmethod
    def forward(self, trajectory: Trajectory, graph: CoupledGraph) -> Tensor:
        """g, float [N, K + 1], or [1, K + 1] where all nodes have the same."""


class Fixed(Readout):
    """Constant weights, float [K + 1]."""

    def __init__(self, weights: Tensor) -> None:
        super().__init__(len(weights) - 1)
        self.register_buffer("weights", weights, persistent=False)
        self.weights: Tensor

    def forward(self, trajectory: Trajectory, graph: CoupledGraph) -> Tensor:
        return self.weights.to(trajectory.e.dtype)[None]


class Global(Readout):
    """softmax of one vector of logits; the logit of step 1 starts at ``first_step`` (where there is a step)."""

    def __init__(self, steps: int, *, first_step: float) -> None:
        super().__init__(steps)
        self.logits = nn.Parameter(_first_step_logits(steps, first_step))

    def forward(self, trajectory: Trajectory, graph: CoupledGraph) -> Tensor:
        return self.logits.softmax(0)[None]


class Node(Readout):
    """softmax over k of a network on the features of a node's trajectory, divided by ``temperature``.

    The features of step k are cos(h(k), h(0)), |h(k) - h(k - 1)| and log(1 + degree), taken from the node's own
    modality alone, and an embedding of k. How well a node agrees with its neighbours is left out: at one step that
    would tell of its other half. No gradient flows through the features to the states.

    Args:
        steps: K.
        first_step: logit of step 1 at the start.
        hidden: width of the network.
        temperature: T_g, > 0.
    """

    def __init__(self, steps: int, *, first_step: float, hidden: int = 16, temperature: float = 1.0) -> None:
        super().__init__(steps)
        number("hidden", hidden, 1, low_open=False)
        number("temperature", temperature)
        self.temperature = temperature
        self.embedding = nn.Parameter(torch.randn(steps + 1, _EMBEDDING))
        self.gates = nn.ModuleList(
            nn.Sequential(nn.Linear(3 + _EMBEDDING, hidden), nn.ReLU(), nn.Linear(hidden, 1)) for _ in range(2)
        )
        self.logits = nn.Parameter(_first_step_logits(steps, first_step).repeat(2, 1))

    def forward(self, trajectory: Trajectory, graph: CoupledGraph) -> Tensor:
        if trajectory.features is None:
            trajectory.features = gate_features(trajectory, graph)
        parts = graph.sides(trajectory.features)
        rows = []
        for gate, bias, features in zip(self.gates, self.logits, parts, strict=True):
            steps = self.embedding.expand(len(features), -1, -1)
            logits = gate(torch.cat([features, steps], dim=2)).squeeze(2) + bias
            rows.append((logits / self.temperature).softmax(1))
        return torch.cat(rows)


@torch.no_grad()
def gate_features(trajectory: Trajectory, graph: CoupledGraph) -> Tensor:
    """float [N, K + 1, 3]: similarity to the start, length of the last step, log degree; rows are nodes' own."""
    start = trajectory.e
    features = start.new_empty(len(start), trajectory.steps + 1, 3)
    features[:, :, 2] = graph.degree.to(start.dtype).log1p()[:, None]
    norm, before = start.norm(dim=1), start
    for k, state in trajectory.up():
        features[:, k, 0] = row_dot(state, start) / (state.norm(dim=1) * norm).clamp_min(1e-12)
        features[:, k, 1] = row_distance(state, before)
        before = state
    return features


def make_readout(
    name: str, steps: int, *, first_step: float = 2.0, hidden: int = 16, temperature: float = 1.0
) -> Readout:
    """The readout called ``name`` (see the module's docstring; not ``limit``).

    Raises:
        OptionError: another name, or ``fixed:k`` with k outside 0..steps.
    """
    if name == "uniform":
        return Fixed(torch.full((steps + 1,), 1 / (steps + 1)))
    if name == "global":
        return Global(steps, first_step=first_step)
    if name == "node":
        return Node(steps, first_step=first_step, hidden=hidden, temperature=temperature)
    kind, colon, number_text = name.partition(":")
    if kind == "fixed" and colon and number_text.isdecimal():
        if int(number_text) > steps:
            raise OptionError(f"readout={name!r} takes step {number_text}, but steps={steps}; raise steps.")
        chosen = torch.zeros(int(number_text) + 1)
        chosen[-1] = 1
        return Fixed(chosen)
    raise OptionError(f"readout={name!r} is not allowed; choose one of {', '.join(READOUTS)} (K a number).")


def entropy(weights: Tensor) -> Tensor:
    """Mean over nodes of the entropy of g, divided by log(K + 1): 0 takes one step, 1 takes all alike."""
    if weights.size(1) == 1:
        return weights.new_zeros(())
    mean: Tensor = torch.special.entr(weights).sum(1).mean()
    return mean / log(weights.size(1))


def _first_step_logits(steps: int, value: float) -> Tensor:
    logits = torch.zeros(steps + 1)
    if steps:
        logits[1] = value
    return logits
