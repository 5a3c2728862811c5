"""The cells of a runs folder, and which of them may stand together."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from magbench.errors import OptionError, RecordError, UnknownNameError
from magbench.predictions.base import Prediction
from magbench.predictions.kinds import kind_of
from magbench.results.record import Record, read_record

if TYPE_CHECKING:
    from magbench.results.items import Cell

CellT = TypeVar("CellT", bound="Cell")


@dataclass(frozen=True)
class StoredCell:
    """A published cell: its record and the folder that holds its files."""

    record: Record
    folder: Path

    def prediction(self) -> Prediction:
        """The stored prediction.

        Raises:
            RecordError: the cell has none, or its files are missing, damaged or not those of its record.
        """
        part = self.record.predictions
        if part is None:
            raise RecordError(f"{self.folder}: the cell is {self.record.status} and has no prediction.")
        kind = kind_of(part.kind)
        if tuple(file.path for file in part.files) != kind.FILES:
            raise RecordError(
                f"{self.folder}: the record names other files than {', '.join(kind.FILES)}; run it again."
            )
        for file in part.files:
            if file_hash(self.folder / file.path) != file.sha256:
                raise RecordError(f"{self.folder / file.path} is not the file of its record; run the cell again.")
        return kind.read(self.folder)

    def history(self) -> list[dict[str, float]]:
        """One row a validation; empty for a method without epochs.

        Raises:
            RecordError: the file is damaged.
        """
        path = self.folder / "history.jsonl"
        try:
            rows = [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []
        except (OSError, ValueError) as error:
            raise RecordError(f"{path} cannot be read: {error}.") from None
        if not all(isinstance(row, dict) for row in rows):
            raise RecordError(f"{path} must hold one JSON object a line.")
        return rows


def file_hash(path: Path) -> str:
    """sha256 (hex) of a file. Raises RecordError where it cannot be read."""
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise RecordError(f"{path} cannot be read: {error.strerror}.") from None


def read_cells(runs: Path) -> list[StoredCell]:
    """Every published cell below ``runs``, ordered by task, feature set, method and seed.

    Raises:
        RecordError: the folder is missing, or a record in it cannot be read.
    """
    if not runs.is_dir():
        raise RecordError(
            f"No results at {runs}: there is no such folder. Run `magbench run`, name a folder with --runs, or see the"
            " kept results with `magbench results ls --kept`."
        )
    cells = []
    for path in runs.glob("**/record.json"):
        if not any(part.startswith(".") for part in path.relative_to(runs).parts):
            cells.append(StoredCell(read_record(path), path.parent))
    return sorted(cells, key=_order)


def _order(cell: StoredCell) -> tuple[object, ...]:
    record = cell.record
    return record.task.id, record.dataset.features, record.method.name, record.key, record.seed


def newest(cells: Iterable[StoredCell]) -> list[StoredCell]:
    """For each task, feature set, method and protocol the cells of the key that finished last: older code leaves older
    keys."""
    groups: dict[tuple[object, ...], list[StoredCell]] = defaultdict(list)
    for cell in cells:
        record = cell.record
        task, features = (record.task.id, record.task.version), record.dataset.features
        groups[task, features, record.method.name, record.protocol].append(cell)
    found = []
    for group in groups.values():
        last = max(group, key=lambda cell: cell.record.finished).record.key
        found += [cell for cell in group if cell.record.key == last]
    return sorted(found, key=_order)


def comparable(cells: Sequence[CellT]) -> tuple[list[CellT], list[str]]:
    """The cells that may stand in one table, and for each method that is left out a sentence that says why.

    On one task, feature set and protocol all finished cells must be of one task content, data content, engine and
    version of each metric: those of the newest cell. Failed cells stay.
    """
    newest_of: dict[Question, Record] = {}
    for cell in cells:
        record, known = cell.record, newest_of.get(question_of(cell.record))
        if record.status == "ok" and (known is None or record.finished > known.finished):
            newest_of[question_of(record)] = record
    kept, left = [], {}
    for cell in cells:
        record = cell.record
        differences = _differences(record, newest_of[question_of(record)]) if record.status == "ok" else []
        if differences:
            left[record.task.id, record.method.name] = ", ".join(differences)
        else:
            kept.append(cell)
    return kept, [
        f"{method} on {task} is not shown: it has {difference} than the newest result there."
        f" Run `magbench run -t '{task}' -m '{method}'` again."
        for (task, method), difference in sorted(left.items())
    ]


Question = tuple[str, int, str, str]


def question_of(record: Record) -> Question:
    """What scores must share to be compared: versioned task, feature set, protocol."""
    return record.task.id, record.task.version, record.dataset.features, record.protocol


def _differences(record: Record, newest: Record) -> list[str]:
    versions = {score.metric: score.version for score in newest.scores}
    found = {
        "another definition of the task": record.task.hash != newest.task.hash,
        "other data": record.dataset.sha256 != newest.dataset.sha256,
        f"another engine ({record.magbench.engine})": record.magbench.engine != newest.magbench.engine,
    }
    for score in record.scores:
        other = versions.get(score.metric, score.version) != score.version
        found[f"another version of {score.metric} ({score.version})"] = other
    return [name for name, differs in found.items() if differs]


def one_protocol(found: Iterable[str], wanted: str | None = None) -> str | None:
    """The protocol to show of those ``found``: the ``wanted`` one, else the only one; ``None`` when there is none.

    Raises:
        UnknownNameError: the wanted one is not there.
        OptionError: there are several and none is wanted.
    """
    known = sorted(set(found))
    if wanted is not None and wanted not in known:
        raise UnknownNameError("protocol of these results", wanted, known)
    if wanted is None and len(known) > 1:
        raise OptionError(f"These results follow {len(known)} protocols: choose --protocol {' or '.join(known)}.")
    return wanted or next(iter(known), None)


def one_feature_set(cells: Iterable[CellT], wanted: str | None = None) -> list[CellT]:
    """The cells of the ``wanted`` feature set, or all, where each task has one: scores of two never stand together.

    Raises:
        UnknownNameError: the wanted one is not there.
        OptionError: a task has several and none is wanted.
    """
    found: dict[str, dict[str, list[CellT]]] = defaultdict(lambda: defaultdict(list))
    for cell in cells:
        found[cell.record.task.id][cell.record.dataset.features].append(cell)
    known = {name for sets in found.values() for name in sets}
    if wanted is not None and wanted not in known:
        raise UnknownNameError("feature set of these results", wanted, known)
    for task, sets in found.items():
        if wanted is None and len(sets) > 1:
            choice = " or ".join(sorted(sets))
            raise OptionError(f"The results on {task} have {len(sets)} feature sets: choose --features {choice}.")
    return [cell for sets in found.values() for name, group in sets.items() if wanted in (None, name) for cell in group]
