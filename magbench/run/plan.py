"""The plan: every cell (task × method × seed) a run consists of, each with its key and its folder.

The key holds everything that can change a score; its hash names the folder, so a result is found again exactly when
nothing that matters has changed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import magbench
from magbench.data.load import check_identity, load_dataset
from magbench.data.store import verify_store
from magbench.errors import OptionError, RecordError
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
        method: canonical method string.
        seed: seed of split, initialisation and training.
        protocol: protocol id.
        method_paths: files and folders of methods that are not shipped.
        key: what can change the score, without the seed.
        out: the runs folder.
    """

    task: str
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


def make_plan(
    registry: Registry,
    tasks: Sequence[TaskSpec],
    methods: Sequence[MethodString],
    protocol: Protocol,
    seeds: Sequence[int],
    out: Path,
    method_paths: Sequence[str] = (),
) -> list[Cell]:
    """All cells, seed by seed, so that every method has its first seeds early.

    Raises:
        UnknownNameError, OptionError, MethodError: a method does not resolve, or not for a task's family.
        DataError: a data set is damaged.
    """
    families = dict.fromkeys(task.family for task in tasks)
    composed = {family: [compose(method, registry, protocol, family) for method in methods] for family in families}
    keys = {}
    for task in tasks:
        fingerprint = _fingerprint(registry.dataset(task.dataset))
        for composition in composed[task.family]:
            keys[task.id, composition.name] = canonical_hash(key(task, composition, protocol, fingerprint))
    return [
        Cell(
            task=task.versioned_id,
            method=composition.name,
            seed=seed,
            protocol=protocol.id,
            method_paths=tuple(method_paths),
            key=keys[task.id, composition.name],
            out=str(out),
        )
        for seed in seeds
        for task in tasks
        for composition in composed[task.family]
    ]


def _fingerprint(spec: DatasetSpec) -> str:
    """Fingerprint of a data set whose files are those that were published: each is compared with its sha256."""
    if spec.source != "synthetic":
        verify_store(check_identity(spec))
    return load_dataset(spec).fingerprint()


def key(task: TaskSpec, composition: Composition, protocol: Protocol, fingerprint: str) -> dict[str, Any]:
    """Everything that can change a score, but the seed."""
    from magbench.metrics import METRICS

    return {
        "task": [task.versioned_id, task.digest()],
        "dataset": fingerprint,
        "method": [composition.name, composition.config, composition.source_hash()],
        "engine": magbench.ENGINE,
        "protocol": [protocol.id, protocol.digest()],
        "metrics": {name: METRICS[name].version for name in task.metrics},
    }


def pending(cells: Sequence[Cell], overwrite: Overwrite) -> list[Cell]:
    """The cells that have to run.

    ``missing`` keeps what is ``ok`` and runs failures again, ``never`` keeps failures too, ``always`` runs all.

    Raises:
        RecordError: a cell's folder holds a record of another schema or key.
    """
    todo = []
    for cell in cells:
        record = cell.record()
        if record is not None and record.key != cell.key:
            raise RecordError(f"{cell.folder} holds a record of another key ({record.key[:16]}); use another --out.")
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
