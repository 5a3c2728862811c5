"""The searches for near duplicates find what comparing all pairs finds."""

from __future__ import annotations

import re
import time
import unicodedata
from itertools import combinations

import numpy as np
import pytest
import torch

from magbench.data.report.directions import Directions
from magbench.data.report.near import near_directions, near_hashes
from magbench.data.report.near_texts import near_texts


def as_set(found: tuple[np.ndarray, bool]) -> set[tuple[int, int]]:
    pairs, complete = found
    assert complete
    listed = [(int(a), int(b)) for a, b in pairs.T]
    assert listed == sorted(listed)
    assert len(set(listed)) == len(listed)
    return set(listed)


@pytest.mark.parametrize("most", [0, 1, 8, 20])
def test_hashes(most: int) -> None:
    rng = np.random.default_rng(most)
    bits = np.repeat(rng.random((60, 64)) < 0.5, 5, axis=0) ^ (rng.random((300, 64)) < 0.1 * rng.random((300, 1)))
    distance = (bits[:, None] != bits).sum(axis=2)
    expected = {(a, b) for a, b in combinations(range(300), 2) if distance[a, b] <= most}
    assert as_set(near_hashes(bits, most)) == expected
    assert most == 0 or expected


def words(text: str) -> set[str]:
    return set(re.findall(r"\w+", unicodedata.normalize("NFKC", text).casefold()))


@pytest.mark.parametrize("jaccard", [0.5, 0.8, 1.0])
@pytest.mark.parametrize("vocabulary", [6, 40, 400])
def test_texts(jaccard: float, vocabulary: int) -> None:
    rng = np.random.default_rng(vocabulary)
    texts = [" ".join(f"w{k}" for k in rng.integers(vocabulary, size=rng.integers(0, 12))) for _ in range(200)]
    texts += [f"{text} {rng.integers(vocabulary)}" for text in texts[:100]]
    sets = [words(text) for text in texts]
    expected = {
        (a, b)
        for a, b in combinations(range(300), 2)
        if sets[a] and sets[b] and len(sets[a] & sets[b]) >= jaccard * len(sets[a] | sets[b])
    }
    assert as_set(near_texts(texts, jaccard)) == expected


def test_texts_are_compared_by_their_words() -> None:
    texts = [
        "Red  shoe, size 7!",
        "size 7: RED shoe",
        "ｒｅｄ shoe size ７",
        "red shoe size 8",
        "!!!",
        "…",
        "赤い靴",
        "赤い靴",
    ]
    assert as_set(near_texts(texts, 1.0)) == {(0, 1), (0, 2), (1, 2), (6, 7)}
    assert as_set(near_texts(["!!!", ""], 0.5)) == set()
    assert as_set(near_texts([], 0.5)) == set()


def test_directions() -> None:
    rng = np.random.default_rng(0)
    x = np.repeat(rng.normal(size=(100, 24)), 4, axis=0) + 0.09 * rng.normal(size=(400, 24))
    directions = Directions.of(torch.from_numpy(x.astype(np.float32)), torch.ones(400, dtype=torch.bool))
    nodes = np.arange(10, 400)
    unit = directions.rows(nodes)
    expected = {(int(a), int(b)) for a, b in np.argwhere(np.triu(unit @ unit.T >= 0.99, 1))}
    assert as_set(near_directions(directions, nodes, 0.99)) == expected
    assert 100 < len(expected) < 600


def test_the_search_stops_at_its_limit() -> None:
    pairs, complete = near_hashes(np.zeros((50, 16), dtype=bool), 2, limit=100)
    assert pairs.shape == (2, 100)
    assert not complete


def test_twenty_thousand_hashes_are_quick() -> None:
    bits = np.random.default_rng(0).random((20_000, 256)) < 0.5
    bits[-100:] = bits[:100]
    start = time.process_time()
    assert len(as_set(near_hashes(bits, 8))) == 100
    assert time.process_time() - start < 10
