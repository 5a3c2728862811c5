"""Perceptual hashes of pictures: 256 bits that a change of size, compression or colour hardly moves.

The hash is imagehash's pHash: which of the 16 × 16 lowest frequencies of a grey thumbnail lie above their median.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_SIDE = 16


def picture_hashes(pictures: Sequence[bytes]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """The hash of each encoded picture.

    Returns:
        bool [n, 256], and bool [n]: whether the picture could be decoded (its bits are False where not).
    """
    import imagehash

    bits = np.zeros((len(pictures), _SIDE * _SIDE), dtype=bool)
    readable = np.zeros(len(pictures), dtype=bool)
    for row, encoded in enumerate(pictures):
        try:
            with Image.open(io.BytesIO(encoded)) as picture:
                picture.draft("L", (8 * _SIDE, 8 * _SIDE))  # a JPEG is decoded small: several times faster
                bits[row] = imagehash.phash(picture, hash_size=_SIDE).hash.ravel()
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            continue
        readable[row] = True
    return bits, readable
