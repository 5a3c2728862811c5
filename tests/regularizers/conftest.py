"""Small contexts for regularisers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from magbench.data.mag import simple_undirected
from magbench.regularizers.base import Context

MakeContext = Callable[..., Context]


@pytest.fixture
def make_context() -> MakeContext:
    """A factory: ``make_context(n=60, d=8, seed=0, modalities=("text", "image"), **fields)``."""

    def make(
        n: int = 60,
        d: int = 8,
        seed: int = 0,
        modalities: tuple[str, ...] = ("text", "image"),
        dtype: torch.dtype = torch.float32,
        **fields: Any,
    ) -> Context:
        generator = torch.Generator().manual_seed(seed)
        z = {m: torch.randn(n, d, generator=generator, dtype=dtype).requires_grad_() for m in modalities}
        edges = simple_undirected(torch.randint(0, n, (2, 2 * n), generator=generator), n)
        known: dict[str, Any] = {
            "z": z,
            "h": None,
            "node_ids": torch.arange(n),
            "edge_index": edges,
            "observed": {m: torch.ones(n, dtype=torch.bool) for m in modalities},
            "y_train": torch.full((n,), -1),
            "step": 0,
            "generator": torch.Generator().manual_seed(seed),
        }
        return Context(**{**known, **fields})

    return make
