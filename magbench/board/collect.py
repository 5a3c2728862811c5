"""From stored cells to the report's page: results, learning curves and a sample of nodes with their pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import numpy as np

from magbench import paths
from magbench.board.report import write_report
from magbench.board.sample import Sample, Sampled
from magbench.board.study_page import write_studies
from magbench.data.digests import part_digests
from magbench.data.load import load_dataset
from magbench.data.mag import MAG
from magbench.errors import MagbenchError
from magbench.predictions.classes import Classes
from magbench.registry import Registry
from magbench.results.frame import StoredCell, question_of
from magbench.results.kept import KeptCell
from magbench.results.reported import read_reported
from magbench.results.study import read_studies
from magbench.tables.outcome import outcome_of
from magbench.tables.report import report_of
from magbench.tables.study import study_table

Graphs = Callable[[str, str, tuple[tuple[str, str], ...]], MAG | None]
"""Data set, feature set and digests of parts → the graph; None where it is not here, or another one."""
SAMPLE_SIZE = 24


def write_run_report(
    cells: Sequence[StoredCell | KeptCell], out: Path, *, title: str = "magbench report", studies: bool = False
) -> Path:
    """Write ``out/index.html`` for ``cells``, with a link to the studies' page if ``studies``; returns its path."""
    registry = Registry.default()

    @cache
    def graph(name: str, features: str, digests: tuple[tuple[str, str], ...]) -> MAG | None:
        try:
            mag = load_dataset(registry.dataset(name), features)
        except MagbenchError:
            return None
        known = dict(digests)
        return mag if part_digests(mag, known) == known else None

    outcomes = [outcome_of(cell, registry, curves=True) for cell in cells]
    return write_report(
        report_of(outcomes, reported=read_reported(registry)),
        out,
        title=title,
        sampled=[_sampled(cell, registry, graph) for cell in _first_of_each_method(cells)],
        studies=studies,
    )


def write_studies_page(out: Path, *, empty: bool = False) -> Path | None:
    """Write ``out/studies.html`` for the studies the checkout keeps; None where it keeps none, unless ``empty``.

    Raises:
        RecordError: a kept study cannot be read.
        OutputError: the page cannot be written.
    """
    root = paths.checkout()
    kept = read_studies(Registry.default(), root / "leaderboard" / "studies") if root else []
    return write_studies([study_table(study) for study in kept], out) if kept or empty else None


def _first_of_each_method(cells: Sequence[StoredCell | KeptCell]) -> list[StoredCell]:
    """The lowest finished seed of each row of a table: only these carry a sample of nodes, if stored."""
    first: dict[tuple[object, str], StoredCell] = {}
    for cell in sorted(cells, key=lambda cell: cell.record.seed):
        if cell.record.status == "ok" and isinstance(cell, StoredCell):
            first.setdefault((question_of(cell.record), cell.record.method.name), cell)
    return list(first.values())


def _sampled(cell: StoredCell, registry: Registry, graph: Graphs) -> Sampled:
    record = cell.record
    question = (f"{record.task.id}@{record.task.version}", record.dataset.features, record.protocol)
    return Sampled(question, record.method.name, record.seed, _sample(cell, registry, graph))


def _sample(cell: StoredCell, registry: Registry, graph: Graphs) -> list[Sample]:
    """Test nodes spread evenly over the test part, the same for every method of a seed.

    None where edges are tested, and none where the data of the result are not here.
    """
    record, prediction = cell.record, cell.prediction()
    task = registry.find_task(f"{record.task.id}@{record.task.version}")
    if not isinstance(prediction, Classes) or task is None:
        return []
    mag = graph(record.dataset.id, record.dataset.features, tuple(sorted((record.dataset.sha256 or {}).items())))
    if mag is None or task.label not in mag.classes:
        return []
    names, truth = mag.classes[task.label], np.asarray(mag[task.label])
    ids = prediction.nodes
    if not len(ids) or ids.min() < 0 or ids.max() >= len(truth) or prediction.classes.max() >= len(names):
        return []
    order = np.argsort(prediction.nodes, kind="stable")
    chosen = order[np.linspace(0, len(order) - 1, min(SAMPLE_SIZE, len(order))).astype(int)]
    samples = []
    for row in chosen:
        node = int(prediction.nodes[row])
        samples.append(
            Sample(
                node=node,
                text=(mag.texts[node] or "") if mag.texts is not None else "",
                image=mag.images.bytes(node) if mag.images is not None else None,
                true=names[int(truth[node])],
                predicted=names[int(prediction.classes[row])],
            )
        )
    return samples
