"""From published files to the on-disk store: the graph made simple, features cast to float32, pictures put in order.

Everything large is streamed in blocks, so a data set with gigabytes of features needs some hundred megabytes of memory.
:func:`convert` makes the store with whatever is given; given a store that is there, it adds what that one lacks.
"""

from __future__ import annotations

import hashlib
import io
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

import magbench
from magbench.data.builder import StoreBuilder
from magbench.data.columns import read_parquet_column
from magbench.data.edges import distinct, undirected_edges
from magbench.data.formats.matrix import Block, blocks, check_matrix
from magbench.data.formats.pictures import Tally, pictures
from magbench.data.formats.published import Files, Ints, Published, expect
from magbench.data.mag import simple_undirected
from magbench.data.meta import META, PICTURE_MASK, Conversion, GraphCounts, Meta, PublishedGraph, read_meta
from magbench.data.published.locate import Sources
from magbench.data.store import array_bytes
from magbench.errors import DataError
from magbench.specs import DatasetSpec, Mirror

TEXT_MODALITY, TEXTS = "text", "texts.parquet"
PICTURES_A_GROUP = 64
LARGEST_HALF = 65504
"""Features computed in half precision are infinite where they exceed it."""


def convert(spec: DatasetSpec, mirror: Mirror, sources: Sources, folder: Path) -> Conversion:
    """Make the store `folder` from `sources`, or add to it the feature sets and pictures it lacks.

    Raises:
        DataError: the files are not those of the data set; names file, found and expected.
        OutputError: the store cannot be written.
    """
    published: Published = import_module(f"magbench.data.formats.{mirror.layout}").read(sources.files, spec)
    check_published(published, spec, sources.files)
    for name, parts in sources.features.items():
        for modality, path in parts.items():
            check_matrix(path, mirror.width(name, modality), published.num_nodes)
    old = read_meta(folder) if (folder / META).is_file() else None
    graph = count_published(published.edge_index, published.num_nodes)
    if old is not None and not (old.published == graph and _same_release(folder, old, published)):
        raise DataError(
            f"{spec.id}: the files hold another graph, or other labels or texts, than {folder}, so they are of another "
            f"release. Remove {folder} to start anew with them."
        )
    notes = list(_graph_notes(published, graph, spec))
    with StoreBuilder(folder) as builder:
        if old is None:
            _write_small(builder, published, spec)
        for name, parts in sources.features.items():
            if old is None or name not in old.features:
                for modality, path in parts.items():
                    notes += _write_features(builder, mirror, name, modality, path, published.num_nodes)
        if sources.pictures is not None and (old is None or "images.parquet" not in old.files):
            notes += _write_pictures(builder, sources.pictures, published)
        if old is None:
            meta = _describe(published, graph, spec, mirror, sources, builder)
            builder.publish(meta)
        else:
            features = {**old.features, **_widths(mirror, sources)}
            meta = old.model_copy(update={"features": features, "files": {**old.files, **builder.files}})
            builder.add(meta)
    return Conversion(folder, meta, tuple(notes))


def check_published(published: Published, spec: DatasetSpec, files: Files) -> None:
    """Compare what the layout says with what the specification expects. Raises DataError."""
    path = files.get("graph") or files["mapping"]
    if "nodes" in spec.counts:
        expect(path, "nodes", published.num_nodes, spec.counts["nodes"], spec.id)
    if published.labels is not None and len(published.labels):
        low, high = int(published.labels.min()), int(published.labels.max())
        limit = spec.num_classes or published.num_nodes
        if low < -1 or high >= limit or high < 0:
            labels = files.get("labels") or path
            raise DataError(f"{labels}: found labels {low} to {high}, allowed -1 (unlabelled) to {limit - 1}.")


