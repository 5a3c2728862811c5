"""Kept studies: the cells of a study's suite in one compact table.

``<folder>/<suite>/cells.jsonl`` has one line a cell: what was run, its scores, its telemetry's means, its cost and what
identifies it; ``environments.json`` says where. Predictions are not kept, only their sha256, which a cell that is run
again must give. Keeping again merges: no cell that is there is ever lost, whichever session it came from.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from magbench.errors import OutputError, RecordError, SpecError, UnknownNameError
from magbench.files import replace_files
from magbench.locks import name_of, turn
from magbench.registry import Registry
from magbench.results.frame import StoredCell
from magbench.results.record import Record, Status
from magbench.results.telemetry import means
from magbench.specs import canonical_hash
from magbench.suites import Suite
from magbench.tasks.base import make_task

CELLS, ENVIRONMENTS = "cells.jsonl", "environments.json"
Place = tuple[str, str, int]
"""A cell of the plan: versioned task, method, seed."""


class StudyCell(BaseModel):
    """One cell: the part of its record that the study needs.

    ``telemetry`` holds the means over modalities, named as the regulariser names them. ``seconds`` is fit and predict,
    ``core_seconds`` the time from the cell's start to its end. ``env`` is a key of ``environments.json``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: str
    dataset: str
    method: str
    protocol: str
    seed: int = Field(ge=0)
    status: Status
    error: str = ""
    scores: dict[str, FiniteFloat] = {}
    n: int = 0
    epoch: int | None = None
    telemetry: dict[str, FiniteFloat] = {}
    seconds: float | None = None
    core_seconds: float = Field(0.0, ge=0)
    key: str
    run_id: str
    data_sha256: str | None = None
    source_sha256: str
    predictions_sha256: str | None = None
    engine: int
    commit: str | None = None
    dirty: bool | None = None
    env: str = ""
    finished: str

    @property
    def place(self) -> Place:
        return self.task, self.method, self.seed

    @classmethod
    def of(cls, record: Record) -> Self:
        """The row of a record."""
        measured = means(record.telemetry, record.method.name)
        cost = [record.cost.fit_s, record.cost.predict_s]
        return cls(
            task=f"{record.task.id}@{record.task.version}",
            dataset=f"{record.dataset.id}@{record.dataset.version}",
            method=record.method.name,
            protocol=record.protocol,
            seed=record.seed,
            status=record.status,
            error=f"{record.error.type}: {record.error.message}" if record.error else "",
            scores={score.metric: score.value for score in record.overall},
            n=record.scores[0].n if record.scores else 0,
            epoch=record.selection.epoch if record.selection else None,
            telemetry={name: float(f"{value:.6g}") for name, value in measured.items()},
            seconds=None if cost[0] is None else round(sum(value or 0 for value in cost), 3),
            core_seconds=round(record.core_seconds, 3),
            key=record.key,
            run_id=record.run_id,
            data_sha256=canonical_hash(record.dataset.sha256),
            source_sha256=record.method.source.sha256,
            predictions_sha256=record.predictions.files[0].sha256 if record.predictions else None,
            engine=record.magbench.engine,
            commit=record.magbench.commit,
            dirty=record.magbench.dirty,
            env=canonical_hash(record.env)[:12],
            finished=record.finished,
        )


@dataclass(frozen=True)
class KeptStudy:
    """A study as it is kept: its suite, its plan and the rows of its table.

    Attributes:
        suite: what was asked.
        plan: every cell the suite consists of, in the order of a run.
        rows: every kept cell, older keys included.
    """

    suite: Suite
    plan: tuple[Place, ...]
    rows: tuple[StudyCell, ...]

    @property
    def cells(self) -> tuple[StudyCell, ...]:
        """At most one row a cell of the plan: for each task and method the key with most ok seeds, then the newest.

        Rows of one key alone are comparable over seeds; the others stay in the table and are not shown.
        """
        planned = set(self.plan)
        groups: dict[tuple[str, str], dict[str, list[StudyCell]]] = defaultdict(lambda: defaultdict(list))
        for row in self.rows:
            if row.place in planned and row.protocol == self.suite.protocol:
                groups[row.task, row.method][row.key].append(row)
        chosen = [max(keys.values(), key=_weight) for keys in groups.values()]
        order = {place: number for number, place in enumerate(self.plan)}
        return tuple(sorted((row for rows in chosen for row in rows), key=lambda row: order[row.place]))

    @property
    def not_run(self) -> tuple[Place, ...]:
        """Cells of the plan that are not kept."""
        done = {cell.place for cell in self.cells}
        return tuple(place for place in self.plan if place not in done)


def study_suite(registry: Registry, name: str) -> Suite:
    """The suite of a study.

    Raises:
        UnknownNameError: no suite of that name is a study.
        SpecError: one of its tasks fixes the split.
    """
    studies = {suite.name: suite for suite in registry.suites.values() if suite.study is not None}
    if name not in studies:
        raise UnknownNameError("study", name, studies, "See `magbench ls suites`.")
    for task in studies[name].tasks:
        if make_task(registry.task(task)).design == "fixed":
            raise SpecError(
                f"Study {name!r} has the task {task}, whose version fixes the split. A study compares over seeds, each"
                " with a split of its own; use `magbench compare` there, which compares over test items."
            )
    return studies[name]


