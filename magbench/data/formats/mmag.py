"""MMAG (OpenMAG): as MAGB, but pictures are named by the table's ``id`` and the graph may carry split masks.

``<D>Graph.pt`` (DGL; self-loops and weights on the embedding-kNN graphs such as Flickr30k), ``<D>.csv``,
``<D>Images.tar.gz`` or ``<D>Images_extracted/<D>Images/{id}.jpg``, ``text_features/``, ``image_features/``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from magbench.data.formats.dgl_binary import DGLGraph
from magbench.data.formats.magb import graph_and_table, labels_of
from magbench.data.formats.published import Files, Ints, Published
from magbench.errors import DataError
from magbench.specs import DatasetSpec

PARTS = ("train", "val", "test")


def read(files: Files, spec: DatasetSpec) -> Published:
    """Read ``graph`` and ``table``.

    Raises:
        DataError: a file is unreadable, or they do not agree; names file, found and expected.
    """
    graph, table = graph_and_table(files)
    labels = labels_of(graph, table, files["graph"], wanted=bool(spec.labels))
    rows = table.row_of()
    return Published(
        num_nodes=graph.num_nodes,
        edge_index=graph.edge_index,
        picture_node=rows.get,
        labels=labels,
        class_names=() if labels is None else table.class_names(labels, spec.columns.class_name),
        texts=table.texts(spec.columns),
        references=table.captions(spec.columns),
        official=masked_parts(graph, files["graph"]),
    )


def masked_parts(graph: DGLGraph, path: Path) -> dict[str, Ints]:
    """The split that ``train_mask``, ``val_mask``, ``test_mask`` store (DGL keeps booleans as uint8), if there is one.

    Raises:
        DataError: a mask is no mask, or two overlap.
    """
    masks = {part: graph.ndata[f"{part}_mask"] for part in PARTS if f"{part}_mask" in graph.ndata}
    if not masks:
        return {}
    for part, mask in masks.items():
        if mask.ndim != 1 or mask.dtype.kind not in "iu" or not np.isin(mask, (0, 1)).all():
            raise DataError(f"{path}: found {part}_mask {mask.dtype} {list(mask.shape)}, expected zeros and ones [N].")
    if len(masks) < len(PARTS) or (np.sum(list(masks.values()), axis=0) > 1).any():
        raise DataError(f"{path}: found the masks {sorted(masks)}, expected {', '.join(PARTS)}, each node in one part.")
    return {part: np.flatnonzero(mask.astype(bool)) for part, mask in masks.items()}
