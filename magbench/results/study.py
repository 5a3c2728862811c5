"""Kept studies: the cells of a study's suite, kept as any (:mod:`magbench.results.keep`) in a folder of their own.

``<folder>/<suite>/`` has the layout of ``leaderboard/runs``. What makes its cells a study is the plan they are read
against: every cell that the suite consists of, kept or not run.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from magbench.errors import RecordError, UnknownNameError
from magbench.registry import Registry
from magbench.results.frame import StoredCell
from magbench.results.items import Cell
from magbench.results.keep import Kept, keep
from magbench.results.kept import kept_cells
from magbench.results.record import Record
from magbench.suites import Suite

Place = tuple[str, str, int]
"""A cell of the plan: versioned task, method, seed."""


@dataclass(frozen=True)
class KeptStudy:
    """A study as it is kept: its suite, its plan and what is there of it.

    Attributes:
        suite: what was asked.
        plan: every cell the suite consists of, in the order of a run.
        kept: every kept cell of its folder, also what is in no plan any more.
    """

    suite: Suite
    plan: tuple[Place, ...]
    kept: tuple[Cell, ...]

    @property
    def cells(self) -> tuple[Cell, ...]:
        """The kept cells of the plan, in its order."""
        order = {place: number for number, place in enumerate(self.plan)}
        own = (cell for cell in self.kept if belongs(cell.record, self.suite, order))
        return tuple(sorted(own, key=lambda cell: order[place_of(cell.record)]))

    @property
    def not_run(self) -> tuple[Place, ...]:
        """Cells of the plan that are not kept."""
        done = {place_of(cell.record) for cell in self.cells}
        return tuple(place for place in self.plan if place not in done)


def place_of(record: Record) -> Place:
    """Where in a plan a record belongs."""
    return f"{record.task.id}@{record.task.version}", record.method.name, record.seed


def belongs(record: Record, suite: Suite, plan: Iterable[Place]) -> bool:
    """Whether a record is of a cell of the plan, under the suite's protocol."""
    return record.protocol == suite.protocol and place_of(record) in plan


def study_suite(registry: Registry, name: str) -> Suite:
    """The suite of a study.

    Raises:
        UnknownNameError: no suite of that name is a study.
    """
    studies = {suite.name: suite for suite in registry.suites.values() if suite.study is not None}
    if name not in studies:
        raise UnknownNameError("study", name, studies, "See `magbench ls suites`.")
    return studies[name]


def plan_of(suite: Suite, registry: Registry) -> tuple[Place, ...]:
    """Every cell of a suite, seed by seed as they are run."""
    seeds = suite.seeds or registry.protocol(suite.protocol).seeds
    tasks = [registry.task(task).versioned_id for task in suite.tasks]
    return tuple((task, method, seed) for seed in seeds for task in tasks for method in suite.method_strings)


def keep_study(
    suite: Suite, registry: Registry, cells: Iterable[StoredCell], folder: Path, *, replace: bool = False
) -> Kept:
    """Keep the cells that belong to ``suite`` in ``folder/<suite>``, failed ones and those of unranked tasks too.

    Args:
        suite, registry: the study, and what its names mean.
        cells: of runs folders.
        folder: of all studies.
        replace: as :func:`magbench.results.keep.keep`.

    Raises:
        RecordError: no cell belongs to it, or what is kept already cannot be read.
        OutputError: the folder cannot be written.
    """
    plan = frozenset(plan_of(suite, registry))
    datasets = [registry.dataset(registry.task(task).dataset) for task in suite.tasks]
    first = {(dataset.name, dataset.features[0]) for dataset in datasets}  # a study looks at no other feature sets
    own = [cell for cell in cells if belongs(cell.record, suite, plan)]
    own = [cell for cell in own if (cell.record.dataset.id, cell.record.dataset.features) in first]
    if not own:
        raise RecordError(
            f"None of these cells belongs to the study {suite.name}. Run `magbench run --suite {suite.name}` first, or"
            " name its folder with --runs."
        )
    return keep(own, folder / suite.name, replace=replace, whole=True)


def read_study(suite: Suite, registry: Registry, folder: Path) -> KeptStudy:
    """What is kept of ``suite`` below ``folder``; no cells where nothing is.

    Raises:
        RecordError: a record cannot be read.
    """
    return KeptStudy(suite, plan_of(suite, registry), tuple(kept_cells(folder / suite.name)))


def read_studies(registry: Registry, folder: Path) -> list[KeptStudy]:
    """The kept studies below ``folder`` whose suites are known; none where there is no such folder.

    Raises:
        RecordError: a record cannot be read.
    """
    found = [read_study(suite, registry, folder) for suite in registry.suites.values() if suite.study]
    return [study for study in found if study.kept]
