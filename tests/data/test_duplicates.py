"""Duplicates: by hand, by brute force, and pictures that were stored again."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from magbench.data.columns import ImageColumn
from magbench.data.mag import MAG
from magbench.data.report.directions import Directions
from magbench.data.report.duplicates import Duplicates, duplicates, equal_contents

Small = Callable[..., MAG]


def find(mag: MAG, modality: str) -> Duplicates:
    return duplicates(mag, modality, Directions.of(mag.x_dict[modality], mag.has_dict[modality]))


def stored(picture: Image.Image, form: str = "PNG", **options: int) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return buffer.getvalue()


def drawing(seed: int, side: int = 120) -> Image.Image:
    """Overlapping discs of many greys."""
    rng = np.random.default_rng(seed)
    picture = Image.new("RGB", (side, side), "white")
    for x, y, radius, shade in rng.integers((0, 0, 8, 0), (side, side, 50, 255), size=(25, 4)):
        ImageDraw.Draw(picture).ellipse((x - radius, y - radius, x + radius, y + radius), (int(shade),) * 3)
    return picture


def test_contents_are_numbered_by_their_bytes() -> None:
    content, first = equal_contents([b"b", None, b"a", b"b", None, b""])
    assert content.tolist() == [0, 3, 1, 0, 4, 2]
    assert first.tolist() == [0, 2, 5]
    content, first = equal_contents([None, None])
    assert content.tolist() == [0, 1]
    assert first.tolist() == []


def test_texts(small: Small) -> None:
    found = find(small(texts=["a red shoe", "shoe: a RED one", "a red shoe", None]), "text")
    assert found.basis == "texts"
    assert [group.tolist() for group in found.groups()] == [[0, 2]]
    assert found.near_nodes().tolist() == []  # 3 words of 4 are shared
    near = find(small(texts=["a red shoe", "shoe: a RED", "a red shoe", None]), "text")
    assert near.near_nodes().tolist() == [0, 1, 2]


def test_pictures_stored_again_are_near_and_others_are_not(small: Small) -> None:
    first, second = drawing(0), drawing(1)
    changed = [stored(first, "JPEG", quality=75), stored(first.resize((60, 60))), stored(second), b"no picture"]
    found = find(small(images=ImageColumn(changed)), "image")
    assert (found.basis, found.groups(), found.unreadable) == ("pictures", [], 1)
    assert found.near.tolist() == [[0], [1]]


def test_no_picture_at_all(small: Small) -> None:
    found = find(small(images=ImageColumn([None] * 4)), "image")
    assert (found.basis, found.groups(), found.near.shape, found.unreadable) == ("pictures", [], (2, 0), 0)


def test_without_contents_the_features_are_compared(small: Small) -> None:
    x = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.01, 1.0]])
    found = find(small(x={"sound": x}, has={}), "sound")
    assert found.basis == "features"
    assert [group.tolist() for group in found.groups()] == [[0, 1]]
    assert found.near_nodes().tolist() == [2, 3]


def test_a_missing_modality_has_no_duplicate(small: Small) -> None:
    found = find(
        small(x={"sound": torch.zeros(4, 2)}, has={"sound": torch.tensor([True, False, False, False])}), "sound"
    )
    assert found.groups() == []
    assert found.seen(np.array([0, 1]), np.array([2, 3])) == (0, 0)


def test_seen_by_hand() -> None:
    # Contents: nodes 0 and 4 are equal, 1 and 5 are nearly equal (contents 1 and 4), 2 and 3 are alone.
    found = Duplicates("texts", np.array([0, 1, 2, 3, 0, 4]), np.array([[1], [4]]))
    assert found.seen(np.array([0, 1, 2]), np.array([3, 4, 5])) == (1, 2)
    # Edge 0-1 repeats 5-4 by a near end, edge 0-2 repeats 2-4 by equal ends, edge 2-3 repeats nothing.
    items, known = np.array([[0, 0, 2], [1, 2, 3]]), np.array([[5, 2], [4, 4]])
    assert found.seen(items, known) == (1, 2)


@pytest.mark.parametrize("seed", range(5))
def test_seen_by_brute_force(seed: int) -> None:
    rng = np.random.default_rng(seed)
    content, near = rng.integers(12, size=40), np.unique(np.sort(rng.integers(12, size=(2, 8)), axis=0), axis=1)
    near = near[:, near[0] < near[1]]
    found = Duplicates("texts", content, near)
    alike = np.eye(12, dtype=bool)
    alike[near[0], near[1]] = alike[near[1], near[0]] = True
    for matrix, place in ((np.eye(12, dtype=bool), 0), (alike, 1)):
        same = matrix[content][:, content]
        items, known = rng.integers(40, size=9), rng.integers(40, size=5)
        assert found.seen(items, known)[place] == same[items][:, known].any(axis=1).sum()
        items, known = rng.integers(40, size=(2, 30)), rng.integers(40, size=(2, 10))
        straight = same[items[0]][:, known[0]] & same[items[1]][:, known[1]]
        crossed = same[items[0]][:, known[1]] & same[items[1]][:, known[0]]
        assert found.seen(items, known)[place] == (straight | crossed).any(axis=1).sum()
