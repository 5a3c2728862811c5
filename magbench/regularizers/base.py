"""What a regulariser is: a callable that turns the states of one training step into an unweighted loss and diagnostics.

    loss, diagnostics = regularizer(ctx)        # ctx: a Context
    total = task_loss + weight * loss           # weight: options.lam, or calibrated_weight(...)

A regulariser is made anew for each training run, keeps no model parameters, draws only from ``ctx.generator`` (so that
``lam=0`` trains bit-identically to no regulariser) and needs torch, numpy and pydantic alone.
"""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import torch
from pydantic import BeforeValidator, Field
from torch import Tensor

from magbench.errors import MagbenchWarning, MethodError
from magbench.options import Options, parse_options

Diagnostics = dict[str, float]


@dataclass(frozen=True)
class Context:
    """One training step as a regulariser sees it.

    Attributes:
        z: states ``[N, d_m]`` of each modality, after the encoder's activation, before dropout and fusion.
        h: fused states ``[N, d]``, or None.
        node_ids: int64 ``[N]``, the nodes' numbers in the whole graph.
        edge_index: int64 ``[2, E]`` over positions 0..N-1 of ``z`` (full batch: the whole graph).
        observed: bool ``[N]`` for each modality, False where the modality is missing.
        y_train: int64 ``[N]``, -1 where the label is not a training label.
        step: number of the optimisation step, from 0.
        generator: the regulariser's own random generator.
    """

    z: dict[str, Tensor]
    h: Tensor | None
    node_ids: Tensor
    edge_index: Tensor
    observed: dict[str, Tensor]
    y_train: Tensor
    step: int
    generator: torch.Generator


def _none(value: Any) -> Any:
    """The command line writes None as ``none``."""
    return None if value == "none" else value


OptionalNumber = Annotated[float | None, BeforeValidator(_none)]


class RegularizerOptions(Options):
    """Options every regulariser has; a subclass adds its own."""

    lam: float = Field(default=1.0, ge=0)
    """Weight of the loss; the training loop multiplies. 0 leaves training bit-identical to no regulariser."""
    gradient_ratio: OptionalNumber = Field(default=None, gt=0)
    """If given, replaces ``lam``: set once, after ``warmup``, so that |grad_z reg| is this share of the task's."""
    every: int = Field(default=1, ge=1)
    """Apply on every k-th step only; the weight is not rescaled."""
    warmup: int = Field(default=0, ge=0)
    """Epochs trained without the regulariser."""


class Regularizer(ABC):
    """Base of all regularisers.

    Args:
        options: the fields of ``Options``.

    Raises:
        OptionError: an unknown option, or a value out of range.
    """

    name: ClassVar[str] = "regularizer"
    Options: ClassVar[type[RegularizerOptions]] = RegularizerOptions

    def __init__(self, **options: Any) -> None:
        self.options: Any = parse_options(self.Options, options, self.name)
        self._warned: set[str] = set()

    @property
    def active(self) -> bool:
        """Whether it can ever add to a loss."""
        return self.options.gradient_ratio is not None or self.options.lam != 0

    def prepare(self, edge_index: Tensor, num_nodes: int) -> None:  # noqa: B027  # nothing to do, unless overridden
        """See the whole graph, int64 ``[2, E]``, once before training on mini-batches of it."""

    @abstractmethod
    def __call__(self, ctx: Context) -> tuple[Tensor, Diagnostics]:
        """The unweighted loss (a scalar with a gradient to ``ctx.z``) and numbers worth logging."""

    def warn_once(self, key: str, message: str, category: type[Warning] = MagbenchWarning) -> None:
        """Warn about one kind of trouble, the first time this object meets it."""
        if key not in self._warned:
            self._warned.add(key)
            warnings.warn(f"{type(self).__name__}: {message}", category, stacklevel=3)


def calibrated_weight(task_loss: Tensor, reg_loss: Tensor, z: dict[str, Tensor], ratio: float) -> float:
    """The weight at which the regulariser's gradient is ``ratio`` times the task's, both with respect to ``z``.

    weight = ratio |grad_z task| / |grad_z reg|, Euclidean norm over all modalities. Graphs are kept for the backward
    pass that follows.

    Returns:
        The weight; 0 where the regulariser has no gradient (it then warns).
    """
    task, reg = gradient_norm(task_loss, z), gradient_norm(reg_loss, z)
    if reg == 0.0:
        warnings.warn(
            "calibrated_weight: the regulariser has no gradient at this step, so its weight is set to 0.",
            MagbenchWarning,
            stacklevel=2,
        )
        return 0.0
    return ratio * task / reg


def gradient_norm(loss: Tensor, z: dict[str, Tensor]) -> float:
    """Euclidean norm of the gradient of ``loss`` with respect to all states together; keeps the graph."""
    if not loss.requires_grad:
        return 0.0
    grads = torch.autograd.grad(loss, list(z.values()), retain_graph=True, allow_unused=True)
    return float(sum(float((g.double() ** 2).sum()) for g in grads if g is not None) ** 0.5)


def observed_mask(ctx: Context, modality: str) -> Tensor:
    """bool ``[N]``: where ``modality`` is present (everywhere, if ``ctx.observed`` does not name it)."""
    mask = ctx.observed.get(modality)
    return torch.ones(len(ctx.node_ids), dtype=torch.bool, device=ctx.node_ids.device) if mask is None else mask


def sample_nodes(nodes: Tensor, most: int, generator: torch.Generator) -> Tensor:
    """int64 ``[K]`` nodes, or ``most`` of them drawn uniformly from ``generator`` where there are more."""
    if len(nodes) <= most:
        return nodes
    order = torch.randperm(len(nodes), generator=generator, device=generator.device)
    return nodes[order[:most].to(nodes.device)]


def require_shared_width(name: str, z: dict[str, Tensor]) -> None:
    """Raise MethodError unless all modalities have one width d."""
    widths = {modality: int(state.shape[1]) for modality, state in z.items()}
    if len(set(widths.values())) > 1:
        raise MethodError(
            f"{name} compares modalities with each other, but the encoder's states have the widths {widths}; give every"
            " modality the same hidden size."
        )
