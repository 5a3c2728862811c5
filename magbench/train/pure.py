"""Pure methods of retrieval without the training loop: fitted on the pairs, then applied to one side at a time."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable
from typing import TypeVar

from torch import Tensor
from torch.nn import functional

from magbench.errors import MethodError
from magbench.tasks.views import RetrievalPrediction, RetrievalView, Side
from magbench.train.method import Method
from magbench.train.retrieval import pair_mrr, prediction

ModelT = TypeVar("ModelT")


class PureMethod(Method):
    """Base of the methods that embed a side without the other: :meth:`fit`, then :meth:`embed` for each side."""

    towers = "pure"

    @abstractmethod
    def embed(self, modality: str, side: Side) -> Tensor:
        """Embeddings float [M, d] of one side's rows, of any length; both sides' widths agree."""

    def embeddings(self, view: RetrievalView) -> dict[str, Tensor]:
        """modality → float [M, d], rows of length 1 (or 0)."""
        return {name: functional.normalize(self.embed(name, side), dim=1) for name, side in view.sides.items()}

    def predict(self, view: RetrievalView) -> RetrievalPrediction:
        return prediction(self.embeddings(view))

    def select(self, view: RetrievalView, candidates: Iterable[ModelT], adopt: Callable[[ModelT], None]) -> None:
        """Adopt the candidate with the largest mean reciprocal rank on validation, the first among equals.

        Args:
            view: what may be seen.
            candidates: what to choose from, made one after the other.
            adopt: makes the method embed as a candidate says.
        """
        best, chosen, trials = -1.0, None, 0
        for candidate in candidates:
            adopt(candidate)
            value, trials = pair_mrr(self.embeddings(view), view.val), trials + 1
            if value > best:
                best, chosen = value, candidate
        if chosen is None:
            raise MethodError(f"{type(self).__name__}: no candidate could be ranked on validation.")
        adopt(chosen)
        self.outcome.value, self.outcome.trials = best, trials


def train_rows(view: RetrievalView) -> tuple[Tensor, Tensor]:
    """Features of the training pairs on both sides, float64 [P, d_0] and [P, d_1]."""
    first, second = (side.x[own].double() for side, own in zip(view.sides.values(), view.train, strict=True))
    return first, second
