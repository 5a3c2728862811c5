"""Specifications: the benchmark's content as frozen data, read from TOML and validated once.

* :class:`DatasetSpec`: which data, which version, what is expected of it.
* :class:`FamilySpec`: a kind of question: its task class, objective, split rules, kind of prediction, variants.
* :class:`TaskSpec`: a family's question asked of one data set: label, split, variant, metrics.
* :class:`Protocol`: seeds and training constants shared by every method.
* :class:`MethodSpec`: where a method or regulariser lives and what it is.

What is run of all this is named by suites (:mod:`magbench.suites`).

The ``digest`` of a task and of a protocol is the sha256 of what changes a result, as canonical JSON; it enters the key
of each result. Titles, summaries, citations and metrics stand outside.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    InstanceOf,
    SerializeAsAny,
    SerializerFunctionWrapHandler,
    ValidationError,
    field_validator,
    model_serializer,
    model_validator,
)

from magbench.corruption import KINDS
from magbench.errors import SpecError, UnknownNameError

Target = Annotated[str, Field(pattern=r"^[\w.]+:\w+$")]
"""A class or function by its module and name: ``package.module:Name``."""


def load(target: str) -> Any:
    """What a :data:`Target` names; imports its module."""
    module, _, attribute = target.partition(":")
    return getattr(import_module(module), attribute)


def canonical_hash(value: Any) -> str:
    """sha256 (hex) of ``value`` as canonical JSON: sorted keys, no spaces, UTF-8."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


class Spec(BaseModel):
    """Base of all specifications."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def from_toml(cls, path: Path, **defaults: Any) -> Self:
        """Read one TOML file; ``defaults`` fill what it leaves out.

        Raises:
            SpecError: the file is not TOML, or breaks the specification.
        """
        return cls.parse({**defaults, **read_toml(path)}, str(path))

    @classmethod
    def parse(cls, values: dict[str, Any], origin: str) -> Self:
        """Validate ``values``; ``origin`` is named in the error.

        Raises:
            SpecError: a field is unknown, missing or out of range.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            problems = "; ".join(
                f"{'.'.join(map(str, item['loc'])) or 'file'}: {item['msg']} (found {item['input']!r:.80})"
                for item in error.errors()
            )
            raise SpecError(f"{origin}: {problems}. Allowed fields: {', '.join(cls.model_fields)}.") from None


class FeatureFile(Spec):
    """One modality of a published feature set: a file, or a range of its columns.

    ``encoder`` says what made it, as far as its publisher does; ``file`` is a pattern as in :class:`Mirror`;
    ``columns`` is half open; ``dim`` is the width that must be found.
    """

    encoder: str
    file: str
    columns: tuple[int, int] | None = None
    dim: int = Field(ge=1)

    @model_validator(mode="after")
    def _wide_enough(self) -> Self:
        if self.columns and (self.columns[0] < 0 or self.columns[1] - self.columns[0] != self.dim):
            raise ValueError(f"columns {list(self.columns)} do not select dim = {self.dim} columns")
        return self


class Mirror(Spec):
    """One place that publishes a data set, in one layout (:mod:`magbench.data.formats`).

    Files are named by patterns (``*``, ``?``; case does not count) of paths in the repository; ``files`` gives for each
    role alternatives, the first that matches a file is taken. Without ``repo`` the data set can only be imported.
    ``sha256`` holds the hashes that are known; others are recorded at the first download.
    """

    name: str = Field(pattern=r"^[a-z0-9-]+$")
    layout: Literal["magb", "mmag", "mmgraph"]
    repo: str | None = Field(None, pattern=r"^[\w.-]+/[\w.-]+$")
    revision: str = "main"
    folder: str
    licence: str
    files: dict[str, tuple[str, ...]] = Field(min_length=1)
    features: dict[str, dict[str, FeatureFile]] = Field(min_length=1)
    sha256: dict[str, str] = {}

    def width(self, features: str, modality: str) -> int:
        """How many columns the file of a modality must have: those of all modalities that share it."""
        parts = self.features[features]
        shared = [part for part in parts.values() if part.file == parts[modality].file]
        return max(part.columns[1] if part.columns else part.dim for part in shared)


class Columns(Spec):
    """Where a published table holds what: ``text`` gives alternatives, each a list of columns that are joined."""

    text: tuple[tuple[str, ...], ...] = ()
    captions: tuple[str, ...] = ()
    class_name: str | None = None
    links: tuple[str, ...] = ()
    """Columns that list the neighbours of each row, from which the graph can be built again."""


