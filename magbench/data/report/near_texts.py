"""Near-duplicate texts: pairs whose sets of words have a Jaccard overlap of at least t, all of them.

Words are runs of letters and digits, after Unicode's NFKC and case folding; order and repetition do not count. With the
words of each text ordered from rare to common, two sets with Jaccard ≥ t share one among the first |s| − ⌈t |s|⌉ + 1 of
each (prefix filtering; Chaudhuri et al., 2006): the marks by which :mod:`magbench.data.report.near` finds them.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from magbench.data.report.directions import Index
from magbench.data.report.near import LIMIT, pairs_that_share

_SLACK = 1e-9
"""Keeps a pair exactly at the threshold, whatever way its product is rounded."""


def near_texts(texts: Sequence[str], jaccard: float, limit: int = LIMIT) -> tuple[Index, bool]:
    """The pairs of texts with an overlap of at least `jaccard`, in (0, 1]; a text without a word is in no pair.

    Returns:
        What :func:`magbench.data.report.near.pairs_that_share` returns.
    """
    words = _word_sets(texts)
    size = np.diff(words.indptr)

    def accept(pairs: Index) -> NDArray[np.bool_]:
        low, high = np.sort(size[pairs], axis=0)
        kept: NDArray[np.bool_] = low >= jaccard * high - _SLACK  # the rest cannot overlap so much
        common = (words[pairs[0, kept]] * words[pairs[1, kept]]).sum(axis=1)
        kept[kept] = common >= jaccard * (low[kept] + high[kept] - common) - _SLACK
        return kept

    return pairs_that_share(_prefixes(words, jaccard), accept, limit)


def _word_sets(texts: Sequence[str]) -> sp.csr_array:
    """int32 [N, words], 1 where a text has a word; columns from the rarest word to the commonest, rows sorted."""
    from sklearn.feature_extraction.text import CountVectorizer

    reader = CountVectorizer(binary=True, preprocessor=_plain, token_pattern=r"(?u)\b\w+\b", dtype=np.int32)
    analyse = reader.build_analyzer()
    if not any(analyse(text) for text in texts):
        return sp.csr_array((len(texts), 1), dtype=np.int32)
    words = sp.csr_array(reader.fit_transform(texts))
    words = words[:, np.argsort(words.sum(axis=0), kind="stable")]
    words.sort_indices()
    return words


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def _prefixes(words: sp.csr_array, jaccard: float) -> sp.csr_array:
    """The first |s| − ⌈t |s|⌉ + 1 words of each row."""
    size = np.diff(words.indptr)
    length = np.minimum(size, size - np.ceil(jaccard * size - _SLACK).astype(size.dtype) + 1)
    kept = np.arange(words.nnz) - np.repeat(words.indptr[:-1], size) < np.repeat(length, size)
    starts = np.concatenate([[0], np.cumsum(length)])
    return sp.csr_array((words.data[kept], words.indices[kept], starts), shape=words.shape)
