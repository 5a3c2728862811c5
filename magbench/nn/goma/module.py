"""GOMA: both modalities' vectors smoothed together over the graph, and a readout over the steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from magbench.checks import choice, number, whole
from magbench.errors import MethodError
from magbench.nn.goma.graph import CoupledGraph
from magbench.nn.goma.operators import Cosine, Learned, Operator, Uniform
from magbench.nn.goma.readout import Global, Readout, entropy, make_readout
from magbench.nn.goma.smoothing import LEAST_ALPHA, Trajectory, keep_every, limit, mix

OPERATORS = ("uniform", "cosine", "learned")


@dataclass(frozen=True, eq=False)
class Smoothed:
    """What GOMA gives.

    Attributes:
        embeddings: for each side float [n_p, d] with unit rows; the score of a pair is the inner product.
        weights: g, float [N, K + 1] or [1, K + 1], K being the last step that the readout takes (k of ``fixed:k``);
            None for ``limit``.
        entropy: the readout's, in [0, 1] (:func:`magbench.nn.goma.readout.entropy`); a penalty may be put on it.
    """

    embeddings: tuple[Tensor, Tensor]
    weights: Tensor | None
    entropy: Tensor


@dataclass(frozen=True, eq=False)
class Run:
    """The smoothing without the readout. Where neither the vectors nor the operator learn, one serves every step.

    Attributes:
        e: E, float [N, d], unit rows.
        values: float [E], the entries of M.
        graph: its rows.
        states: H(0) … H(K), K being the last step that the readout takes; or H(inf) float [N, d] for ``limit``.
    """

    e: Tensor
    values: Tensor
    graph: CoupledGraph
    states: Trajectory | Tensor


class GOMA(nn.Module):
    """Coupled smoothing with an operator and a readout; a re-implementation from public descriptions.

    With E the stacked unit rows of both sides, H(0) = E and H(k + 1) = (1 - alpha) M H(k) + alpha E (see
    :mod:`~magbench.nn.goma.operators` for M), a node's embedding is the normalised sum over k of g_ik H(k)_i / |H(k)_i|
    (see :mod:`~magbench.nn.goma.readout` for g), or H(inf).

    Args:
        dim: width d of the vectors of both sides; a map must bring different widths to one first.
        steps: K.
        alpha: teleport share, in (0, 1].
        operator: ``uniform``, ``cosine`` or ``learned``.
        readout: ``node``, ``global``, ``uniform``, ``limit`` or ``fixed:k``.
        norm: ``row`` or ``sym``.
        coupling: share of the other modality in a row of M, in [.01, .99]; whether there is one, the graph decides.
        own_share: part of ``coupling`` for the node's own other half, where the graph has shortcuts.
        theta: temperature of ``cosine``.
        rank, init, degree_bias: of ``learned``.
        first_step, hidden, temperature: of the readouts ``global`` and ``node``.

    Raises:
        OptionError: a value that is not allowed.

    Source: GOMA, arXiv 2605.15723, as publicly described: the recursion's limit, the zero cross-modal diagonal and the
    choice of a step for each node are the paper's; the operators' and the gate's form are completions.

    >>> graph = CoupledGraph.of_nodes(torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]]), num_nodes=3)
    >>> out = GOMA(4, steps=2, readout="fixed:1")((torch.eye(3, 4), torch.ones(3, 4)), graph)
    >>> [tuple(side.shape) for side in out.embeddings]
    [(3, 4), (3, 4)]
    """

    def __init__(
        self,
        dim: int,
        *,
        steps: int = 6,
        alpha: float = 0.2,
        operator: str = "uniform",
        readout: str = "node",
        norm: str = "row",
        coupling: float = 0.5,
        own_share: float = 0.5,
        theta: float = 0.2,
        rank: int = 64,
        init: float = 0.1,
        degree_bias: bool = False,
        first_step: float = 2.0,
        hidden: int = 16,
        temperature: float = 1.0,
    ) -> None:
        super().__init__()
        choice("operator", operator, OPERATORS)
        number("alpha", alpha, 0.0, 1.0)
        whole("steps", steps)
        whole("dim", dim, 1)
        if readout == "limit":
            number("alpha", alpha, LEAST_ALPHA, 1.0, low_open=False)
        shared: dict[str, Any] = {"norm": norm, "coupling": coupling, "own_share": own_share}
        self.operator: Operator = Uniform(**shared)
        if operator == "cosine":
            self.operator = Cosine(theta=theta, **shared)
        if operator == "learned":
            self.operator = Learned(dim, rank=rank, init=init, degree_bias=degree_bias, **shared)
        self.readout: Readout | None = None
        if readout != "limit":
            self.readout = make_readout(readout, steps, first_step=first_step, hidden=hidden, temperature=temperature)
        self.dim, self.alpha = dim, alpha

    def forward(self, x: Sequence[Tensor], graph: CoupledGraph) -> Smoothed:
        """Embed both sides: ``x`` float [n_0, d] and [n_1, d]; rows of missing items are zero.

        Raises:
            MethodError: sides of another size, width or type than the parameters', or values that are not finite.
        """
        return self.read(self.run(x, graph))

    def run(self, x: Sequence[Tensor], graph: CoupledGraph) -> Run:
        """E, M and the states; the arguments and errors are those of a call."""
        self._check(x, graph)
        e = functional.normalize(torch.cat(list(x)), dim=1)
        values = self.operator(e, graph)
        if self.readout is None:
            return Run(e, values, graph, limit(e, values, graph, self.alpha))
        deep = e.requires_grad or values.requires_grad
        every = keep_every(e, self.readout.steps, deep=deep and torch.is_grad_enabled())
        return Run(e, values, graph, Trajectory(e, values, graph, self.alpha, self.readout.steps, every))

    def read(self, run: Run) -> Smoothed:
        """The readout of a run."""
        states, weights = run.states, None
        if isinstance(states, Trajectory):
            weights = cast(Readout, self.readout)(states, run.graph)
            states = mix(run.e, run.values, weights, states)
        return Smoothed(
            run.graph.sides(functional.normalize(states, dim=1)),
            weights,
            states.new_zeros(()) if weights is None else entropy(weights),
        )

    def parameter_groups(self, *, global_lr: float = 0.05) -> list[dict[str, Any]]:
        """Groups for an optimiser: the logits of the readout ``global`` learn at ``global_lr`` and do not decay."""
        apart = list(self.readout.parameters()) if isinstance(self.readout, Global) else []
        rest = [parameter for parameter in self.parameters() if not any(parameter is other for other in apart)]
        groups: list[dict[str, Any]] = [
            {"params": rest},
            {"params": apart, "lr": global_lr, "weight_decay": 0.0},
        ]
        return [group for group in groups if group["params"]]

    def _check(self, x: Sequence[Tensor], graph: CoupledGraph) -> None:
        types = {parameter.dtype for parameter in self.parameters()} or {torch.float32, torch.float64}
        for side in x:
            found = side.dtype if isinstance(side, Tensor) else type(side).__name__
            if found not in types:
                allowed = " or ".join(sorted(map(str, types)))
                raise MethodError(f"GOMA: a side is {found}; expected a tensor of {allowed}.")
        shapes = [list(side.shape) for side in x]
        if len(x) == 2 and shapes[0][-1] != shapes[1][-1]:
            raise MethodError(
                f"GOMA: the two sides have the widths {shapes[0][-1]} and {shapes[1][-1]}; smoothing mixes them, so map"
                " them to one width first (magbench.nn.goma.maps)."
            )
        if shapes != [[size, self.dim] for size in graph.sizes]:
            raise MethodError(
                f"GOMA: found sides of shapes {shapes}, expected {[[size, self.dim] for size in graph.sizes]}"
                " (the graph's nodes, dim)."
            )
        for name, side in zip(("first", "second"), x, strict=True):
            if not torch.isfinite(side.detach().sum()):
                raise MethodError(f"GOMA: the {name} side has values that are not finite; missing items are zero rows.")
