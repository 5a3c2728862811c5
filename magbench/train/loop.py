"""The one training loop: AdamW, early stopping on the validation value, best-validation checkpoint.

What is trained for is the family's :class:`~magbench.train.objective.Objective`. It and each regulariser draw from
generators of their own, so a regulariser of weight zero leaves every bit of the training as it was.
"""

from __future__ import annotations

import copy
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

import torch
from torch import Tensor, nn

from magbench.errors import MethodError
from magbench.regularizers.base import Context, Regularizer, calibrated_weight
from magbench.specs import Training
from magbench.train.device import choose_device, mixed_precision
from magbench.train.objective import Objective


@dataclass
class Outcome:
    """What fitting left behind besides the model.

    Attributes:
        epoch: epoch of the kept checkpoint (``None``: the method has no epochs).
        value: validation value that selected it (``None``: nothing was selected).
        metric: what that value is of (``None``: as for ``value``).
        trials: configurations that were compared on validation.
        config: the settings that were chosen among them.
        params: number of fitted parameters, in whatever order they were fitted.
        history: one row a validation: epoch, loss, and the value as ``val_<metric>``.
        telemetry: means of the regularisers' diagnostics over the training steps.
    """

    epoch: int | None = None
    value: float | None = None
    metric: str | None = None
    trials: int = 1
    config: dict[str, Any] = field(default_factory=dict)
    params: int | None = None
    history: list[dict[str, float]] = field(default_factory=list)
    telemetry: dict[str, float] = field(default_factory=dict)


def merged(outcomes: Sequence[Outcome]) -> Outcome:
    """The outcome of several fits: means, with the history of all, each row with the number of its pass.

    One outcome is returned as it is.
    """
    if len(outcomes) == 1:
        return outcomes[0]
    values = [outcome.value for outcome in outcomes if outcome.value is not None]
    names = {name for outcome in outcomes for name in outcome.telemetry}
    epochs = {outcome.epoch for outcome in outcomes}
    return Outcome(
        epoch=epochs.pop() if len(epochs) == 1 else None,
        value=fmean(values) if values else None,
        metric=outcomes[0].metric,
        config=_shared(outcomes),
        trials=max(outcome.trials for outcome in outcomes),
        params=outcomes[0].params,
        history=[{"pass": number, **row} for number, outcome in enumerate(outcomes) for row in outcome.history],
        telemetry={
            name: fmean(outcome.telemetry[name] for outcome in outcomes if name in outcome.telemetry)
            for name in sorted(names)
        },
    )


