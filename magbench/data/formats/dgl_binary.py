"""Graph files written by ``dgl.save_graphs`` (binary, version 2), read without DGL.

The grammar, little-endian; strings and vectors ``<…>`` begin with a u64 length::

    FILE     magic, version = 2, graph type = 2, number of graphs (u64 each); at byte 4096: u64 start of the graphs,
             <(str, NDARRAY)> labels; at that start: the GRAPHs, then an index that is not needed
    GRAPH    magic, IMM metagraph, <UNIT> relations, <i64> nodes of each type, <<(str, NDARRAY)>> node data,
             <<(str, NDARRAY)>> edge data, <str> node types, <str> edge types
    UNIT     magic, i64 format stored, i64 formats allowed, then for each format stored: IMM, COO or CSR
    IMM      magic, CSR
    COO      magic, i64 columns, i64 rows, NDARRAY row, column, edge ids (may be empty), 2 × bool
    CSR      magic, i64 columns, i64 rows, NDARRAY indptr, indices, edge ids (may be empty), bool
    NDARRAY  magic, u64 0, i32 device type, i32 device id, i32 ndim, u8 code, u8 bits, u16 lanes, i64 shape[ndim],
             i64 bytes, raw values

A CSR holds the out-edges of each node, a CSC (a CSR of the transpose) the in-edges. The file is memory-mapped, arrays
are views of it, and every length is compared with the bytes that are left before anything is made of it, so that a
damaged file costs an error, not memory.
"""

from __future__ import annotations

import math
import mmap
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from magbench.errors import DataError

FILE_MAGIC, GRAPH_MAGIC, UNIT_MAGIC = 0xDD2E4FF046B4A13F, 0xDD589FBE35224ABF, 0xDD2E60F0F6B4A127
IMM_MAGIC, COO_MAGIC, CSR_MAGIC = 0xDD3C5FFE20046ABF, 0xDD61FFD305DFF127, 0xDD6CD31205DFF127
ARRAY_MAGIC = 0xDD5E40F096B4A13F
VERSION, HETERO_GRAPH, HEADER_BYTES, CPU, MAX_DIMENSIONS = 2, 2, 4096, 1, 32
COO, CSR, CSC = 1, 2, 4
LEGACY_FORMATS = {1: COO, 2: CSR, 3: CSC}
INT, UINT, FLOAT, BFLOAT = 0, 1, 2, 4
DTYPES = {
    **{(INT, bits): f"<i{bits // 8}" for bits in (8, 16, 32, 64)},
    **{(UINT, bits): f"<u{bits // 8}" for bits in (8, 16, 32, 64)},
    **{(FLOAT, bits): f"<f{bits // 8}" for bits in (16, 32, 64)},
    (BFLOAT, 16): "<u2",
}
# The fewest bytes that one of these can take; a count above (bytes left) / (fewest bytes) cannot be true.
STRING_BYTES, ARRAY_BYTES, CSR_BYTES = 8, 40, 8 + 16 + 3 * 40 + 1
UNIT_BYTES, GRAPH_BYTES = 24 + 8 + CSR_BYTES, 8 + 8 + CSR_BYTES + 6 * 8
OTHER_FILES = {
    b"PK\x03\x04": "a zip archive, as torch.save writes; open it with torch.load(weights_only=True)",
    b"\x80": "a pickle; it is never opened here",
    b"\x1f\x8b": "compressed with gzip; decompress it first",
    b"\x28\xb5\x2f\xfd": "compressed with zstd; decompress it first",
    b"\x93NUMPY": "a numpy array",
    b"version https://git-lfs": "a Git LFS pointer, not the file itself; fetch the file with `git lfs pull`",
}

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class DGLGraph:
    """One homogeneous graph, edges in the order of their ids.

    Attributes:
        num_nodes: N.
        edge_index: int64 [2, E], (source, target) of each edge as stored: any directions, loops and repeats.
        ndata: name → [N, …], as stored (booleans are uint8); bfloat16 comes as float32. Read-only.
        edata: name → [E, …], likewise.
    """

    num_nodes: int
    edge_index: NDArray[np.int64]
    ndata: dict[str, Array]
    edata: dict[str, Array]


