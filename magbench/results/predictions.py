"""Predictions on disk: ``.npz`` without pickle, the same bytes for the same content."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import numpy as np

from magbench.errors import RecordError
from magbench.tasks.views import NodePrediction


def write_prediction(prediction: NodePrediction, path: Path) -> str:
    """Store a prediction; returns the file's sha256 (hex)."""
    nodes = np.asarray(prediction.nodes, dtype="<i8")
    scores = np.asarray(prediction.scores, dtype="<f4")
    np.savez(path, nodes=nodes, scores=scores)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def read_prediction(path: Path) -> NodePrediction:
    """Load a prediction.

    Raises:
        RecordError: the file is missing, damaged, or needs unpickling.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return NodePrediction(nodes=arrays["nodes"], scores=arrays["scores"])
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise RecordError(f"{path} holds no readable prediction: {error}.") from None
