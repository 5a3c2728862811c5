"""Predictions on disk: ``.npz`` without pickle, the same bytes for the same content."""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from magbench.errors import RecordError
from magbench.tasks.views import PREDICTIONS, Prediction

UNREADABLE = (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error)
"""What numpy raises on a damaged ``.npz``."""


def write_prediction(prediction: Prediction, path: Path) -> str:
    """Store a prediction; returns the file's sha256 (hex)."""
    arrays: dict[str, Any] = {
        name: np.asarray(getattr(prediction, name), dtype=dtype) for name, dtype in prediction.STORED.items()
    }
    np.savez(path, **arrays)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def read_prediction(path: Path) -> Any:
    """Load a prediction, as the kind that has the file's arrays.

    Raises:
        RecordError: the file is missing, damaged, or needs unpickling.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            found = dict(arrays)
    except UNREADABLE as error:
        raise RecordError(f"{path} holds no readable prediction: {error}.") from None
    if len({len(array) if array.ndim else -1 for array in found.values()}) > 1 or any(
        0 in array.shape[1:] for array in found.values()
    ):
        shapes = ", ".join(f"{name} {array.shape}" for name, array in sorted(found.items()))
        raise RecordError(f"{path} holds no readable prediction: its arrays do not fit together ({shapes}).")
    for kind in PREDICTIONS:
        if set(kind.STORED) == set(found):
            return kind(**found)
    raise RecordError(f"{path} holds no readable prediction: its arrays are {', '.join(sorted(found)) or 'none'}.")
