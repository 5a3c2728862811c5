"""The scaling plot: milliseconds an outer iteration over N, both logarithmic, as one HTML file that needs nothing else.

A panel an objective and precision, a line a solver, the floor dashed; straight lines are power laws. Whiskers are
quartiles. The numbers stand below the panels, for whoever cannot or would not read them off.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

from magbench.perf import ours
from magbench.perf.compare import Row
from magbench.perf.report import Report

_WIDTH, _HEIGHT = 460, 330
_LEFT, _TOP, _RIGHT, _BOTTOM = 40, 10, 104, 24
_GAP = 13
_SERIES = {ours.OURS: 0, ours.DENSE: 1, "POT torch": 2, "POT numpy": 3, "fugw": 4, "ott": 5, ours.NUMPY: 6}
_FLOOR = 7
_STYLE = """
:root { color-scheme: light dark; --paper: #fff; --ink: #14181d; --soft: #56606c; --line: #dde1e6; --grid: #eceff2;
  --s0: #0b6e74; --s1: #4a9a8e; --s2: #b3541e; --s3: #8a6d00; --s4: #8e3a8c; --s5: #2f5fb3; --s6: #14181d;
  --s7: #7b8591; }
@media (prefers-color-scheme: dark) { :root { --paper: #111417; --ink: #e8ebee; --soft: #9ba5b0; --line: #2d343b;
  --grid: #22282e; --s0: #5cc8c6; --s1: #8fd6b4; --s2: #f0935a; --s3: #dcbf4a; --s4: #dc8fd9; --s5: #8fb4f5;
  --s6: #e8ebee; --s7: #7f8a96; } }
body { margin: 0 auto; max-width: 62rem; padding: 2rem 1.25rem 3rem; background: var(--paper); color: var(--ink);
  font: 0.9375rem/1.55 system-ui, sans-serif; font-variant-numeric: tabular-nums; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 .5rem; } h2 { font-size: 1rem; margin: 0; }
p { color: var(--soft); max-width: 75ch; margin: .3rem 0; }
.panels { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(26rem, 100%), 1fr)); gap: 1.5rem;
  margin: 1.5rem 0; }
figure { margin: 0; } svg { width: 100%; height: auto; display: block; }
svg text { font: 11px system-ui, sans-serif; fill: var(--soft); } svg .name { font-weight: 600; }
.grid { stroke: var(--grid); } .axis { stroke: var(--line); }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-size: .84rem; }
th, td { padding: .3rem .7rem; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { color: var(--soft); font-weight: 560; } .left { text-align: left; }
""" + "".join(
    f".s{i} {{ stroke: var(--s{i}); fill: none; stroke-width: 2; }} .d{i}, svg .t{i} {{ fill: var(--s{i}); }}\n"
    for i in range(_FLOOR + 1)
)


@dataclass(frozen=True)
class Log:
    """A logarithmic map of ``[low, high]`` to the coordinates ``[start, end]``."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """The coordinate of a positive value."""
        share = math.log(value / self.low) / math.log(self.high / self.low)
        return round(self.start + share * (self.end - self.start), 1)

    def decades(self) -> list[float]:
        """Powers of ten inside."""
        first, last = math.ceil(math.log10(self.low) - 1e-9), math.floor(math.log10(self.high) + 1e-9)
        return [10.0**power for power in range(first, last + 1)]


@dataclass(frozen=True)
class Series:
    """One line: points (N, milliseconds, lower and upper quartile), and the index of its colour."""

    name: str
    points: tuple[tuple[int, float, float, float], ...]
    colour: int


def page(report: Report) -> str:
    """The HTML page of a report."""
    machine = report.machine
    versions = ", ".join(f"{name} {version}" for name, version in machine["packages"].items() if version)
    panels = sorted({(row.kl, row.precision) for row in report.rows})
    figures = "\n".join(_figure(kl, precision, report.rows) for kl, precision in panels)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>magbench perf</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>Unbalanced fused Gromov-Wasserstein: CPU time of an outer iteration</h1>
<p>{escape(str(machine["cpu"]))}, one thread; {escape(versions)}.</p>
<p>Milliseconds of CPU time over the number of nodes, both logarithmic; medians with quartiles of calls taken in turns.
The dashed line is the floor: the same work at the ceilings measured on this machine.</p>
<div class="panels">
{figures}
</div>
{_table(report.rows)}
</body>
</html>
"""


def series(rows: Iterable[Row]) -> list[Series]:
    """The lines of one panel, the floor last."""
    points: dict[str, list[tuple[int, float, float, float]]] = {}
    floors: dict[int, float] = {}
    for row in rows:
        if row.seconds is not None and row.agrees:
            spread = row.seconds.scaled(1e3)
            points.setdefault(row.solver, []).append((row.n, spread.median, spread.low, spread.high))
            if row.floor_share is not None:
                floors.setdefault(row.n, row.floor_share * spread.median)
    found = [Series(name, tuple(sorted(line)), _SERIES.get(name, _FLOOR)) for name, line in points.items()]
    if floors:
        found.append(Series("floor", tuple((n, ms, ms, ms) for n, ms in sorted(floors.items())), _FLOOR))
    return found


def apart(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Positions near the wanted ones, in their order, at least ``gap`` apart and within [low, high] if they fit."""
    order = sorted(range(len(wanted)), key=wanted.__getitem__)
    placed = [wanted[index] for index in order]
    for before, after in pairwise(range(len(placed))):
        placed[after] = max(placed[after], placed[before] + gap)
    overflow = max(0.0, placed[-1] - high) if placed else 0.0
    if overflow:
        placed[-1] -= overflow
        for after, before in pairwise(reversed(range(len(placed)))):
            placed[before] = max(low, min(placed[before], placed[after] - gap))
    found = [0.0] * len(wanted)
    for index, value in zip(order, placed, strict=True):
        found[index] = round(value, 1)
    return found


def _figure(kl: str, precision: str, rows: Sequence[Row]) -> str:
    title = f"{kl}, {precision}: milliseconds over N"
    lines = series(row for row in rows if (row.kl, row.precision) == (kl, precision))
    points = [point for line in lines for point in line.points]
    if not points:
        return f"<figure><h2>{escape(title)}</h2><p>Nothing was measured.</p></figure>"
    sizes = sorted({n for n, *_ in points})
    x = Log(sizes[0] / 1.1, sizes[-1] * 1.1, _LEFT, _WIDTH - _RIGHT)
    low, high = min(point[2] for point in points), max(point[3] for point in points)
    y = Log(low / 1.3, high * 1.3, _HEIGHT - _BOTTOM, _TOP)
    labels = apart([y(line.points[-1][1]) for line in lines], _GAP, _TOP, _HEIGHT - _BOTTOM)
    body = _axes(x, y, sizes) + "".join(_line(line, x, y, at) for line, at in zip(lines, labels, strict=True))
    canvas = f'viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title)}"'
    return f"<figure><h2>{escape(title)}</h2><svg {canvas}>{body}</svg></figure>"


def _axes(x: Log, y: Log, sizes: Sequence[int]) -> str:
    right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
    parts = []
    for value in y.decades():
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{right}" y1="{y(value)}" y2="{y(value)}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y(value) + 4:g}" text-anchor="end">{value:g}</text>')
    for n in sizes:
        parts.append(f'<text x="{x(n)}" y="{bottom + 16}" text-anchor="middle">{n}</text>')
    parts.append(f'<line class="axis" x1="{_LEFT}" x2="{right}" y1="{bottom}" y2="{bottom}"/>')
    return "".join(parts)


def _line(line: Series, x: Log, y: Log, label_y: float) -> str:
    i = line.colour
    coordinates = " ".join(f"{x(n)},{y(ms)}" for n, ms, _, _ in line.points)
    dash = ' stroke-dasharray="5 4"' if line.name == "floor" else ""
    parts = [f'<polyline class="s{i}" points="{coordinates}"{dash}/>']
    for n, ms, low, high in line.points:
        tip = escape(f"{line.name}, N = {n}: {ms:.3g} ms [{low:.3g}, {high:.3g}]")
        parts.append(f'<line class="s{i}" x1="{x(n)}" x2="{x(n)}" y1="{y(low)}" y2="{y(high)}"/>')
        parts.append(f'<circle class="d{i}" cx="{x(n)}" cy="{y(ms)}" r="3"><title>{tip}</title></circle>')
    at = x(line.points[-1][0]) + 10
    parts.append(f'<text class="name t{i}" x="{at:g}" y="{label_y + 4:g}">{escape(line.name)}</text>')
    return "".join(parts)


def _table(rows: Sequence[Row]) -> str:
    head = ("objective", "precision", "N", "solver", "ms", "quartiles", "ratio to ours", "objective differs by", "")
    cells = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in _cells(row)) + "</tr>\n" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{cells}</tr></thead><tbody>\n{body}</tbody></table></div>'


def _cells(row: Row) -> tuple[str, ...]:
    spread = None if row.seconds is None else row.seconds.scaled(1e3)
    note = row.note or ("" if row.agrees else "another objective: the ratio does not count")
    return (
        row.kl,
        row.precision,
        str(row.n),
        row.solver,
        "–" if spread is None else f"{spread.median:.3g}",
        "–" if spread is None else f"{spread.low:.3g} – {spread.high:.3g}",
        "–" if row.ratio is None else f"{row.ratio.median:.3g}",
        "–" if row.difference is None else f"{row.difference:.1e}",
        note,
    )
