"""What every table is made of: frozen parts that JSON can hold, and means with their spread."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from statistics import fmean, stdev
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict

ALPHA = 0.05
"""What is significant; intervals are at ``1 - ALPHA``."""


def _finite(value: Any) -> float | None:
    return None if value is None or not isfinite(value) else float(value)


Number = Annotated[float | None, BeforeValidator(_finite)]
"""A number; None where nothing was measured or it is not finite."""


class Table(BaseModel):
    """A table or a part of one: frozen, and ``model_dump(mode="json")`` is JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Spread(Table):
    """Mean and standard deviation (ddof 1) over seeds; ``std`` is None for one seed."""

    mean: Number
    std: Number


def spread(values: Sequence[float]) -> Spread | None:
    """Mean and standard deviation of some seeds; None of none."""
    if not values:
        return None
    finite = len(values) > 1 and all(map(isfinite, values))
    return Spread(mean=fmean(values), std=stdev(values) if finite else None)
