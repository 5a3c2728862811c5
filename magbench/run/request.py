"""What a user asked to run: tasks, methods, protocol and seeds, from a suite and from the command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from magbench.errors import MethodError, OptionError
from magbench.method_string import MethodString, Part, parse_method
from magbench.options import parse_assignment
from magbench.registry import Registry
from magbench.run.plan import Cell, make_plan, parse_seeds
from magbench.specs import Protocol, TaskSpec
from magbench.train.compose import apply_assignments

DEFAULT_SUITE, DEFAULT_PROTOCOL = "quickstart", "standard@1"


@dataclass(frozen=True)
class Request:
    """Resolved against the registry; :meth:`plan` gives the cells."""

    registry: Registry
    tasks: tuple[TaskSpec, ...]
    methods: tuple[MethodString, ...]
    protocol: Protocol
    seeds: tuple[int, ...]
    method_paths: tuple[str, ...]

    def plan(self, out: Path) -> list[Cell]:
        return make_plan(self.registry, self.tasks, self.methods, self.protocol, self.seeds, out, self.method_paths)


def make_request(
    *,
    suite: str | None = None,
    tasks: Sequence[str] = (),
    methods: Sequence[str] = (),
    options: Sequence[str] = (),
    protocol: str | None = None,
    seeds: str | None = None,
) -> Request:
    """Read a request; tasks and methods that are given replace those of the suite.

    Args:
        suite: a suite's name; default ``quickstart`` when neither tasks nor methods are given.
        tasks: task ids.
        methods: method strings, whose host may be the path of a ``.py`` file or of a folder with ``method.toml``.
        options: ``METHOD.OPTION=VALUE`` settings.
        protocol: protocol id; default: the suite's, else ``standard@1``.
        seeds: a subset of the protocol's seeds, ``0-3`` or ``0,2,5``; default: the suite's, else all.

    Raises:
        MagbenchError: anything that does not resolve.
    """
    registry = Registry.default()
    if suite is None and not tasks and not methods:
        suite = DEFAULT_SUITE
    chosen = registry.suite(suite) if suite else None
    task_names = list(tasks) or list(chosen.tasks if chosen else ())
    method_texts = list(methods) or list(chosen.method_strings if chosen else ())
    if not task_names or not method_texts:
        missing = "--task" if not task_names else "--method"
        raise OptionError(f"Give {missing} too, or a --suite: a run is tasks × methods.")
    strings, paths = _resolve_methods(method_texts, registry)
    strings = apply_assignments(strings, [parse_assignment(option) for option in options])
    rules = registry.protocol(protocol or (chosen.protocol if chosen else DEFAULT_PROTOCOL))
    if seeds is None and chosen and chosen.seeds:
        seeds = ",".join(map(str, chosen.seeds))
    return Request(
        registry=registry,
        tasks=tuple(dict.fromkeys(registry.task(name) for name in task_names)),
        methods=tuple(dict.fromkeys(strings)),
        protocol=rules,
        seeds=tuple(parse_seeds(seeds, rules)) if seeds is not None else rules.seeds,
        method_paths=tuple(paths),
    )


def _resolve_methods(texts: Sequence[str], registry: Registry) -> tuple[list[MethodString], list[str]]:
    """Parse method strings; a component that is a path is registered and replaced by its name."""
    strings, paths = [], []
    for text in texts:
        parts = []
        for part in parse_method(text).parts:
            if _is_path(part.name):
                path, name = _add(part.name, registry)
                paths.append(path)
                part = Part(name, part.options)
            parts.append(part)
        strings.append(MethodString(tuple(parts)))
    return strings, list(dict.fromkeys(paths))


def _is_path(name: str) -> bool:
    return "/" in name or name.partition(":")[0].endswith(".py")


def _add(text: str, registry: Registry) -> tuple[str, str]:
    """Register the method at ``PATH`` or ``PATH:NAME``; returns the absolute path and the method's name."""
    path, _, wanted = text.partition(":")
    names = registry.add_path(path)
    if wanted and wanted not in names:
        raise MethodError(f"{path} registers {', '.join(names)}; there is no {wanted!r} in it.")
    if not wanted and len(names) > 1:
        raise MethodError(f"{path} registers {', '.join(names)}; say which one, e.g. {path}:{names[0]}.")
    return str(Path(path).expanduser().resolve()), wanted or names[0]
