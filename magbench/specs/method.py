"""Methods: where a name that may stand in a method string lives, and what it is."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from magbench.specs.base import Spec, Target


class MethodForm(Spec):
    """What a method is: how it is made and trained (``kind``), and its class."""

    kind: Literal["encoder", "network", "method", "regularizer"]
    target: Target = Field(alias="class")


class MethodSpec(MethodForm):
    """A name that may stand in a method string."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    title: str
    summary: str = ""
    reimplementation: bool = False
    families: tuple[str, ...] = ("node_classification",)
    """What a method of kind ``method`` or ``network`` does; the other kinds do every family."""
    forms: dict[str, MethodForm] = Field(default_factory=dict)
    """Family → what the method is there, where ``kind`` and ``class`` do not say it."""
    revision: int = Field(default=1, ge=1)
    """Raised when a shipped method's predictions change; part of the key of its results."""
    defaults: dict[str, Any] = Field(default_factory=dict)
    search: dict[str, Any] = Field(default_factory=dict)
    citation: tuple[str, ...] = ()

    def does(self, family: str) -> bool:
        """Whether it can be asked tasks of ``family``."""
        return self.kind in ("encoder", "regularizer") or family in self.families or family in self.forms

    def of(self, family: str) -> MethodSpec:
        """The same as what it is in ``family``."""
        form = self.forms.get(family)
        return self if form is None else self.model_copy(update={"kind": form.kind, "target": form.target})
