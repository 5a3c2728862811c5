"""``magbench ls``: what there is."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer


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


def _rows(registry: Any, kind: Kind) -> list[dict[str, Any]]:
    if kind is Kind.TASKS:
        short = {family: alias for alias, family in registry.aliases.items()}
        return [
            {
                "task": t.versioned_id,
                "short": f"{short[t.family]}/{t.name}",
                "data": t.dataset,
                "metric": t.primary,
                "title": t.title,
            }
            for t in registry.tasks.values()
        ]
    if kind is Kind.METHODS:
        return [
            {
                "method": e.spec.name,
                "kind": e.spec.kind,
                "tasks": ", ".join(alias for alias, family in registry.aliases.items() if e.spec.does(family)),
                "title": e.spec.title + (" (re-implementation)" if e.spec.reimplementation else ""),
            }
            for e in registry.methods.values()
        ]
    if kind is Kind.DATASETS:
        from magbench.data.place import is_here

        return [
            {
                "data set": d.id,
                "source": d.source,
                "here": "yes" if is_here(d) else "no",
                "features": d.features[0],
                "other sets": len(d.features) - 1,
                "nodes": d.counts.get("nodes"),
                "licence": d.licence,
                "title": d.title,
            }
            for d in registry.datasets.values()
        ]
    if kind is Kind.PROTOCOLS:
        return [
            {"protocol": p.id, "seeds": len(p.seeds), "ranked": "yes" if p.ranked else "no", "title": p.title}
            for p in registry.protocols.values()
        ]
    return [
        {
            "suite": s.name,
            "protocol": ", ".join(dict.fromkeys(part.protocol for part in s.whole_parts)),
            "tasks": len({task for part in s.whole_parts for task in part.tasks}),
            "methods": len({method for part in s.whole_parts for method in part.methods}),
            "title": s.title,
        }
        for s in registry.suites.values()
    ]
