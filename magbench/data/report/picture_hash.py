"""Perceptual hashes of pictures: 256 bits that a change of size, compression or colour hardly moves.

The hash is imagehash's pHash: which of the 16 × 16 lowest frequencies of a grey thumbnail lie above their median.
"""

from __future__ import annotations

import io
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_SIDE = 16


def picture_hashes(pictures: Iterable[bytes]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """The hash of each encoded picture, one held at a time.

    Returns:
        bool [n, 256], and bool [n]: whether the picture could be decoded (its bits are False where not).
    """
    hashes = [_hash(encoded) for encoded in pictures]
    bits = np.zeros((len(hashes), _SIDE * _SIDE), dtype=bool)
    for row, own in enumerate(hashes):
        if own is not None:
            bits[row] = own
    return bits, np.array([own is not None for own in hashes], dtype=bool)


def _hash(encoded: bytes) -> NDArray[np.bool_] | None:
    import imagehash

    try:
        with Image.open(io.BytesIO(encoded)) as picture:
            picture.draft("L", (8 * _SIDE, 8 * _SIDE))  # a JPEG is decoded small: several times faster
            bits: NDArray[np.bool_] = imagehash.phash(picture, hash_size=_SIDE).hash.ravel()
            return bits
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
