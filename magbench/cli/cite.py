"""``magbench cite``: what to cite for the tasks and methods one used."""

from __future__ import annotations

from typing import Annotated

import typer

SUITE = "The magbench contributors. magbench: a benchmark suite for multimodal attributed graphs, version {version}."


def cite(
    names: Annotated[
        list[str] | None, typer.Argument(help="Methods, tasks or data sets; default: magbench itself.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print what to cite.

    Example: `magbench cite sage+optimag nc/emoji`.
    """
    from magbench import __version__
    from magbench.cli.output import print_json
    from magbench.registry import Registry

    registry = Registry.default()
    entries = {"magbench": [SUITE.format(version=__version__)]}
    for name in names or []:
        entries.update(_citations(registry, name))
    if json:
        print_json(entries)
        return
    for name, citations in entries.items():
        for citation in citations or ["(nothing to cite)"]:
            print(f"{name}: {citation}")


def _citations(registry, name: str) -> dict[str, list[str]]:  # type: ignore[no-untyped-def]
    from magbench.method_string import parse_method

    if name in registry.datasets:
        return {name: list(registry.datasets[name].citation)}
    if "/" in name:
        dataset = registry.dataset(registry.task(name).dataset)
        return {dataset.name: list(dataset.citation)}
    return {part.name: list(registry.method(part.name).spec.citation) for part in parse_method(name).components}
