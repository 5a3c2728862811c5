"""Shares: a split rule that divides a whole into training, validation and test."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from magbench.specs import SplitRule


class Shares(SplitRule):
    """The share of each part; together they make the whole."""

    train: float = Field(0.6, gt=0, lt=1)
    val: float = Field(0.2, gt=0, lt=1)
    test: float = Field(0.2, gt=0, lt=1)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if abs(self.train + self.val + self.test - 1) > 1e-9:
            raise ValueError(f"train + val + test must be 1, found {self.train + self.val + self.test:g}")
        return self
