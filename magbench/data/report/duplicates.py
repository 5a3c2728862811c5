"""Duplicates: nodes with the same content in one modality, or nearly the same, and how they tie test parts to training.

*Exact* duplicates have equal bytes (sha256). *Near* duplicates are found among the distinct contents:

* pictures: at most :data:`HAMMING` of the 256 bits of their perceptual hashes differ (imagehash's pHash of 16 × 16:
  shapes, not colours);
* texts: the Jaccard overlap of their sets of words is at least :data:`JACCARD`
  (:mod:`magbench.data.report.near_texts`);
* a modality whose raw content is not there: equal features are exact duplicates, a cosine of at least :data:`COSINE`
  (:mod:`magbench.data.report.directions`) makes near ones.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from magbench.data.mag import MAG
from magbench.data.report.directions import Directions, Index, blocks
from magbench.data.report.near import near_directions, near_hashes
from magbench.data.report.near_texts import near_texts
from magbench.data.report.picture_hash import picture_hashes

HAMMING, JACCARD, COSINE = 8, 0.8, 0.99


@dataclass(frozen=True, eq=False)
class Duplicates:
    """The duplicates of one modality.

    Attributes:
        basis: what was compared: ``"pictures"``, ``"texts"`` or ``"features"``.
        content: int64 [N]: nodes with the same number have equal content; a node without content has a number alone.
        near: int64 [2, P], each pair once: numbers of contents that are nearly the same.
        complete: whether the search for near pairs went to its end.
        unreadable: contents that could not be decoded, and so have no near pair.
    """

    basis: str
    content: Index
    near: Index
    complete: bool = True
    unreadable: int = 0

    def groups(self) -> list[Index]:
        """The nodes of each repeated content, the largest group first."""
        order = np.argsort(self.content, kind="stable")
        cuts = np.flatnonzero(np.diff(self.content[order])) + 1
        repeated = [group for group in np.split(order, cuts) if len(group) > 1]
        return sorted(repeated, key=lambda group: (-len(group), int(group[0])))

    def near_nodes(self) -> Index:
        """The nodes whose content nearly equals another one, ascending."""
        return np.flatnonzero(np.isin(self.content, self.near))

    def seen(self, items: Index, known: Index) -> tuple[int, int]:
        """How many `items` repeat something `known`: by exact duplicates alone, and by exact or near ones.

        Args:
            items: nodes, int64 [n], or edges, int64 [2, n]; an edge repeats one whose ends have the contents of its
                own ends, in either order.
            known: nodes or edges likewise.
        """
        size = int(self.content.max()) + 1
        row, column = np.concatenate([self.near, self.near[::-1], np.tile(np.arange(size), (2, 1))], axis=1)
        alike = sp.csr_array((np.ones(len(row), np.int8), (row, column)), shape=(size, size))
        count = _seen_nodes if items.ndim == 1 else _seen_edges
        here, there = self.content[items], self.content[known]
        return count(here, there, sp.eye_array(size, dtype=np.int8, format="csr")), count(here, there, alike)


def _seen_nodes(items: Index, known: Index, alike: sp.csr_array) -> int:
    flag = np.zeros(alike.shape[0], dtype=np.int32)
    flag[known] = 1
    return int(((alike @ flag)[items] > 0).sum())


def _seen_edges(items: Index, known: Index, alike: sp.csr_array) -> int:
    ends = np.concatenate([known, known[::-1]], axis=1)
    edges = sp.csr_array((np.ones(ends.shape[1], np.int32), (ends[0], ends[1])), shape=alike.shape)
    found = 0
    for part in blocks(items.shape[1]):
        reached = alike[items[0, part]] @ edges  # contents joined by a known edge to one like the first end
        found += int(((reached * alike[items[1, part]]).sum(axis=1) > 0).sum())
    return found


def equal_contents(contents: Iterable[bytes | None]) -> tuple[Index, Index]:
    """Number the contents.

    Args:
        contents: one a node, None where it has none.

    Returns:
        ``content`` as in :class:`Duplicates`, and for each number the first node that has it, int64 [C]; the numbers of
        nodes without content come last and have no entry there.
    """
    digests = [None if item is None else hashlib.sha256(item).digest() for item in contents]
    first: dict[bytes, int] = {}
    for node, digest in enumerate(digests):
        if digest is not None:
            first.setdefault(digest, node)
    number = {digest: place for place, digest in enumerate(first)}
    content = np.array([-1 if digest is None else number[digest] for digest in digests], dtype=np.int64)
    content[content < 0] = len(number) + np.arange((content < 0).sum())
    return content, np.array(list(first.values()), dtype=np.int64)


def duplicates(mag: MAG, modality: str, directions: Directions) -> Duplicates:
    """The duplicates of one modality: by its texts or pictures where the graph carries them, else by its features."""
    if modality == "text" and mag.texts is not None:
        texts = mag.texts
        content, first = equal_contents(text.encode(errors="surrogatepass") if text else None for text in texts)
        return Duplicates("texts", content, *near_texts([texts[node] or "" for node in first], JACCARD))
    if modality == "image" and mag.images is not None:
        pictures = mag.images
        content, first = equal_contents(pictures.bytes(node) for node in range(len(pictures)))
        bits, readable = picture_hashes(pictures.bytes(int(node)) or b"" for node in first)
        number = np.flatnonzero(readable)
        near, complete = near_hashes(bits[readable], HAMMING)
        return Duplicates("pictures", content, number[near], complete, len(first) - len(number))
    held = set(directions.ids.tolist())
    rows = (directions.x[node].tobytes() if node in held else None for node in range(len(directions.x)))
    content, first = equal_contents(rows)
    return Duplicates("features", content, *near_directions(directions, first, COSINE))
