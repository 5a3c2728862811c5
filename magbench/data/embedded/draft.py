"""A draft: everything of a shipped data set that its sources give, before features are computed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from magbench.data.columns import ImageColumn
from magbench.data.mag import MAG, simple_undirected


@dataclass(frozen=True)
class Draft:
    """Texts, captions, pictures, labels and edges, node by node; ``documents`` are the licence texts."""

    name: str
    version: int
    title: str
    licence: str
    source: str
    about: str
    texts: list[str]
    images: list[bytes]
    labels: dict[str, list[str]]
    edges: set[tuple[int, int]]
    references: list[list[str]] | None = None
    documents: dict[str, str] = field(default_factory=dict)

    @property
    def edge_index(self) -> Tensor:
        """int64 [2, E] in the canonical form."""
        pairs = torch.tensor(sorted(self.edges), dtype=torch.int64).reshape(-1, 2)
        return simple_undirected(pairs.t(), len(self.texts))

    @property
    def classes(self) -> dict[str, tuple[str, ...]]:
        """The class names of each label column, in alphabetical order."""
        return {column: tuple(sorted(set(values))) for column, values in self.labels.items()}

    def label_columns(self) -> dict[str, Tensor]:
        """The label columns as class numbers, int64 [N] each."""
        number = {column: {name: k for k, name in enumerate(names)} for column, names in self.classes.items()}
        return {c: torch.tensor([number[c][value] for value in values]) for c, values in self.labels.items()}

    def to_mag(self, x: dict[str, Tensor], features: str) -> MAG:
        """The MAG with the feature matrices `x` ({modality: float32 [N, d_m]})."""
        return MAG.build(
            name=self.name,
            version=self.version,
            edge_index=self.edge_index,
            x=x,
            labels=self.label_columns(),
            classes=self.classes,
            texts=self.texts,
            references=self.references,
            images=ImageColumn(self.images),
            features=features,
        )


def scrambled(keys: Sequence[str]) -> list[str]:
    """The keys in the order of their sha256, so that a node's number tells nothing about its class."""
    return sorted(keys, key=lambda key: hashlib.sha256(key.encode()).hexdigest())
