"""Zero-shot: frozen features as they are, where both sides' encoders were trained into one space; nothing is fitted."""

from __future__ import annotations

from torch import Tensor

from magbench.api import Options, PureMethod, RetrievalView, Side
from magbench.train.pure import require_shared_space, unit
from magbench.train.retrieval import pair_mrr


class ZeroShotOptions(Options):
    """``shared``: take it that the sides share a space, whatever the feature set is called."""

    shared: bool = False


class ZeroShot(PureMethod):
    """Cosine of the frozen features; the value on validation is for the record alone."""

    Options = ZeroShotOptions

    def fit(self, view: RetrievalView, *, seed: int) -> None:
        require_shared_space("zero_shot", view, trusted=self.options.shared)
        self.outcome.metric = "mrr"
        self.outcome.value = pair_mrr(unit({name: side.x for name, side in view.sides.items()}), view.val)
        self.outcome.params = 0

    def embed(self, modality: str, side: Side) -> Tensor:
        return side.x
