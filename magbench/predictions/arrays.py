"""Named arrays in ``.npz`` files: written with the same bytes for the same content, read without trust.

A file may come from anybody. Before an array is allocated, its header is read: no pickled objects, no more bytes than
its zip entry holds, and no more than :data:`MOST_BYTES` in one file.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Callable, Mapping
from math import prod
from pathlib import Path
from tokenize import TokenError
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from magbench.errors import RecordError

MOST_BYTES = 2 << 30
"""Of all arrays of one file, unpacked."""
Arrays = Mapping[str, NDArray[Any]]
_DAMAGED = (
    OSError,
    ValueError,
    TypeError,
    EOFError,
    SyntaxError,
    RuntimeError,
    MemoryError,
    OverflowError,
    TokenError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What the zip reader and numpy's header parser raise on a damaged file."""
_EPOCH = (1980, 1, 1, 0, 0, 0)


def npz_bytes(arrays: Arrays, *, compress: bool = False) -> bytes:
    """The arrays as the bytes of an ``.npz`` file, sorted by name, without a time in it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED) as archive:
        for name in sorted(arrays):
            entry = zipfile.ZipInfo(f"{name}.npy", _EPOCH)
            entry.compress_type = archive.compression
            with archive.open(entry, "w", force_zip64=True) as stream:
                npy.write_array(stream, np.asanyarray(arrays[name]), allow_pickle=False)
    return buffer.getvalue()


def read_npz(path: Path, *, wanted: Callable[[str], bool] = lambda name: True) -> dict[str, NDArray[Any]]:
    """The arrays of an ``.npz`` file.

    Args:
        path: the file.
        wanted: whether to read an array, by its name.

    Raises:
        RecordError: the file is missing, damaged, too large, or has something other than plain arrays.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = {_name(entry.filename): entry for entry in archive.infolist()}
            chosen = {name: entry for name, entry in entries.items() if wanted(name)}
            total = sum(entry.file_size for entry in chosen.values())
            if total > MOST_BYTES:
                raise ValueError(f"its arrays have {total:,} bytes, more than {MOST_BYTES:,}")
            return {name: _read(archive.open(entry), entry.file_size) for name, entry in chosen.items()}
    except _DAMAGED as error:
        raise RecordError(f"{path} holds no readable predictions: {error}.") from None


def _name(member: str) -> str:
    if not member.endswith(".npy") or "/" in member or "\\" in member:
        raise ValueError(f"its entry {member!r:.60} is no array")
    return member.removesuffix(".npy")


def _read(stream: IO[bytes], size: int) -> NDArray[Any]:
    """One array, once its header fits the ``size`` of its entry."""
    with stream:
        head = npy.read_magic(stream)
        reader = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}.get(head)
        if reader is None:
            raise ValueError(f"an array has the format {head}, expected (1, 0) or (2, 0)")
        shape, fortran, dtype = reader(stream)
        if dtype.hasobject:
            raise ValueError("an array holds pickled objects")
        wanted = prod(shape) * dtype.itemsize
        if wanted != size - stream.tell():
            raise ValueError(f"an array of shape {shape} needs {wanted} bytes, found {size - stream.tell()}")
        content = stream.read(wanted)
        if len(content) != wanted:
            raise EOFError(f"an array ends after {len(content)} of {wanted} bytes")
    array = np.frombuffer(content, dtype=dtype).reshape(shape, order="F" if fortran else "C")
    return array.copy()