def _shared(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """The settings that every fit chose alike."""
    first, *others = (outcome.config for outcome in outcomes)
    return {name: value for name, value in first.items() if all(other.get(name) == value for other in others)}


def train(
    network: nn.Module,
    objective: Objective[Any],
    view: Any,
    training: Training,
    regularizers: Sequence[Regularizer],
    seed: int,
) -> Outcome:
    """Train ``network`` for ``objective``, on the device of :func:`choose_device`, and load its best checkpoint.

    Args:
        network: what the objective's ``build`` gave; moved and trained in place.
        objective: batches, loss and validation value.
        view: what may be seen.
        training: constants of the loop.
        regularizers: each adds ``lam`` times its loss.
        seed: seeds the generators of the objective, of the mini-batches and of the regularisers.

    Raises:
        MethodError: the loss or the validation value is not finite, or there are regularisers and nothing to train.

    A network without anything to train is evaluated once.
    """
    network.to(choose_device())
    if not any(parameter.requires_grad for parameter in network.parameters()):
        _refuse(regularizers)
        return _untrained(network, objective, view, training)
    groups = objective.parameters(network)
    optimizer = torch.optim.AdamW(groups, lr=training.lr, weight_decay=training.weight_decay)
    steps = objective.epochs(network, view, training, regularizers, seed)
    penalties = [Penalty(regularizer, seed, index) for index, regularizer in enumerate(regularizers)]
    outcome = Outcome(metric=objective.metric, params=objective.fitted(network))
    best, best_state, step = -math.inf, trained_state(network), 0
    for epoch in range(1, training.max_epochs + 1):
        losses = []
        for batch in steps(epoch):
            losses.append(_step(network, objective, batch, optimizer, penalties, epoch, step, training))
            step += 1
        if epoch % training.validate_every and epoch != training.max_epochs:
            continue
        value = _value(network, objective, view, training)
        outcome.history.append({"epoch": epoch, "loss": fmean(losses), f"val_{objective.metric}": value})
        if value > best:
            best, best_state = value, trained_state(network)
            outcome.epoch, outcome.value = epoch, value
        elif outcome.epoch is not None and epoch - outcome.epoch >= training.patience:
            break
    network.load_state_dict(best_state, strict=False)
    for penalty in penalties:
        outcome.telemetry.update(penalty.telemetry())
    outcome.telemetry.update(objective.telemetry(network, view, training))
    return outcome


def trained_state(network: nn.Module) -> dict[str, Any]:
    """A copy of what training changes: the weights that require gradients and the buffers, by their names in the state.

    Frozen weights, which may be a language model's, are neither copied nor loaded again.
    """
    parameters = network.named_parameters(remove_duplicate=False)
    frozen = {name for name, parameter in parameters if not parameter.requires_grad}
    return copy.deepcopy({name: value for name, value in network.state_dict().items() if name not in frozen})


def _refuse(regularizers: Sequence[Regularizer]) -> None:
    if regularizers:
        names = " and ".join(regularizer.name for regularizer in regularizers)
        raise MethodError(
            f"The network has nothing to train with these options, so {names} would change nothing. Leave it out, or"
            " choose options that train something (for goma: map=trained)."
        )


def _untrained(network: nn.Module, objective: Objective[Any], view: Any, training: Training) -> Outcome:
    value = _value(network, objective, view, training)
    telemetry = objective.telemetry(network, view, training)
    return Outcome(value=value, metric=objective.metric, params=objective.fitted(network), telemetry=telemetry)


class Penalty:
    """A regulariser inside the loop: its generator, its schedule, its calibrated weight and its telemetry."""

    def __init__(self, regularizer: Regularizer, seed: int, index: int) -> None:
        self.regularizer, self.options = regularizer, regularizer.options
        self.generator = torch.Generator().manual_seed((index + 1) * 2**32 + seed)
        self.weight: float | None = None if self.options.gradient_ratio is not None else self.options.lam
        self.measured: dict[str, list[float]] = defaultdict(list)
        self.steps = 0

    def due(self, epoch: int) -> bool:
        """Whether the regulariser takes part in this step, of an epoch from 1; never at weight zero."""
        if self.weight == 0 or epoch <= self.options.warmup:
            return False
        self.steps += 1
        return (self.steps - 1) % int(self.options.every) == 0

    def __call__(self, context: Context, task_loss: Tensor, z: dict[str, Tensor]) -> Tensor:
        """The weighted loss of this step; calibrates the weight at the first one, by gradients to all states ``z``."""
        loss, diagnostics = self.regularizer(context)
        if self.weight is None:
            self.weight = calibrated_weight(task_loss, loss, z, self.options.gradient_ratio)
        for key, value in {**diagnostics, "loss": loss.item(), "lam": self.weight}.items():
            self.measured[key].append(float(value))
        return self.weight * loss

    def telemetry(self) -> dict[str, float]:
        """Each quantity's mean over the steps that measured it."""
        return {f"{self.regularizer.name}.{key}": fmean(values) for key, values in self.measured.items()}


def _step(
    network: nn.Module,
    objective: Objective[Any],
    batch: Any,
    optimizer: torch.optim.Optimizer,
    penalties: Sequence[Penalty],
    epoch: int,
    step: int,
    training: Training,
) -> float:
    network.train()
    optimizer.zero_grad()
    device = next(network.parameters()).device
    batch = batch.to(device)
    with mixed_precision(device, training.sampling is not None):
        states = objective.forward(network, batch)
    task_loss = objective.loss(network, states, batch)
    total = task_loss
    for penalty in penalties:
        if penalty.due(epoch):
            context = objective.context(states, batch, step, penalty.generator)
            total = total + penalty(context, task_loss, states.z)
    if not torch.isfinite(total):
        raise MethodError(
            f"The training loss became {total.item()} at epoch {epoch}; lower lr or the regulariser's lam."
        )
    total.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return task_loss.item()


@torch.no_grad()
def _value(network: nn.Module, objective: Objective[Any], view: Any, training: Training) -> float:
    value = objective.validate(network, objective.encode(network, view, training), view)
    if not math.isfinite(value):
        raise MethodError(
            f"The validation {objective.metric} became {value}, which selects no checkpoint; look for NaN in the"
            " method's states, or lower lr."
        )
    return value
