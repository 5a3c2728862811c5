"""Scoring again: from stored or kept predictions to scores, without torch, a data set or any training code.

A metric that came later, or that has another version now, is scored from predictions and never by training again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from magbench.errors import RecordError
from magbench.files import replace_files
from magbench.locks import name_of, turn
from magbench.metrics import METRICS
from magbench.metrics.scores import score_prediction
from magbench.registry import Registry
from magbench.results.frame import StoredCell, read_cells
from magbench.results.items import Cell
from magbench.results.kept import KeptCell, kept_cells, kept_line
from magbench.results.record import Record, ScorePart

TOLERANCE = 1e-9
"""Scores that differ by more are not those of the prediction."""


@dataclass(frozen=True)
class Rescored:
    """A cell's scores as they are stored, and as its prediction gives them today.

    Attributes:
        cell: where the record and the prediction came from.
        scores: by today's metrics.
        difference: the largest one to a stored score of the same metric, version and split; 0 where there is none.
        fresh: metrics that the record lacks, or has in another version.
    """

    cell: Cell
    scores: tuple[ScorePart, ...]
    difference: float
    fresh: tuple[str, ...]

    @property
    def record(self) -> Record:
        """The cell's record with the scores of today."""
        return self.cell.record.model_copy(update={"scores": self.scores})


def rescore(cell: Cell, registry: Registry) -> Rescored:
    """Score a finished cell again, by the metrics of its task and those that its record has.

    Raises:
        RecordError: it has no prediction, or one that cannot be read.
        MagbenchError: a metric cannot score what is there.
    """
    record = cell.record
    task = registry.find_task(f"{record.task.id}@{record.task.version}")
    prediction = cell.prediction()
    if task is not None and prediction.kind != (kind := registry.family(task.family).prediction):
        raise RecordError(
            f"{record.method.name} on {record.task.id}, seed {record.seed}: the record says a prediction of kind"
            f" {prediction.kind!r}, but the family {task.family} has {kind!r}."
        )
    stored = {(score.metric, score.version, score.split): score.value for score in record.scores}
    names = dict.fromkeys([*(task.metrics if task else ()), *(score.metric for score in record.scores)])
    known = [name for name in names if name in METRICS]
    scores = tuple(ScorePart(**vars(score)) for score in score_prediction(prediction, known))
    found = {(score.metric, score.version, score.split): score.value for score in scores}
    return Rescored(
        cell=cell,
        scores=scores,
        difference=max((abs(value - stored[key]) for key, value in found.items() if key in stored), default=0.0),
        fresh=tuple(dict.fromkeys(score.metric for key, score in zip(found, scores, strict=True) if key not in stored)),
    )


def cells_at(path: Path) -> Sequence[StoredCell | KeptCell]:
    """The cells of a cell's folder, a runs folder, or a folder of kept results.

    Raises:
        RecordError: nothing of that kind is there.
    """
    if (path / "record.json").is_file() or any(path.glob("**/record.json")):
        return read_cells(path)
    if path.is_dir() and any(path.glob("**/*.jsonl")):
        return kept_cells(path)
    raise RecordError(f"{path} holds no results: expected a folder of `magbench run`, or of `magbench results keep`.")


def rescored(cells: Sequence[Cell], registry: Registry) -> Iterator[Rescored]:
    """Every finished cell, scored again; raises as :func:`rescore`."""
    return (rescore(cell, registry) for cell in cells if cell.record.status == "ok")


def update(results: Sequence[Rescored]) -> list[Path]:
    """Write today's scores into the records of those results that have fresh metrics; returns the files.

    Raises:
        RecordError: a stored score is not that of its prediction; nothing is written then.
        OSError: a file cannot be written.
    """
    wrong = [result for result in results if result.difference > TOLERANCE]
    if wrong:
        record = wrong[0].cell.record
        raise RecordError(
            f"{len(wrong)} stored scores are not those of their predictions, e.g. {record.method.name} on"
            f" {record.task.id}, seed {record.seed}: they differ by {wrong[0].difference:.3g}. Run the cells again."
        )
    written, kept = [], defaultdict[Path, list[Record]](list)
    for result in results:
        cell = result.cell
        if result.fresh and isinstance(cell, StoredCell):
            replace_files({cell.folder / "record.json": result.record.to_json().encode()})
            written.append(cell.folder / "record.json")
        elif result.fresh and isinstance(cell, KeptCell):
            kept[cell.packed].append(result.record)
    return [*written, *(_update_kept(packed, records) for packed, records in sorted(kept.items()))]


def _update_kept(packed: Path, records: Sequence[Record]) -> Path:
    """Replace those records in their file, and no other: one may have been kept since they were read."""
    path = packed.with_suffix(".jsonl")
    scored = {(record.run_id, record.finished): record for record in records}
    with turn(f"keep-{name_of(path)}"):
        now = [cell.record for cell in kept_cells(path.parent) if cell.packed == packed]
        lines = [kept_line(scored.get((record.run_id, record.finished), record)) for record in now]
        replace_files({path: "".join(lines).encode()})
    return path
