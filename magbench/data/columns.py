"""Columns of pictures: one encoded picture (WebP, PNG, JPEG) or nothing for each node, decoded when asked for.

A column behaves like a sequence of ``PIL.Image.Image | None``. It holds the encoded bytes, or the path of a parquet
file that it reads on the first access; a pickled column carries the path alone, so workers read for themselves.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, overload

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from magbench.errors import DataError


class ImageColumn(Sequence["Image.Image | None"]):
    """``column[i]`` is the decoded RGB picture of node ``i`` or None; ``column.bytes(i)`` its encoded bytes or None."""

    def __init__(self, encoded: Iterable[bytes | None]) -> None:
        self._encoded: list[bytes | None] | None = list(encoded)
        self._path: Path | None = None
        self._length = len(self._encoded)

    @classmethod
    def from_parquet(cls, path: Path, length: int) -> ImageColumn:
        """A column of `length` pictures that reads ``image`` (binary) from the parquet file `path` when first used."""
        column = cls([])
        column._encoded, column._path, column._length = None, path, length
        return column

    def _load(self) -> list[bytes | None]:
        if self._encoded is None:
            assert self._path is not None
            encoded = read_parquet_column(self._path, "image")
            if len(encoded) != self._length:
                raise DataError(f"{self._path}: found {len(encoded)} pictures, expected {self._length}.")
            self._encoded = encoded
        return self._encoded

    def __len__(self) -> int:
        return self._length

    def bytes(self, index: int) -> bytes | None:
        """The encoded picture of node `index` (0 … len−1), or None where it has none."""
        return self._load()[index]

    @overload
    def __getitem__(self, index: int) -> Image.Image | None: ...
    @overload
    def __getitem__(self, index: slice) -> ImageColumn: ...
    def __getitem__(self, index: int | slice) -> Image.Image | ImageColumn | None:
        if isinstance(index, slice):
            return self.take(range(*index.indices(len(self))))
        encoded = self.bytes(int(index))
        return None if encoded is None else decode(encoded, f"picture of node {index}")

    def take(self, indices: Iterable[int]) -> ImageColumn:
        """The column of the pictures at `indices`, in that order."""
        encoded = self._load()
        return ImageColumn(encoded[int(i)] for i in indices)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_encoded": None if self._path else self._encoded}


def decode(encoded: bytes, what: str) -> Image.Image:
    """Decode one picture to RGB. Raises DataError naming `what` when the bytes are no picture."""
    try:
        with Image.open(io.BytesIO(encoded)) as picture:
            return picture.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"The {what} cannot be decoded ({len(encoded)} bytes): {error}.") from error


def read_parquet_column(path: Path, name: str) -> list[Any]:
    """The column `name` of a parquet file as Python values. Raises DataError naming the file."""
    try:
        values: list[Any] = pq.read_table(path, columns=[name]).column(name).to_pylist()
        return values
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{path}: cannot read column {name!r}: {reason}") from error
