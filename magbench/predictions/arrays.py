"""Named arrays in ``.npz`` files: written with the same bytes for the same content, read without trust.

A file may come from anybody. Before an array is allocated, its header is read: numbers or text, no more bytes than its
zip entry holds, and no more than :data:`MOST_BYTES` in one file. Headers are matched, never evaluated.
"""

from __future__ import annotations

import io
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from math import prod
from pathlib import Path
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
    OverflowError,
    EOFError,
    NotImplementedError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)
"""What the zip reader and the checks below raise on a damaged file."""
_NAME = re.compile(r"([\w.@+-]+)\.npy")
_HEADER = re.compile(
    r"\{'descr': '([<>|](?:b1|[iu][1248]|f[248]|U\d{1,6}))', 'fortran_order': (True|False),"
    r" 'shape': \(([\d, ]*)\), \} *\n",
    re.ASCII,
)
_LONGEST_HEADER = 10_000
_ENCRYPTED = 1
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
            return {name: _read(archive, entry) for name, entry in chosen.items()}
    except _DAMAGED as error:
        raise RecordError(f"{path} holds no readable predictions: {error}.") from None


def _name(member: str) -> str:
    found = _NAME.fullmatch(member)
    if found is None:
        raise ValueError(f"its entry {member!r:.60} is no array")
    return found[1]


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> NDArray[Any]:
    """One array, once its header fits the size of its entry."""
    if entry.flag_bits & _ENCRYPTED or entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError("an array is encrypted, or compressed otherwise than by deflate")
    with archive.open(entry) as stream:
        dtype, fortran, shape = _header(stream)
        wanted, there = prod(shape) * dtype.itemsize, entry.file_size - stream.tell()
        if max(shape, default=0) > MOST_BYTES or wanted != there:
            raise ValueError(f"an array of shape {shape!s:.60} does not have the {there} bytes that are there")
        content = stream.read(wanted)
        if len(content) != wanted:
            raise EOFError(f"an array ends after {len(content)} of {wanted} bytes")
    array = np.frombuffer(content, dtype=dtype).reshape(shape, order="F" if fortran else "C")
    return array.copy()


def _header(stream: IO[bytes]) -> tuple[np.dtype[Any], bool, tuple[int, ...]]:
    """Type, whether columns come first, and shape, as ``numpy.lib.format`` writes them for plain types."""
    version = npy.read_magic(stream)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"an array has the format {version}, expected (1, 0) or (2, 0)")
    form = "<H" if version == (1, 0) else "<I"
    (length,) = struct.unpack(form, stream.read(struct.calcsize(form)))
    text = stream.read(min(length, _LONGEST_HEADER)).decode("latin1")
    found = _HEADER.fullmatch(text)
    if found is None or length != len(text):
        raise ValueError(f"the header of an array is {text!r:.80}, expected that of numbers or text")
    return np.dtype(found[1]), found[2] == "True", tuple(int(size) for size in found[3].split(",") if size.strip())
