"""Retrieval's controls in the terminal: scores beside controls, ranked twice, and rows that may not stand alone."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Sequence
from math import isnan
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from magbench.results.items import Cell


def show_controls(cells: Sequence[Cell], metric: str | None) -> None:
    """Print scores beside controls where a protocol's retrieval has any, and to stderr what is not shown."""
    from magbench.cli.output import print_table
    from magbench.results.controls import fit_to_show

    for found in control_rows(cells, metric):
        rows = [_row(row) for row in found["rows"]]
        print_table(rows, _columns(rows, found["metric"]), found["title"])
    for text in fit_to_show(cells)[1]:
        print(text, file=sys.stderr)


def control_rows(cells: Sequence[Cell], metric: str | None) -> list[dict[str, Any]]:
    """One entry a task, protocol and feature set with controls: ``title``, ``metric`` and ``rows``, numbers."""
    from magbench.results.controls import controls_of
    from magbench.stats.controls import PLAIN, split_control

    groups: dict[tuple[str, str], list[Cell]] = defaultdict(list)
    for cell in cells:
        if cell.record.task.id.startswith("retrieval/") and cell.record.status == "ok":
            groups[cell.record.protocol, cell.record.dataset.features].append(cell)
    found = []
    for (protocol, features), group in sorted(groups.items()):
        if all(split_control(cell.record.task.id)[1] == PLAIN for cell in group):
            continue
        shown = metric or group[0].record.scores[0].metric
        if all(score.metric != shown for cell in group for score in cell.record.scores):
            continue
        table = controls_of(group, shown)
        for task, own in table.groupby("task"):
            pool = own["pool"].iloc[0]
            title = f"{task}, {features}, {protocol}, {pool} candidates: {shown} beside controls"
            found.append({"title": title, "metric": shown, "rows": own.to_dict("records")})
    return found


def _row(row: dict[Any, Any]) -> dict[str, Any]:
    from magbench.stats.controls import CONTROLS, PLAIN

    scores = {name: None if isnan(row[name]) else _score(row, name) for name in (PLAIN, *CONTROLS)}
    gain = None
    if not isnan(row["content_gain"]):
        interval = "" if isnan(row["content_low"]) else f" [{row['content_low']:+.3f}, {row['content_high']:+.3f}]"
        gain = f"{row['content_gain']:+.3f}{interval}"
    return {
        "method": row["method"] + (" (coupled)" if row["towers"] == "coupled" else ""),
        "rank": _whole(row["rank"]),
        "content_rank": _whole(row["content_rank"]),
        **scores,
        "share": None if isnan(row["fingerprint_share"]) else f"{row['fingerprint_share']:.0%}",
        "content_gain": gain,
        "p": None if isnan(row["content_p_holm"]) else f"{row['content_p_holm']:.3f}",
    }


def _score(row: dict[Any, Any], name: str) -> str:
    """Mean ± std, and the number of seeds of a control that has another than the row."""
    from magbench.stats.controls import PLAIN

    std, seeds = row[f"{name}_std"], row[f"{name}_seeds"]
    text = f"{row[name]:.3f}" + ("" if isnan(std) else f" ± {std:.3f}")
    return text if seeds == row[f"{PLAIN}_seeds"] else f"{text}\n({seeds:.0f} seed{'s' if seeds != 1 else ''})"


def _whole(value: float) -> int | None:
    return None if isnan(value) else int(value)


def _columns(rows: Sequence[dict[str, Any]], metric: str) -> dict[str, str]:
    from magbench.stats.controls import CONTROLS, PLAIN

    main = {
        "no_graph": "no graph",
        "random": "random\nfeatures",
        "share": "its\nshare",
        "node_disjoint": "node\ndisjoint",
    }
    others = {name: name.replace("_", "\n") for name in CONTROLS if name not in main and any(row[name] for row in rows)}
    return {
        "method": "method",
        "rank": "rank",
        "content_rank": "by\ncontent",
        PLAIN: metric,
        **main,
        **others,
        "content_gain": "content gain [95 %]",
        "p": "p\n(Holm)",
    }