class DatasetSpec(Spec):
    """A data set: ``source`` says whether it ships with the package, is generated, or lies in the user's store.

    A stored data set with ``mirrors`` can be fetched or imported; ``num_classes`` and ``quoted_edges`` are what papers
    say of it.
    """

    name: str
    version: int = Field(ge=1)
    title: str
    summary: str = ""
    source: Literal["embedded", "synthetic", "store"]
    features: tuple[str, ...] = Field(min_length=1)
    modalities: tuple[str, ...] = Field(min_length=1)
    labels: tuple[str, ...] = ()
    counts: dict[str, int] = {}
    sha256: str = ""
    params: dict[str, Any] = {}
    licence: str
    citation: tuple[str, ...] = ()
    num_classes: int | None = Field(None, ge=2)
    quoted_edges: int | None = Field(None, ge=1)
    columns: Columns = Columns()
    mirrors: tuple[Mirror, ...] = ()

    @model_validator(mode="after")
    def _mirrors_fit(self) -> Self:
        if self.mirrors:
            published = tuple(dict.fromkeys(name for mirror in self.mirrors for name in mirror.features))
            if published != self.features:
                raise ValueError(f"features must be {list(published)}, in the order of the mirrors")
            for mirror in self.mirrors:
                for name, files in mirror.features.items():
                    if tuple(files) != self.modalities:
                        raise ValueError(f"mirror {mirror.name}: feature set {name} must give {list(self.modalities)}")
        return self

    @property
    def id(self) -> str:
        return f"{self.name}@{self.version}"

    def mirror(self, name: str | None) -> Mirror:
        """The mirror called `name`; default: the first.

        Raises:
            UnknownNameError: there is no such mirror.
        """
        known = {mirror.name: mirror for mirror in self.mirrors}
        if name is None and known:
            return self.mirrors[0]
        if name not in known:
            raise UnknownNameError("mirror", name or "", known, f"Data set: {self.id}.")
        return known[name]


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
    prediction: str
    """A kind of :mod:`magbench.predictions`."""
    reads: tuple[str, ...] = Field(min_length=1)
    split_rules: dict[str, Target] = Field(min_length=1)
    metrics: tuple[str, ...] = Field(min_length=1)
    split: dict[str, Any]
    variants: dict[str, VariantOption] = {}
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

    Its digest holds what is asked and nothing else: data set, label, split and variant. How it is called and scored,
    and whether it is ``ranked`` (cells of a task that is not are never kept), can change without another question.
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
    variant: dict[str, str] = {}

    def __hash__(self) -> int:
        return hash(self.versioned_id)

    def digest(self) -> str:
        """sha256 of the canonical JSON of what is asked."""
        asked = self.model_dump(mode="json", include={"family", "dataset", "label", "split", "variant"})
        return canonical_hash(asked)

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


class Sampling(Spec):
    """Mini-batch training: nodes or edges a step, and neighbours drawn for a node in each hop."""

    batch_size: int = Field(ge=1)
    fanout: int = Field(ge=1)


class Training(Spec):
    """Constants of the one training loop; a method's options may override lr, hidden, layers and dropout.

    Without ``sampling`` a step sees the whole graph.
    """

    optimizer: Literal["adamw"] = "adamw"
    lr: float = Field(gt=0)
    weight_decay: float = Field(ge=0)
    hidden: int = Field(ge=1)
    layers: int = Field(ge=1)
    dropout: float = Field(ge=0, lt=1)
    max_epochs: int = Field(ge=1)
    patience: int = Field(ge=1)
    validate_every: int = Field(ge=1)
    sampling: Sampling | None = None

    @model_serializer(mode="wrap")
    def _dump(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """What is absent leaves no trace, so that the digests of protocols without it stay as they are."""
        return {key: value for key, value in handler(self).items() if value is not None}


class Protocol(Spec):
    """Seeds and training constants: ``standard@1`` is the one a board ranks."""

    name: str
    version: int = Field(ge=1)
    title: str
    ranked: bool
    seeds: tuple[int, ...] = Field(min_length=1)
    training: Training

    def digest(self) -> str:
        """sha256 of the canonical JSON of what training depends on: seeds and constants."""
        return canonical_hash(self.model_dump(mode="json", include={"seeds", "training"}))

    @property
    def id(self) -> str:
        return f"{self.name}@{self.version}"


class MethodForm(Spec):
    """What a method is: how it is made and trained (``kind``), and its class."""

    kind: Literal["encoder", "network", "method", "regularizer"]
    target: str = Field(alias="class", pattern=r"^[\w.]+:\w+$")


class MethodSpec(MethodForm):
    """A name that may stand in a method string."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    title: str
    summary: str = ""
    reimplementation: bool = False
    families: tuple[str, ...] = ("node_classification",)
    """What a method of kind ``method`` or ``network`` does; the other kinds do every family."""
    forms: dict[str, MethodForm] = {}
    """Family → what the method is there, where ``kind`` and ``class`` do not say it."""
    revision: int = Field(default=1, ge=1)
    """Raised when a shipped method's predictions change; part of the key of its results."""
    defaults: dict[str, Any] = {}
    search: dict[str, Any] = {}
    citation: tuple[str, ...] = ()

    def does(self, family: str) -> bool:
        """Whether it can be asked tasks of ``family``."""
        return self.kind in ("encoder", "regularizer") or family in self.families or family in self.forms

    def of(self, family: str) -> MethodSpec:
        """The same as what it is in ``family``."""
        form = self.forms.get(family)
        return self if form is None else self.model_copy(update={"kind": form.kind, "target": form.target})


def read_toml(path: Path) -> dict[str, Any]:
    """Parse a TOML file.

    Raises:
        SpecError: it cannot be read or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SpecError(f"{path}: cannot be read as TOML: {error}.") from None
