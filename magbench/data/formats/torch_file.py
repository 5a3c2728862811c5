"""Files that ``torch.save`` wrote: tensors, numpy arrays, and lists and dicts of them. Nothing else is unpickled.

Torch's restricted reader calls what the file names, if it is allowed to. numpy's own constructors would take a type and
bytes from the file and make objects of them, that is, of addresses. So stand-ins answer to numpy's names here: they
take plain types alone.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from magbench.errors import DataError

ZIP = b"PK\x03\x04"
PLAIN = re.compile(r"b1|[iu][1248]|f[248]|U\d{1,5}")
_LAST_CHARACTER = 0x10FFFF


class _Type:
    """Stands for ``numpy.dtype``: numbers, truth values and texts, in either byte order."""

    def __init__(self, name: str, align: bool = False, copy: bool = True) -> None:
        if not PLAIN.fullmatch(name):
            raise ValueError(f"the data type {name!r} is not allowed")
        self.plain = np.dtype(name)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        order, *rest = state[1:5]
        if rest != [None, None, None]:
            raise ValueError("a structured data type is not allowed")
        self.plain = self.plain.newbyteorder("=" if order == "|" else order)


class _Array(NDArray[Any]):
    """Stands for ``numpy.ndarray``: empty until it is given a shape, a plain type and its bytes."""

    def __new__(cls) -> _Array:
        return super().__new__(cls, (0,), "i1")

    def __setstate__(self, state: Any) -> None:
        _, shape, kind, fortran, content = state
        if type(kind) is not _Type or type(content) is not bytes:
            raise ValueError("an array of objects is not allowed")
        if kind.plain.kind == "U":
            codes = np.frombuffer(content, np.dtype("u4").newbyteorder(kind.plain.byteorder))
            if codes.size and codes.max() > _LAST_CHARACTER:
                raise ValueError("a text holds what is no character")
        super().__setstate__((1, shape, kind.plain, fortran, content))


def _empty(kind: type, shape: Any, code: Any) -> _Array:
    """Stands for numpy's ``_reconstruct``, which is always followed by a state."""
    return _Array()


ALLOWED: list[Any] = [
    (_empty, "numpy.core.multiarray._reconstruct"),
    (_empty, "numpy._core.multiarray._reconstruct"),
    (_Array, "numpy.ndarray"),
    (_Type, "numpy.dtype"),
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
