"""Writes DGL graph files by the grammar, in every variant of storage; the reader's counterpart, for tests only."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

FILE, GRAPH, UNIT = 0xDD2E4FF046B4A13F, 0xDD589FBE35224ABF, 0xDD2E60F0F6B4A127
IMM, COO, CSR, ARRAY = 0xDD3C5FFE20046ABF, 0xDD61FFD305DFF127, 0xDD6CD31205DFF127, 0xDD5E40F096B4A13F
CODES = {"i": 0, "u": 1, "f": 2}
BITS = {"coo": 1, "csr": 2, "csc": 4}
LEGACY = {"coo": 1, "csr": 2, "csc": 3}


@dataclass(frozen=True)
class Graph:
    """What to write: `edges` int [2, E] in the order of their ids."""

    num_nodes: int
    edges: np.ndarray
    ndata: Mapping[str, np.ndarray] = field(default_factory=dict)
    edata: Mapping[str, np.ndarray] = field(default_factory=dict)


def u64(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}Q", *values)


def i64(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}q", *values)


def string(text: str) -> bytes:
    return u64(len(text.encode())) + text.encode()


def array(values: np.ndarray, code: int | None = None) -> bytes:
    """`code` 4 with uint16 values writes bfloat16."""
    values = np.ascontiguousarray(values) if np.ndim(values) else np.asarray(values)
    kind = CODES[values.dtype.kind] if code is None else code
    head = struct.pack("<iiiBBH", 1, 0, values.ndim, kind, 8 * values.itemsize, 1)
    return u64(ARRAY, 0) + head + i64(*values.shape) + i64(values.nbytes) + values.tobytes()


def named(arrays: Mapping[str, np.ndarray]) -> bytes:
    return u64(len(arrays)) + b"".join(string(name) + array(values) for name, values in arrays.items())


def csr(edges: np.ndarray, rows: int, ids: bool, dtype: str) -> bytes:
    order = np.argsort(edges[0], kind="stable")
    indptr = np.concatenate([[0], np.cumsum(np.bincount(edges[0], minlength=rows))])
    parts = (indptr, edges[1][order], order if ids else np.empty(0))
    return u64(CSR) + i64(rows, rows) + b"".join(array(part.astype(dtype)) for part in parts) + b"\0"


def coo(edges: np.ndarray, rows: int, ids: bool, dtype: str) -> bytes:
    order = np.random.default_rng(0).permutation(edges.shape[1]) if ids else np.arange(edges.shape[1])
    parts = (edges[0][order], edges[1][order], order if ids else np.empty(0))
    return u64(COO) + i64(rows, rows) + b"".join(array(part.astype(dtype)) for part in parts) + b"\0\0"


def metagraph() -> bytes:
    return u64(IMM) + csr(np.zeros((2, 1), dtype=int), 1, ids=True, dtype="<i8")


def unit(graph: Graph, formats: tuple[str, ...], legacy: bool, ids: bool, dtype: str) -> bytes:
    mask = sum(BITS[name] for name in formats)
    content = u64(UNIT) + i64(LEGACY[formats[0]] if legacy else (1 << 32) + mask, 7)
    writers = {"coo": (coo, graph.edges), "csr": (csr, graph.edges), "csc": (csr, graph.edges[::-1])}
    for name in formats:
        write, edges = writers[name]
        content += metagraph() + write(edges, graph.num_nodes, ids, dtype)
    return content


def graph_bytes(graph: Graph, formats: tuple[str, ...], legacy: bool, ids: bool, dtype: str) -> bytes:
    return (
        u64(GRAPH)
        + metagraph()
        + u64(1)
        + unit(graph, formats, legacy, ids, dtype)
        + u64(1)
        + i64(graph.num_nodes)
        + u64(1)
        + named(graph.ndata)
        + u64(1)
        + named(graph.edata)
        + u64(1)
        + string("_N")
        + u64(1)
        + string("_E")
    )


def file_bytes(
    *graphs: Graph,
    formats: tuple[str, ...] = ("coo",),
    legacy: bool = False,
    ids: bool = False,
    dtype: str = "<i8",
    labels: Mapping[str, np.ndarray] | None = None,
) -> bytes:
    """A whole file. ``ids`` stores edges out of order with their ids (CSR and CSC need that to keep the order)."""
    bodies = [graph_bytes(graph, formats, legacy, ids, dtype) for graph in graphs]
    return wrap(bodies, named(labels or {}))


def wrap(bodies: list[bytes], labels: bytes = u64(0), version: int = 2) -> bytes:
    """Header and trailer around graphs; the gap after the header is left-over memory, as DGL leaves it."""
    header = (u64(FILE, version, 2, len(bodies)) + b"\x5a" * 4096)[:4096]
    start = 4096 + 8 + len(labels)
    starts = np.cumsum([start, *map(len, bodies[:-1])]).tolist() if bodies else []
    return header + u64(start) + labels + b"".join(bodies) + u64(len(starts), *starts)
