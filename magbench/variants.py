"""Variants of a task: the same question under one or more options, written in brackets: ``ret/emoji[pool=all]``.

A family's ``[variants]`` table lists its options and the values of each; ``corruptions`` names those kinds of
:mod:`magbench.corruption` that may stand there at any rate. A variant is a
:class:`~magbench.specs.TaskSpec` of its own, with its own name, digest and results. Its name gives the options in the
order of these tables and leaves out defaults, so that equal variants have equal names.
"""

from __future__ import annotations

from collections.abc import Mapping

from magbench.corruption import KINDS, Corruption
from magbench.errors import OptionError, UnknownNameError
from magbench.specs import DatasetSpec, FamilySpec, TaskSpec, VariantOption

AT = "at"
"""Option that says when a corruption acts: ``at=test`` once a method is fitted, else from the start."""
AT_TEST = ("features", "graph")
"""What can be corrupted at test alone."""
CONTROLS = (
    "no_graph",
    "random",
    "node_disjoint",
    "random_node_disjoint",
    "edge_disjoint",
    "raw_query",
    "rewired",
    "permuted",
    "shuffled",
)
"""What a control of retrieval changes (``docs/retrieval.md``)."""


def parse_options(text: str, owner: str) -> dict[str, str]:
    """Read ``option=value,option=value``.

    Raises:
        OptionError: another form, or an option that stands twice.
    """
    found: dict[str, str] = {}
    for item in text.split(","):
        option, equals, value = (part.strip() for part in item.partition("="))
        if not (option and equals and value):
            raise OptionError(f"Task {owner}[{text}]: {item!r} is not of the form option=value.")
        if option in found:
            raise OptionError(f"Task {owner}[{text}]: option {option!r} is given twice.")
        found[option] = value
    return found


def with_option(task: str, option: str) -> str:
    """The unversioned task's name under one more option.

    >>> with_option("ret/emoji", "control=random"), with_option("ret/emoji[pool=all]", "control=random")
    ('ret/emoji[control=random]', 'ret/emoji[pool=all,control=random]')
    """
    return f"{task[:-1]},{option}]" if task.endswith("]") else f"{task}[{option}]"


def split_option(task: str, option: str) -> tuple[str, str | None]:
    """The task without an option, and the option's value; None where the task does not have it.

    >>> split_option("retrieval/emoji[pool=all,control=no_graph]@1", "control")
    ('retrieval/emoji[pool=all]@1', 'no_graph')
    >>> split_option("retrieval/emoji@1", "control")
    ('retrieval/emoji@1', None)
    """
    before, _, rest = task.partition("[")
    written, _, after = rest.partition("]")
    key = f"{option}="
    others = ",".join(item for item in written.split(",") if not item.startswith(key))
    value = next((item.removeprefix(key) for item in written.split(",") if item.startswith(key)), None)
    return (task if value is None else f"{before}[{others}]{after}" if others else f"{before}{after}"), value


def is_variant(task: str, of: str) -> bool:
    """Whether an unversioned task is another one or has its options and more.

    >>> is_variant("ret/emoji[control=random,pool=all]", "ret/emoji[pool=all]"), is_variant("ret/emoji", "ret/emoji")
    (True, True)
    >>> is_variant("ret/emoji[pool=all]", "ret/emoji[pool=1k]"), is_variant("ret/emoji-2", "ret/emoji")
    (False, False)
    """
    (base, _, own), (other, _, wanted) = (name.rstrip("]").partition("[") for name in (task, of))
    return base == other and {*filter(None, wanted.split(","))} <= {*own.split(",")}


def make_variant(task: TaskSpec, options: Mapping[str, str], family: FamilySpec, dataset: DatasetSpec) -> TaskSpec:
    """The variant of ``task`` with these options; the task itself, where they change nothing.

    Args:
        task: a task of ``family``.
        options: option → value.
        family: has the options there are.
        dataset: the task's data set.

    Raises:
        UnknownNameError: the family has no such option, or the option no such value.
        OptionError: a rate that a corruption does not allow, or ``at=test`` of nothing that is corrupted.
        DataError: the data set cannot be asked so.
    """
    chosen = {option: _value(task, option, value, family) for option, value in options.items()}
    order = [*family.variants, *family.corruptions, AT]
    variant = {option: value for option in order if (value := chosen.get(option)) is not None}
    if AT in variant and not set(variant) & {kind for kind in family.corruptions if KINDS[kind].acts_on in AT_TEST}:
        raise OptionError(f"Task {task.id}: at=test says when features or graph are corrupted; give a corruption, too.")
    if not variant:
        return task
    written = ",".join(f"{key}={value}" for key, value in variant.items())
    task.split.refuse(variant, dataset, f"{task.id}[{written}]")
    return task.model_copy(
        update={"name": f"{task.name}[{written}]", "title": f"{task.title}; {written}", "variant": variant}
    )


def corruptions_of(variant: Mapping[str, str]) -> list[Corruption]:
    """The corruptions of a variant, in its order."""
    return [Corruption(kind, float(rate)) for kind, rate in variant.items() if kind in KINDS]


def _value(task: TaskSpec, option: str, value: str, family: FamilySpec) -> str | None:
    """The value of an option as names write it; None for one that changes nothing."""
    if option in family.corruptions:
        corruption = Corruption.parse(f"{option}={value}")
        return None if corruption.neutral else corruption.text
    known = {**family.variants, **({AT: VariantOption(values=("test",))} if family.corruptions else {})}
    if option not in known:
        raise UnknownNameError(f"option of task {task.id}", option, [*known, *family.corruptions])
    if value not in known[option].values:
        raise UnknownNameError(f"value of {option} in task {task.id}", value, known[option].values)
    return None if value == known[option].default else value
