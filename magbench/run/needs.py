"""What a plan needs and this machine lacks: data sets to fetch, with their files, sizes and licences.

Nothing is asked of a hub: sizes are those of float32 features, computed, and unknown for everything else.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass

from magbench.data.place import is_here
from magbench.data.published.locate import PICTURES
from magbench.errors import DataError
from magbench.registry import Registry
from magbench.run.plan import Cell
from magbench.specs import DatasetSpec, Mirror

FLOAT = 4


@dataclass(frozen=True)
class NeededFile:
    """A pattern of a file in the mirror's repository; ``bytes``: at least so many, ``None`` where nothing is known."""

    file: str
    bytes: int | None


@dataclass(frozen=True)
class Need:
    """A data set, or feature sets of it, that is to be fetched.

    Attributes:
        dataset: its id.
        features: the feature sets that are missing.
        mirror: where from.
        repo: the repository on the hub; ``None``: it can only be imported.
        licence: as the mirror states it.
        files: what has to be downloaded.
        store_bytes: what the features take once they are converted.
        command: what gets it.
    """

    dataset: str
    features: tuple[str, ...]
    mirror: str
    repo: str | None
    licence: str
    files: tuple[NeededFile, ...]
    store_bytes: int
    command: str

    @property
    def download_bytes(self) -> int:
        """Of the files whose size is known."""
        return sum(file.bytes or 0 for file in self.files)


def needs(cells: Iterable[Cell], registry: Registry) -> list[Need]:
    """What the cells without a key lack, in the order of the cells.

    Raises:
        DataError: a data set is wanted with feature sets that no mirror has together.
    """
    wanted: dict[str, dict[str, None]] = {}
    for cell in cells:
        if not cell.key:
            wanted.setdefault(registry.task(cell.task).dataset, {})[cell.features] = None
    return [_need(registry.dataset(name), tuple(features)) for name, features in wanted.items()]


def refuse_needs(found: list[Need]) -> None:
    """Raise DataError, with what to do, unless nothing is needed."""
    if not found:
        return
    one, names = len(found) == 1, ", ".join(f"{need.dataset} ({', '.join(need.features)})" for need in found)
    commands = ", ".join(f"`{need.command}`" for need in found)
    own = [need for need in found if need.repo is not None]
    local = f", or `magbench data import {own[0].dataset.partition('@')[0]} PATH` if you have its files" if own else ""
    raise DataError(
        f"{'A data set' if one else f'{len(found)} data sets'} of this run {'is' if one else 'are'} not on this "
        f"machine: {names}. Run {commands}{local}. `--plan` shows files, sizes and licences."
    )


def _need(spec: DatasetSpec, features: tuple[str, ...]) -> Need:
    mirror = next((mirror for mirror in spec.mirrors if set(features) <= set(mirror.features)), None)
    if mirror is None:
        raise DataError(
            f"Data set {spec.id}: no mirror has the feature sets {' and '.join(features)} together, and what is here "
            "comes from one mirror. Run them apart, each with a MAGBENCH_HOME of its own."
        )
    nodes, partly = spec.counts.get("nodes"), is_here(spec)
    files: dict[str, int | None] = {}
    if not partly:
        files = {patterns[0]: None for role, patterns in mirror.files.items() if role != PICTURES}
    parts = [(name, modality, part) for name in features for modality, part in mirror.features[name].items()]
    files |= {part.file: nodes and nodes * mirror.width(name, modality) * FLOAT for name, modality, part in parts}
    return Need(
        dataset=spec.id,
        features=features,
        mirror=mirror.name,
        repo=mirror.repo,
        licence=mirror.licence,
        files=tuple(NeededFile(file, size) for file, size in files.items()),
        store_bytes=(nodes or 0) * sum(part.dim for _, _, part in parts) * FLOAT,
        command=_command(spec, mirror, features, partly),
    )


def _command(spec: DatasetSpec, mirror: Mirror, features: tuple[str, ...], partly: bool) -> str:
    """`magbench data get`; feature sets are named unless it takes just the one that is wanted."""
    if mirror.repo is None:
        return f"magbench data import {spec.name} PATH"
    named = [] if features == spec.features[:1] and not partly else features
    return shlex.join(
        ["magbench", "data", "get", spec.name, *(word for name in named for word in ("--features", name))]
    )
