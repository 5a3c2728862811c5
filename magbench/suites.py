"""Suites: what one ``magbench run --suite NAME`` runs, and what a study is to find out by it.

* :class:`Suite`: a named list of tasks × methods, the latter partly as a :class:`Grid` of options.
* :class:`Part`: where tasks differ in protocol, methods or feature sets, a suite is made of parts.
* :class:`Study`: the questions that a suite is to answer.
"""

from __future__ import annotations

from itertools import product
from typing import Literal, Self

from pydantic import Field, model_validator

from magbench.errors import MagbenchError
from magbench.method_string import parse_method, split_host
from magbench.specs import Spec


class Grid(Spec):
    """One method under every combination of the values of some options; the first axis varies slowest.

    ``axes`` maps a component of ``method`` and an option of it to values: ``axes.optimag.rho = [0.1, 1]``.
    """

    method: str
    axes: dict[str, dict[str, tuple[bool | int | float | str, ...]]] = Field(min_length=1)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        try:
            given = {part.name: part.options for part in parse_method(self.method).components}
        except MagbenchError as error:
            raise ValueError(str(error)) from None
        for owner, options in self.axes.items():
            if owner not in given:
                raise ValueError(f"axes.{owner}: {self.method!r} has no such component; it has {', '.join(given)}")
            for option, values in options.items():
                if not values or len(set(values)) < len(values):
                    raise ValueError(f"axes.{owner}.{option}: needs values, each once")
                if option in given[owner]:
                    raise ValueError(f"axes.{owner}.{option}: {self.method!r} sets it already")
        return self

    def points(self) -> dict[str, dict[str, bool | int | float | str]]:
        """Canonical method string → its option values, by the options' names."""
        method = parse_method(self.method)
        axes = [
            [(owner, option, value) for value in values]
            for owner, options in self.axes.items()
            for option, values in options.items()
        ]
        return {
            str(method.with_options(point)): {option: value for _, option, value in point} for point in product(*axes)
        }


class Contrast(Spec):
    """One question of a study: method ``b`` minus method ``a``, on every task and host.

    ``a`` and ``b`` are what follows ``host+`` in a method string of the suite; ``""`` is the plain host.
    """

    question: str
    a: str
    b: str


class Figure(Spec):
    """How the grid of a study is drawn: by the names of its axes' options.

    ``heat``: one map for each value of ``panel``, ``x`` across, ``y`` down. ``curves``: one picture for each value of
    ``panel``, ``x`` across, one line for each value of ``y``. ``telemetry`` is drawn beside the gain.
    """

    kind: Literal["heat", "curves"]
    x: str
    y: str
    panel: str
    telemetry: tuple[str, ...] = ()


class Study(Spec):
    """What a suite is to find out. ``names`` are short names of methods (without their host) for tables and text."""

    names: dict[str, str] = Field(default_factory=dict)
    contrasts: tuple[Contrast, ...] = ()
    figure: Figure | None = None


class Part(Spec):
    """Tasks × feature sets × methods of a suite; what a part leaves out is the suite's.

    ``features`` are feature sets of the tasks' data sets; none: the first of each.
    """

    tasks: tuple[str, ...] = Field(min_length=1)
    features: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    protocol: str = ""


class Suite(Spec):
    """Tasks × methods under one protocol, or ``parts`` of that kind, run by ``magbench run --suite NAME``.

    ``grid`` adds methods to those listed. ``seeds`` is a subset of the protocol's, default all. A suite with a
    ``study`` asks a question of its own: its cells are kept apart from the leaderboard (:mod:`magbench.results.study`).
    """

    name: str
    title: str
    summary: str = ""
    protocol: str
    tasks: tuple[str, ...] = ()
    methods: tuple[str, ...] = Field(min_length=1)
    parts: tuple[Part, ...] = ()
    grid: Grid | None = None
    seeds: tuple[int, ...] | None = Field(None, min_length=1)
    study: Study | None = None

    @model_validator(mode="after")
    def _tasks_or_parts(self) -> Self:
        if bool(self.tasks) is bool(self.parts):
            raise ValueError("needs tasks, or parts that have tasks; not both")
        if self.parts and self.study:
            raise ValueError("parts: a study asks one question under one protocol and has no parts")
        return self

    @model_validator(mode="after")
    def _study_fits(self) -> Self:
        study = self.study or Study()
        rows = {split_host(method)[1] for method in self.methods}
        for name in [*study.names, *(name for contrast in study.contrasts for name in (contrast.a, contrast.b))]:
            if name not in rows:
                raise ValueError(f"study: no method of this suite is HOST+{name}; it has {', '.join(sorted(rows))}")
        if study.figure is not None:
            axes = {option for options in (self.grid.axes if self.grid else {}).values() for option in options}
            wanted = {study.figure.x, study.figure.y, study.figure.panel}
            if wanted != axes:
                raise ValueError(
                    f"study.figure: x, y and panel are {sorted(wanted)}; the grid's axes are {sorted(axes)}"
                )
        return self

    @property
    def method_strings(self) -> tuple[str, ...]:
        """The methods listed, then those of the grid."""
        return self.methods + tuple(self.grid.points() if self.grid else ())

    @property
    def whole_parts(self) -> tuple[Part, ...]:
        """The parts with nothing left out; a suite without parts is one."""
        return tuple(
            part.model_copy(
                update={
                    "methods": part.methods or self.method_strings,
                    "protocol": part.protocol or self.protocol,
                }
            )
            for part in self.parts or (Part(tasks=self.tasks),)
        )
