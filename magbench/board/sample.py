"""What a page shows beside its tables: some of the test nodes as a method saw them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Sample:
    """One test node as a method saw it.

    Attributes:
        node: its index in the data set.
        text: its name or text, shown shortened.
        image: WebP, PNG or JPEG bytes, or None.
        true, predicted: names of the true and the predicted class.
    """

    node: int
    text: str
    image: bytes | None
    true: str
    predicted: str


@dataclass(frozen=True)
class Sampled:
    """Some of the test nodes of one run: of a method with a seed on a task, feature set and protocol."""

    question: tuple[str, str, str]
    method: str
    seed: int
    nodes: Sequence[Sample]
