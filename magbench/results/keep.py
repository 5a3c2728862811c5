"""Keeping results: finished cells of a run in the compact form that is committed.

``<folder>/<task>/<method>.jsonl`` holds the records, ``<method>.npz`` for each seed the packed prediction
(:meth:`magbench.predictions.base.Prediction.pack`), enough to score again.
Results on another feature set than the data set's first lie in ``<folder>/<task>/<feature set>/``. What reads them is
:mod:`magbench.results.kept`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from magbench import paths
from magbench.errors import OutputError
from magbench.files import replace_files
from magbench.locks import name_of, turn
from magbench.method_string import file_name
from magbench.predictions.arrays import npz_bytes
from magbench.registry import Registry
from magbench.results.frame import StoredCell, newest
from magbench.results.kept import kept_line, kept_predictions
from magbench.results.record import Record, parse_record


def leaderboard(kind: Literal["runs", "studies"]) -> Path:
    """``leaderboard/<kind>`` of the checkout.

    Raises:
        OutputError: magbench is not run from a checkout.
    """
    root = paths.checkout()
    if root is None:
        raise OutputError(f"Results are kept in a checkout's leaderboard/{kind}; name another folder with --to.")
    return root / "leaderboard" / kind


class Kept(NamedTuple):
    """What :func:`keep` did.

    Attributes:
        files: those written.
        left: a sentence for each method whose kept cells stayed instead of the new ones, and each task not ranked.
    """

    files: list[Path]
    left: list[str]


def keep(cells: Iterable[StoredCell], folder: Path, *, replace: bool = False, whole: bool = False) -> Kept:
    """Write the newest cells, merged with what is kept already.

    Failed cells and those of unranked tasks are left out, unless the ``whole`` is wanted; of one key a failure never
    takes the place of a success. Kept cells of the same protocol but another key (other code or data) make room for the
    new ones, unless they are of more seeds, or of as many and newer.

    Args:
        cells: of runs folders.
        folder: target.
        replace: let them make room in any case.
        whole: keep failed cells and those of unranked tasks too, as a study does, which lists them.

    Raises:
        OutputError: the folder cannot be written.
    """
    registry = Registry.default()
    first = {spec.name: spec.features[0] for spec in registry.datasets.values()}
    groups: dict[Path, list[StoredCell]] = defaultdict(list)
    unranked: Counter[str] = Counter()
    for cell in newest(cells):
        if whole or cell.record.status == "ok":
            name = f"{cell.record.task.id}@{cell.record.task.version}"
            task = registry.find_task(name)
            if whole or task is None or task.ranked:
                groups[_target(cell.record, folder, first)].append(cell)
            else:
                unranked[name] += 1
    kept = Kept([], [f"{name} is not ranked; cells not kept: {n}." for name, n in sorted(unranked.items())])
    for target, group in groups.items():
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with turn(f"keep-{name_of(target)}"):
                old = _lines(target)
                chosen = group if replace else _better(group, old, kept.left)
                kept.files.extend(_write(chosen, old, target) if chosen else ())
        except OSError as error:
            raise OutputError(f"{target} cannot be written: {error.strerror}.") from error
    return kept


def _target(record: Record, folder: Path, first: Mapping[str, str]) -> Path:
    """The file of a record's method; ``first`` has the first feature set of each data set."""
    task, features = f"{record.task.id}@{record.task.version}", record.dataset.features
    inner = "" if features == first.get(record.dataset.id, features) else features
    return folder / task / inner / f"{file_name(record.method.name)}.jsonl"


Lines = list[tuple[Record, str]]
"""Kept records and their lines, as they stand."""


def _lines(target: Path) -> Lines:
    text = target.read_text(encoding="utf-8") if target.is_file() else ""
    return [(parse_record(line, str(target)), line) for line in text.splitlines(keepends=True)]


def _better(group: Sequence[StoredCell], old: Lines, left: list[str]) -> list[StoredCell]:
    """The cells of ``group`` that outweigh kept ones of another key; ``left`` gets a sentence for the others."""
    chosen = []
    for protocol in dict.fromkeys(cell.record.protocol for cell in group):
        new = [cell for cell in group if cell.record.protocol == protocol]
        known = [record for record, _ in old if record.protocol == protocol and record.key != new[0].record.key]
        if _weight(known) <= _weight([cell.record for cell in new]):
            chosen += new
            continue
        record = new[0].record
        left.append(
            f"{record.method.name} on {record.task.id}@{record.task.version}: {len(known)} kept seeds of other code or"
            f" data stay, {len(new)} of these are not kept. Run more seeds, or add --replace."
        )
    return chosen


def _weight(records: Sequence[Record]) -> tuple[int, str]:
    return sum(record.status == "ok" for record in records), max((record.finished for record in records), default="")


def _write(group: Sequence[StoredCell], old: Lines, target: Path) -> list[Path]:
    packed = target.with_name(target.name.removesuffix(".jsonl") + ".npz")
    keys = {cell.record.protocol: cell.record.key for cell in group}
    stay = [(record, line) for record, line in old if keys.get(record.protocol, record.key) == record.key]
    done = {(record.protocol, record.seed) for record, _ in stay if record.status == "ok"}
    lines = {(record.protocol, record.seed): line for record, line in stay}
    known = kept_predictions(packed) if packed.is_file() else {}
    ends = tuple(f"_{protocol}_{seed}" for protocol, seed in lines)
    arrays = {name: array for name, array in known.items() if name.endswith(ends)}
    for cell in group:
        record, ok = cell.record, cell.record.status == "ok"
        if ok or (record.protocol, record.seed) not in done:
            lines[record.protocol, record.seed] = kept_line(record)
        for name, array in cell.prediction().pack().items() if ok else ():
            arrays[f"{name}_{record.protocol}_{record.seed}"] = array
    replace_files(
        {packed: npz_bytes(arrays, compress=True), target: "".join(lines[key] for key in sorted(lines)).encode()}
    )
    return [target, packed]
