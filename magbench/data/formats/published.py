"""What a published layout says of a data set, before the MAG contract is applied.

Each layout module turns its small files (graph, table, labels, splits) into one :class:`Published`; features and
pictures are large, so they stay files and are streamed by :mod:`magbench.data.published.convert`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from magbench.errors import DataError

Ints = NDArray[np.int64]
Files = Mapping[str, Path]
"""Role (``graph``, ``table``, …) → the file or folder on this machine."""


@dataclass(frozen=True, eq=False)
class Published:
    """The small part of a published data set.

    Attributes:
        num_nodes: N.
        edge_index: int64 [2, E] as stored: any directions, loops and repeats.
        picture_node: the node of a picture, from its file's name without folder and suffix; None = of no node.
        labels: int64 [N], −1 = unlabelled; None where the data set has no classes.
        class_names: the names of the classes 0, 1, …, as far as the layout gives them.
        texts: N texts, None where a node has none.
        references: N lists of captions, where the data set has captions.
        official: published splits, edges and negatives (see :attr:`magbench.data.mag.MAG.official`).
        rebuilt: int64 [2, E'], the graph made again from the table, for comparison.
    """

    num_nodes: int
    edge_index: Ints
    picture_node: Callable[[str], int | None]
    labels: Ints | None = None
    class_names: tuple[str, ...] = ()
    texts: list[str | None] | None = None
    references: list[list[str] | None] | None = None
    official: dict[str, Ints] = field(default_factory=dict)
    rebuilt: Ints | None = None


def expect(path: Path, what: str, found: Any, expected: Any, reason: str = "") -> None:
    """Raise DataError naming the file unless `found` equals `expected`."""
    if found != expected:
        because = f" ({reason})" if reason else ""
        raise DataError(
            f"{path}: found {found} {what}, expected {expected}{because}. "
            "Is it the file of this data set, complete and of the published version?"
        )


def row_number(stem: str, num_nodes: int) -> int | None:
    """The node that a picture named after its row belongs to."""
    digits = stem.lstrip("0") or "0"
    if not (stem.isascii() and stem.isdigit()) or len(digits) > len(str(num_nodes)):
        return None  # int() refuses a number of thousands of digits
    return int(digits) if int(digits) < num_nodes else None


def clean(text: str) -> str | None:
    """A text without surrounding space; None when nothing is left."""
    return text.strip() or None
