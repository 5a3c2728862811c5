"""Any prediction of each kind, for properties that must hold for all of them."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from magbench.predictions.base import Prediction
from magbench.predictions.classes import Classes
from magbench.predictions.images import Images
from magbench.predictions.ranks import Ranks
from magbench.predictions.texts import Texts

SIZES = st.integers(0, 12)


def numbers(size: int, high: int, dtype: str = "<i8") -> st.SearchStrategy[np.ndarray]:
    return npst.arrays(dtype, size, elements=st.integers(0, high))


@st.composite
def any_classes(draw: st.DrawFn) -> Classes:
    size = draw(SIZES)
    nodes, true, found = draw(numbers(size, 2**31 - 1)), draw(numbers(size, 2**16 - 1)), draw(numbers(size, 2**16 - 1))
    shape = (size, draw(st.integers(1, 3)))
    scores = draw(st.none() | npst.arrays("<f4", shape, elements=st.floats(width=32, allow_nan=False)))
    return Classes(nodes, true, found, scores)


@st.composite
def any_ranks(draw: st.DrawFn) -> Ranks:
    size = draw(SIZES)
    above, equal = draw(numbers(size, 2**20, "<i4")), draw(numbers(size, 2**20, "<i4"))
    if draw(st.booleans()):
        return Ranks(above, equal)
    sides = np.array(draw(st.lists(st.sampled_from(["text", "image", "é"]), min_size=2, max_size=2, unique=True)))
    item, side, part = (
        draw(numbers(size, max(size - 1, 0), "<i4")),
        draw(numbers(size, 1, "|u1")),
        draw(numbers(size, 1, "|u1")),
    )
    pools = draw(numbers(2, 2**31 - 1, "<i4"))
    return Ranks(above, equal, item, side, part, sides, pools, np.array(["connected", "isolated"]))


@st.composite
def any_texts(draw: st.DrawFn) -> Texts:
    size = draw(SIZES)
    texts = draw(st.lists(st.text(max_size=6), min_size=size, max_size=size))
    own = st.lists(st.text(max_size=4), min_size=1, max_size=3)
    return Texts(draw(numbers(size, 2**31 - 1)), texts, draw(st.lists(own, min_size=size, max_size=size)))


@st.composite
def any_images(draw: st.DrawFn) -> Images:
    size = draw(SIZES)
    return Images(draw(numbers(size, 2**31 - 1)), draw(st.lists(st.binary(max_size=8), min_size=size, max_size=size)))


ANY: dict[str, st.SearchStrategy[Prediction]] = {
    "classes": any_classes(),
    "ranks": any_ranks(),
    "texts": any_texts(),
    "images": any_images(),
}


def example(kind: str) -> Prediction:
    """One small prediction of a kind, with every column that it may have."""
    nodes = np.array([3, 5, 8])
    if kind == "classes":
        return Classes(nodes, np.array([0, 1, 2]), np.array([0, 2, 2]), np.eye(3, dtype=np.float32)[[0, 2, 2]])
    if kind == "texts":
        return Texts(nodes, ["a cat", "", "é"], [["a cat", "the cat"], ["dog"], ["e"]])
    if kind == "images":
        return Images(nodes, [b"one", b"", b"three"])
    return Ranks(
        above=np.array([0, 2, 4, 1, 0]),
        equal=np.zeros(5, dtype=np.int32),
        item=np.array([0, 0, 1, 0, 1]),
        side=np.array([0, 0, 0, 1, 1]),
        part=np.array([0, 0, 1, 0, 1]),
        sides=np.array(["text", "image"]),
        pools=np.array([7, 9]),
        parts=np.array(["connected", "isolated"]),
    )


def same(first: Prediction, second: Prediction) -> bool:
    """Whether two predictions are of one kind and equal, column by column."""
    a, b = first.arrays(), second.arrays()
    return (
        type(first) is type(second)
        and a.keys() == b.keys()
        and all(a[name].shape == b[name].shape and np.array_equal(a[name], b[name]) for name in a)
    )