def count_published(edge_index: Ints, num_nodes: int) -> PublishedGraph:
    """The four counts of a graph as stored, with its isolated nodes (loops connect nothing)."""
    pairs = undirected_edges(edge_index, num_nodes)
    return PublishedGraph(
        directed_edges=edge_index.shape[1],
        self_loops=int((edge_index[0] == edge_index[1]).sum()),
        undirected_edges=pairs.shape[1],
        isolated=int((np.bincount(pairs.ravel(), minlength=num_nodes) == 0).sum()),
    )


def quoted_convention(graph: PublishedGraph, quoted: int) -> str | None:
    """The way of counting edges under which papers' figure is this graph's; None when there is none."""
    ways = {
        "unique undirected edges": graph.undirected_edges,
        "unique undirected edges in both directions": 2 * graph.undirected_edges,
        "stored directed edges": graph.directed_edges,
        "stored directed edges with all reverse ones added": 2 * graph.directed_edges,
    }
    return next((way for way, count in ways.items() if count == quoted), None)


def _graph_notes(published: Published, graph: PublishedGraph, spec: DatasetSpec) -> Iterator[str]:
    if spec.quoted_edges is not None:
        way = quoted_convention(graph, spec.quoted_edges)
        says = f"counts {way}" if way else "is none of the counts of this graph"
        yield f"Papers quote {spec.quoted_edges:,} edges, which {says}."
    if published.rebuilt is not None:
        both = (published.edge_index, published.rebuilt)
        stored, rebuilt = (distinct(source * published.num_nodes + target) for source, target in both)
        more, fewer = len(np.setdiff1d(rebuilt, stored)), len(np.setdiff1d(stored, rebuilt))
        same = f"{more:,} edges that the file lacks, and lacks {fewer:,} of its" if more or fewer else "the same edges"
        yield f"The graph made again from the table has {same}."


def _arrays(published: Published) -> Iterator[tuple[str, bytes]]:
    """The name and content of the files of edges, labels and splits."""
    edges = simple_undirected(torch.from_numpy(np.ascontiguousarray(published.edge_index)), published.num_nodes)
    yield "edge_index.npy", array_bytes(edges.numpy(), "<i8")
    if published.labels is not None:
        yield "y.npy", array_bytes(published.labels, "<i8")
    for name, values in published.official.items():
        yield f"official/{name}.npy", array_bytes(values, "<i8")


def _same_release(folder: Path, old: Meta, published: Published) -> bool:
    """Whether the nodes are those of the store, in its order, by edges, labels, splits and texts."""
    for name, content in _arrays(published):
        if name not in old.files or old.files[name].sha256 != hashlib.sha256(content).hexdigest():
            return False
    return published.texts is None or list(published.texts) == read_parquet_column(folder / TEXTS, "text")


def _write_small(builder: StoreBuilder, published: Published, spec: DatasetSpec) -> None:
    for name, content in _arrays(published):
        builder.write(name, [content])
    for modality in spec.modalities:
        has = np.ones(published.num_nodes, dtype=bool)
        if modality == TEXT_MODALITY and published.texts is not None:
            has = np.array([text is not None for text in published.texts])
        _write_array(builder, f"has_{modality}.npy", has, "|b1")
    if published.texts is not None:
        columns = {"text": pa.array(published.texts, pa.string())}
        if published.references is not None:
            columns["references"] = pa.array(published.references, pa.list_(pa.string()))
        pq.write_table(pa.table(columns), builder.path(TEXTS), compression="zstd")
        builder.take(TEXTS)


def _write_features(
    builder: StoreBuilder, mirror: Mirror, name: str, modality: str, path: Path, num_nodes: int
) -> Iterator[str]:
    part = mirror.features[name][modality]
    seen = _Seen()
    content = _feature_bytes(blocks(path, part, num_nodes), (num_nodes, part.dim), seen)
    builder.write(f"features/{name}/x_{modality}.npy", content)
    has = np.concatenate(seen.present)
    if seen.infinite:
        yield f"{path.name}: {seen.infinite:,} infinite values became ±{LARGEST_HALF}, the largest of half precision."
    if not has.any():
        raise DataError(f"{path}: found nothing but zero rows, expected features.")
    if not has.all():
        _write_array(builder, f"features/{name}/has_{modality}.npy", has, "|b1")
        yield f"{path.name}: {int((~has).sum()):,} rows are zero or NaN; those nodes lack their {modality}."


