"""``magbench ls``: what there is."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from magbench.registry import Registry


class Kind(StrEnum):
    """What can be listed."""

    TASKS = "tasks"
    METHODS = "methods"
    DATASETS = "datasets"
    PROTOCOLS = "protocols"
    SUITES = "suites"


def ls(
    kind: Annotated[Kind | None, typer.Argument(help="Only this kind; default: everything.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List tasks, methods, data sets, protocols and suites.

    Examples: `magbench ls`, `magbench ls methods --json`.
    """
    from magbench.cli.output import print_json, print_table
    from magbench.registry import Registry

    registry = Registry.default()
    kinds = [kind] if kind else list(Kind)
    tables = {item.value: _rows(registry, item) for item in kinds}
    if json:
        print_json(tables)
        return
    for name, rows in tables.items():
        print_table(rows, {key: key for key in rows[0]} if rows else {}, name)


def _rows(registry: Registry, kind: Kind) -> list[dict[str, Any]]:
    listed = {
        Kind.TASKS: _tasks,
        Kind.METHODS: _methods,
        Kind.DATASETS: _datasets,
        Kind.PROTOCOLS: _protocols,
        Kind.SUITES: _suites,
    }
    return listed[kind](registry)


def _tasks(registry: Registry) -> list[dict[str, Any]]:
    short = {family: alias for alias, family in registry.aliases.items()}
    return [
        {
            "task": task.versioned_id,
            "short": f"{short[task.family]}/{task.name}",
            "data": task.dataset,
            "metric": task.primary,
            "title": task.title,
        }
        for task in registry.tasks.values()
    ]


def _methods(registry: Registry) -> list[dict[str, Any]]:
    return [
        {
            "method": entry.spec.name,
            "kind": entry.spec.kind,
            "tasks": ", ".join(alias for alias, family in registry.aliases.items() if entry.spec.does(family)),
            "title": entry.spec.title + (" (re-implementation)" if entry.spec.reimplementation else ""),
        }
        for entry in registry.methods.values()
    ]


def _datasets(registry: Registry) -> list[dict[str, Any]]:
    from magbench.data.place import is_here

    return [
        {
            "data set": dataset.id,
            "source": dataset.source,
            "here": "yes" if is_here(dataset) else "no",
            "features": dataset.features[0],
            "other sets": len(dataset.features) - 1,
            "nodes": dataset.counts.get("nodes"),
            "licence": dataset.licence,
            "title": dataset.title,
        }
        for dataset in registry.datasets.values()
    ]


def _protocols(registry: Registry) -> list[dict[str, Any]]:
    return [
        {
            "protocol": protocol.id,
            "seeds": len(protocol.seeds),
            "ranked": "yes" if protocol.ranked else "no",
            "title": protocol.title,
        }
        for protocol in registry.protocols.values()
    ]


def _suites(registry: Registry) -> list[dict[str, Any]]:
    return [
        {
            "suite": suite.name,
            "protocol": ", ".join(dict.fromkeys(part.protocol for part in suite.whole_parts)),
            "tasks": len({task for part in suite.whole_parts for task in part.tasks}),
            "methods": len({method for part in suite.whole_parts for method in part.methods}),
            "title": suite.title,
        }
        for suite in registry.suites.values()
    ]
