"""Controls in the terminal: scores beside controls, ranked twice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from magbench.tables.base import Spread
    from magbench.tables.controls import ControlRow, ControlTable, Gain


def show_controls(table: ControlTable) -> None:
    """Print scores beside controls."""
    from magbench.cli.output import print_table

    rows = [_row(row) for row in table.rows]
    print_table(rows, _columns(rows, table.metric), _title(table))


def control_rows(table: ControlTable) -> dict[str, Any]:
    """The table as JSON: ``title``, ``metric`` and ``rows``, numbers."""
    return {"title": _title(table), "metric": table.metric, "rows": [_flat(table, row) for row in table.rows]}


def _title(table: ControlTable) -> str:
    place = f"{table.task}, {table.features}, {table.protocol}"
    candidates = "" if table.pool is None else f", {table.pool} candidates"
    return f"{place}{candidates}: {table.metric} beside controls"


def _flat(table: ControlTable, row: ControlRow) -> dict[str, Any]:
    from magbench.stats.controls import PLAIN

    controls = {name: (score, row.control_seeds[name]) for name, score in row.controls.items()}
    flat: dict[str, Any] = {"task": table.task, "dataset": table.dataset, "method": row.method}
    for name, (score, seeds) in ({PLAIN: (row.score, row.seeds)} | controls).items():
        flat |= {
            name: score.mean if score else None,
            f"{name}_std": score.std if score else None,
            f"{name}_seeds": seeds,
        }
    return flat | {
        "fingerprint_share": row.share,
        **_gain("content", row.gain),
        **_gain("graph", row.graph_gain),
        "rank": row.rank,
        "content_rank": row.content_rank,
        "towers": row.towers,
        "pool": table.pool,
    }


def _gain(name: str, gain: Gain | None) -> dict[str, Any]:
    return {
        f"{name}_gain": gain.value if gain else None,
        f"{name}_low": gain.low if gain else None,
        f"{name}_high": gain.high if gain else None,
        f"{name}_p": gain.p if gain else None,
        f"{name}_seeds": gain.seeds if gain else None,
        f"{name}_note": gain.note if gain else None,
        f"{name}_p_holm": gain.p_holm if gain else None,
    }


def _row(row: ControlRow) -> dict[str, Any]:
    from magbench.stats.controls import PLAIN

    controls = {name: _score(value, row.control_seeds[name], row.seeds) for name, value in row.controls.items()}
    return {
        "method": row.method + (" (coupled)" if row.towers == "coupled" else ""),
        "rank": row.rank,
        "content_rank": row.content_rank,
        PLAIN: _score(row.score, row.seeds, row.seeds),
        **controls,
        "share": None if row.share is None else f"{row.share:.0%}",
        "content_gain": _interval(row.gain),
        "p": _p(row.gain),
        "graph_gain": _interval(row.graph_gain),
        "graph_p": _p(row.graph_gain),
    }


def _interval(gain: Gain | None) -> str | None:
    if gain is None:
        return None
    return f"{gain.value:+.3f}" + ("" if gain.low is None else f" [{gain.low:+.3f}, {gain.high:+.3f}]")


def _p(gain: Gain | None) -> str | None:
    return None if gain is None or gain.p_holm is None else f"{gain.p_holm:.3f}"


def _score(score: Spread | None, seeds: int | None, of_row: int) -> str | None:
    """Mean ± std, and the number of seeds of a control that has another than the row."""
    if score is None:
        return None
    text = f"{score.mean:.3f}" + ("" if score.std is None else f" ± {score.std:.3f}")
    return text if seeds == of_row else f"{text}\n({seeds} seed{'s' if seeds != 1 else ''})"


def _columns(rows: Sequence[dict[str, Any]], metric: str) -> dict[str, str]:
    from magbench.stats.controls import CONTROLS, PLAIN

    main = {
        "no_graph": "no graph",
        "random": "random\nfeatures",
        "share": "its\nshare",
        "node_disjoint": "node\ndisjoint",
    }
    others = {name: name.replace("_", "\n") for name in CONTROLS if name not in main}
    gains = {
        "content_gain": "content gain [95 %]",
        "p": "p\n(Holm)",
        "graph_gain": "graph gain [95 %]",
        "graph_p": "p\n(Holm)",
    }
    found = {"rank": "rank", "content_rank": "by\ncontent", PLAIN: metric, **main, **others, **gains}
    return {"method": "method", **{key: name for key, name in found.items() if any(row[key] for row in rows)}}
