"""Metrics of written texts: one text a node, and one or several references that it is compared with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from magbench.errors import DataError, MethodError
from magbench.metrics.base import Metric


def exact_match(references: Sequence[Sequence[str]], texts: Sequence[str]) -> float:
    """Share of texts that are one of their references, letter for letter.

    Args:
        references: for each text at least one.
        texts: what was written.

    Raises:
        DataError: there is no text, or one without a reference.
        MethodError: the numbers of texts and of references differ.

    >>> exact_match([["red heart"], ["cat", "cat face"]], ["heart", "cat face"])
    0.5
    """
    return float(matches(references, texts).mean())


def matches(references: Sequence[Sequence[str]], texts: Sequence[str]) -> NDArray[np.float64]:
    """float64 [n], 1 where the text is one of its references, else 0; raises as :func:`exact_match`."""
    if not len(references) or not all(len(own) for own in references):
        raise DataError("exact_match: found a text without a reference, or no text; expected one reference at least.")
    if len(texts) != len(references):
        raise MethodError(f"exact_match: found {len(texts)} texts, expected {len(references)}.")
    return np.array([text in own for text, own in zip(texts, references, strict=True)], dtype=np.float64)


EXACT_MATCH = Metric("exact_match", 1, True, (0.0, 1.0), exact_match, matches)
