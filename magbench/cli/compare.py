"""``magbench compare``: two methods, paired over seeds or test items; across data sets from five on."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from math import isnan
from typing import TYPE_CHECKING, Annotated, Any

import typer

from magbench.cli.arguments import Kept, Runs

if TYPE_CHECKING:
    import pandas as pd

    from magbench.results.items import Cell


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
    from magbench.results.frame import scores_frame
    from magbench.results.items import by_design, item_scores
    from magbench.results.kept import cells_of
    from magbench.run.request import resolve_methods
    from magbench.stats.paired import paired

    first, second = map(str, resolve_methods([a, b], Registry.default())[0])
    found = cells_of(runs, kept=kept)
    cells = _of_both(_questions(found, task, protocol, features, (first, second)), (first, second))
    metric = metric or _primary(cells)
    frame = scores_frame(cell.record for cell in cells)
    if metric in set(frame["metric"]):
        frame = frame[frame["metric"] == metric]
    table = by_design(paired, frame, item_scores(cells, metric), a=first, b=second, metric=metric, missing="drop")
    pools = {f"{r.task.id}@{r.task.version}": r.overall[0].pool for r in (cell.record for cell in cells) if r.scores}
    table["pool"] = table["task"].map(pools)
    ranks = _across(frame, first, second, metric)
    if json:
        print_json({"comparisons": table.to_dict("records"), "across": ranks})
        return
    _show(table, first, second, metric)
    for line in ranks["summary"]:
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


def _show(table: pd.DataFrame, first: str, second: str, metric: str) -> None:
    from magbench.cli.output import print_table

    rows = [
        {**row, "interval": "" if isnan(row["low"]) else f"[{row['low']:+.4f}, {row['high']:+.4f}]"}
        for row in table.to_dict("records")
    ]
    columns = {
        "task": "task",
        **({"pool": "pool"} if table["pool"].any() else {}),
        "n_seeds": "seeds",
        "mean_a": first,
        "mean_b": second,
        "difference": "difference",
        "std": "std",
        "interval": "95 % interval",
        "p": "p",
        "detectable": "detectable",
        "note": "note",
    }
    print_table(rows, columns, f"{second} − {first}, {metric}, {' and '.join(table['test'].dropna().unique())}")


def _primary(cells: Sequence[Cell]) -> str:
    """The first metric of these cells' tasks, if it is one and the same."""
    from magbench.errors import OptionError

    found = sorted({cell.record.scores[0].metric for cell in cells if cell.record.scores})
    if len(found) > 1:
        raise OptionError(f"These tasks are ranked by {' and '.join(found)}: choose tasks with -t, or a --metric.")
    return found[0]


def _across(frame: Any, a: str, b: str, metric: str) -> dict[str, Any]:
    """The view across data sets: ranks from five on; below, or where two tasks share a data set, the reason why not."""
    import numpy as np

    from magbench.errors import RecordError
    from magbench.metrics import higher_is_better
    from magbench.stats.ranks import ranks

    both = frame[frame["method"].isin([a, b])]
    try:
        up = higher_is_better(metric)
        found = ranks(both, metric=metric, rng=np.random.default_rng(0), higher_is_better=up)
    except RecordError as reason:
        return {"summary": [f"No view across data sets: {reason} Choose tasks with -t."], "matrix": []}
    summary = [found.reason] if found.reason else []
    for name in ("mean_ranks", "friedman", "nemenyi", "bayesian"):
        table = getattr(found, name)
        if len(table):
            summary.append(table.to_string(index=False))
    return {"summary": summary, "matrix": found.matrix.reset_index().to_dict("records")}
