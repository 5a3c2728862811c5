"""``magbench data card``: a data set's card and its conflict report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from magbench.data.report.figures import ConflictReport, ModalityReport


def card(
    name: Annotated[str, typer.Argument(help="Data set, e.g. emoji.")],
    features: Annotated[str | None, typer.Option(help="Feature set; default: the first.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Draws the random pairs and the anchor nodes.")] = 0,
    html: Annotated[
        Path | None, typer.Option(help="Also write the page with examples and pictures to this file.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON: every figure and example.")] = False,
) -> None:
    """Show a data set's card (counts, classes, licence) and its conflict report.

    The report says where the modalities contradict the graph or each other, and which test items have a duplicate in
    training; it takes seconds for thousands of nodes and minutes for a hundred thousand.

    Examples: `magbench data card emoji`, `magbench data card emoji --html emoji.html`.
    """
    from magbench.cli.output import check_output, print_json

    if html is not None:
        check_output(html, "--html")
    from magbench.data.load import load_dataset
    from magbench.data.report.cards import dataset_card
    from magbench.data.report.conflict import conflict_report
    from magbench.registry import Registry
    from magbench.tasks.parts import task_parts

    registry = Registry.default()
    spec = registry.dataset(name)
    mag = load_dataset(spec, features)
    facts = dataset_card(spec, mag)
    if not json:
        print(facts.to_text())
    report = conflict_report(mag, task_parts(registry, mag), seed=seed)
    if html is not None:
        from magbench.board.conflict import write_conflict

        write_conflict(report, mag, facts, html)
    if json:
        print_json({**facts.to_dict(), "report": report.to_dict(), "page": str(html) if html else None})
        return
    _print_report(report)
    print(f"Page: {html}" if html else "`--html PATH` writes a page with examples and what each figure means.")


def _print_report(report: ConflictReport) -> None:
    """Short tables; one that has nothing to say is left out."""
    from magbench.cli.output import print_table
    from magbench.tasks.parts import SEED

    degrees = " · ".join(f"{value:,g}" for value in report.degrees.quartiles)
    print(f"# Conflict report (feature set {report.features}, seed {report.seed})\n")
    print(f"- degrees: {degrees} (least, quartiles, greatest)")
    print(f"- nodes with every modality: {report.complete_nodes:,}; with none: {report.bare_nodes:,}\n")
    tables = {
        "Homophily": [{"label": label, **vars(found)} for label, found in report.homophily.items()],
        "Modalities along the edges": [_agreement_row(modality) for modality in report.modalities],
        "Agreement of two modalities, a node each": [
            {
                "modalities": " – ".join(c.modalities),
                "mean": c.mean,
                "median": c.quartiles[2],
                "below 0": _of(c.negative, c.nodes),
            }
            for c in report.cross_modal
        ],
        "Duplicates": [_duplicates_row(modality) for modality in report.modalities],
        f"Test items with a duplicate in training (fixed split, or that of seed {SEED})": [
            {
                "task": s.task,
                "modality": s.modality,
                "exact": _of(s.exact, s.test),
                "exact or near": _of(s.near, s.test),
            }
            for s in report.seen
        ],
    }
    for title, rows in tables.items():
        if rows:
            print_table(rows, {key: key for key in rows[0]}, title)


def _agreement_row(modality: ModalityReport) -> dict[str, object]:
    found = modality.agreement
    return {
        "modality": modality.name,
        "missing": modality.missing,
        "cosine": found and found.cosine_edges,
        "at random": found and found.cosine_random,
        "AUC": found and found.auc,
        "conflict rate": found and found.conflict_rate,
        "conflicting nodes": found and _of(found.conflicting_nodes, found.nodes),
    }


def _duplicates_row(modality: ModalityReport) -> dict[str, object]:
    found = modality.duplicates
    return {
        "modality": modality.name,
        "compared": found.basis,
        "exact": f"{found.exact_nodes:,} nodes",
        "near": f"{'' if found.complete else 'at least '}{found.near_nodes:,} nodes",
        "unreadable": found.unreadable,
    }


def _of(part: int, whole: int) -> str:
    return f"{part:,} of {whole:,} ({part / whole:.1%})" if whole else "–"
