"""Methods: what is scored. ``fit(view, seed=...)``, then ``predict(view)``.

Most methods are an encoder with a linear head, trained by the one loop (:class:`EncoderMethod`); anything else
derives from :class:`Method` directly.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from magbench.errors import MethodError
from magbench.nn.encoder import Encoded, Encoder
from magbench.options import Options, parse_options
from magbench.regularizers.base import Regularizer
from magbench.specs import Training
from magbench.tasks.views import NodeClassificationView, NodePrediction
from magbench.train.loop import Outcome, train


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
    def fit(self, view: NodeClassificationView, *, seed: int) -> None:
        """Learn from the view; everything random follows from ``seed``."""

    @abstractmethod
    def predict(self, view: NodeClassificationView) -> NodePrediction:
        """Class scores of every node of ``view.test``."""


class NodeClassifier(nn.Module):
    """An encoder and a linear head: logits float [N, C]."""

    def __init__(self, encoder: Encoder, num_classes: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = nn.Linear(encoder.hidden, num_classes)

    def forward(self, x: dict[str, Tensor], edge_index: Tensor, observed: dict[str, Tensor]) -> tuple[Encoded, Tensor]:
        encoded = self.encoder(x, edge_index, observed)
        self._check(encoded, len(next(iter(x.values()))))
        return encoded, self.head(self.encoder.dropout(encoded.h))

    def _check(self, encoded: Encoded, num_nodes: int) -> None:
        name, expected = type(self.encoder).__name__, [num_nodes, self.encoder.hidden]
        if not isinstance(encoded, Encoded):
            raise MethodError(
                f"{name}.forward() returned {type(encoded).__name__}, expected magbench.api.Encoded(z, h)."
            )
        if list(encoded.h.shape) != expected:
            raise MethodError(
                f"{name}.forward(): h must have shape {expected} (nodes, hidden), found {list(encoded.h.shape)}."
            )


class EncoderMethod(Method):
    """An encoder, any regularisers and the training loop.

    Args:
        encoder_class: an :class:`~magbench.nn.encoder.Encoder`.
        training: constants of the loop.
        regularizers: added to the task loss in this order.
        options: the encoder's options.
    """

    def __init__(
        self,
        encoder_class: type[Encoder],
        training: Training,
        regularizers: Sequence[Regularizer] = (),
        **options: Any,
    ) -> None:
        self.encoder_class, self.regularizers = encoder_class, list(regularizers)
        self.encoder_options = parse_options(encoder_class.Options, options, encoder_class.__name__.lower())
        self.training = training.model_copy(update={"lr": self.encoder_options.lr})
        self.outcome = Outcome()

    def fit(self, view: NodeClassificationView, *, seed: int) -> None:
        """Train on ``view.train``, keep the checkpoint best on ``view.val``; the global RNG stays as it was."""
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            dims = {name: features.size(1) for name, features in view.x.items()}
            encoder = self.encoder_class(dims, **self.encoder_options.model_dump())
            self.model = NodeClassifier(encoder, view.num_classes)
            self.outcome = train(self.model, view, self.training, self.regularizers, seed)

    @torch.no_grad()
    def predict(self, view: NodeClassificationView) -> NodePrediction:
        self.model.eval()
        _, logits = self.model(view.x, view.edge_index, view.observed)
        return NodePrediction(view.test.numpy(), logits[view.test].float().numpy().astype(np.float32))
