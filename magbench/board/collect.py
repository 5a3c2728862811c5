"""From stored cells to the report's page: results, learning curves and a sample of nodes with their pictures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from statistics import fmean

import numpy as np

from magbench import paths
from magbench.board.report import ReportCell, Sample, write_report
from magbench.board.study import study_view
from magbench.board.study_page import write_studies
from magbench.data.digests import part_digests
from magbench.data.load import load_dataset
from magbench.data.mag import MAG
from magbench.errors import MagbenchError, OptionError
from magbench.method_string import parse_method, split_host
from magbench.metrics.ranking import recalls
from magbench.predictions.classes import Classes
from magbench.registry import Registry
from magbench.results.frame import StoredCell, question_of
from magbench.results.items import item_scores
from magbench.results.kept import KeptCell
from magbench.results.record import Record
from magbench.results.reported import read_reported
from magbench.results.study import read_studies
from magbench.specs import canonical_hash

Graphs = Callable[[str, str, tuple[tuple[str, str], ...]], MAG | None]
"""Data set, feature set and digests of parts → the graph; None where it is not here, or another one."""
SAMPLE_SIZE = 24
RECALL_AT = (1, 2, 5, 10, 20, 50, 100)


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

    shown = _first_of_each_method(cells)
    return write_report(
        [_report_cell(cell, registry, graph if cell.record.run_id in shown else None) for cell in cells],
        out,
        title=title,
        studies=studies,
        reported=read_reported(registry),
    )


def write_studies_page(out: Path, *, empty: bool = False) -> Path | None:
    """Write ``out/studies.html`` for the studies the checkout keeps; None where it keeps none, unless ``empty``.

    Raises:
        RecordError: a kept study cannot be read.
        OutputError: the page cannot be written.
    """
    root = paths.checkout()
    kept = read_studies(Registry.default(), root / "leaderboard" / "studies") if root else []
    return write_studies([study_view(study) for study in kept], out) if kept or empty else None


def _first_of_each_method(cells: Sequence[StoredCell | KeptCell]) -> set[str]:
    """Run ids of the lowest finished seed of each row of a table: only these carry a sample of nodes, if stored."""
    first: dict[tuple[object, str], StoredCell] = {}
    for cell in sorted(cells, key=lambda cell: cell.record.seed):
        if cell.record.status == "ok" and isinstance(cell, StoredCell):
            first.setdefault((question_of(cell.record), cell.record.method.name), cell)
    return {cell.record.run_id for cell in first.values()}


def _report_cell(cell: StoredCell | KeptCell, registry: Registry, graph: Graphs | None) -> ReportCell:
    record = cell.record
    name = f"{record.task.id}@{record.task.version}"
    specs = registry.find_task(name), registry.protocols.get(record.protocol.partition("@")[0])
    return ReportCell(
        task=name,
        dataset=f"{record.dataset.id}@{record.dataset.version}",
        method=record.method.name,
        seed=record.seed,
        status=record.status,
        error=f"{record.error.type}: {record.error.message}" if record.error else "",
        scores={score.metric: score.value for score in record.overall},
        n_test=record.scores[0].n if record.scores else 0,
        history=cell.history(),
        telemetry=_telemetry(record),
        keys={
            "key": record.key,
            "data": canonical_hash(record.dataset.sha256 or {}),
            "source": record.method.source.sha256,
        },
        cost=record.cost.model_dump(),
        params=record.method.params,
        protocol=record.protocol,
        env=record.env,
        sample=_sample(cell, registry, graph) if graph and isinstance(cell, StoredCell) else [],
        items=item_scores([cell], record.scores[0].metric).frame["value"].tolist() if record.scores else (),
        features=record.dataset.features,
        towers=record.method.towers or "",
        pool=record.scores[0].pool if record.scores else None,
        parts=_parts(record),
        recall=_recall(cell) if record.method.towers and record.status == "ok" else {},
        steps=_steps(record.telemetry),
        shipped=_shipped(record.method.name, registry),
        ranked=all(spec is None or spec.ranked for spec in specs),
    )


def _shipped(method: str, registry: Registry) -> bool:
    try:
        return all(part.name in registry.methods for part in parse_method(method).parts)
    except OptionError:
        return False


def _parts(record: Record) -> dict[str, float]:
    """The primary metric on parts of the test items."""
    return {
        score.split.partition("/")[2]: score.value
        for score in record.scores
        if score.metric == record.scores[0].metric and "/" in score.split
    }


def _recall(cell: StoredCell | KeptCell) -> dict[int, float]:
    """Recall@k of stored ranks, both directions counting the same."""
    prediction = cell.prediction()
    return {k: float(prediction.items(partial(recalls, k=k)).mean()) for k in RECALL_AT}


def _telemetry(record: Record) -> dict[str, float]:
    """The means over modalities, without the name before the dot where that is one regulariser's for all."""
    means = {name: value for name, value in record.telemetry.items() if name.count(".") == 1}
    owners = {name.partition(".")[0] for name in means}
    alone = len(owners) == 1 and bool(split_host(record.method.name)[1])
    return {name.partition(".")[2] if alone else name: value for name, value in means.items()}


def _steps(measured: Mapping[str, float]) -> dict[str, dict[int, float]]:
    """What is called ``step.<k>.<quantity>``, or ``step.<k>.<quantity>.<modality>`` and then is averaged."""
    found: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for name, value in measured.items():
        parts = name.split(".")
        if parts[0] == "step" and len(parts) in (3, 4) and parts[1].isdecimal():
            found[parts[2]][int(parts[1])].append(value)
    return {quantity: {k: fmean(values) for k, values in by_step.items()} for quantity, by_step in found.items()}


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
