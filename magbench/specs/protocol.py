"""Protocols: seeds and training constants that every method shares."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from magbench.specs.base import Spec, canonical_hash


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