def plan_of(suite: Suite, registry: Registry) -> tuple[Place, ...]:
    """Every cell of a suite, seed by seed as they are run."""
    seeds = suite.seeds or registry.protocol(suite.protocol).seeds
    tasks = [registry.task(task).versioned_id for task in suite.tasks]
    return tuple((task, method, seed) for seed in seeds for task in tasks for method in suite.method_strings)


def keep_study(suite: Suite, registry: Registry, cells: Iterable[StoredCell], folder: Path) -> KeptStudy:
    """Merge the cells that belong to ``suite`` into ``folder/<suite>``, and return what is kept then.

    Raises:
        RecordError: no cell belongs to it, or what is kept already cannot be read.
        OutputError: the folder cannot be written.
    """
    planned = set(plan_of(suite, registry))
    datasets = [registry.dataset(registry.task(task).dataset) for task in suite.tasks]
    first = {(dataset.name, dataset.features[0]) for dataset in datasets}  # a study looks at no other feature sets
    records = [cell.record for cell in cells if cell.record.protocol == suite.protocol]
    records = [record for record in records if (record.dataset.id, record.dataset.features) in first]
    found = [(StudyCell.of(record), record.env) for record in records]
    found = [(row, env) for row, env in found if row.place in planned]
    if not found:
        raise RecordError(
            f"None of these cells belongs to the study {suite.name}. Run `magbench run --suite {suite.name}` first, or"
            " name its folder with --runs."
        )
    target = folder / suite.name
    try:
        with turn(f"keep-{name_of(target)}"):
            rows = merge(read_rows(target) if target.is_dir() else (), [row for row, _ in found])
            environments = _environments(target) | {row.env: env for row, env in found}
            text = "".join(row.model_dump_json(exclude_defaults=True) + "\n" for row in rows)
            content = json.dumps(environments, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
            target.mkdir(parents=True, exist_ok=True)
            replace_files({target / CELLS: text.encode(), target / ENVIRONMENTS: content.encode()})
    except OSError as error:
        raise OutputError(f"{target} cannot be written: {error.strerror}.") from error
    return KeptStudy(suite, plan_of(suite, registry), rows)


def read_study(suite: Suite, registry: Registry, folder: Path) -> KeptStudy:
    """What is kept of ``suite`` below ``folder``; no rows where nothing is.

    Raises:
        RecordError: the table cannot be read.
    """
    target = folder / suite.name
    rows = read_rows(target) if (target / CELLS).is_file() else ()
    return KeptStudy(suite, plan_of(suite, registry), rows)


def read_studies(registry: Registry, folder: Path) -> list[KeptStudy]:
    """The kept studies below ``folder`` whose suites are known; none where there is no such folder."""
    suites = [suite for suite in registry.suites.values() if suite.study and (folder / suite.name / CELLS).is_file()]
    return [read_study(suite, registry, folder) for suite in suites]


def read_rows(target: Path) -> tuple[StudyCell, ...]:
    """The table in ``target``, every line checked.

    Raises:
        RecordError: the file cannot be read, a line is no row, or a cell of one key stands twice.
    """
    path = target / CELLS
    try:
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    except (OSError, UnicodeDecodeError) as error:
        raise RecordError(f"{path} cannot be read: {error}.") from None
    rows: dict[tuple[Place, str], StudyCell] = {}
    for number, line in enumerate(lines, 1):
        row = _row(line, f"{path}, line {number}")
        if (row.place, row.key) in rows:
            raise RecordError(f"{path}, line {number}: {' '.join(map(str, row.place))} stands twice with one key.")
        rows[row.place, row.key] = row
    return tuple(rows.values())


def merge(old: Iterable[StudyCell], new: Iterable[StudyCell]) -> tuple[StudyCell, ...]:
    """Both together, sorted; of two rows of one cell and key an ``ok`` one stays, then the one that finished last."""
    rows: dict[tuple[Place, str, str], StudyCell] = {}
    for row in [*old, *new]:
        known = rows.get(identity := (row.place, row.protocol, row.key))
        if known is None or (row.status == "ok", row.finished) >= (known.status == "ok", known.finished):
            rows[identity] = row
    return tuple(rows[identity] for identity in sorted(rows))


def _row(line: str, origin: str) -> StudyCell:
    try:
        return StudyCell.model_validate_json(line)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "line"
        raise RecordError(
            f"{origin} is no cell of a study: {where}: {first['msg']} (found {first['input']!r:.60})."
        ) from None


def _environments(target: Path) -> dict[str, Any]:
    path = target / ENVIRONMENTS
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RecordError(f"{path} cannot be read: {error}.") from None
    if not isinstance(found, dict):
        raise RecordError(f"{path} must hold one JSON object; found {type(found).__name__}.")
    return found


def _weight(rows: Sequence[StudyCell]) -> tuple[int, str]:
    return sum(row.status == "ok" for row in rows), max(row.finished for row in rows)