@dataclass
class _Seen:
    """Which rows of a feature file carry something, block by block, and how many values were infinite."""

    present: list[np.ndarray[Any, np.dtype[np.bool_]]] = field(default_factory=list)
    infinite: int = 0


def _feature_bytes(rows: Iterator[Block], shape: tuple[int, int], seen: _Seen) -> Iterator[bytes | memoryview]:
    """An ``.npy`` file of float32 `shape`, piece by piece; fills `seen`."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": shape})
    yield header.getvalue()
    for block in rows:
        here = np.asarray(block.any(axis=1))
        if not np.isfinite(block).all():
            infinite = np.isinf(block)
            block[infinite] = np.copysign(LARGEST_HALF, block[infinite])
            seen.infinite += int(infinite.sum())
            here &= ~np.isnan(block).any(axis=1)
        block[~here] = 0
        seen.present.append(here)
        yield block.data.cast("B")


def _write_pictures(builder: StoreBuilder, source: Path, published: Published) -> Iterator[str]:
    tally, has, num_nodes = Tally(), np.zeros(published.num_nodes, dtype=bool), published.num_nodes
    schema = pa.schema([("image", pa.binary())])
    target = builder.path("images.parquet")
    with (
        tempfile.TemporaryFile(dir=builder.temporary) as spool,
        pq.ParquetWriter(target, schema, compression="none", use_dictionary=False, write_statistics=False) as writer,
    ):
        group: list[bytes | None] = []
        for node, picture in enumerate(pictures(source, published.picture_node, num_nodes, spool, tally)):
            has[node] = picture is not None
            group.append(picture)
            if len(group) == PICTURES_A_GROUP or node == num_nodes - 1:
                writer.write_table(pa.table({"image": pa.array(group, pa.binary())}, schema=schema))
                group = []
    builder.take("images.parquet")
    _write_array(builder, PICTURE_MASK, has, "|b1")
    for what, names in (("belong to no node", tally.unknown), ("are second pictures of a node", tally.repeated)):
        if names:
            yield f"{source.name}: {len(names):,} pictures {what} and are left out, e.g. {names[0]}."
    if not has.all():
        yield f"{source.name}: {int((~has).sum()):,} nodes have no picture."


def _write_array(builder: StoreBuilder, name: str, values: np.ndarray[Any, Any], dtype: str) -> None:
    builder.write(name, [array_bytes(values, dtype)])


def _widths(mirror: Mirror, sources: Sources) -> dict[str, dict[str, int]]:
    """Feature set → modality → width."""
    return {name: {m: part.dim for m, part in mirror.features[name].items()} for name in sources.features}


def _describe(
    published: Published,
    graph: PublishedGraph,
    spec: DatasetSpec,
    mirror: Mirror,
    sources: Sources,
    builder: StoreBuilder,
) -> Meta:
    edges = graph.undirected_edges
    return Meta(
        name=spec.name,
        version=spec.version,
        builder=f"magbench {magbench.__version__}",
        licence=mirror.licence,
        source=sources.origin,
        counts=GraphCounts(nodes=published.num_nodes, directed_edges=2 * edges, self_loops=0, undirected_edges=edges),
        modalities=list(spec.modalities),
        features=_widths(mirror, sources),
        labels={} if published.labels is None else {"y": _class_names(published, spec)},
        files=builder.files,
        mirror=mirror.name,
        published=graph,
    )


def _class_names(published: Published, spec: DatasetSpec) -> list[str]:
    assert published.labels is not None
    count = spec.num_classes or int(published.labels.max()) + 1
    names = dict(enumerate(published.class_names))
    return [names.get(label, str(label)) for label in range(count)]
