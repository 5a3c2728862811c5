"""MM-Graph: torch files, official splits, raw text and pictures named by raw ids that a mapping joins to the nodes.

Node classification (ele-fashion): ``nc_edges-nodeid.pt`` [E, 2], ``labels-w-missing.pt`` (−1 = unlabelled),
``split.pt``. Link prediction (sports): ``lp-edge-split.pt`` alone; the graph is the union of its train, validation and
test edges, and methods are given the training edges. Features are one tensor, text columns first, then image columns.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from magbench.data.formats.published import Files, Ints, Published, clean, expect
from magbench.data.formats.torch_file import integers, load_torch
from magbench.errors import DataError
from magbench.specs import DatasetSpec

NODE_PARTS = {"train": "train_idx", "val": "val_idx", "test": "test_idx"}
EDGE_PARTS = {"train": "train", "val": "valid", "test": "test"}
EDGES, NEGATIVES = ("source_node", "target_node"), "target_node_neg"


def read(files: Files, spec: DatasetSpec) -> Published:
    """Read ``mapping`` and ``texts`` with ``edges``, ``labels`` and ``split``, or with ``edge_split``.

    Raises:
        DataError: a file is unreadable, or they do not agree; names file, found and expected.
    """
    raw_ids = _raw_ids(load_torch(files["mapping"]), files["mapping"])
    num_nodes = len(raw_ids)
    node_of = {raw: node for node, raw in enumerate(raw_ids)}
    labels = None
    if "edge_split" in files:
        official = _edge_split(files["edge_split"], num_nodes)
        edge_index = np.concatenate([official[f"{part}_edges"] for part in EDGE_PARTS], axis=1)
    else:
        edge_index = _edges(files["edges"], num_nodes)
        labels = integers(load_torch(files["labels"]), files["labels"], "labels")
        expect(files["labels"], "labels", list(labels.shape), [num_nodes], f"the nodes of {files['mapping']}")
        official = _node_split(files["split"], num_nodes)
    return Published(
        num_nodes=num_nodes,
        edge_index=edge_index,
        picture_node=node_of.get,
        labels=labels if spec.labels else None,
        texts=_texts(files["texts"], node_of),
        official=official,
    )


def _raw_ids(mapping: Any, path: Path) -> list[str]:
    """The raw id of each node, from a list, from {node: raw id} or from {raw id: node}."""
    if isinstance(mapping, list | tuple):
        raw = dict(enumerate(mapping))
    elif isinstance(mapping, dict):
        turned = {node: key for key, node in mapping.items() if isinstance(node, int)}
        raw = mapping if set(mapping) == set(range(len(mapping))) else turned
    else:
        raise DataError(f"{path}: found a {type(mapping).__name__}, expected a list or dict of nodes and raw ids.")
    if not raw or sorted(raw) != list(range(len(mapping))):
        sample = list(mapping.items() if isinstance(mapping, dict) else mapping)[:2]
        raise DataError(f"{path}: found {len(mapping)} entries, e.g. {sample}, expected each node 0, 1, … once.")
    expect(path, "different raw ids", len(set(map(str, raw.values()))), len(raw), "the nodes")
    return [str(raw[node]) for node in range(len(raw))]


def _in_range(values: Ints, num_nodes: int, path: Path, what: str) -> Ints:
    if values.size and not 0 <= values.min() <= values.max() < num_nodes:
        raise DataError(
            f"{path}: found {what} {values.min()} to {values.max()}, allowed node numbers 0 to {num_nodes - 1}."
        )
    return values


def _edges(path: Path, num_nodes: int) -> Ints:
    edges = integers(load_torch(path), path, "edges")
    if edges.ndim != 2 or edges.shape[1] != 2:
        raise DataError(f"{path}: found edges {list(edges.shape)}, expected [E, 2].")
    return _in_range(edges.T, num_nodes, path, "edges")


def _part(content: Any, path: Path, *keys: str) -> Any:
    """``content[key][key]…``; raises DataError naming the key that is missing and those found."""
    for key in keys:
        if not isinstance(content, dict) or key not in content:
            found = sorted(map(str, content)) if isinstance(content, dict) else type(content).__name__
            raise DataError(f"{path}: found {found}, expected {' → '.join(keys)} in it.")
        content = content[key]
    return content


def _node_split(path: Path, num_nodes: int) -> dict[str, Ints]:
    split = load_torch(path)
    parts = {
        part: _in_range(integers(_part(split, path, key), path, key), num_nodes, path, key)
        for part, key in NODE_PARTS.items()
    }
    together = np.concatenate([part.ravel() for part in parts.values()])
    if len(np.unique(together)) < len(together):
        raise DataError(f"{path}: found nodes in two parts or twice in one, expected each at most once.")
    return {part: np.sort(nodes.ravel()) for part, nodes in parts.items()}


def _edge_split(path: Path, num_nodes: int) -> dict[str, Ints]:
    """The official edges and, for validation and test, K false targets of each edge's source."""
    split = load_torch(path)
    official = {}
    for part, stored in EDGE_PARTS.items():
        ends = [integers(_part(split, path, stored, key), path, f"{stored} {key}").ravel() for key in EDGES]
        expect(path, f"{stored} targets", len(ends[1]), len(ends[0]), "the sources")
        official[f"{part}_edges"] = _in_range(np.stack(ends), num_nodes, path, f"{stored} edges")
        if part != "train":
            false = integers(_part(split, path, stored, NEGATIVES), path, f"{stored} {NEGATIVES}")
            if false.ndim != 2 or len(false) != len(ends[0]):
                raise DataError(f"{path}: found {stored} negatives {list(false.shape)}, expected [{len(ends[0])}, K].")
            official[f"{part}_negatives"] = _in_range(false, num_nodes, path, f"{stored} negatives")
    return official


def _texts(path: Path, node_of: dict[str, int]) -> list[str | None]:
    """The raw text of each node; records carry ``id`` or ``asin``, and ``raw_text`` or ``text``."""
    texts: list[str | None] = [None] * len(node_of)
    known, first = 0, ""
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                if not line.strip():
                    continue
                raw, text = _record(line, f"{path}, line {number}")
                first = first or raw
                if raw in node_of:
                    texts[node_of[raw]] = clean(text)
                    known += 1
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}. Fetch the file again.") from error
    if not known:
        raise DataError(
            f"{path}: found no text of any node: ids such as {first!r}, expected such as {next(iter(node_of), '')!r}."
        )
    return texts


def _record(line: str, place: str) -> tuple[str, str]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{place}: no JSON: {error}. Fetch the file again.") from error
    fields = record if isinstance(record, dict) else {}
    raw = next((fields[key] for key in ("id", "asin") if key in fields), None)
    text = next((fields[key] for key in ("raw_text", "text") if fields.get(key) is not None), None)
    if isinstance(text, list):
        text = " ".join(map(str, text))
    if text is None and fields.keys() & {"raw_text", "text"}:
        text = ""
    if raw is None or not isinstance(text, str):
        found = sorted(fields) or type(record).__name__
        raise DataError(f"{place}: found {found}, expected id or asin, and raw_text or text.")
    return str(raw), text.encode("utf-8", "replace").decode()  # JSON may hold half a character, which no file can
