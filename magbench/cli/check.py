"""``magbench check``: a method's check-up on a small graph, in half a minute."""

from __future__ import annotations

from typing import Annotated

import typer


def check(
    method: Annotated[str, typer.Argument(help="Method string or path, e.g. ./my_method.py or sage+dagr.")],
    task: Annotated[
        list[str] | None,
        typer.Option("--task", "-t", help="Ask as this task asks; default: one of each family it does. Repeatable."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Fit a method to a small graph; say whether it answers, leaks, repeats itself and leaves its input alone.

    Exit code 2 when something is to be mended. Example: `magbench check ./my_method.py -t nc/emoji`.
    """
    from dataclasses import asdict

    from magbench.cli.output import print_json
    from magbench.registry import Registry
    from magbench.run.request import resolve_methods
    from magbench.train.check import check_method

    registry = Registry.default()
    ((string,), _) = resolve_methods([method], registry)
    tasks = [registry.task(name) for name in task or ()] or registry.examples(string)
    findings = [finding for spec in tasks for finding in check_method(str(string), registry, spec)]
    if json:
        print_json({"method": str(string), "findings": [asdict(finding) for finding in findings]})
    else:
        for finding in findings:
            print(f"{'ok ' if finding.ok else 'NO '} {finding.family}: {finding.question}: {finding.words}")
    if not all(finding.ok for finding in findings):
        raise typer.Exit(2)
