"""MAGB: ``<D>Graph.pt`` (DGL, node data ``label``), ``<D>.csv`` (row = node), ``{node}.jpg`` pictures.

Product graphs (Movies, Toys, Grocery) are directed there; the Reddit graphs are cliques of authors with a loop on every
node. Features are one ``.npy`` a modality, or one ``.npy`` of both modalities side by side; some are float64.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from magbench.data.formats.dgl_binary import DGLGraph, read_graphs
from magbench.data.formats.published import Files, Ints, Published, expect, row_number
from magbench.data.formats.table import Table
from magbench.errors import DataError
from magbench.specs import DatasetSpec


def read(files: Files, spec: DatasetSpec) -> Published:
    """Read ``graph`` and ``table``.

    Raises:
        DataError: a file is unreadable, or they do not agree; names file, found and expected.
    """
    graph, table = graph_and_table(files)
    labels = labels_of(graph, table, files["graph"], wanted=bool(spec.labels))
    return Published(
        num_nodes=graph.num_nodes,
        edge_index=graph.edge_index,
        picture_node=lambda stem: row_number(stem, graph.num_nodes),
        labels=labels,
        class_names=() if labels is None else table.class_names(labels, spec.columns.class_name),
        texts=table.texts(spec.columns),
        references=table.captions(spec.columns),
        rebuilt=table.links(spec.columns),
    )


def graph_and_table(files: Files) -> tuple[DGLGraph, Table]:
    """The one graph of the file ``graph``, and the table, which has a row for each of its nodes.

    DGL numbers the nodes of an edge list up to the largest end, so a graph can lack isolated nodes at its end.
    """
    path = files["graph"]
    graphs = read_graphs(path)
    expect(path, "graphs", len(graphs), 1)
    table = Table(files["table"])
    expect(path, "nodes", graphs[0].num_nodes, len(table), f"the rows of {files['table']}")
    return graphs[0], table


def labels_of(graph: DGLGraph, table: Table, path: Path, *, wanted: bool) -> Ints | None:
    """The labels in the graph and in the table, which must agree where both have them."""
    if not wanted:
        return None
    stored, listed = graph.ndata.get("label"), table.labels()
    if stored is None and listed is None:
        raise DataError(
            f"{path}: found the node data {sorted(graph.ndata)} and in {table.path} the columns "
            f"{list(table.frame.columns)}, expected 'label' in one of them."
        )
    if stored is None:
        return listed
    if stored.ndim != 1 or stored.dtype.kind not in "iu":
        raise DataError(f"{path}: found labels {stored.dtype} {list(stored.shape)}, expected integers [N].")
    labels = np.array(stored, dtype=np.int64)
    if listed is not None and (labels != listed).any():
        node = int(np.flatnonzero(labels != listed)[0])
        raise DataError(
            f"{path}: found label {labels[node]} for node {node}, but {listed[node]} in {table.path}; "
            f"{int((labels != listed).sum())} nodes differ. Are graph and table of one release?"
        )
    return labels
