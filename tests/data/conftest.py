"""A small MAG that the tests of the data package share."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
import torch
from PIL import Image

from magbench.data.columns import ImageColumn
from magbench.data.mag import MAG, simple_undirected


def picture(shade: int) -> bytes:
    """A 4 × 4 PNG of one red shade."""
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4), (shade, 0, 0)).save(buffer, "PNG")
    return buffer.getvalue()


def make_small(**changes: object) -> MAG:
    """Four nodes on a path 0-1-2-3; node 3 has no image."""
    x = {"text": torch.arange(8.0).reshape(4, 2) + 1, "image": torch.ones(4, 3)}
    x["image"][3] = 0
    settings: dict[str, object] = {
        "name": "small",
        "version": 1,
        "edge_index": simple_undirected(torch.tensor([[0, 1, 2], [1, 2, 3]]), 4),
        "x": x,
        "has": {"image": torch.tensor([True, True, True, False])},
        "labels": {"y": torch.tensor([0, 1, 1, -1]), "y_coarse": torch.tensor([0, 0, 0, 0])},
        "classes": {"y": ("cat", "dog"), "y_coarse": ("animal",)},
        "texts": ["a", "b", None, "d"],
        "images": ImageColumn([picture(10), picture(20), picture(30), None]),
        "features": "toy",
    }
    return MAG.build(**{**settings, **changes})


@pytest.fixture
def small() -> Callable[..., MAG]:
    """Makes the small MAG; keyword arguments replace those of ``MAG.build``."""
    return make_small
