"""A small factory of results frames."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pandas as pd
import pytest

Factory = Callable[..., pd.DataFrame]


@pytest.fixture
def results() -> Factory:
    def build(
        scores: Mapping[str, Sequence[float]], *, task: str = "nc/toy", dataset: str = "toy", metric: str = "accuracy"
    ) -> pd.DataFrame:
        """One row a score; a method's scores are those of seeds 0, 1, 2 …"""
        rows = [
            {"task": task, "dataset": dataset, "method": method, "seed": seed, "metric": metric, "value": value}
            for method, values in scores.items()
            for seed, value in enumerate(values)
        ]
        return pd.DataFrame(rows).assign(split="test", n=100)

    return build
