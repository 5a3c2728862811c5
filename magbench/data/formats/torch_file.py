"""Files that ``torch.save`` wrote: tensors, numpy arrays, and lists and dicts of them. Nothing else is unpickled."""

from __future__ import annotations

import _codecs
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from magbench.errors import DataError

# What a numpy array is pickled as; old and new numpy name one function by two modules.
RECONSTRUCT = np.zeros(0).__reduce__()[0]
ZIP = b"PK\x03\x04"
ALLOWED: list[Any] = [
    (RECONSTRUCT, "numpy.core.multiarray._reconstruct"),
    (RECONSTRUCT, "numpy._core.multiarray._reconstruct"),
    np.ndarray,
    np.dtype,
    _codecs.encode,
    *{
        type(np.dtype(name))
        for name in ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "bool", "U1")
    },
]


def can_be_mapped(path: Path) -> bool:
    """Whether the storage of its tensors can be memory-mapped: in the zip files that torch writes since 1.6."""
    with path.open("rb") as stream:
        return stream.read(len(ZIP)) == ZIP


def load_torch(path: Path) -> Any:
    """The content of a torch file; the storage of tensors is memory-mapped where the file allows it.

    Raises:
        DataError: the file is damaged, or holds anything but tensors, arrays, numbers, texts, lists and dicts.
    """
    try:
        with torch.serialization.safe_globals(ALLOWED):
            return torch.load(path, map_location="cpu", weights_only=True, mmap=can_be_mapped(path))
    except Exception as error:  # torch's reader lets errors of every kind of a damaged file through
        reason = (str(error).splitlines() or [""])[0][:300]
        raise DataError(
            f"{path} is no torch file of tensors, arrays, lists and dicts ({type(error).__name__}: {reason}). "
            "Nothing else is unpickled; fetch the file again, or write its content as tensors."
        ) from error


def integers(content: Any, path: Path, what: str) -> NDArray[np.int64]:
    """A tensor, array or (nested) list as int64. Raises DataError when it is none of them."""
    try:
        values = content.numpy() if isinstance(content, torch.Tensor) else np.asarray(content)
    except (ValueError, TypeError, RuntimeError) as error:
        raise DataError(f"{path}: found {what} that are no array of integers: {error}.") from error
    if values.dtype.kind not in "iu":
        raise DataError(f"{path}: found {what} {values.dtype} {list(values.shape)}, expected integers.")
    return values.astype(np.int64)
