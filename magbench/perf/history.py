"""Speed over releases: the table *benchmark x version* of the asv files kept as ``FOLDER/MACHINE/VERSION.json``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from magbench.errors import RecordError
from magbench.perf.asvfile import AsvFile

KEPT = ("track_ratio_", "track_count_")
"""Only ratios and counts are comparable between versions; times are not shown."""


@dataclass(frozen=True)
class History:
    """Values of one machine.

    Attributes:
        machine: asv's name of the machine.
        versions: releases, oldest first.
        values: benchmark -> version -> value (None where it was not measured).
    """

    machine: str
    versions: tuple[str, ...]
    values: dict[str, dict[str, float | None]]


def read_history(folder: Path) -> list[History]:
    """The kept results, by machine.

    Raises:
        RecordError: the folder holds no result file, or one that cannot be read.
    """
    machines = sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    found = [_of_machine(machine) for machine in machines if any(machine.glob("*.json"))]
    if not found:
        raise RecordError(
            f"{folder} holds no results; expected {folder}/MACHINE/VERSION.json, copies of what `asv run` writes to"
            " .asv/results/MACHINE (see docs/performance.md)."
        )
    return found


def _of_machine(folder: Path) -> History:
    files = {path.stem: AsvFile.read(path) for path in folder.glob("*.json")}
    versions = tuple(sorted(files, key=_order))
    names = sorted({name for file in files.values() for name in _tracked(file.values)})
    values = {name: {version: files[version].values.get(name) for version in versions} for name in names}
    return History(folder.name, versions, values)


def _tracked(names: Iterable[str]) -> Iterable[str]:
    return (name for name in names if name.partition("(")[0].rpartition(".")[2].startswith(KEPT))


def _order(version: str) -> tuple[tuple[int, str], ...]:
    """0.10.0 after 0.9.0; 0.2.0rc1 before 0.2.0."""
    parts = version.replace("-", ".").split(".")
    return tuple((int(part), "") if part.isdigit() else (-1, part) for part in parts)
