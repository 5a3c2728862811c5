"""Feature files: one matrix [N, D] of floats as ``.npy`` or as a torch tensor, read a block of rows at a time.

A file that can be mapped is mapped anew for every block, so that what was read can be given back: 5 GB need the memory
of a block. One that cannot (a pickled array, a file of torch < 1.6) is read once and held. Whatever the file's
precision, rows are handed out as float32.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from magbench.data.formats.published import expect
from magbench.data.formats.torch_file import can_be_mapped, load_torch
from magbench.errors import DataError
from magbench.specs import FeatureFile

BLOCK_BYTES = 32 << 20
NPY = b"\x93NUMPY"

Block = NDArray[np.float32]


def open_matrix(path: Path) -> torch.Tensor | NDArray[Any]:
    """The matrix, mapped if it can be. Raises DataError unless it holds floats [N, D]."""
    try:
        with path.open("rb") as stream:
            is_numpy = stream.read(len(NPY)) == NPY
        values = np.load(path, mmap_mode="r", allow_pickle=False) if is_numpy else load_torch(path)
    except DataError:
        raise
    except Exception as error:  # numpy's header parser lets errors of many kinds of a damaged file through
        raise DataError(f"{path} is no readable feature file: {error}. Fetch the file again.") from error
    floats = values.dtype.kind == "f" if isinstance(values, np.ndarray) else _is_float_tensor(values)
    if isinstance(values, torch.Tensor):
        values = values.detach()
    if not floats or values.ndim != 2:
        found = f"{values.dtype} {list(values.shape)}" if hasattr(values, "dtype") else type(values).__name__
        if isinstance(values, torch.Tensor) and values.layout != torch.strided:
            found += f" {values.layout}"
        raise DataError(f"{path}: found {found}, expected one matrix of floats [N, D].")
    return values  # type: ignore[no-any-return]


def check_matrix(path: Path, width: int, num_nodes: int) -> None:
    """Raise DataError unless the file has a row for each node, and `width` columns."""
    found = open_matrix(path).shape
    expect(path, "rows", found[0], num_nodes, "the nodes of the graph")
    expect(path, "columns", found[1], width)


def blocks(path: Path, part: FeatureFile, num_nodes: int) -> Iterator[Block]:
    """The rows of `part`, in order, as float32 [≤ n, dim] blocks of about 32 MB of the file."""
    whole = open_matrix(path)
    width = whole.shape[1]
    mapped = isinstance(whole, np.memmap) or (isinstance(whole, torch.Tensor) and can_be_mapped(path))
    held = None if mapped else whole
    del whole
    step = max(1, BLOCK_BYTES // (8 * width))
    columns = slice(*(part.columns or (0, width)))
    for start in range(0, num_nodes, step):
        rows = (open_matrix(path) if held is None else held)[start : start + step, columns]
        values = rows.float().numpy() if isinstance(rows, torch.Tensor) else rows
        yield np.array(values, dtype="<f4", order="C")


def _is_float_tensor(values: Any) -> bool:
    return (
        isinstance(values, torch.Tensor)
        and values.dtype.is_floating_point
        and values.layout == torch.strided  # no sparse one
        and values.device.type == "cpu"  # load_torch puts all there that has content
    )
