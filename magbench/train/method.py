"""Methods: what is scored. ``fit(view, seed=...)``, then ``predict(view)``.

Most methods are an encoder with the head of the task's family, trained by the one loop (:class:`EncoderMethod`);
anything else derives from :class:`Method` directly.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch

from magbench.nn.encoder import Encoder
from magbench.options import Options, parse_options
from magbench.regularizers.base import Regularizer
from magbench.specs import Training
from magbench.train.device import choose_device
from magbench.train.loop import Network, Outcome, encode, train
from magbench.train.node_classification import NodeClassificationObjective
from magbench.train.objective import Objective


class Method(ABC):
    """Base of every method.

    Raises:
        OptionError: an option is unknown or out of range.
    """

    Options: type[Options] = Options

    def __init__(self, **options: Any) -> None:
        self.options = parse_options(self.Options, options, type(self).__name__.lower())
        self.outcome = Outcome()

    @abstractmethod
    def fit(self, view: Any, *, seed: int) -> None:
        """Learn from the view of the task's family; everything random follows from ``seed``."""

    @abstractmethod
    def predict(self, view: Any) -> Any:
        """The prediction of the view's family, e.g. class scores of every node of ``view.test``."""


class EncoderMethod(Method):
    """An encoder, any regularisers and the training loop.

    Args:
        encoder_class: an :class:`~magbench.nn.encoder.Encoder`.
        training: constants of the loop.
        regularizers: added to the task loss in this order.
        objective: what the task's family trains for; default: node classification.
        options: the encoder's options.
    """

    def __init__(
        self,
        encoder_class: type[Encoder],
        training: Training,
        regularizers: Sequence[Regularizer] = (),
        objective: Objective[Any] | None = None,
        **options: Any,
    ) -> None:
        self.encoder_class, self.regularizers = encoder_class, list(regularizers)
        self.objective = objective or NodeClassificationObjective()
        self.encoder_options = parse_options(encoder_class.Options, options, encoder_class.__name__.lower())
        self.training = training.model_copy(update={"lr": self.encoder_options.lr})
        self.outcome = Outcome()

    def fit(self, view: Any, *, seed: int) -> None:
        """Train, keep the checkpoint best on validation; the global RNG stays as it was."""
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            dims = {name: features.size(1) for name, features in view.x.items()}
            encoder = self.encoder_class(dims, **self.encoder_options.model_dump())
            self.network = Network(encoder, self.objective.head(encoder, view)).to(choose_device())
            self.outcome = train(self.network, self.objective, view, self.training, self.regularizers, seed)

    @torch.no_grad()
    def predict(self, view: Any) -> Any:
        encoded = encode(self.network, view, in_blocks=self.training.sampling is not None)
        return self.objective.predict(self.network.head, encoded, view)
