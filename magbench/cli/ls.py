"""``magbench ls``: what there is."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from pydantic import BaseModel

    from magbench.registry import Registry
    from magbench.specs import TaskSpec


class Kind(StrEnum):
    """What can be listed."""

    TASKS = "tasks"
    METHODS = "methods"
    DATASETS = "datasets"
    PROTOCOLS = "protocols"
    SUITES = "suites"


def ls(
    kind: Annotated[Kind | None, typer.Argument(help="Only this kind; default: everything.")] = None,
    name: Annotated[str | None, typer.Argument(help="The options of this method, or of this task.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List tasks, methods, data sets, protocols and suites, or the options of a method or a task.

    Examples: `magbench ls`, `magbench ls methods --json`, `magbench ls methods goma`, `magbench ls tasks ret/emoji`.
    """
    from magbench.cli.output import print_json, print_table
    from magbench.registry import Registry

    registry = Registry.default()
    if name is not None:
        tables = _options(registry, kind, name)
    else:
        tables = {item.value: _rows(registry, item) for item in ([kind] if kind else Kind)}
    if json:
        print_json(tables)
        return
    for title, rows in tables.items():
        if rows:
            print_table(rows, {key: key for key in rows[0]}, title)
        else:
            print(f"{title}: none")


def _options(registry: Registry, kind: Kind | None, name: str) -> dict[str, list[dict[str, Any]]]:
    """Title → options, by name: of a method in each family that it does, or of a task."""
    from magbench.errors import OptionError

    if kind is Kind.METHODS:
        return _method_options(registry, name)
    if kind is Kind.TASKS:
        task = registry.task(name)
        return {f"{task.versioned_id}, as {name.partition('[')[0]}[option=value]": _task_options(registry, task)}
    raise OptionError(f"magbench ls {kind}: {name!r} is one too many; only methods and tasks have options.")


def _task_options(registry: Registry, task: TaskSpec) -> list[dict[str, Any]]:
    from magbench.corruption import KINDS
    from magbench.variants import AT

    family = registry.family(task.family)
    known = {name: (option.default, " or ".join(option.values), "") for name, option in family.variants.items()}
    known |= {name: (None, KINDS[name].allowed, KINDS[name].rate) for name in family.corruptions}
    if family.corruptions:
        known[AT] = None, "test", "corrupts features and graph once a method is fitted"
    return [
        {"option": name, "in force": task.variant.get(name, default or "none"), "allowed": allowed, "what": what}
        for name, (default, allowed, what) in known.items()
    ]


def _method_options(registry: Registry, name: str) -> dict[str, list[dict[str, Any]]]:
    from magbench.run.request import resolve_methods
    from magbench.train.compose import options_of

    ((string,), _), protocol, found = resolve_methods([name], registry), registry.protocol("standard"), {}
    for part in string.components:
        entry, tables = registry.method(part.name), {}
        for family in registry.families.values():
            if entry.spec.does(family.name):
                options = options_of(entry.of(family.name), protocol, family, part.options)
                tables[family.alias] = _in_force(options)
        for rows in tables.values():
            families = ", ".join(alias for alias, other in tables.items() if other == rows)
            found[f"{part.name} in {families} ({protocol.id})"] = rows
    return found


def _in_force(options: BaseModel) -> list[dict[str, Any]]:
    from magbench.method_string import literal
    from magbench.options import allowed

    return [
        {
            "option": name,
            "in force": "none" if (value := getattr(options, name)) is None else literal(value),
            "allowed": allowed(field.annotation, field.metadata),
            "what": _plain(field.description or ""),
        }
        for name, field in type(options).model_fields.items()
    ]


def _plain(text: str) -> str:
    """A docstring without its markup, in one line."""
    return " ".join(re.sub(r":\w+:`|`", "", text).split())


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
    return [
        {
            "task": task.versioned_id,
            "short": f"{registry.family(task.family).alias}/{task.name}",
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
            "kind": " or ".join(dict.fromkeys(form.kind for form in (entry.spec, *entry.spec.forms.values()))),
            "tasks": ", ".join(family.alias for family in registry.families.values() if entry.spec.does(family.name)),
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
