"""Kept results: what :mod:`magbench.results.keep` wrote, alone or beside the cells of a runs folder."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from magbench import paths
from magbench.errors import RecordError
from magbench.predictions.arrays import read_npz
from magbench.predictions.base import Prediction
from magbench.predictions.kinds import kind_of
from magbench.results.frame import StoredCell, newest, question_of, read_cells
from magbench.results.record import Record, parse_record


@dataclass(frozen=True)
class KeptCell:
    """A kept record and the file that holds its compact prediction."""

    record: Record
    packed: Path

    def prediction(self) -> Prediction:
        """The compact prediction.

        Raises:
            RecordError: the file is damaged, or holds nothing for this cell.
        """
        record, end = self.record, f"_{self.record.protocol}_{self.record.seed}"
        found = kept_predictions(self.packed, end) if self.packed.is_file() else {}
        arrays = {name.removesuffix(end): array for name, array in found.items()}
        origin = f"{self.packed}, seed {record.seed} under {record.protocol},"
        if not arrays or record.predictions is None:
            raise RecordError(f"{origin} holds no prediction.")
        return kind_of(record.predictions.kind).unpack(arrays, origin)

    def history(self) -> list[dict[str, float]]:
        """None is kept."""
        return []


def kept_line(record: Record) -> str:
    """A record as a line of a kept file."""
    return json.dumps(json.loads(record.to_json()), ensure_ascii=False) + "\n"


def kept_cells(folder: Path | None = None) -> list[KeptCell]:
    """The cells of every kept file below ``folder`` (default: those that magbench ships), or below one task of it.

    Raises:
        RecordError: a file cannot be read, or a line of it is no record.
    """
    folder = folder or paths.content("leaderboard") / "runs"
    cells = []
    for path in sorted(folder.glob("**/*.jsonl")):
        packed = path.with_name(f"{path.name.removesuffix('.jsonl')}.npz")
        for number, line in enumerate(_text(path).splitlines(), 1):
            cells.append(KeptCell(parse_record(line, f"{path}, line {number}"), packed))
    return cells


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecordError(f"{path} cannot be read: {error}.") from None


def every_kept_cell() -> list[KeptCell]:
    """The cells that magbench ships and, in a checkout, those of its studies."""
    return [*kept_cells(), *study_cells()]


def study_cells(name: str = "*") -> list[KeptCell]:
    """The cells that the checkout keeps of a study, or of all; none without a checkout."""
    root = paths.checkout()
    studies = sorted((root / "leaderboard" / "studies").glob(name)) if root else []
    return [cell for study in studies for cell in kept_cells(study)]


def kept_records(folder: Path | None = None) -> list[Record]:
    """The records of :func:`kept_cells`."""
    return [cell.record for cell in kept_cells(folder)]


def kept_predictions(path: Path, end: str = "") -> dict[str, np.ndarray]:
    """The arrays of a kept ``.npz``: ``<array>_<protocol>_<seed>`` for each array of the compact prediction.

    Args:
        path: the file.
        end: only those whose names end so are read.

    Raises:
        RecordError: the file is damaged.
    """
    return read_npz(path, wanted=lambda name: name.endswith(end))


def cells_of(runs: Path | None, *, kept: bool) -> Sequence[StoredCell | KeptCell]:
    """The newest cells of a runs folder, the kept cells, or both.

    Args:
        runs: the folder; ``None``: ``runs`` here, or none where kept cells are asked for.
        kept: whether kept cells are asked for. Beside a folder they are those of methods that it has no cell of
            (finished or failed) on the same task, feature set and protocol. Where it has the method on a variant of
            the task, a control for instance, they must be of the same revision, data and engine.

    Raises:
        RecordError: the folder is missing, or a record cannot be read.
    """
    if kept and runs is None:
        return kept_cells()
    found = newest(read_cells(runs or Path("runs")))
    own = {(question_of(cell.record), cell.record.method.name) for cell in found}
    made_by: dict[tuple[str, ...], set[tuple[str | int | None, ...]]] = defaultdict(set)
    for cell in found:
        made_by[_family(cell.record)].add(_maker(cell.record))
    return [
        *found,
        *(
            cell
            for cell in (kept_cells() if kept else ())
            if (question_of(cell.record), cell.record.method.name) not in own
            and made_by.get(_family(cell.record), set()) <= {_maker(cell.record)}
        ),
    ]


def _family(record: Record) -> tuple[str, ...]:
    """A method on a task and all its variants."""
    return record.task.id.partition("[")[0], record.dataset.features, record.protocol, record.method.name


def _maker(record: Record) -> tuple[str | int | None, ...]:
    """What a method's cells on variants of one task must share to be read together."""
    revisions, data = sorted(record.method.revisions.items()), sorted((record.dataset.sha256 or {}).items())
    return *(text for pair in (*revisions, *data) for text in pair), record.magbench.engine
