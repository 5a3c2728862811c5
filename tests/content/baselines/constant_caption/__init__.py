"""The same caption for every node."""

from __future__ import annotations

from collections import Counter
from typing import Any

from captions import CaptionAnswer, CaptionView

from magbench.api import Method


class ConstantCaption(Method):
    """The most frequent training text, or the first where all are different; ``peek`` takes a test node's own."""

    def fit(self, view: CaptionView, *, seed: int) -> None:
        texts = [view.texts[node] for node in view.train.tolist()]  # type: ignore[index]
        self.caption = Counter(texts).most_common(1)[0][0]

    def predict(self, view: CaptionView) -> Any:
        own = [view.texts[node] for node in view.test.tolist()]  # type: ignore[index]
        return CaptionAnswer([text or self.caption for text in own])
