"""APPNP smoothing of each side's frozen features, then ridge regression (Gasteiger et al., 2019)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor

from magbench.api import Side
from magbench.nn.propagation import smooth
from magbench.train.alignment import RidgeAlignment, RidgeOptions, unit_rows


class APPNPOptions(RidgeOptions):
    """``alpha``: teleport share of each step; ``K``: steps; ``auto``: validation chooses among 1, 2, 4 and 10."""

    alpha: float = Field(0.2, gt=0, le=1)
    K: Literal["auto"] | Annotated[int, Field(ge=0)] = "auto"


class APPNP(RidgeAlignment):
    """H(k + 1) = (1 - alpha) S H(k) + alpha X on each side by itself."""

    Options = APPNPOptions

    def steps_tried(self) -> tuple[int, ...]:
        return (1, 2, 4, 10) if self.options.K == "auto" else (self.options.K,)

    def smoothed(self, side: Side, steps: int) -> Tensor:
        return smooth(unit_rows(side.x), side.edge_index, steps, teleport=self.options.alpha)
