"""Where the numbers of a page come from: environments, identities, failures, and the commands that make them again."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from magbench.board.cells import ReportCell

_ERROR = 4_000


@dataclass(frozen=True)
class Failure:
    """A cell without scores, and the end of its error."""

    task: str
    method: str
    seed: int
    status: str
    error: str


def failures(cells: Sequence[ReportCell]) -> tuple[Failure, ...]:
    """The cells that are not ok, sorted by task, method and seed."""
    found = (
        Failure(cell.task, cell.method, cell.seed, cell.status, _tail(cell.error or "no error was recorded"))
        for cell in cells
        if not cell.ok
    )
    return tuple(sorted(found, key=lambda failure: (failure.task, failure.method, failure.seed)))


def environment(cells: Sequence[ReportCell]) -> dict[str, tuple[str, ...]]:
    """Every fact about where the cells ran -> its distinct values; more than one means that the runs differ in it."""
    found: dict[str, set[str]] = {}
    for cell in cells:
        for name, value in flatten(cell.env).items():
            found.setdefault(name, set()).add(value)
    return {name: tuple(sorted(values)) for name, values in sorted(found.items())}


def identities(cells: Sequence[ReportCell]) -> tuple[tuple[str, ...], tuple[tuple[ReportCell, tuple[str, ...]], ...]]:
    """The names of all keys, and every cell that has keys with its values in that order ("" where it has none)."""
    keyed = sorted((cell for cell in cells if cell.keys), key=lambda cell: (cell.task, cell.method, cell.seed))
    names = tuple(dict.fromkeys(name for cell in keyed for name in cell.keys))
    return names, tuple((cell, tuple(cell.keys.get(name, "") for name in names)) for cell in keyed)


def commands(cells: Sequence[ReportCell]) -> tuple[str, ...]:
    """The `magbench run` lines that make these cells again, one for each task, feature set and protocol."""
    groups: dict[tuple[str, str, str], dict[str, set[int]]] = {}
    for cell in sorted(cells, key=lambda cell: (cell.question, cell.method, cell.seed)):
        groups.setdefault(cell.question, {}).setdefault(cell.method, set()).add(cell.seed)
    lines = []
    for (task, features, protocol), methods in groups.items():
        seeds = _seeds(set().union(*methods.values()))
        words = ["magbench", "run", "-t", task, *(word for name in methods for word in ("-m", name))]
        words += ["--features", features] if features else []
        lines.append(shlex.join([*words, "--protocol", protocol, "--seeds", seeds]))
    return tuple(lines)


def flatten(mapping: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested mappings as one, names joined by dots, values as text; None is left out."""
    flat: dict[str, str] = {}
    for name, value in mapping.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{name}.")
        elif value is not None:
            flat[f"{prefix}{name}"] = str(value)
    return flat


def _seeds(seeds: Iterable[int]) -> str:
    """``0-2`` for consecutive seeds, ``0,2,5`` for others."""
    ordered = sorted(seeds)
    consecutive = len(ordered) > 1 and ordered == list(range(ordered[0], ordered[-1] + 1))
    return f"{ordered[0]}-{ordered[-1]}" if consecutive else ",".join(map(str, ordered))


def _tail(error: str) -> str:
    """The end of a long error: the last lines of a traceback say most."""
    return error if len(error) <= _ERROR else "… " + error[-_ERROR:]
