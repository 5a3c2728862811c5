"""The plan: every cell (task × feature set × method × seed) a run consists of, each with its key and its folder.

The key holds everything that can change a prediction; its hash names the folder, so a result is found again exactly
when nothing that matters has changed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any, Literal

import magbench
from magbench.data.digests import part_digests
from magbench.data.load import check_identity, load_dataset
from magbench.data.place import is_here
from magbench.data.store import verify_store
from magbench.errors import OptionError, RecordError, UnknownNameError
from magbench.method_string import MethodString, file_name
from magbench.registry import Registry
from magbench.results.record import Record, read_record
from magbench.specs import DatasetSpec, Protocol, TaskSpec, canonical_hash
from magbench.train.compose import Composition, compose

Overwrite = Literal["missing", "never", "always"]


@dataclass(frozen=True)
class Cell:
    """One unit of work; plain data, so that it can be sent to any process.

    Attributes:
        task: versioned task id.
        features: feature set of the task's data set.
        method: canonical method string.
        seed: seed of split, initialisation and training.
        protocol: protocol id.
        method_paths: files and folders that the method comes from, where it is not shipped.
        key: what can change the prediction, without the seed; empty while the data are not on this machine.
        out: the runs folder.
    """

    task: str
    features: str
    method: str
    seed: int
    protocol: str
    method_paths: tuple[str, ...]
    key: str
    out: str

    @property
    def folder(self) -> Path:
        return Path(self.out) / self.task / file_name(self.method) / self.key[:16] / str(self.seed)

    @property
    def log(self) -> Path:
        """What the cell's process prints."""
        return self.folder.with_name(f".log-{self.seed}.txt")

    @property
    def run_id(self) -> str:
        return canonical_hash([self.key, self.seed])[:16]

    def __str__(self) -> str:
        return f"{self.task} {self.method} seed {self.seed}"

    def record(self) -> Record | None:
        """The stored record, if the cell was published."""
        path = self.folder / "record.json"
        return read_record(path) if path.is_file() else None


@dataclass(frozen=True)
class PlanPart:
    """Tasks × feature sets × methods × seeds under one protocol.

    Of ``features`` each task takes those that its data set has; without any, the data set's first.
    """

    tasks: tuple[TaskSpec, ...]
    features: tuple[str, ...]
    methods: tuple[MethodString, ...]
    protocol: Protocol
    seeds: tuple[int, ...]


def make_plan(registry: Registry, parts: Sequence[PlanPart], out: Path, method_paths: Sequence[str] = ()) -> list[Cell]:
    """All cells, seed by seed, so that every method has its first seeds early.

    Raises:
        UnknownNameError, OptionError, MethodError: a method or feature set does not resolve, or not for a task.
        DataError: a data set is damaged.
    """
    digests = Digests(registry)
    rounds = zip_longest(*(_rounds(part, registry, digests, out, method_paths) for part in parts), fillvalue=[])
    return list(dict.fromkeys(cell for cells in rounds for cell in chain.from_iterable(cells)))


def _rounds(
    part: PlanPart, registry: Registry, digests: Digests, out: Path, method_paths: Sequence[str]
) -> list[list[Cell]]:
    """The cells of a part: one list a seed."""
    families = dict.fromkeys(task.family for task in part.tasks)
    composed = {
        family: [compose(method, registry, part.protocol, family) for method in part.methods] for family in families
    }
    cells = []
    for task in part.tasks:
        for features in feature_sets(registry.dataset(task.dataset), part.features):
            found = digests.of(task, features)
            cells += [
                Cell(
                    task=task.versioned_id,
                    features=features,
                    method=composition.name,
                    seed=part.seeds[0],
                    protocol=part.protocol.id,
                    method_paths=_needed(method_paths, composition),
                    key=canonical_hash(key(task, composition, part.protocol, found)) if found is not None else "",
                    out=str(out),
                )
                for composition in composed[task.family]
            ]
    return [[replace(cell, seed=seed) for cell in cells] for seed in part.seeds]


def _needed(method_paths: Sequence[str], composition: Composition) -> tuple[str, ...]:
    """The paths that the method comes from: a file of another method that breaks during a run is no matter."""
    sources = {entry.source for entry in composition.entries}
    return tuple(path for path in method_paths if Path(path).expanduser().resolve() in sources)


