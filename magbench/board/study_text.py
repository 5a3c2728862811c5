"""What a study found, in plain sentences.

Every sentence is generated from the numbers beside it and says as much when there is nothing to say: a contrast that is
not significant after Holm's correction is reported as *not shown*, with the smallest effect that could have been seen.
"""

from __future__ import annotations

from magbench.board import numbers
from magbench.board.label import short_task
from magbench.board.numbers import point
from magbench.method_string import split_host
from magbench.tables.grid import GAIN, Best, Margin
from magbench.tables.study import Answer, Question, StudyTable, StudyTask, Verdict

_SAID: dict[Verdict, str] = {"better": "beats", "worse": "is worse than", "undecided": "is not shown to differ from"}
_COUNTED: dict[Verdict, str] = {"better": "yes", "worse": "the reverse", "undecided": "not shown"}


def answer_text(answer: Answer) -> str:
    """One answer: what is shown, by how much, and how sure."""
    said = _SAID.get(answer.verdict, "cannot be compared with")
    where = f"{answer.b} {said} {answer.a} on {short_task(answer.task)}, {answer.host} host"
    if answer.verdict == "untested":
        return f"{where}: {answer.note or 'too few seeds'}."
    text = (
        f"{where}: {point(answer.difference)} points [{point(answer.low)}, {point(answer.high)}], "
        f"p = {numbers.p_value(answer.p)}, after Holm {numbers.p_value(answer.p_holm)} ({_basis(answer)})."
    )
    return text.replace("= <", "<")


def _basis(answer: Answer) -> str:
    """What a test rests on, the smallest difference it could have seen, and what else is to be known of it."""
    seeds = f"{answer.seeds} seed{'s' if answer.seeds != 1 else ''}{', over test items' if answer.fixed else ''}"
    detectable = "" if answer.detectable is None else f"detectable from {answer.detectable:.1f}"
    return "; ".join(part for part in (seeds, detectable, answer.note) if part)


def question_text(question: Question) -> str:
    """How often yes, no and undecided, in one sentence."""
    if not question.tested:
        fixed = any(answer.fixed for answer in question.answers)
        return f"Not tested: {'each pair says why' if fixed else 'fewer than two seeds have both methods'}."
    counts = question.counts
    parts = [f"{said} in {counts[verdict]}" for verdict, said in _COUNTED.items() if counts.get(verdict)]
    pairs = f"{question.tested} pair{'s' if question.tested != 1 else ''} of task and host"
    return f"Of {pairs}: {', '.join(parts)}; mean difference {point(question.mean)} points."


def finding_texts(study: StudyTable, task: StudyTask) -> list[str]:
    """The best setting of a grid, what it must be held against, and the mean gain along each axis; none without one."""
    grid = task.grid
    if grid is None:
        return []
    if grid.best is None:
        return ["No setting of the grid has a seed in common with the plain host yet."]
    rivals = [
        f"{_name(study, rival.method)}, on the same footing, gains {point(rival.gain)} points; {rival.beaten} of "
        f"{grid.best.settings} settings have a higher mean."
        for rival in grid.rivals
    ]
    return [_best_text(grid.best), *rivals, *map(_margin_text, grid.margins)]


def _best_text(best: Best) -> str:
    setting = ", ".join(f"{option} {value}" for option, value in best.setting.items())
    return (
        f"{best.above} of {best.settings} settings have a higher mean than the plain host. The best ({setting}) gains "
        f"{point(best.gain)} points; it was picked among {best.settings} by test score over {best.seeds} "
        f"seed{'s' if best.seeds != 1 else ''} without correction: a lead, not a result."
    )


def _margin_text(margin: Margin) -> str:
    shown = ", ".join(f"{level.at}: {point(level.mean, margin.quantity)}" for level in margin.levels)
    if margin.quantity == GAIN:
        return f"Mean gain by {margin.axis}, over everything else: {shown}."
    return f"Mean {margin.quantity} by {margin.axis}: {shown}."


def _name(study: StudyTable, method: str) -> str:
    rest = split_host(method)[1]
    return study.names.get(rest, rest) or "plain host"
