"""``magbench compare``: two methods, paired over seeds or test items; across data sets from five on."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from magbench.cli.arguments import Kept, Runs

if TYPE_CHECKING:
    from magbench.results.items import Cell
    from magbench.tables.pair import Across, Pair


def compare(
    a: Annotated[str, typer.Argument(help="Method string of the first method, e.g. sage or ./my_method.py.")],
    b: Annotated[str, typer.Argument(help="Method string of the second; the difference is b − a.")],
    task: Annotated[list[str] | None, typer.Option("--task", "-t", help="Only this task. Repeatable.")] = None,
    runs: Runs = None,
    kept: Kept = False,
    metric: Annotated[str | None, typer.Option(help="Metric compared; default: the tasks' primary one.")] = None,
    protocol: Annotated[str | None, typer.Option(help="Protocol id, where the results follow several.")] = None,
    features: Annotated[str | None, typer.Option(help="Feature set, where a task's results have several.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare two methods with the test their tasks call for (docs/statistics.md).

    Examples: `magbench compare sage sage+optimag -t nc/emoji`; a method of your own beside the kept cells of ours:
    `magbench compare sage ./my_method.py -t nc/emoji --runs runs --kept`.
    """
    from magbench.cli.output import print_json
    from magbench.registry import Registry
    from magbench.results.kept import cells_of
    from magbench.run.request import resolve_methods
    from magbench.tables.outcome import outcome_of
    from magbench.tables.pair import pair_of

    registry = Registry.default()
    first, second = map(str, resolve_methods([a, b], registry)[0])
    found = cells_of(runs, kept=kept)
    cells = _of_both(_questions(found, task, protocol, features, (first, second)), (first, second))
    metric = _metric(cells, metric)
    having = [c for c in cells if c.record.status == "ok" and any(s.metric == metric for s in c.record.overall)]
    table = pair_of([outcome_of(cell, registry, metric) for cell in having], first, second)
    if json:
        rows = [row.model_dump(mode="json") for row in table.rows]
        matrix = [{"dataset": name, **means} for name, means in table.across.matrix.items()]
        print_json({"comparisons": rows, "across": {"summary": _summary(table.across), "matrix": matrix}})
        return
    _show(table)
    for line in _summary(table.across):
        print(line)


def _questions(
    cells: Sequence[Cell],
    task: Sequence[str] | None,
    protocol: str | None,
    features: str | None,
    methods: tuple[str, str],
) -> list[Cell]:
    """The cells of the tasks, the protocol and the feature set that are asked for; says which rows may not be shown."""
    from magbench.registry import Registry
    from magbench.results.controls import fit_to_show
    from magbench.results.frame import one_feature_set, one_protocol

    chosen = one_protocol((cell.record.protocol for cell in cells), protocol)
    shown, hidden = fit_to_show([cell for cell in cells if cell.record.protocol == chosen])
    if task:
        registry = Registry.default()
        wanted = [(spec.id, spec.version) for spec in map(registry.task, task)]
        shown = [cell for cell in shown if (cell.record.task.id, cell.record.task.version) in wanted]
    for text in hidden:
        if text.startswith(tuple(f"{method} on" for method in methods)):
            print(text, file=sys.stderr)
    return one_feature_set(shown, features)


def _of_both(cells: Sequence[Cell], methods: tuple[str, str]) -> list[Cell]:
    """The cells of the two methods.

    Raises:
        UnknownNameError: one of them has none that is ok.
        RecordError: nothing has.
    """
    from magbench.errors import RecordError, UnknownNameError

    known = {cell.record.method.name for cell in cells if cell.record.status == "ok"}
    if not known:
        raise RecordError(
            "There is no finished result here that may be compared. Run the methods first, or see -t and --runs."
        )
    for name in methods:
        if name not in known:
            raise UnknownNameError("method among these results", name, known, f"Run it with -m '{name}'.")
    return [cell for cell in cells if cell.record.method.name in methods]


def _show(table: Pair) -> None:
    from magbench.cli.output import print_table

    rows = [
        {**row.model_dump(), "interval": "" if row.low is None else f"[{row.low:+.4f}, {row.high:+.4f}]"}
        for row in table.rows
    ]
    columns = {
        "task": "task",
        **({"pool": "pool"} if any(row.pool for row in table.rows) else {}),
        "n_seeds": "seeds",
        "mean_a": table.a,
        "mean_b": table.b,
        "difference": "difference",
        "std": "std",
        "interval": "95 % interval",
        "p": "p",
        "detectable": "detectable",
        "note": "note",
    }
    tests = dict.fromkeys(row.test for row in table.rows if row.test)
    print_table(rows, columns, f"{table.b} − {table.a}, {table.metric}, {' and '.join(tests)}")


def _metric(cells: Sequence[Cell], wanted: str | None) -> str:
    """The wanted metric; by default the first one of these cells' tasks, if it is one and the same.

    Raises:
        OptionError: the tasks have several, and none is wanted.
        UnknownNameError: no cell has the wanted one.
    """
    from magbench.errors import OptionError, UnknownNameError

    if wanted is not None:
        known = {score.metric for cell in cells for score in cell.record.overall}
        if wanted not in known:
            raise UnknownNameError("metric", wanted, known)
        return wanted
    found = sorted({cell.record.scores[0].metric for cell in cells if cell.record.scores})
    if len(found) > 1:
        raise OptionError(f"These tasks are ranked by {' and '.join(found)}: choose tasks with -t, or a --metric.")
    return found[0]


def _summary(across: Across) -> list[str]:
    """The view across data sets as text: the reason why there is none, or its tables."""
    import pandas as pd

    parts = (across.mean_ranks, across.friedman, across.bayesian)
    tables = [pd.DataFrame([row.model_dump() for row in rows]).to_string(index=False) for rows in parts if rows]
    return [*([across.reason] if across.reason else []), *tables]
