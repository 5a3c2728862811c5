"""Data sets: which data, which version, what is expected of it, and where it is published."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from magbench.errors import UnknownNameError
from magbench.specs.base import Spec


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
    sha256: dict[str, str] = Field(default_factory=dict)

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
    counts: dict[str, int] = Field(default_factory=dict)
    sha256: str = ""
    params: dict[str, Any] = Field(default_factory=dict)
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
