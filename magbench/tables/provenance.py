"""Where numbers come from: environments, identities, failures, and the commands that make them again."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from magbench.tables.base import Table
from magbench.tables.outcome import Outcome, Question

_ERROR = 4_000


class Failure(Table):
    """A cell without scores, and the end of its error."""

    task: str
    method: str
    seed: int
    status: str
    error: str


class Identity(Table):
    """What identifies a cell: ``values`` in the order of the names that they belong to, "" where it has none."""

    task: str
    method: str
    seed: int
    values: tuple[str, ...]


def failures(cells: Sequence[Outcome]) -> tuple[Failure, ...]:
    """The cells that are not ok, sorted by task, method and seed."""
    found = (
        Failure(
            task=cell.task,
            method=cell.method,
            seed=cell.seed,
            status=cell.status,
            error=_tail(cell.error or "no error was recorded"),
        )
        for cell in cells
        if not cell.ok
    )
    return tuple(sorted(found, key=lambda failure: (failure.task, failure.method, failure.seed)))


def environment(cells: Sequence[Outcome]) -> dict[str, tuple[str, ...]]:
    """Every fact about where the cells ran -> its distinct values; more than one means that the runs differ in it."""
    found: dict[str, set[str]] = {}
    for cell in cells:
        for name, value in flatten(cell.env).items():
            found.setdefault(name, set()).add(value)
    return {name: tuple(sorted(values)) for name, values in sorted(found.items())}


def identities(cells: Sequence[Outcome]) -> tuple[tuple[str, ...], tuple[Identity, ...]]:
    """The names of all keys, and what identifies every cell that has any."""
    keyed = sorted((cell for cell in cells if cell.keys), key=lambda cell: (cell.task, cell.method, cell.seed))
    names = tuple(dict.fromkeys(name for cell in keyed for name in cell.keys))
    return names, tuple(
        Identity(
            task=cell.task,
            method=cell.method,
            seed=cell.seed,
            values=tuple(cell.keys.get(name, "") for name in names),
        )
        for cell in keyed
    )


def commands(cells: Sequence[Outcome]) -> tuple[str, ...]:
    """The `magbench run` lines that make these cells again, one for each task, feature set and protocol."""
    groups: dict[Question, dict[str, set[int]]] = {}
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
