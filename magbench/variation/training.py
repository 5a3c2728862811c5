"""Training parts under a corruption: fewer or wrong labels, fewer pairs. Validation and test stay as they are."""

from __future__ import annotations

import numpy as np

from magbench.corruption import Corruption
from magbench.errors import DataError, OptionError
from magbench.graph.splits import Index, bounded, random_keys
from magbench.variation.shares import Seeds, leading


def corrupt_labels(
    labels: Index, train: Index, num_classes: int, corruption: Corruption, seed: Seeds
) -> tuple[Index, Index]:
    """Labels and training nodes under ``label_noise`` or ``label_share``.

    ``label_noise`` replaces ``round(rate · n)`` training labels by another class, each equally likely, the same one at
    every rate. ``label_share`` keeps ``max(1, round(rate · n))`` training nodes of each class; the others are no
    training nodes any more. Take the share first: the noise then is a share of what is left.

    Args:
        labels: int64 [N].
        train: int64 [n], distinct nodes with a label.
        num_classes: C; a class is 0 … C-1.
        corruption: of the labels.
        seed: of what is drawn; a node's draw depends on its number, not on which others train.

    Returns:
        int64 [N], what training sees, right at all nodes but ``train``; int64 [n'], ascending.

    Raises:
        OptionError: a corruption of something else.
        DataError: ``label_noise`` with one class only.
    """
    if corruption.acts_on != "labels":
        raise OptionError(f"{corruption} acts on the {corruption.acts_on}, not on the training labels.")
    keys = random_keys(2 * len(labels), corruption.seeded(seed)).reshape(2, -1)
    if corruption.kind == "label_share":
        return labels, _kept(labels[train], train, corruption.rate, keys[0, train])
    wrong = leading(train, corruption.rate, keys[0, train])
    if len(wrong) and num_classes < 2:
        raise DataError(f"{corruption} puts another class in place of a label, but there is one class only.")
    noisy = labels.copy()
    noisy[wrong] = (labels[wrong] + 1 + bounded(keys[1, wrong], num_classes - 1)) % num_classes
    return noisy, np.sort(train)


def corrupt_pairs(order: Index, corruption: Corruption) -> Index:
    """The first ``max(1, round(rate · n))`` of the training pairs ``order``, int64 [n], as they were drawn.

    Raises:
        OptionError: a corruption of something else.
    """
    if corruption.acts_on != "pairs":
        raise OptionError(f"{corruption} acts on the {corruption.acts_on}, not on the training pairs.")
    return order[: max(1, round(corruption.rate * len(order)))]


def _kept(labels: Index, nodes: Index, share: float, keys: np.ndarray) -> Index:
    """The nodes that come first in their class, ascending."""
    order = np.lexsort((keys, labels))
    size = np.bincount(labels)
    place = np.arange(len(labels)) - np.repeat(np.cumsum(size) - size, size)
    quota = np.maximum(1, np.rint(share * size))
    return np.sort(nodes[order][place < quota[labels[order]]])
