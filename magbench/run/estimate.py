"""What cells may cost, from cells like them that have run before. A cell keeps to one core: these are core-seconds.

A cell on another data set, on other features or under another protocol is judged by those that ran, scaled by how much
more it has to do (:mod:`magbench.tasks.workload`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import median

from magbench.method_string import parse_method
from magbench.registry import Registry
from magbench.results.frame import read_cells
from magbench.results.kept import kept_records
from magbench.results.record import Record
from magbench.run.plan import Cell
from magbench.run.workload import size_of, workload_of
from magbench.tasks.workload import Workload

Question = tuple[str, str, str, str]
"""Versioned task, feature set, method, protocol: cells that share them differ in their seed alone."""


@dataclass(frozen=True)
class Estimate:
    """Seconds a cell may take and bytes its process may hold; not ``exact`` where cells that are only alike took them.

    Attributes:
        seconds: core-seconds.
        memory: bytes; ``None`` where nobody measured them.
        exact: whether cells of the same task, feature set, method and protocol have run.
    """

    seconds: float
    memory: float | None
    exact: bool


UNKNOWN = Workload(1.0, 1.0)
"""Stands for workloads that are not known: costs are then taken as they are."""


@dataclass(frozen=True)
class Cost:
    """What the cells of a question took: medians."""

    seconds: float
    memory: float | None


class Estimates:
    """Judges cells by those of a runs folder and by the kept results.

    Cells of the same question count first. Else, not exact and scaled by workload, those that are alike: same task and
    components (other options, features or protocol), same components in the family, same host with as many
    regularisers, same components in any family; the first of these that has any.
    """

    def __init__(self, registry: Registry, out: Path) -> None:
        self.registry = registry
        stored = [cell.record for cell in read_cells(out)] if out.is_dir() else []
        kept, here = _costs(kept_records()), _costs(stored)
        self.known = {**kept, **here}
        self.alike: dict[tuple[str, ...], list[Question]] = defaultdict(list)
        for question in self.known:
            for kind in _kinds(question):
                self.alike[kind].append(question)
        self.base = min((cost.memory for cost in self.known.values() if cost.memory), default=0.0)
        self.workload = cache(self._workload)

    def of(self, cell: Cell) -> Estimate | None:
        """What a cell may cost; ``None`` where no cell like it has run."""
        question = (cell.task, cell.features, cell.method, cell.protocol)
        if question in self.known:
            cost = self.known[question]
            return Estimate(cost.seconds, cost.memory, True)
        similar = next((self.alike[kind] for kind in _kinds(question) if kind in self.alike), None)
        if similar is None:
            return None
        load = self.workload(cell.task, cell.features, cell.protocol) or UNKNOWN
        pairs = []
        for other in similar:
            task, features, _, protocol = other
            source = None if load is UNKNOWN else self.workload(task, features, protocol)
            pairs.append((source or load, self.known[other]))
        seconds = median(cost.seconds * load.cell / source.cell for source, cost in pairs)
        memory = sorted((source.step, cost.memory) for source, cost in pairs if cost.memory is not None)
        return Estimate(seconds, self._memory(memory, load.step), False)

    def _memory(self, known: list[tuple[float, float]], step: float) -> float | None:
        """On the line through the smallest and the largest cell; of one size, from the least that any cell needed."""
        if not known:
            return None
        (least, low), (most, high) = known[0], known[-1]
        slope = (high - low) / (most - least) if most > least else (high - self.base) / most
        return max(high + max(slope, 0.0) * (step - most), self.base)

    def _workload(self, task: str, features: str, protocol: str) -> Workload | None:
        """The workload of a cell; ``None`` where the registry does not know the task, or nobody its size."""
        spec = self.registry.find_task(task)
        rules = next((rules for rules in self.registry.protocols.values() if rules.id == protocol), None)
        if spec is None or rules is None:
            return None
        size = size_of(self.registry.dataset(spec.dataset), features)
        family = self.registry.family(spec.family)
        return None if size is None else workload_of(family, spec, size, rules.training)


def spent_seconds(cells: Iterable[Cell]) -> float:
    """Core-seconds that the stored ones among ``cells`` took from their start to their end, failures included."""
    return sum(record.core_seconds for cell in cells if (record := cell.record()) is not None)


def _costs(records: Iterable[Record]) -> dict[Question, Cost]:
    found: dict[Question, list[Record]] = defaultdict(list)
    for record in records:
        if record.cost.fit_s is not None:
            task = f"{record.task.id}@{record.task.version}"
            found[task, record.dataset.features, record.method.name, record.protocol].append(record)
    return {question: _cost(group) for question, group in found.items()}


def _cost(records: Sequence[Record]) -> Cost:
    seconds = [(record.cost.fit_s or 0) + (record.cost.predict_s or 0) for record in records]
    memory = [record.cost.peak_rss for record in records if record.cost.peak_rss is not None]
    return Cost(median(seconds), median(memory) if memory else None)


def _kinds(question: Question) -> list[tuple[str, ...]]:
    """What a cell may be alike in, the closest first."""
    task, _, method, _ = question
    family = task.partition("/")[0]
    names = [part.name for part in parse_method(method).components]
    return [(task, *names), (family, *names), ("host", family, names[0], str(len(names))), ("any", *names)]