def read_graphs(path: str | Path) -> list[DGLGraph]:
    """Read every graph of a file that ``dgl.save_graphs`` wrote.

    Args:
        path: the file; published ones are often named ``.pt``, though they are no torch files.

    Raises:
        DataError: the file cannot be read, is no DGL file, is truncated, damaged, of version 1, compressed, of an
            unknown data type, or holds a heterogeneous graph; says what was found, at which byte, and what to do.
    """
    path = Path(path)
    try:
        with path.open("rb") as stream:
            content = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as error:  # ValueError: an empty file cannot be mapped
        raise DataError(f"{path} cannot be read as a DGL graph file: {error}. Fetch the file again.") from error
    return _Reader(path, content).file()


class _Reader:
    """Walks the grammar; ``at`` is the offset of the next byte."""

    def __init__(self, path: Path, content: mmap.mmap) -> None:
        self.path, self.content, self.at = path, content, 0

    def fail(self, problem: str, at: int, advice: str = "The file is damaged; fetch it again.") -> DataError:
        """The error to raise for what stands at byte `at`."""
        return DataError(f"{self.path}: not a readable DGL graph file: byte {at}: {problem}. {advice}")

    @property
    def left(self) -> int:
        return len(self.content) - self.at

    def unpack(self, form: str) -> tuple[Any, ...]:
        size = struct.calcsize(f"<{form}")
        if size > self.left:
            raise self.fail(f"found the end of the file, expected {size} more bytes", self.at)
        values = struct.unpack_from(f"<{form}", self.content, self.at)
        self.at += size
        return values

    def number(self, form: str = "Q") -> int:
        return int(self.unpack(form)[0])

    def magic(self, expected: int, what: str) -> None:
        at, found = self.at, self.number()
        if found != expected:
            raise self.fail(f"found {found:#018x}, expected the mark of {what}, {expected:#018x}", at)

    def count(self, what: str, item_bytes: int) -> int:
        """The length of a vector of `what`, each of which takes at least `item_bytes`."""
        at, found = self.at, self.number()
        if found * item_bytes > self.left:
            raise self.fail(f"found a length of {found} {what}, but only {self.left} bytes are left", at)
        return found

    def string(self) -> str:
        at = self.at
        size = self.count("characters", 1)
        raw = self.unpack(f"{size}s")[0]
        try:
            return str(raw, "utf-8")
        except UnicodeDecodeError as error:
            raise self.fail(f"found a name that is not UTF-8 ({error.reason})", at) from None

    def file(self) -> list[DGLGraph]:
        self._check_kind()
        version, kind = self.unpack("2Q")
        if version != VERSION:
            raise self.fail(
                f"found version {version}, expected {VERSION}",
                8,
                "Load the file with an old DGL (< 0.5) and save it with a newer one, which writes version 2.",
            )
        if kind != HETERO_GRAPH:
            raise self.fail(f"found graph type {kind}, expected {HETERO_GRAPH}", 16, "Save it again with DGL ≥ 0.5.")
        at, num_graphs = self.at, self.number()
        if len(self.content) < HEADER_BYTES:
            raise self.fail(f"found the end of the file, expected {HEADER_BYTES} bytes of header", len(self.content))
        self.at = HEADER_BYTES
        start = self.number()
        self.named_arrays()
        if not self.at <= start <= len(self.content):
            allowed = f"allowed {self.at} to {len(self.content)}"
            raise self.fail(f"found {start} as the start of the graphs, {allowed}", HEADER_BYTES)
        self.at = start
        if num_graphs * GRAPH_BYTES > self.left:
            raise self.fail(f"found a number of {num_graphs} graphs, but only {self.left} bytes are left for them", at)
        return [self.graph() for _ in range(num_graphs)]

    def _check_kind(self) -> None:
        for mark, kind in OTHER_FILES.items():
            if self.content[: len(mark)] == mark:
                raise self.fail(f"found {kind}", 0, "Give the graph file that dgl.save_graphs wrote.")
        self.magic(FILE_MAGIC, "a DGL graph file")

    def graph(self) -> DGLGraph:
        start = self.at
        self.magic(GRAPH_MAGIC, "a graph")
        self.metagraph()
        self.one("relations", UNIT_BYTES)
        edge_index, ids, rows = self.unit()
        self.one("numbers of nodes", 8)
        at, num_nodes = self.at, self.number("q")
        if num_nodes != rows:
            raise self.fail(f"found {num_nodes} nodes, but edges over {rows} nodes", at)
        self.one("frames of node data", 8)
        ndata = self.frame("node", num_nodes)
        self.one("frames of edge data", 8)
        edata = self.frame("edge", edge_index.shape[1])
        for what in ("node types", "edge types"):
            self.one(what, STRING_BYTES)
            self.string()
        return DGLGraph(num_nodes, self.in_order(edge_index, ids, start), ndata, edata)

    def one(self, what: str, item_bytes: int) -> None:
        """The length of a vector that has exactly one item where the graph is homogeneous."""
        at, found = self.at, self.count(what, item_bytes)
        if found != 1:
            advice = "Heterogeneous graphs are not read; make it homogeneous with dgl.to_homogeneous and save it again."
            raise self.fail(f"found {found} {what}, expected 1", at, advice)

    def in_order(self, edge_index: NDArray[np.int64], ids: Array, at: int) -> NDArray[np.int64]:
        """`edge_index` permuted so that column e is edge e. `ids` is empty or gives the id of each column."""
        num_edges = edge_index.shape[1]
        if not ids.size:
            return edge_index
        if ids.size != num_edges or ids.min() < 0 or ids.max() >= num_edges:
            raise self.fail(f"found {ids.size} edge ids that do not number {num_edges} edges, in the graph here", at)
        seen = np.zeros(num_edges, dtype=bool)
        seen[ids] = True
        if not seen.all():
            raise self.fail("found an edge id twice, in the graph here", at)
        ordered = np.empty_like(edge_index)
        ordered[0, ids], ordered[1, ids] = edge_index
        return ordered

    def metagraph(self) -> None:
        self.magic(IMM_MAGIC, "a metagraph")
        self.compressed()

    def unit(self) -> tuple[NDArray[np.int64], Array, int]:
        """(edges as stored, their ids or nothing, number of nodes) of one relation."""
        self.magic(UNIT_MAGIC, "a relation")
        at, (stored, _) = self.at, self.unpack("2q")
        formats = stored & 0xFFFFFFFF if stored >> 32 else LEGACY_FORMATS.get(stored, 0)
        if not formats or formats & ~(COO | CSR | CSC):
            raise self.fail(f"found the sparse format {stored:#x}, allowed COO, CSR and CSC", at)
        found = []
        for bit, read in ((COO, self.coordinates), (CSR, self.compressed), (CSC, self.transposed)):
            if formats & bit:
                self.metagraph()
                found.append(read())
        return found[0]  # the same edges in each of them

    def coordinates(self) -> tuple[NDArray[np.int64], Array, int]:
        start = self.at
        self.magic(COO_MAGIC, "a COO matrix")
        columns, rows = self.unpack("2q")
        row, column, ids = self.indices(), self.indices(), self.indices()
        self.unpack("2?")
        return self.edges(row, column, rows, columns, start), ids, rows

    def compressed(self) -> tuple[NDArray[np.int64], Array, int]:
        start = self.at
        self.magic(CSR_MAGIC, "a CSR matrix")
        columns, rows = self.unpack("2q")
        indptr, column, ids = self.indices(), self.indices(), self.indices()
        self.unpack("?")
        whole = indptr.size == rows + 1 > 0 and indptr[0] == 0 and indptr[-1] == column.size
        if not whole or (indptr[1:] < indptr[:-1]).any():
            problem = f"found an index of rows that does not divide {column.size} entries over {rows} rows"
            raise self.fail(problem, start)
        row = np.repeat(np.arange(rows, dtype=np.int64), np.diff(indptr))
        return self.edges(row, column, rows, columns, start), ids, rows

    def transposed(self) -> tuple[NDArray[np.int64], Array, int]:
        edge_index, ids, rows = self.compressed()
        return edge_index[::-1], ids, rows

    def edges(self, row: Array, column: Array, rows: int, columns: int, at: int) -> NDArray[np.int64]:
        if rows != columns:
            raise self.fail(f"found edges from {rows} to {columns} nodes, expected one set of nodes", at)
        if row.size != column.size:
            raise self.fail(f"found {row.size} rows and {column.size} columns of entries", at)
        for name, index, limit in (("row", row, rows), ("column", column, columns)):
            if limit < 0 or (index.size and not 0 <= index.min() <= index.max() < limit):
                raise self.fail(f"found a {name} number outside 0 to {limit - 1}", at)
        edge_index = np.empty((2, row.size), dtype=np.int64)
        edge_index[0], edge_index[1] = row, column
        return edge_index

    def indices(self) -> Array:
        at, values = self.at, self.array()
        if values.ndim != 1 or values.dtype not in (np.int32, np.int64):
            found = f"{values.dtype} {list(values.shape)}"
            raise self.fail(f"found {found} as node or edge numbers, allowed int32 [n] and int64 [n]", at)
        return values

    def frame(self, what: str, rows: int) -> dict[str, Array]:
        at, columns = self.at, self.named_arrays()
        for name, values in columns.items():
            if values.shape[:1] != (rows,):
                raise self.fail(f"found {what} data {name!r} of shape {list(values.shape)}, expected [{rows}, …]", at)
        return columns

    def named_arrays(self) -> dict[str, Array]:
        count = self.count("named arrays", STRING_BYTES + ARRAY_BYTES)
        return {self.string(): self.array() for _ in range(count)}

    def array(self) -> Array:
        at = self.at
        self.magic(ARRAY_MAGIC, "an array")
        reserved, device, _, ndim, code, bits, lanes = self.unpack("Q3i2BH")
        dtype = DTYPES.get((code, bits))
        if reserved or device != CPU or dtype is None or lanes != 1:
            found = f"flags {reserved}, device {device}, data type code {code} of {bits} bits, {lanes} lanes"
            allowed = "flags 0, device 1, integer (0), unsigned (1), float (2) or bfloat16 (4), 1 lane"
            raise self.fail(f"found an array of {found}; allowed: {allowed}", at, "Save the graph again, uncompressed.")
        if not 0 <= ndim <= MAX_DIMENSIONS:
            raise self.fail(f"found an array of {ndim} dimensions, allowed 0 to {MAX_DIMENSIONS}", at)
        shape = self.unpack(f"{ndim}q")
        size_at, size = self.at, self.number("q")
        expected = math.prod(shape) * np.dtype(dtype).itemsize
        if min(shape, default=0) < 0 or size != expected:
            raise self.fail(f"found {size} bytes for an array {dtype[1:]} {list(shape)}, expected {expected}", size_at)
        if size > self.left:
            raise self.fail(f"found the end of the file after {self.left} of {size} bytes of an array", size_at)
        values = np.frombuffer(self.content, dtype, math.prod(shape), self.at)
        self.at += size
        if code == BFLOAT:
            values = (values.astype("<u4") << 16).view("<f4")
        try:
            return values.reshape(shape)
        except ValueError as error:  # an empty array whose other dimensions are out of numpy's range
            raise self.fail(f"found an array {list(shape)} ({error})", at) from None
