"""The report: every section of some results, what is not shown and why, what failed, and where numbers come from."""

from __future__ import annotations

from collections.abc import Sequence

from magbench.results.reported import Reported
from magbench.tables.base import Table
from magbench.tables.controls import arrange
from magbench.tables.outcome import Outcome, by_question
from magbench.tables.provenance import Failure, Identity, commands, environment, failures, identities
from magbench.tables.section import Section, section_of


class Report(Table):
    """Everything that is shown of some results.

    Attributes:
        cells, methods: how many there are, failed and hidden ones too.
        sections: in the order of their tasks, feature sets and protocols.
        hidden: a sentence for each row that may not stand alone.
        failures: cells without scores.
        environment: fact about where cells ran → its distinct values.
        key_names, keys: what identifies each cell.
        foreign: methods that are not part of magbench.
        commands: those that make the cells again.
    """

    cells: int
    methods: int
    sections: tuple[Section, ...]
    hidden: tuple[str, ...]
    failures: tuple[Failure, ...]
    environment: dict[str, tuple[str, ...]]
    key_names: tuple[str, ...]
    keys: tuple[Identity, ...]
    foreign: tuple[str, ...]
    commands: tuple[str, ...]


def report_of(
    outcomes: Sequence[Outcome], *, test_train_ratio: float = 1 / 3, reported: Sequence[Reported] = ()
) -> Report:
    """The report of some results, the same for any order of them.

    Args:
        outcomes: one for each task, feature set, protocol, method and seed.
        test_train_ratio: test items over training items of the drawn splits.
        reported: what papers report.

    Raises:
        RecordError: a score is NaN, or a cell stands twice.
    """
    own, beside, hidden = arrange(outcomes)
    names, keys = identities(outcomes)
    return Report(
        cells=len(outcomes),
        methods=len({outcome.method for outcome in outcomes}),
        sections=tuple(
            section_of(group, beside, [*own, *beside], test_train_ratio=test_train_ratio, reported=reported)
            for group in by_question(own)
        ),
        hidden=hidden,
        failures=failures(outcomes),
        environment=environment(outcomes),
        key_names=names,
        keys=keys,
        foreign=tuple(sorted({outcome.method for outcome in outcomes if not outcome.shipped})),
        commands=commands(outcomes),
    )
