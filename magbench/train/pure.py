"""Pure methods of retrieval without the training loop: fitted on the pairs, then applied to one side at a time."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterable, Mapping
from typing import TypeVar

from torch import Tensor
from torch.nn import functional

from magbench.errors import MethodError
from magbench.tasks.retrieval.view import RetrievalAnswer, RetrievalView, Side
from magbench.train.loop import Outcome
from magbench.train.method import Method
from magbench.train.retrieval import pair_mrr, prediction

ModelT = TypeVar("ModelT")


class PureMethod(Method):
    """Base of the methods that embed a side without the other: :meth:`fit`, then :meth:`embed` for each side."""

    towers = "pure"

    @abstractmethod
    def embed(self, modality: str, side: Side) -> Tensor:
        """Embeddings float [M, d] of one side's rows, of any length; both sides have the same width d."""

    def predict(self, view: RetrievalView) -> RetrievalAnswer:
        return prediction(unit({name: self.embed(name, side) for name, side in view.sides.items()}))


def unit(embeddings: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same with rows of length 1 (rows of zeros stay)."""
    return {name: functional.normalize(rows, dim=1) for name, rows in embeddings.items()}


def select(candidates: Iterable[tuple[ModelT, Mapping[str, Tensor]]], view: RetrievalView, outcome: Outcome) -> ModelT:
    """The candidate with the largest mean reciprocal rank on validation, the first among equals.

    Args:
        candidates: each with its embeddings of both sides, of any length; made one after the other.
        view: its validation pairs decide.
        outcome: gets the value and the number of candidates.

    Raises:
        MethodError: there is no candidate.
    """
    best, chosen, outcome.trials, outcome.metric = -math.inf, None, 0, "mrr"
    for candidate, embeddings in candidates:
        value, outcome.trials = pair_mrr(unit(embeddings), view.val), outcome.trials + 1
        if value > best:
            best, chosen, outcome.value = value, candidate, value
    if chosen is None:
        raise MethodError("There is no candidate to choose from; give the method's options at least one value each.")
    return chosen


SHARED_SPACES = ("clip", "imagebind")
"""Feature sets whose text and picture encoders were trained into one space. OpenMAG's ``mmag-clip-768`` is not among
them: its publisher's code may have put a random map of each modality's own behind the encoders."""


def require_shared_space(name: str, view: RetrievalView, *, trusted: bool) -> None:
    """Raise unless the frozen features of both sides can be compared as they are.

    Raises:
        MethodError: they differ in width, or the feature set is none of ``SHARED_SPACES`` and not ``trusted``.
    """
    widths = {modality: side.x.size(1) for modality, side in view.sides.items()}
    if len(set(widths.values())) > 1:
        raise MethodError(
            f"{name} compares frozen features as they are, but those of this set have the widths {widths}. Use ridge or"
            " procrustes, which fit a map."
        )
    if not trusted and view.features not in SHARED_SPACES:
        raise MethodError(
            f"{name} compares frozen features as they are, but the encoders of {view.features or 'this set'!r} are not"
            f" known to share a space (known: {', '.join(SHARED_SPACES)}). Use ridge or procrustes, or say they do:"
            f" {name}[shared=true]."
        )
