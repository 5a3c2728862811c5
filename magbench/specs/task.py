"""Families and tasks: what is asked of a data set, and how a task may be varied."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, InstanceOf, SerializeAsAny, field_validator

from magbench.corruption import KINDS
from magbench.errors import SpecError
from magbench.specs.base import Spec, Target, canonical_hash, load
from magbench.specs.dataset import DatasetSpec
from magbench.specs.method import MethodSpec


class SplitRule(Spec):
    """Base of the rules by which a family divides a data set and asks; a task's ``split`` is one."""

    rule: str

    def refuse(self, variant: Mapping[str, str], dataset: DatasetSpec, task: str) -> None:
        """Raise DataError where a variant cannot be asked of a data set, as far as its specification tells."""


class VariantOption(Spec):
    """An option that may stand in a task's brackets: its values, and the one that is meant where none is given."""

    values: tuple[str, ...] = Field(min_length=1)
    default: str | None = None


class FamilySpec(Spec):
    """A family of tasks: all that tells it from the others, so that one folder and its modules add one.

    ``split_rules`` maps the name of a rule to the class that reads its table. ``reads`` are the parts of a data set
    that a task's answer can depend on (:data:`magbench.data.digests.PARTS`); only they enter a result's key.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    alias: str = Field(pattern=r"^[a-z0-9]+$")
    title: str
    task: Target
    objective: Target | None = None
    """What encoders are trained for; without it the family has methods of kind ``method`` alone."""
    workload: Target | None = None
    """How many numbers a cell reads (:mod:`magbench.tasks.workload`); without it plans make no estimates."""
    prediction: Literal["classes", "ranks", "texts", "images"]
    """A kind of :mod:`magbench.predictions`."""
    reads: tuple[str, ...] = Field(min_length=1)
    split_rules: dict[str, Target] = Field(min_length=1)
    metrics: tuple[str, ...] = Field(min_length=1)
    split: dict[str, Any]
    variants: dict[str, VariantOption] = Field(default_factory=dict)
    takes_apart: tuple[str, ...] = ()
    """Values of the option ``control`` that ``magbench run --controls`` adds to a task."""
    corruptions: tuple[str, ...] = ()
    """Kinds of :mod:`magbench.corruption` that may stand in brackets, at any rate."""

    @field_validator("corruptions")
    @classmethod
    def _known(cls, kinds: tuple[str, ...]) -> tuple[str, ...]:
        for kind in kinds:
            if kind not in KINDS:
                raise ValueError(f"no corruption is called {kind!r}; there are {', '.join(KINDS)}")
        return kinds

    def takes(self, method: MethodSpec) -> bool:
        """Whether a method can be asked its tasks."""
        trained = method.of(self.name).kind != "method"
        return method.does(self.name) and (self.objective is not None or not trained)

    def parse_split(self, values: Mapping[str, Any], origin: str) -> SplitRule:
        """The split of a task from its table; one that names no rule has that of the family.

        Raises:
            SpecError: the rule is unknown, or its table breaks it.
        """
        rule = values.get("rule", self.split["rule"])
        if rule not in self.split_rules:
            raise SpecError(
                f"{origin}: split.rule is {rule!r}; the family {self.name} has {', '.join(self.split_rules)}."
            )
        parsed: SplitRule = load(self.split_rules[rule]).parse({"rule": rule, **values}, f"{origin}, split")
        return parsed


class TaskSpec(Spec):
    """One scored question: ``<family>/<name>@<version>``.

    Its digest holds what is asked and nothing else: data set, label, split and variant, and of a user's own family its
    code. How it is called and scored, and whether it is ``ranked`` (cells of a task that is not are never kept), can
    change without another question.
    """

    family: str
    name: str
    version: int = Field(ge=1)
    title: str
    summary: str = ""
    task_class: Target
    dataset: str
    label: str = "y"
    split: SerializeAsAny[InstanceOf[SplitRule]]
    metrics: tuple[str, ...] = Field(min_length=1)
    ranked: bool = True
    variant: dict[str, str] = Field(default_factory=dict)
    source: str = ""
    """sha256 of the code of a user's own family; empty for a shipped one, for which :data:`magbench.ENGINE` stands."""

    def __hash__(self) -> int:
        return hash(self.versioned_id)

    def digest(self) -> str:
        """sha256 of the canonical JSON of what is asked."""
        asked = self.model_dump(mode="json", include={"family", "dataset", "label", "split", "variant"})
        return canonical_hash({**asked, "source": self.source} if self.source else asked)

    @property
    def id(self) -> str:
        return f"{self.family}/{self.name}"

    @property
    def versioned_id(self) -> str:
        return f"{self.id}@{self.version}"

    @property
    def base_id(self) -> str:
        """The id of the task that this one is a variant of: its own, if it is none."""
        return self.id.partition("[")[0]

    @property
    def primary(self) -> str:
        """The metric that ranks."""
        return self.metrics[0]
