"""The workload of a planned cell, which estimates are scaled by (:mod:`magbench.run.estimate`)."""

from __future__ import annotations

from magbench.data.load import load_dataset
from magbench.data.meta import read_meta
from magbench.data.place import dataset_folder, is_here
from magbench.specs import DatasetSpec, FamilySpec, TaskSpec, Training, load
from magbench.tasks.workload import Size, Workload


def size_of(spec: DatasetSpec, features: str) -> Size | None:
    """The size of a data set: measured where it is here, else as its specification expects it; ``None``: not known.

    Of edges that papers quote, MAGB and MMAG count both directions; MM-Graph does not say, and is taken not to.
    """
    if spec.source == "synthetic":
        mag = load_dataset(spec, features)
        return Size(mag.num_nodes, mag.edge_index.size(1), sum(x.size(1) for x in mag.x_dict.values()))
    if is_here(spec, features):
        meta = read_meta(dataset_folder(spec))
        return Size(meta.counts.nodes, meta.counts.directed_edges, sum(meta.features[features].values()))
    mirror = next((mirror for mirror in spec.mirrors if features in mirror.features), None)
    if mirror is None or "nodes" not in spec.counts or spec.quoted_edges is None:
        return None
    directions = 2 if mirror.layout == "mmgraph" else 1
    width = sum(part.dim for part in mirror.features[features].values())
    return Size(spec.counts["nodes"], directions * spec.quoted_edges, width)


def workload_of(family: FamilySpec, task: TaskSpec, size: Size, training: Training) -> Workload | None:
    """What a cell reads; ``None`` where its family does not say."""
    if family.workload is None:
        return None
    found: Workload = load(family.workload)(task, size, training)
    return found
