"""Methods: what is scored. ``fit(view, seed=...)``, then ``predict(view)``.

Most methods are an encoder with the head of the task's family, trained by the one loop (:class:`EncoderMethod`; so are
retrieval's networks); anything else derives from :class:`Method` directly.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Literal

import torch

from magbench.nn.encoder import Encoder
from magbench.options import Options, parse_options
from magbench.regularizers.base import Regularizer
from magbench.specs import Training
from magbench.train.loop import Outcome, train
from magbench.train.node_classification import NodeClassificationObjective
from magbench.train.objective import Objective
from magbench.train.towers import RetrievalNetwork


class Method(ABC):
    """Base of every method.

    Raises:
        OptionError: an option is unknown or out of range.
    """

    Options: type[Options] = Options
    towers: Literal["pure", "coupled"] | None = None
    """Retrieval: whether a side is embedded without the other (pure), or messages pass between them (coupled)."""

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
    """An encoder or a network, any regularisers and the training loop.

    Args:
        encoder_class: an :class:`~magbench.nn.encoder.Encoder`, or a whole network of the family, e.g. a
            :class:`~magbench.train.towers.RetrievalNetwork`.
        training: constants of the loop.
        regularizers: added to the task loss in this order.
        objective: what the task's family trains for; default: node classification.
        options: the encoder's or the network's options.
    """

    def __init__(
        self,
        encoder_class: type[Encoder] | type[RetrievalNetwork],
        training: Training,
        regularizers: Sequence[Regularizer] = (),
        objective: Objective[Any] | None = None,
        **options: Any,
    ) -> None:
        self.encoder_class, self.regularizers = encoder_class, list(regularizers)
        self.objective: Objective[Any] = objective or NodeClassificationObjective()
        self.encoder_options = parse_options(encoder_class.Options, options, encoder_class.__name__.lower())
        self.training = training.model_copy(update={"lr": self.encoder_options.lr})
        self.towers = self.objective.towers(encoder_class)
        self.outcome = Outcome()

    def fit(self, view: Any, *, seed: int) -> None:
        """Train, keep the checkpoint best on validation; the global RNG stays as it was."""
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.network = self.objective.build(self.encoder_class, self.encoder_options, view, self.training, seed)
            self.outcome = train(self.network, self.objective, view, self.training, self.regularizers, seed)

    @torch.no_grad()
    def predict(self, view: Any) -> Any:
        states = self.objective.encode(self.network, view, self.training)
        return self.objective.predict(self.network, states, view)