def feature_sets(spec: DatasetSpec, wanted: Sequence[str]) -> tuple[str, ...]:
    """Those of the ``wanted`` feature sets that the data set has; its first if none is wanted.

    Raises:
        UnknownNameError: it has none of them.
    """
    if not wanted:
        return spec.features[:1]
    found = tuple(name for name in wanted if name in spec.features)
    if not found:
        raise UnknownNameError("feature set", wanted[0], spec.features, f"Data set: {spec.id}.")
    return found


class Digests:
    """Digests of data sets whose files are those that were published: each file is compared with its sha256."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.known: dict[tuple[str, str], dict[str, str]] = {}
        self.asked: dict[tuple[str, str], set[str]] = {}
        self.verified: set[str] = set()

    def of(self, task: TaskSpec, features: str) -> dict[str, str] | None:
        """Those of the parts that the task's family reads; ``None`` where the feature set is not on this machine."""
        spec, parts = self.registry.dataset(task.dataset), self.registry.family(task.family).reads
        if spec.mirrors and not is_here(spec, features):
            return None
        if spec.source != "synthetic" and spec.name not in self.verified:
            verify_store(check_identity(spec))
            self.verified.add(spec.name)
        place = spec.name, features
        if missing := set(parts) - self.asked.setdefault(place, set()):
            self.known.setdefault(place, {}).update(part_digests(load_dataset(spec, features), sorted(missing)))
            self.asked[place] |= missing
        return {part: self.known[place][part] for part in parts if part in self.known[place]}


def key(task: TaskSpec, composition: Composition, protocol: Protocol, data: Mapping[str, str]) -> dict[str, Any]:
    """Everything that can change a prediction, but the seed; how it is called or scored is no part of it.

    Args:
        task, composition, protocol: what is run.
        data: digests of the parts of the data set that the task's family reads.
    """
    return {
        "task": task.digest(),
        "data": dict(data),
        "method": [composition.name, composition.config, composition.revisions],
        "engine": magbench.ENGINE,
        "protocol": protocol.digest(),
    }


def pending(cells: Sequence[Cell], overwrite: Overwrite) -> list[Cell]:
    """The cells that have to run.

    ``missing`` keeps what is ``ok`` and runs failures again, ``never`` keeps failures too, ``always`` runs all.

    Raises:
        RecordError: a cell's folder holds a record of another schema or key, or of a protocol of another name.
    """
    todo = []
    for cell in cells:
        record = cell.record()
        if record is not None and record.key != cell.key:
            raise RecordError(f"{cell.folder} holds a record of another key ({record.key[:16]}); use another --out.")
        if record is not None and record.protocol != cell.protocol:
            raise RecordError(
                f"{cell.folder} holds the cell under the protocol {record.protocol}, which has the same seeds and"
                f" constants as {cell.protocol}. Use one of the two, or another --out."
            )
        keep = record is not None and (record.status == "ok" or overwrite == "never")
        if overwrite == "always" or not keep:
            todo.append(cell)
    return todo


def parse_seeds(text: str, protocol: Protocol) -> list[int]:
    """Read ``0-3`` or ``0,2,5`` as a subset of the protocol's seeds.

    Raises:
        OptionError: another form, a falling range, or a seed the protocol does not have.
    """
    seeds: list[int] = []
    for item in map(str.strip, text.split(",")):
        match = re.fullmatch(r"([0-9]+)(?:-([0-9]+))?", item)
        if match is None:
            raise OptionError(f"Seeds {text!r}: {item!r} is neither a number nor a range such as 0-3.")
        low, high = int(match[1]), int(match[2] or match[1])
        if high < low:
            raise OptionError(f"Seeds {text!r}: the range {item!r} falls; write {high}-{low}.")
        if not {low, high} <= set(protocol.seeds) or not set(range(low, high + 1)) <= set(protocol.seeds):
            known = ", ".join(map(str, protocol.seeds))
            raise OptionError(f"Seeds {text!r}: protocol {protocol.id} has seeds {known}; found {item!r}.")
        seeds += [seed for seed in range(low, high + 1) if seed not in seeds]
    return seeds
