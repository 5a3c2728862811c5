"""``magbench results verify``: run a sample of the kept cells again and compare scores."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from magbench.registry import Registry
    from magbench.results.kept import KeptCell
    from magbench.results.verify import Verified
    from magbench.run.plan import Cell


def verify(
    sample: Annotated[int, typer.Option(min=1, help="Cells to run again.")] = 24,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the sample.")] = 0,
    longest: Annotated[
        float | None, typer.Option(min=1, help="Leave out cells that took more core-seconds than this.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder of the second runs.")] = Path("runs-verify"),
    jobs: Annotated[int, typer.Option(min=1, help="Cells at a time.")] = 1,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Run kept cells again, drawn from every family, source and machine, and report how far their scores are apart.

    Processors round differently, so a trained network can differ on another one; rows of an older revision are named.
    Example: `magbench results verify --sample 24 --longest 120`.
    """
    from magbench.cli.output import print_json, print_table
    from magbench.cli.progress import progress_display
    from magbench.registry import Registry
    from magbench.results.kept import kept_cells
    from magbench.results.stale import is_stale
    from magbench.results.verify import Verified, ordered
    from magbench.results.verify import sample as drawn
    from magbench.run.plan import pending
    from magbench.run.provenance import magbench_part
    from magbench.run.scheduler import run_local
    from magbench.run.slots import Slots

    registry = Registry.default()
    chosen = drawn(kept_cells(), sample, seed, longest)
    cells = [_cell(kept, registry, out) for kept in chosen]
    todo = pending(cells, "missing")
    with progress_display(len(todo)) as progress:
        run_local(todo, magbench_part(), slots=Slots.of_machine(jobs), timeout=None, progress=progress)
    pairs = zip(chosen, cells, strict=True)
    found = ordered([Verified(kept.record, cell.record(), is_stale(kept.record, registry)) for kept, cell in pairs])
    rows = [_row(one) for one in found]
    if json:
        print_json({"cells": rows})
        return
    print_table(rows, {key: key for key in rows[0]} if rows else {}, f"{len(rows)} kept cells, run again")
    alike = [one.difference for one in found if one.difference is not None and one.same_machine and not one.stale]
    if alike:
        print(f"Largest difference on a processor of the same name, rows that are not stale: {max(alike):.3g}.")
    if lost := sum(one.difference is None for one in found):
        print(f"{lost} cells did not run again; see {out}.", file=sys.stderr)
        raise typer.Exit(1)


def _cell(kept: KeptCell, registry: Registry, out: Path) -> Cell:
    from magbench.method_string import parse_method
    from magbench.run.plan import PlanPart, make_plan

    record = kept.record
    part = PlanPart(
        tasks=(registry.task(f"{record.task.id}@{record.task.version}"),),
        features=(record.dataset.features,),
        methods=(parse_method(record.method.name),),
        protocol=registry.protocol(record.protocol),
        seeds=(record.seed,),
    )
    (cell,) = make_plan(registry, [part], out)
    return cell


def _row(found: Verified) -> dict[str, Any]:
    record, again = found.kept, found.again
    return {
        "task": f"{record.task.id}@{record.task.version}",
        "method": record.method.name,
        "seed": record.seed,
        "metric": record.scores[0].metric,
        "kept": record.scores[0].value,
        "again": again.scores[0].value if again and again.scores else None,
        "largest difference": found.difference,
        "processor": "same" if found.same_machine else "other",
        "row": "stale" if found.stale else "current",
    }
