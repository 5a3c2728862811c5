"""The training loop: deterministic, early-stopped on validation, and untouched by a regulariser of weight zero."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from magbench.baselines.mlp import MLP
from magbench.baselines.sage import SAGE
from small import short_training, small_mag, small_task

from magbench.errors import MethodError
from magbench.regularizers import DAGR, OptiMAG
from magbench.regularizers.base import Context, Regularizer
from magbench.tasks.node_classification.view import NodeClassificationView
from magbench.train.method import EncoderMethod
from magbench.train.network import encode


@pytest.fixture(scope="module")
def view() -> NodeClassificationView:
    return small_task().view(small_mag(), 0)


def fitted(
    view: NodeClassificationView, *regularizers: Regularizer, seed: int = 0, epochs: int = 6, encoder=SAGE
) -> EncoderMethod:
    method = EncoderMethod(encoder, short_training(epochs), regularizers, hidden=16, lr=0.01)
    method.fit(view, seed=seed)
    return method


def scores(view: NodeClassificationView, *regularizers: Regularizer, **settings) -> np.ndarray:
    return fitted(view, *regularizers, **settings).predict(view).scores


def test_same_seed_same_bytes_other_seed_other_bytes(view: NodeClassificationView) -> None:
    assert scores(view).tobytes() == scores(view).tobytes()
    assert scores(view).tobytes() != scores(view, seed=1).tobytes()


def test_global_generator_is_left_alone(view: NodeClassificationView) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    scores(view)
    assert torch.equal(torch.rand(3), expected)


class Chatty(Regularizer):
    """Draws random numbers and returns an exact zero: must leave no trace in the training."""

    def __call__(self, ctx: Context) -> tuple[torch.Tensor, dict[str, float]]:
        torch.rand(1000, generator=ctx.generator)
        return 0.0 * sum(z.sum() for z in ctx.z.values()), {"draws": 1000.0}


@pytest.mark.parametrize("encoder", [MLP, SAGE])
def test_weight_zero_is_bit_identical(view: NodeClassificationView, encoder) -> None:
    plain = scores(view, encoder=encoder).tobytes()
    for regularizer in (OptiMAG(lam=0), DAGR(lam=0)):
        assert scores(view, regularizer, encoder=encoder).tobytes() == plain
    assert scores(view, Chatty(lam=1.0), encoder=encoder).tobytes() == plain


def test_a_regulariser_changes_the_training_and_reports(view: NodeClassificationView) -> None:
    method = fitted(view, DAGR(lam=1.0, warmup=1))
    assert method.predict(view).scores.tobytes() != scores(view).tobytes()
    assert method.outcome.telemetry["dagr.lam"] == 1.0


def test_calibrated_weight_meets_the_ratio(view: NodeClassificationView) -> None:
    telemetry = fitted(view, DAGR(gradient_ratio=0.5, warmup=1)).outcome.telemetry
    assert telemetry["dagr.lam"] > 0


def test_early_stopping_keeps_the_best_checkpoint(view: NodeClassificationView) -> None:
    method = fitted(view, epochs=300)
    history = method.outcome.history
    best = max(row["val_accuracy"] for row in history)
    assert method.outcome.value == best
    assert method.outcome.epoch == next(row["epoch"] for row in history if row["val_accuracy"] == best)
    assert history[-1]["epoch"] < 300 and history[-1]["epoch"] - method.outcome.epoch >= 50
    with torch.no_grad():
        logits = method.network.head(encode(method.network, view).h)
    assert (logits[view.val].argmax(1) == view.y[view.val]).double().mean().item() == best


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (lambda encoded: encoded.h, r"Wrong.forward\(\) returned Tensor, expected magbench.api.Encoded"),
        (lambda encoded: replace(encoded, h=encoded.h[:, :3]), r"h must have shape \[200, 16\].*found \[200, 3\]"),
    ],
)
def test_what_an_encoder_must_return(view: NodeClassificationView, output, message: str) -> None:
    class Wrong(MLP):
        def forward(self, x, edge_index, observed):
            return output(super().forward(x, edge_index, observed))

    with pytest.raises(MethodError, match=message):
        fitted(view, encoder=Wrong)


class Sporadic(Regularizer):
    """Measures something on every second step only."""

    name = "sporadic"

    def __call__(self, ctx: Context) -> tuple[torch.Tensor, dict[str, float]]:
        zero = 0.0 * sum(z.sum() for z in ctx.z.values())
        return zero, {"always": 3.0, **({"sometimes": 5.0} if ctx.step % 2 else {})}


def test_telemetry_is_the_mean_over_the_steps_that_measured(view: NodeClassificationView) -> None:
    telemetry = fitted(view, Sporadic(lam=1.0)).outcome.telemetry
    assert (telemetry["sporadic.always"], telemetry["sporadic.sometimes"]) == (3.0, 5.0)


class Exploding(Regularizer):
    """Returns infinity."""

    def __call__(self, ctx: Context) -> tuple[torch.Tensor, dict[str, float]]:
        return next(iter(ctx.z.values())).sum() * float("inf"), {}


def test_an_infinite_loss_is_named(view: NodeClassificationView) -> None:
    with pytest.raises(MethodError, match=r"became .* at epoch 1"):
        scores(view, Exploding(lam=1.0))
