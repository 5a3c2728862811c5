"""Sparse rows of scores, in memory or on disk, and the batch x batch blocks that training reads of them.

On disk they are a folder that is whole or absent: it is written under a temporary name and renamed at the end::

    header.json    format, version, number of nodes and entries, and what the writer wants to remember
    offsets.bin    int64 [N + 1], little-endian, as all of them; row i is entries offsets[i] ... offsets[i + 1] - 1
    columns.bin    int32 [entries]
    values.bin     float32 [entries]

Reading maps the files: opening costs nothing, and a block reads the rows it needs.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from uuid import uuid4

import numpy as np

from magbench.errors import DataError, OutputError
from magbench.graph.push import Rows

FORMAT, VERSION = "magbench-rows", 1
_HEADER = "header.json"
_FILES: dict[str, np.dtype[Any]] = {"offsets": np.dtype("<i8"), "columns": np.dtype("<i4"), "values": np.dtype("<f4")}


@dataclass(frozen=True, eq=False)
class SparseRows:
    """A sparse float32 ``[N, N]`` matrix of which some rows may be unknown (empty).

    Attributes:
        offsets: int64 ``[N + 1]``.
        columns: int32 ``[entries]``, in no order within a row.
        values: float32 ``[entries]``.
    """

    offsets: np.ndarray
    columns: np.ndarray
    values: np.ndarray

    @property
    def num_nodes(self) -> int:
        """Number of rows and columns N."""
        return len(self.offsets) - 1

    def block(self, ids: np.ndarray) -> np.ndarray:
        """Entries ``[B, B]`` among the nodes ``ids``, int64 ``[B]``; O(N + entries of these rows).

        Raises:
            DataError: a node outside 0..N-1, an unknown row, or files with damaged content.
        """
        self._check(ids)
        distinct, place = np.unique(ids, return_inverse=True)
        if len(distinct) < len(ids):
            return self.block(distinct)[place[:, None], place[None, :]]
        from magbench.graph.push_kernels import gather_block

        block, position = np.zeros((len(ids), len(ids)), np.float32), np.zeros(self.num_nodes, np.int32)
        bad = gather_block(self.offsets, self.columns, self.values, np.ascontiguousarray(ids), position, block)
        if bad >= 0:
            raise DataError(f"Row {bad} has a column outside 0..{self.num_nodes - 1}: damaged; write the rows again.")
        return block

    def _check(self, ids: np.ndarray) -> None:
        if len(ids) and (ids.min() < 0 or ids.max() >= self.num_nodes):
            outside = int(ids[(ids < 0) | (ids >= self.num_nodes)][0])
            raise DataError(f"Node {outside} is not in the graph; allowed are 0..{self.num_nodes - 1}.")
        unknown = self.offsets[ids] == self.offsets[ids + 1]
        if unknown.any():
            raise DataError(
                f"The row of node {int(ids[unknown][0])} is not known ({int(unknown.sum())} of {len(ids)} are not);"
                " it was not among the seeds."
            )


def collect(parts: Iterator[Rows], seeds: np.ndarray, num_nodes: int, top_k: int) -> SparseRows:
    """Rows in memory, each part written in place as it comes.

    Args:
        parts: rows of the nodes ``seeds``, in that order.
        seeds: int64, ascending.
        num_nodes: N.
        top_k: most entries in a row.
    """
    room = len(seeds) * min(top_k, num_nodes)  # the system gives memory for the part that is filled
    columns, values = np.empty(room, np.int32), np.empty(room, np.float32)
    counts, filled = [np.empty(0, np.int64)], 0
    for part in parts:
        end = filled + len(part.columns)
        columns[filled:end], values[filled:end] = part.columns, part.values
        counts.append(part.counts)
        filled = end
    return SparseRows(_offsets(np.concatenate(counts), seeds, num_nodes), columns[:filled], values[:filled])


def write_rows(
    parts: Iterator[Rows], seeds: np.ndarray, num_nodes: int, path: Path, remember: Mapping[str, object]
) -> None:
    """Rows to the new folder ``path``, wholly or not at all; memory holds one part at a time.

    Args:
        parts: rows of the nodes ``seeds``, in that order.
        seeds: int64, ascending.
        num_nodes: N.
        path: must not exist; its parents are made.
        remember: further fields of the header.

    Raises:
        OutputError: the folder exists or cannot be written.
    """
    with _new_folder(path) as folder:
        counts = [np.empty(0, np.int64)]
        with _new_file(folder, "columns") as columns, _new_file(folder, "values") as values:
            for part in parts:
                columns.write(np.ascontiguousarray(part.columns, _FILES["columns"]).data)
                values.write(np.ascontiguousarray(part.values, _FILES["values"]).data)
                counts.append(part.counts)
        offsets = _offsets(np.concatenate(counts), seeds, num_nodes)
        with _new_file(folder, "offsets") as file:
            file.write(offsets.astype(_FILES["offsets"]).data)
        header = {"format": FORMAT, "version": VERSION, "num_nodes": num_nodes, "entries": int(offsets[-1])}
        (folder / _HEADER).write_text(json.dumps({**header, **remember}, indent=1) + "\n")


def open_rows(path: Path) -> tuple[SparseRows, dict[str, object]]:
    """Map the rows in a folder that :func:`write_rows` made, and its header.

    Raises:
        DataError: no such folder, another format or version, a file missing, of a wrong size, or inconsistent.
    """
    header = _read_header(path)
    n, entries = header["num_nodes"], header["entries"]
    if not (isinstance(n, int) and isinstance(entries, int) and n >= 0 and entries >= 0):
        raise DataError(f"{path / _HEADER}: num_nodes={n!r} and entries={entries!r} must be counts. {_AGAIN}")
    sizes = {"offsets": n + 1, "columns": entries, "values": entries}
    arrays = {name: _map(path / f"{name}.bin", dtype, sizes[name]) for name, dtype in _FILES.items()}
    offsets = np.array(arrays["offsets"])
    if offsets[0] != 0 or offsets[-1] != entries or (np.diff(offsets) < 0).any():
        raise DataError(f"{path / 'offsets.bin'} does not ascend from 0 to {entries}: damaged. {_AGAIN}")
    return SparseRows(offsets, arrays["columns"], arrays["values"]), header


_AGAIN = "Remove the folder and write it again."


def _read_header(path: Path) -> dict[str, object]:
    try:
        header = json.loads((path / _HEADER).read_text())
    except (OSError, ValueError) as error:
        raise DataError(f"{path} holds no rows: {_HEADER} cannot be read ({error}).") from error
    found = (header.get("format"), header.get("version")) if isinstance(header, dict) else None
    if found != (FORMAT, VERSION):
        raise DataError(f"{path / _HEADER}: format and version are {found}, expected {(FORMAT, VERSION)}. {_AGAIN}")
    missing = {"num_nodes", "entries"} - header.keys()
    if missing:
        raise DataError(f"{path / _HEADER} lacks {', '.join(sorted(missing))}. {_AGAIN}")
    return dict(header)


def _map(path: Path, dtype: np.dtype[Any], length: int) -> np.ndarray:
    found = path.stat().st_size if path.is_file() else None
    if found != length * dtype.itemsize:
        state = "is missing" if found is None else f"has {found} bytes"
        raise DataError(f"{path} {state}, expected {length * dtype.itemsize} bytes. {_AGAIN}")
    if length == 0:
        return np.empty(0, dtype)
    return np.asarray(np.memmap(path, dtype, "c"))  # the kernels take no read-only arrays


@contextmanager
def _new_file(folder: Path, name: str) -> Iterator[BinaryIO]:
    """A file that is on the disk, not only in the system's memory, when the body ends."""
    with (folder / f"{name}.bin").open("xb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def _offsets(counts: np.ndarray, seeds: np.ndarray, num_nodes: int) -> np.ndarray:
    offsets = np.zeros(num_nodes + 1, np.int64)
    offsets[seeds + 1] = counts
    return np.cumsum(offsets, out=offsets)


@contextmanager
def _new_folder(path: Path) -> Iterator[Path]:
    """A temporary folder that becomes ``path`` if the body ends well, and is removed if not."""
    if path.exists():
        raise OutputError(f"{path} exists already. Remove it, or name another folder.")
    temporary = path.parent / f".{path.name}.{uuid4().hex}"
    try:
        temporary.mkdir(parents=True)
        yield temporary
        temporary.rename(path)
    except OSError as error:
        raise OutputError(f"Cannot write rows to {path}: {error}.") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
