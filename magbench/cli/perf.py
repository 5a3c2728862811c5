"""``magbench perf``: how fast the solver is on this machine, beside its peers and beside what the machine could do."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer


def perf(
    profile: Annotated[
        str | None, typer.Option(help="quick, standard or full; default: $MAGBENCH_PERF, else standard.")
    ] = None,
    sizes: Annotated[str | None, typer.Option(help="Nodes, e.g. 128,512; default: those of the profile.")] = None,
    precision: Annotated[str, typer.Option(help="float32, float64 or both.")] = "both",
    objective: Annotated[str, typer.Option(help="joint, plain or both.")] = "both",
    html: Annotated[Path | None, typer.Option(help="Also write a log-log plot to this file.")] = None,
    history: Annotated[bool, typer.Option("--history", help="Instead: ratios and counts of kept releases.")] = False,
    kept: Annotated[Path, typer.Option(help="Folder that --history reads.")] = Path("leaderboard/perf"),
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Time the transport solver: ceilings of this machine, floor, ours, every installed peer, ratios.

    One thread, CPU time, candidates in turns; a ratio counts only where the objectives agree to 1e-6.

    Examples: `magbench perf --profile quick`, `magbench perf --sizes 512 --precision float32 --html perf.html`,
    `magbench perf --history`.
    """
    if history:
        _history(kept, json)
        return
    if html is not None:
        from magbench.cli.output import check_output

        check_output(html, "--html")
    from magbench.perf.timing import one_thread

    one_thread()  # before numpy and torch are imported
    from magbench.cli.output import print_json
    from magbench.perf.problem import OBJECTIVES, PRECISIONS
    from magbench.perf.profiles import chosen_profile
    from magbench.perf.report import measure

    effort = chosen_profile(profile)
    report = measure(
        effort,
        sizes=_sizes(sizes) or effort.sizes,
        precisions=_either("precision", precision, PRECISIONS),
        objectives=_either("objective", objective, OBJECTIVES),
        progress=lambda message: print(message, file=sys.stderr),
    )
    if html is not None:
        from magbench.board.page import write_page
        from magbench.perf.plot import page

        write_page(page(report), html)
    if json:
        print_json(report.json())
    else:
        _print(report)
        if html is not None:
            print(f"Plot: {html}")


def _sizes(text: str | None) -> tuple[int, ...]:
    from magbench.errors import OptionError

    if text is None:
        return ()
    try:
        found = tuple(sorted({int(part) for part in text.split(",")}))
    except ValueError:
        found = ()
    if not found or not 8 <= found[0] <= found[-1] <= 16_384:
        raise OptionError(f"--sizes={text!r} is not allowed; give node counts in [8, 16384] with commas, e.g. 128,512.")
    return found


def _either(name: str, value: str, allowed: tuple[str, ...]) -> tuple[str, ...]:
    from magbench.checks import choice

    choice(f"--{name}", value, (*allowed, "both"))
    return allowed if value == "both" else (value,)


def _print(report: Any) -> None:
    from magbench.cli.output import print_table
    from magbench.paths import install_extra
    from magbench.perf.compare import exponents

    machine = report.machine
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items() if version)
    missing = [name for name, version in machine["packages"].items() if not version]
    print(f"{machine['cpu']}, {machine['threads']} of {machine['cores']} threads; {packages}")
    if missing:
        print(f"Not installed, so not compared: {', '.join(missing)} ({install_extra('perf')}).")
    print_table(_ceilings(report.ceilings), CEILINGS, "What this machine reaches on one thread")
    slopes = exponents(report.rows)
    print_table(
        [_row(row, slopes.get((row.kl, row.precision, row.solver))) for row in report.rows],
        ROWS,
        "Equal iterations: milliseconds an outer iteration, median [quartiles]",
    )
    print_table(
        [_row(row, None) for row in report.tolerance],
        {**ROWS, "difference": "gap to the optimum"},
        "To a relative gap of 1e-6: milliseconds a solve; peers at 10 x 20",
    )
    if report.ranking is not None:
        found = report.ranking
        title = f"Exact ranks, {found.queries} queries among {found.candidates} candidates of 128 numbers"
        print_table(_ranking(found), RANKING, title)
    print("A ratio above 1 means that we are faster; one marked ! compares different objectives and does not count.")


CEILINGS = {"precision": "precision", "n": "N", "flops": "matmul GF/s", "read": "read GB/s", "exp": "exp G/s"}
ROWS = {
    "kl": "objective", "precision": "precision", "n": "N", "solver": "solver", "schedule": "iterations", "ms": "ms",
    "ratio": "ratio to ours", "difference": "objective differs by", "floor": "of floor", "exponent": "exponent",
    "note": "",
}  # fmt: skip
RANKING = {"what": "", "seconds": "CPU s", "ratio": "ratio to ours"}


def _ranking(found: Any) -> list[dict[str, Any]]:
    peers = (("matrix product alone", found.product), ("matrix product, top 10", found.topk))
    ours = {"what": "magbench, counts above and equal", "seconds": _spread(found.seconds), "ratio": None}
    return [ours, *({"what": name, "seconds": None, "ratio": _spread(ratio)} for name, ratio in peers)]


def _ceilings(ceilings: Any) -> list[dict[str, Any]]:
    return [
        {
            "precision": ceiling.precision,
            "n": n,
            "flops": f"{ceiling.flops / 1e9:.0f}",
            "read": f"{ceiling.read[n] / 1e9:.0f}",
            "exp": f"{ceiling.exp[n] / 1e9:.2f}",
        }
        for ceiling in ceilings
        for n in ceiling.read
    ]


def _row(row: Any, exponent: float | None) -> dict[str, Any]:
    flag = "" if row.agrees else " !"
    return {
        **{key: getattr(row, key) for key in ("kl", "precision", "n", "solver", "schedule", "note")},
        "ms": None if row.seconds is None else _spread(row.seconds.scaled(1e3)),
        "ratio": None if row.ratio is None else _spread(row.ratio) + flag,
        "difference": None if row.difference is None else f"{row.difference:.1e}{flag}",
        "floor": None if row.floor_share is None else f"{row.floor_share:.0%}",
        "exponent": None if exponent is None else f"{exponent:.2f}",
    }


def _spread(spread: Any) -> str:
    if spread.count == 1:
        return f"{spread.median:.3g} (once)"
    return f"{spread.median:.3g} [{spread.low:.3g}, {spread.high:.3g}]"


def _history(folder: Path, json: bool) -> None:
    from magbench.cli.output import print_json, print_table
    from magbench.perf.history import read_history

    found = read_history(folder)
    if json:
        print_json([{"machine": part.machine, "versions": part.versions, "values": part.values} for part in found])
        return
    for part in found:
        rows = [{"benchmark": name, **values} for name, values in part.values.items()]
        print_table(rows, {"benchmark": "lower is better", **{v: v for v in part.versions}}, part.machine)
