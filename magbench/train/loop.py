"""The one training loop: full batch, AdamW, early stopping on validation accuracy, best-validation checkpoint.

Regularisers draw from generators of their own, so a weight of zero leaves every bit of the training as it was.
"""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import fmean

import torch
from torch import Tensor, nn
from torch.nn import functional

from magbench.errors import MethodError
from magbench.regularizers.base import Context, Regularizer, calibrated_weight
from magbench.specs import Training
from magbench.tasks.views import NodeClassificationView


@dataclass
class Outcome:
    """What fitting left behind besides the model.

    Attributes:
        epoch: epoch of the kept checkpoint (``None``: the method has no epochs).
        value: validation accuracy that selected it (``None``: nothing was selected).
        trials: configurations that were compared on validation.
        params: number of trainable numbers.
        history: one row a validation: epoch, loss, val_accuracy.
        telemetry: means of the regularisers' diagnostics over the training steps.
    """

    epoch: int | None = None
    value: float | None = None
    trials: int = 1
    params: int | None = None
    history: list[dict[str, float]] = field(default_factory=list)
    telemetry: dict[str, float] = field(default_factory=dict)


def train(
    model: nn.Module,
    view: NodeClassificationView,
    training: Training,
    regularizers: Sequence[Regularizer],
    seed: int,
) -> Outcome:
    """Train ``model`` (``forward(x, edge_index, observed) -> (Encoded, logits)``) and load its best checkpoint.

    Args:
        model: network to train, in place.
        view: what may be seen.
        training: constants of the loop.
        regularizers: each adds ``lam`` times its loss.
        seed: seeds the regularisers' own generators.

    Raises:
        MethodError: the loss is not finite.
    """
    optimizer = torch.optim.AdamW(model.parameters(), lr=training.lr, weight_decay=training.weight_decay)
    penalties = [Penalty(regularizer, seed, index) for index, regularizer in enumerate(regularizers)]
    outcome = Outcome(params=sum(p.numel() for p in model.parameters() if p.requires_grad))
    best, best_state = -1.0, copy.deepcopy(model.state_dict())
    for epoch in range(1, training.max_epochs + 1):
        loss = _step(model, view, optimizer, penalties, epoch)
        if epoch % training.validate_every and epoch != training.max_epochs:
            continue
        accuracy = _validation_accuracy(model, view)
        outcome.history.append({"epoch": epoch, "loss": loss, "val_accuracy": accuracy})
        if accuracy > best:
            best, best_state = accuracy, copy.deepcopy(model.state_dict())
            outcome.epoch, outcome.value = epoch, accuracy
        elif outcome.epoch is not None and epoch - outcome.epoch >= training.patience:
            break
    model.load_state_dict(best_state)
    for penalty in penalties:
        outcome.telemetry.update(penalty.telemetry())
    return outcome


class Penalty:
    """A regulariser inside the loop: its generator, its schedule, its calibrated weight and its telemetry."""

    def __init__(self, regularizer: Regularizer, seed: int, index: int) -> None:
        self.regularizer, self.options = regularizer, regularizer.options
        self.generator = torch.Generator().manual_seed((index + 1) * 2**32 + seed)
        self.weight: float | None = None if self.options.gradient_ratio is not None else self.options.lam
        self.measured: dict[str, list[float]] = defaultdict(list)

    def due(self, epoch: int) -> bool:
        """Whether the regulariser takes part in this epoch (from 1); never at weight zero."""
        since = epoch - 1 - self.options.warmup
        return self.weight != 0 and since >= 0 and since % self.options.every == 0

    def __call__(self, context: Context, task_loss: Tensor) -> Tensor:
        """The weighted loss of this step; calibrates the weight at the first one."""
        loss, diagnostics = self.regularizer(context)
        if self.weight is None:
            self.weight = calibrated_weight(task_loss, loss, context.z, self.options.gradient_ratio)
        for key, value in {**diagnostics, "loss": loss.item(), "lam": self.weight}.items():
            self.measured[key].append(float(value))
        return self.weight * loss

    def telemetry(self) -> dict[str, float]:
        """Each quantity's mean over the steps that measured it."""
        return {f"{self.regularizer.name}.{key}": fmean(values) for key, values in self.measured.items()}


def _step(
    model: nn.Module,
    view: NodeClassificationView,
    optimizer: torch.optim.Optimizer,
    penalties: Sequence[Penalty],
    epoch: int,
) -> float:
    model.train()
    optimizer.zero_grad()
    encoded, logits = model(view.x, view.edge_index, view.observed)
    task_loss = functional.cross_entropy(logits[view.train], view.y[view.train])
    total = task_loss
    for penalty in penalties:
        if penalty.due(epoch):
            context = Context(
                z=encoded.z,
                h=encoded.h,
                node_ids=torch.arange(view.num_nodes),
                edge_index=view.edge_index,
                observed=view.observed,
                y_train=view.y_train,
                step=epoch - 1,
                generator=penalty.generator,
            )
            total = total + penalty(context, task_loss)
    if not torch.isfinite(total):
        raise MethodError(
            f"The training loss became {total.item()} at epoch {epoch}; lower lr or the regulariser's lam."
        )
    total.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return task_loss.item()


@torch.no_grad()
def _validation_accuracy(model: nn.Module, view: NodeClassificationView) -> float:
    model.eval()
    _, logits = model(view.x, view.edge_index, view.observed)
    return float((logits[view.val].argmax(1) == view.y[view.val]).double().mean())
