"""SGC smoothing of each side's frozen features, then ridge regression (Wu et al., 2019)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor

from magbench.api import Side
from magbench.nn.propagation import smooth
from magbench.train.alignment import RidgeAlignment, RidgeOptions, unit_rows


class SGCOptions(RidgeOptions):
    """``K``: smoothing steps; ``auto``: validation chooses among 1, 2 and 4."""

    K: Literal["auto"] | Annotated[int, Field(ge=0)] = "auto"


class SGC(RidgeAlignment):
    """S^K X on each side by itself, with S the symmetrically normalised adjacency with self-loops."""

    Options = SGCOptions

    def steps_tried(self) -> tuple[int, ...]:
        return (1, 2, 4) if self.options.K == "auto" else (self.options.K,)

    def smoothed(self, side: Side, steps: int) -> Tensor:
        return smooth(unit_rows(side.x), side.edge_index, steps)
