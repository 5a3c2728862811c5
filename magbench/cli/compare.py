"""``magbench compare``: two methods, paired over seeds; across data sets from five on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer


def compare(
    a: Annotated[str, typer.Argument(help="Method string of the first method, e.g. sage.")],
    b: Annotated[str, typer.Argument(help="Method string of the second; the difference is b − a.")],
    task: Annotated[list[str] | None, typer.Option("--task", "-t", help="Only this task. Repeatable.")] = None,
    runs: Annotated[Path, typer.Option(help="Folder of results.")] = Path("runs"),
    kept: Annotated[
        bool, typer.Option("--kept", help="Compare the kept results of the checkout instead of --runs.")
    ] = False,
    metric: Annotated[str | None, typer.Option(help="Metric compared; default: the tasks' primary one.")] = None,
    protocol: Annotated[str | None, typer.Option(help="Protocol id, where the results follow several.")] = None,
    features: Annotated[str | None, typer.Option(help="Feature set, where a task's results have several.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare two methods with the test their tasks call for (docs/statistics.md).

    Example: `magbench compare sage sage+optimag -t nc/emoji`.
    """
    from magbench.cli.output import print_json, print_table
    from magbench.errors import UnknownNameError
    from magbench.method_string import parse_method
    from magbench.registry import Registry
    from magbench.results.frame import (
        newest,
        one_feature_set,
        one_protocol,
        primary_metric,
        read_cells,
        scores_frame,
    )
    from magbench.results.keep import kept_records
    from magbench.stats.paired import paired

    records = kept_records() if kept else [cell.record for cell in newest(read_cells(runs))]
    if task:
        registry = Registry.default()
        names = [registry.task(name).id for name in task]
        records = [record for record in records if record.task.id in names]
    chosen = one_protocol((record.protocol for record in records), protocol)
    records = one_feature_set((record for record in records if record.protocol == chosen), features)
    metric = metric or primary_metric(records)
    frame = scores_frame(records)
    first, second = str(parse_method(a)), str(parse_method(b))
    for name in (first, second):
        if name not in set(frame["method"]):
            raise UnknownNameError(
                "method among these results", name, set(frame["method"]), f"Run it with -m '{name}'."
            )
    table = paired(frame, first, second, metric=metric, missing="drop")
    ranks = _across(frame, first, second, metric)
    if json:
        print_json({"comparisons": table.to_dict("records"), "across": ranks})
        return
    rows = [{**row, "interval": f"[{row['low']:+.4f}, {row['high']:+.4f}]"} for row in table.to_dict("records")]
    columns = {
        "task": "task",
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
    print_table(rows, columns, f"{second} − {first}, {metric}, {table['test'].iloc[0] if len(table) else ''}")
    for line in ranks["summary"]:
        print(line)


def _across(frame: Any, a: str, b: str, metric: str) -> dict[str, Any]:
    """The view across data sets: ranks from five on; below, or where two tasks share a data set, the reason why not."""
    import numpy as np

    from magbench.errors import RecordError
    from magbench.stats.ranks import ranks

    both = frame[frame["method"].isin([a, b])]
    try:
        found = ranks(both, metric=metric, rng=np.random.default_rng(0))
    except RecordError as reason:
        return {"summary": [f"No view across data sets: {reason} Choose tasks with -t."], "matrix": []}
    summary = [found.reason] if found.reason else []
    for name in ("mean_ranks", "friedman", "nemenyi", "bayesian"):
        table = getattr(found, name)
        if len(table):
            summary.append(table.to_string(index=False))
    return {"summary": summary, "matrix": found.matrix.reset_index().to_dict("records")}
