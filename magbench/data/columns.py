"""Columns of pictures: one encoded picture (WebP, PNG, JPEG) or nothing for each node, decoded when asked for.

A column behaves like a sequence of ``PIL.Image.Image | None``. It holds the encoded bytes, or the path of a parquet
file of which it reads one row group at a time; a pickled column carries the path alone, so workers read for themselves.
"""

from __future__ import annotations

import copy
import io
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any, overload

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from magbench.errors import DataError


class ImageColumn(Sequence["Image.Image | None"]):
    """``column[i]`` is the decoded RGB picture of node ``i`` or None; ``column.bytes(i)`` its encoded bytes or None."""

    def __init__(self, encoded: Iterable[bytes | None]) -> None:
        self._encoded: list[bytes | None] = list(encoded)
        self._path: Path | None = None
        self._length = len(self._encoded)
        self._groups: _Groups | None = None
        self._taken_away: frozenset[int] = frozenset()

    @classmethod
    def from_parquet(cls, path: Path, length: int) -> ImageColumn:
        """A column of `length` pictures that reads ``image`` (binary) from the parquet file `path` when used."""
        column = cls([])
        column._path, column._length = path, length
        return column

    def __len__(self) -> int:
        return self._length

    def bytes(self, index: int) -> bytes | None:
        """The encoded picture of node `index` (0 … len−1), or None where it has none."""
        if self._taken_away and range(self._length)[index] in self._taken_away:
            return None
        if self._path is None:
            return self._encoded[index]
        if self._groups is None:
            self._groups = _Groups(self._path, self._length)
        return self._groups.picture(range(self._length)[index])

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
        return ImageColumn(self.bytes(int(i)) for i in indices)

    def without(self, nodes: Iterable[int]) -> ImageColumn:
        """A column in which these nodes (0 … len−1) have no picture; nothing is read or copied."""
        column = copy.copy(self)
        column._taken_away = self._taken_away.union(map(int, nodes))
        return column

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_groups": None}


class _Groups:
    """The row groups of a parquet file of pictures; the last one read is kept."""

    def __init__(self, path: Path, length: int) -> None:
        self.path = path
        self.file = _reading(path, lambda: pq.ParquetFile(path))
        metadata = self.file.metadata
        if metadata.num_rows != length:
            raise DataError(f"{path}: found {metadata.num_rows} pictures, expected {length}.")
        sizes = (metadata.row_group(group).num_rows for group in range(metadata.num_row_groups))
        self.starts = list(accumulate(sizes, initial=0))
        self.kept: tuple[int, list[Any]] = (-1, [])

    def picture(self, index: int) -> bytes | None:
        """The encoded picture `index`, 0 … length−1."""
        group = bisect_right(self.starts, index) - 1
        if group != self.kept[0]:
            table = _reading(self.path, lambda: self.file.read_row_group(group, columns=["image"]))
            self.kept = (group, table.column(0).to_pylist())
        encoded: bytes | None = self.kept[1][index - self.starts[group]]
        return encoded


def decode(encoded: bytes, what: str) -> Image.Image:
    """Decode one picture to RGB. Raises DataError naming `what` when the bytes are no picture."""
    try:
        with Image.open(io.BytesIO(encoded)) as picture:
            return picture.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"The {what} cannot be decoded ({len(encoded)} bytes): {error}.") from error


def read_parquet_column(path: Path, name: str) -> list[Any]:
    """The column `name` of a parquet file as Python values. Raises DataError naming the file."""
    values: list[Any] = _reading(path, lambda: pq.read_table(path, columns=[name]).column(name).to_pylist(), name)
    return values


def _reading(path: Path, read: Callable[[], Any], column: str = "image") -> Any:
    try:
        return read()
    except (pa.ArrowException, OSError, KeyError, ValueError, IndexError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{path}: cannot read column {column!r}: {reason}") from error
