"""``magbench run --plan``: the cells that would run, what must be fetched first, and what it all may cost."""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

MOST_ROWS = 40

if TYPE_CHECKING:
    from magbench.registry import Registry
    from magbench.run.needs import Need
    from magbench.run.plan import Cell


@dataclass(frozen=True)
class Plan:
    """What is shown.

    Attributes:
        cells: all cells.
        todo: those that would run.
        needs: data sets to fetch first.
        out: the runs folder.
        jobs: cells at a time.
        spent: core-seconds that finished cells took.
        budget: core-hours, if there is a limit.
    """

    cells: list[Cell]
    todo: list[Cell]
    needs: list[Need]
    out: Path
    jobs: int
    spent: float
    budget: float | None


def show_plan(plan: Plan, registry: Registry, json: bool) -> None:
    """Print the plan; nothing runs, and no hub is asked."""
    from magbench.cli.output import print_json, print_table

    rows = _rows(plan, registry)
    seconds = sum(row["cells"] * row["s_cell"] for row in rows if row["s_cell"] is not None)
    counts = {kind: sum(row["cells"] for row in rows if row["exact"] is kind) for kind in (True, False, None)}
    memory = max((row["memory"] for row in rows if row["memory"] is not None), default=None)
    if json:
        print_json(
            {
                "cells": len(plan.cells),
                "to_run": len(plan.todo),
                "jobs": plan.jobs,
                "estimate_s": seconds / _at_once(plan),
                "core_hours": seconds / 3600,
                "spent_core_hours": plan.spent / 3600,
                "without_estimate": counts[None],
                "roughly_estimated": counts[False],
                "peak_memory_a_job": memory,
                "downloads": [asdict(need) for need in plan.needs],
                "disk": _disk(plan.needs),
                "plan": rows,
            }
        )
        return
    shown = rows if len(rows) <= MOST_ROWS else _by_task(rows)
    print_table([_shown(row) for row in shown], _headings(shown))
    jobs = _at_once(plan)
    print(_cost_line(len(plan.cells), len(plan.todo), seconds, jobs, counts))
    if memory is not None:
        print(f"Memory: up to about {memory / 1e9:.1f} GB a job, {jobs * memory / 1e9:.1f} GB with {jobs}.")
    print(f"Finished cells of this plan took {plan.spent / 3600:.2f} core-hours.")
    if plan.budget is not None:
        left = max(plan.budget - plan.spent / 3600, 0)
        print(f"With --budget {plan.budget:g}, no cell starts once {left:.2f} more are used.")
    if plan.needs:
        _print_needs(plan.needs)


def _rows(plan: Plan, registry: Registry) -> list[dict[str, Any]]:
    """One row a task, feature set, method and protocol."""
    from magbench.run.estimate import Estimates

    estimates = Estimates(registry, plan.out)
    groups = Counter((cell.task, cell.features, cell.method, cell.protocol, bool(cell.key)) for cell in plan.todo)
    examples = {(cell.task, cell.features, cell.method, cell.protocol): cell for cell in plan.todo}
    rows = []
    for (task, features, method, protocol, here), count in groups.items():
        found = estimates.of(examples[task, features, method, protocol])
        rows.append(
            {
                "task": task,
                "features": features,
                "method": method,
                "protocol": protocol,
                "here": here,
                "cells": count,
                "s_cell": found.seconds if found else None,
                "memory": found.memory if found else None,
                "exact": found.exact if found else None,
            }
        )
    return rows


def _by_task(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The methods of a task, feature set and protocol in one row: too many rows are read by nobody."""
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["task"], row["features"], row["protocol"]), []).append(row)
    return [
        group[0]
        | {
            "method": str(len(group)),
            "cells": sum(row["cells"] for row in group),
            "hours": sum(row["cells"] * row["s_cell"] for row in group if row["s_cell"] is not None) / 3600,
            "memory": max((row["memory"] for row in group if row["memory"] is not None), default=None),
            "exact": all(row["exact"] for row in group),
        }
        for group in groups.values()
    ]


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    about = "" if row["exact"] else "~ "
    return row | {
        "here": "yes" if row["here"] else "no",
        "s_cell": None if row["s_cell"] is None else f"{about}{row['s_cell']:.1f}",
        "hours": f"{about}{row['hours']:.2f}" if row.get("hours") else None,
        "memory": None if row["memory"] is None else f"{about}{row['memory'] / 1e9:.1f}",
    }


def _headings(rows: list[dict[str, Any]]) -> dict[str, str]:
    """What is the same in every row and goes without saying is left out."""
    several = {key for key in ("features", "protocol") if len({row[key] for row in rows}) > 1}
    several |= set() if all(row["here"] for row in rows) else {"here"}
    grouped = any("hours" in row for row in rows)
    names = {"task": "task", "features": "features", "method": "methods" if grouped else "method"}
    names |= {"protocol": "protocol", "here": "here"}
    return {
        **{key: name for key, name in names.items() if key in several or key in ("task", "method")},
        "cells": "cells to run",
        **({"hours": "core-hours"} if grouped else {"s_cell": "s a cell"}),
        "memory": "GB a cell",
    }


def _disk(needs: list[Need]) -> dict[str, int]:
    """Bytes: what is known of the downloads, the features converted, and what is free where they go."""
    from magbench import paths

    home = next(folder for folder in (paths.home(), *paths.home().parents) if folder.is_dir())
    return {
        "download_known": sum(need.download_bytes for need in needs),
        "store_features": sum(need.store_bytes for need in needs),
        "free": shutil.disk_usage(home).free,
    }


def _print_needs(needs: list[Need]) -> None:
    from magbench.cli.output import print_table

    rows = [
        {
            "dataset": need.dataset,
            "repo": need.repo or "no hub",
            "licence": "not stated" if need.licence == "NOASSERTION" else need.licence,
            "file": file.file,
            "size": "unknown" if file.bytes is None else f"{file.bytes / 1e6:,.0f} MB",
        }
        for need in needs
        for file in need.files
    ]
    headings = {"dataset": "data set", "repo": "repository", "licence": "licence", "file": "file", "size": "at least"}
    print_table(rows, headings, "To be fetched first")
    disk = _disk(needs)
    print(
        f"Disk: {disk['download_known'] / 1e9:.1f} GB of features to download, {disk['store_features'] / 1e9:.1f} GB "
        f"once converted, and files of unknown size; {disk['free'] / 1e9:.1f} GB are free. Pictures are not needed."
    )
    for need in needs:
        print(f"  {need.command}")


def _at_once(plan: Plan) -> int:
    """Jobs that have a cell to run."""
    return max(1, min(plan.jobs, len(plan.todo)))


def _cost_line(cells: int, todo: int, seconds: float, jobs: int, counts: dict[bool | None, int]) -> str:
    """One sentence: how many cells, core-hours in all, hours with these jobs, and how sure that is."""
    if not todo:
        return f"All {cells} cells are there."
    hours, rest = divmod(round(seconds / jobs), 3600)
    clock = f"{hours:02d}:{rest // 60:02d}:{rest % 60:02d}"
    if not (counts[True] or counts[False]):
        return f"{todo} of {cells} cells to run; no cell like them has run before."
    rough = f" (~: {counts[False]} cells judged by others like them)" if counts[False] else ""
    unknown = f", and {counts[None]} cells without an estimate" if counts[None] else ""
    about = f"about {clock} with {jobs} job{'s' if jobs > 1 else ''}, {seconds / 3600:.2f} core-hours{rough}{unknown}"
    return f"{todo} of {cells} cells to run; {about}."
