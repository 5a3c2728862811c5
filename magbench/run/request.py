"""What a user asked to run: tasks, feature sets, methods, protocol and seeds, from a suite and the command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from magbench.errors import MethodError, OptionError, UnknownNameError
from magbench.method_string import Component, MethodString, parse_method
from magbench.options import parse_assignment
from magbench.registry import Registry
from magbench.run.plan import Cell, PlanPart, make_plan, parse_seeds
from magbench.suites import Part, Suite
from magbench.train.compose import apply_assignments
from magbench.variants import with_option

DEFAULT_SUITE, DEFAULT_PROTOCOL = "quickstart", "standard@1"


@dataclass(frozen=True)
class Request:
    """Resolved against the registry; :meth:`plan` gives the cells."""

    registry: Registry
    parts: tuple[PlanPart, ...]
    method_paths: tuple[str, ...]

    def plan(self, out: Path) -> list[Cell]:
        return make_plan(self.registry, self.parts, out, self.method_paths)


def make_request(
    *,
    suite: str | None = None,
    tasks: Sequence[str] = (),
    methods: Sequence[str] = (),
    options: Sequence[str] = (),
    features: Sequence[str] = (),
    protocol: str | None = None,
    seeds: str | None = None,
    controls: bool = False,
) -> Request:
    """Read a request; what is given replaces what the suite says. Of its parts those with the tasks are left; of
    these a method runs in those that list it, and in all if none does.

    Args:
        suite: a suite's name; default ``quickstart`` when neither tasks nor methods are given.
        tasks: task ids.
        methods: method strings, whose host may be the path of a ``.py`` file or of a folder with ``method.toml``.
        options: ``METHOD.OPTION=VALUE`` settings.
        features: names of feature sets; each task takes those that its data set has.
        protocol: protocol id; default: the suite's, else ``standard@1``.
        seeds: a subset of the protocol's seeds, ``0-3`` or ``0,2,5``; default: the suite's, else all.
        controls: whether the controls that take a score apart are run as well, of each task that has them.

    Raises:
        MagbenchError: anything that does not resolve.
    """
    registry = Registry.default()
    if suite is None and not tasks and not methods:
        suite = DEFAULT_SUITE
    chosen = registry.suite(suite) if suite else None
    if chosen is None and not (tasks and methods):
        missing = "--method" if tasks else "--task"
        raise OptionError(f"Give {missing} too, or a --suite: a run is tasks × methods.")
    parts = _parts(chosen, [registry.task(name).id for name in tasks], methods, registry)
    parts = _with_controls(parts, registry) if controls else parts
    _check_features(features, parts, registry)
    texts = list(dict.fromkeys(text for part in parts for text in part.methods))
    strings, paths = resolve_methods(texts, registry)
    strings = apply_assignments(strings, [parse_assignment(option) for option in options])
    resolved = dict(zip(texts, strings, strict=True))
    if seeds is None and chosen and chosen.seeds:
        seeds = ",".join(map(str, chosen.seeds))
    plan_parts = []
    for part in parts:
        rules = registry.protocol(protocol or part.protocol)
        plan_parts.append(
            PlanPart(
                tasks=tuple(dict.fromkeys(registry.task(name) for name in part.tasks)),
                features=tuple(features or part.features),
                methods=tuple(dict.fromkeys(resolved[text] for text in part.methods)),
                protocol=rules,
                seeds=tuple(parse_seeds(seeds, rules)) if seeds is not None else rules.seeds,
            )
        )
    return Request(registry, tuple(plan_parts), tuple(paths))


def _parts(suite: Suite | None, tasks: Sequence[str], methods: Sequence[str], registry: Registry) -> list[Part]:
    """What is to be run, in parts with nothing left out."""
    if suite is None:
        return [Part(tasks=tuple(tasks), methods=tuple(methods), protocol=DEFAULT_PROTOCOL)]
    parts = _with_tasks(suite, tasks, registry) if tasks else list(suite.whole_parts)
    return _with_methods(parts, methods) if methods else parts


def _with_tasks(suite: Suite, tasks: Sequence[str], registry: Registry) -> list[Part]:
    """The parts with these tasks alone; a suite without parts takes any."""
    parts = suite.whole_parts
    if not suite.parts:
        return [part.model_copy(update={"tasks": tuple(tasks)}) for part in parts]
    known = [{registry.task(name).id for name in part.tasks} for part in parts]
    for name in tasks:
        if name not in set().union(*known):
            raise UnknownNameError(f"task of suite {suite.name}", name, set().union(*known))
    kept = [tuple(name for name in tasks if name in names) for names in known]
    return [part.model_copy(update={"tasks": names}) for part, names in zip(parts, kept, strict=True) if names]


def _with_methods(parts: Sequence[Part], methods: Sequence[str]) -> list[Part]:
    """The parts with these methods alone: one that a part lists, if with other options, runs in the parts that list it;
    another runs in all."""
    chosen: list[list[str]] = [[] for _ in parts]
    for text in methods:
        exact = [parse_method(text) in map(parse_method, part.methods) for part in parts]
        named = [_names(text) in map(_names, part.methods) for part in parts]
        places = exact if any(exact) else named if any(named) else [True] * len(parts)
        for texts, here in zip(chosen, places, strict=True):
            texts.extend([text] if here else [])
    found = zip(parts, chosen, strict=True)
    return [part.model_copy(update={"methods": tuple(texts)}) for part, texts in found if texts]


def _names(text: str) -> list[str]:
    """The components of a method string, without their options."""
    return [part.name for part in parse_method(text).components]


def _with_controls(parts: Sequence[Part], registry: Registry) -> list[Part]:
    """The parts with the controls of each task behind it; of a control there are none."""

    def controls(name: str) -> list[str]:
        task = registry.task(name)
        known = () if "control" in task.variant else registry.family(task.family).takes_apart
        return [with_option(task.id, f"control={control}") for control in known]

    found = [tuple(one for name in part.tasks for one in (name, *controls(name))) for part in parts]
    if all(tasks == part.tasks for tasks, part in zip(found, parts, strict=True)):
        raise OptionError(
            "--controls: each task here is a control itself, or of a family without any; give a task, e.g. ret/emoji."
        )
    return [part.model_copy(update={"tasks": tasks}) for tasks, part in zip(found, parts, strict=True)]


def _check_features(features: Sequence[str], parts: Sequence[Part], registry: Registry) -> None:
    """Refuse a feature set that no data set of the run has; whether each task has one is seen when it is planned."""
    datasets = [registry.dataset(registry.task(name).dataset) for part in parts for name in part.tasks]
    known = {name for dataset in datasets for name in dataset.features}
    for name in features:
        if name not in known:
            ids = ", ".join(sorted({dataset.id for dataset in datasets}))
            raise UnknownNameError("feature set", name, known, f"Data sets: {ids}.")


def resolve_methods(texts: Sequence[str], registry: Registry) -> tuple[list[MethodString], list[str]]:
    """Parse method strings; a component that is a path is registered and replaced by its name."""
    strings, paths = [], []
    for text in texts:
        parts = []
        for part in parse_method(text).components:
            if _is_path(part.name):
                path, name = _add(part.name, registry)
                paths.append(path)
                part = Component(name, part.options)
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
