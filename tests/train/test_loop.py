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
from magbench.train.loop import train
from magbench.train.method import EncoderMethod
from magbench.train.network import encode
from magbench.train.node_classification import NodeClassificationObjective


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


class Shifted(NodeClassificationObjective):
    """Accuracy minus 5: a value that is negative throughout, as a log-likelihood is."""

    def validate(self, network, encoded, view):
        return super().validate(network, encoded, view) - 5


class Undefined(NodeClassificationObjective):
    def validate(self, network, encoded, view):
        return float("nan")


def test_values_below_minus_one_select(view: NodeClassificationView) -> None:
    plain = fitted(view, epochs=30)
    shifted = EncoderMethod(SAGE, short_training(30), (), Shifted(), hidden=16, lr=0.01)
    shifted.fit(view, seed=0)
    assert (shifted.outcome.epoch, shifted.outcome.value) == (plain.outcome.epoch, plain.outcome.value - 5)
    assert shifted.predict(view).scores.tobytes() == plain.predict(view).scores.tobytes()


def test_a_value_that_is_no_number_is_named(view: NodeClassificationView) -> None:
    method = EncoderMethod(SAGE, short_training(3), (), Undefined(), hidden=16, lr=0.01)
    with pytest.raises(MethodError, match="validation accuracy became nan"):
        method.fit(view, seed=0)


class Backed(MLP):
    """A frozen weight, which may be a language model's, and a buffer that counts the training steps."""

    def __init__(self, in_dims, **options):
        super().__init__(in_dims, **options)
        self.language_model = torch.nn.Linear(64, 64).requires_grad_(False)
        self.register_buffer("steps", torch.zeros(()))

    def forward(self, *arguments):
        self.steps += self.training
        return super().forward(*arguments)


def test_the_checkpoint_is_what_training_changes(view: NodeClassificationView, monkeypatch) -> None:
    objective, training = NodeClassificationObjective(), short_training(80)
    torch.manual_seed(0)
    network = objective.build(Backed, Backed.Options(hidden=16), view, training, 0)
    frozen = network.encoder.language_model.weight.clone()
    loaded = {}
    load = network.load_state_dict
    monkeypatch.setattr(network, "load_state_dict", lambda state, **how: (loaded.update(state), load(state, **how)))
    outcome = train(network, objective, view, training, (), 0)
    trainable = {name for name, parameter in network.named_parameters() if parameter.requires_grad}
    assert set(loaded) == {*trainable, "encoder.steps"}
    assert outcome.epoch < 80 and network.encoder.steps == outcome.epoch
    assert torch.equal(network.encoder.language_model.weight, frozen)


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
