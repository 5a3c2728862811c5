"""How nodes are divided into training, validation and test."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from magbench.tasks.shares import Shares


class SplitSpec(Shares):
    """How nodes are divided (:mod:`magbench.graph.splits`).

    ``stratified`` draws one split a seed, class by class; ``magb-42`` is MAGB's one permutation; ``official`` takes the
    split that the data set's authors publish. The last two are the same for every seed.
    """

    rule: Literal["stratified", "magb-42", "official"] = "stratified"
    min_class_size: int = Field(5, ge=3)
