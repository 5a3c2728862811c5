"""Composition: from a method string and a protocol to a method object and the full configuration it will run with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isinf
from typing import Any

from pydantic import BaseModel

from magbench.errors import MethodError, UnknownNameError
from magbench.method_string import Component, MethodString, parse_method
from magbench.nn.encoder import Encoder
from magbench.options import parse_options
from magbench.registry import MethodEntry, Registry
from magbench.regularizers.base import Regularizer
from magbench.specs import FamilySpec, Protocol, Training, canonical_hash, load
from magbench.train.method import EncoderMethod, Method
from magbench.train.objective import Objective
from magbench.train.towers import RetrievalNetwork

TRAINED = ("encoder", "network")
"""Kinds that the loop trains: they take the options of the family's objective beside their own."""
_SHARED = ("lr", "hidden", "layers", "dropout")


@dataclass(frozen=True)
class Composition:
    """A method string resolved against the registry for one family: validated, complete, ready to build."""

    string: MethodString
    entries: tuple[MethodEntry, ...]
    training: Training
    options: tuple[dict[str, Any], ...]
    objective: Objective[Any] | None

    @property
    def name(self) -> str:
        return str(self.string)

    @cached_property
    def config(self) -> dict[str, Any]:
        """Every setting in force: one table a component, and the loop's constants for what it trains."""
        tables = {entry.spec.name: _plain(options) for entry, options in zip(self.entries, self.options, strict=True)}
        if self.objective is None:
            return {"training": {}, **tables}
        own = _plain(self.objective.options.model_dump())
        loop = self.training.model_dump(exclude=set(_SHARED))
        return {"training": loop, **tables, **({self.objective.family: own} if own else {})}

    @property
    def revisions(self) -> dict[str, int | str]:
        """The revision of each component."""
        return {entry.spec.name: entry.revision() for entry in self.entries}

    def source_hash(self) -> str:
        """sha256 over the sources of all components: where the method came from, no part of a key."""
        return canonical_hash([entry.source_hash() for entry in self.entries])

    def build(self) -> Method:
        """A fresh, unfitted method."""
        host, *others = (entry.load() for entry in self.entries)
        if self.objective is None:
            method: Method = host(**self.options[0])
            return method
        regularizers = [cls(**options) for cls, options in zip(others, self.options[1:], strict=True)]
        return EncoderMethod(host, self.training, regularizers, self.objective, **self.options[0])


def compose(
    text: str | MethodString, registry: Registry, protocol: Protocol, family: str = "node_classification"
) -> Composition:
    """Resolve a method string for the tasks of a family.

    What the loop trains (an encoder, a network) takes the options of the family's objective beside its own:
    ``sage[decoder=dot]`` in link prediction.

    Raises:
        UnknownNameError: a component is not registered.
        OptionError: an option is unknown or out of range.
        MethodError: the components do not go together or with the family, or a class cannot be loaded.
    """
    string = parse_method(text) if isinstance(text, str) else text
    entries = tuple(registry.method(part.name).of(family) for part in string.components)
    rules = registry.family(family)
    _check_kinds(string, entries)
    _check_family(string, entries, rules)
    objective = objective_of(rules)
    if protocol.training.sampling is not None and objective is not None and not objective.mini_batches:
        raise MethodError(
            f"{string}: {family} runs on the whole graph, and protocol {protocol.id} samples neighbours."
            " Use --protocol standard@1."
        )
    objective = objective if entries[0].spec.kind in TRAINED else None
    pairs = list(zip(entries, string.components, strict=True))
    options = [options_of(entry, protocol, rules, part.options).model_dump() for entry, part in pairs]
    canonical = MethodString(tuple(_canonical(part, values) for (_, part), values in zip(pairs, options, strict=True)))
    own = {name: options[0].pop(name) for name in objective.Options.model_fields} if objective else {}
    trained_for = objective(**own) if objective else None
    return Composition(canonical, entries, protocol.training, tuple(options), trained_for)


def objective_of(family: FamilySpec) -> type[Objective[Any]] | None:
    """What encoders are trained for in a family; None where it trains none."""
    found: type[Objective[Any]] | None = load(family.objective) if family.objective else None
    return found


def _canonical(part: Component, options: Mapping[str, Any]) -> Component:
    """A component with the values that its options took on when they were validated: ``rho=.5`` is ``rho=0.5``."""
    values = {name: options[name] for name in part.options}
    return Component(part.name, {name: "none" if value is None else value for name, value in values.items()})


def apply_assignments(
    strings: Sequence[MethodString], assignments: Sequence[tuple[str, str, Any]]
) -> list[MethodString]:
    """Give each ``-o owner.option=value`` to the methods that have a component ``owner``.

    Raises:
        UnknownNameError: an assignment fits no component of any method.
    """
    owners = sorted({part.name for string in strings for part in string.components})
    for owner, _, _ in assignments:
        if owner not in owners:
            raise UnknownNameError("method in option", owner, owners, "Only methods of this run have options.")
    return [string.with_options(assignments) for string in strings]


def _check_kinds(string: MethodString, entries: Sequence[MethodEntry]) -> None:
    host, *others = entries
    if host.spec.kind == "regularizer":
        raise MethodError(
            f"{string}: {host.spec.name!r} is a regulariser; put an encoder before it, e.g. mlp+{host.spec.name}."
        )
    if others and host.spec.kind == "method":
        raise MethodError(f"{string}: {host.spec.name!r} is not an encoder, so regularisers cannot be added to it.")
    for entry in others:
        if entry.spec.kind != "regularizer":
            raise MethodError(
                f"{string}: {entry.spec.name!r} is of kind {entry.spec.kind!r}; only regularisers can be added."
            )
    names = [entry.spec.name for entry in entries]
    if len(set(names)) < len(names):
        raise MethodError(f"{string}: a component may stand only once.")


def _check_family(string: MethodString, entries: Sequence[MethodEntry], family: FamilySpec) -> None:
    for entry in entries:
        if not entry.spec.does(family.name):
            raise MethodError(
                f"{string}: {entry.spec.name!r} does {' and '.join(entry.spec.families)}, not {family.name}; see the "
                f"families in `magbench ls methods`. A method of your own says so: families=[{family.name!r}]."
            )
        if entry.spec.kind in TRAINED and family.objective is None:
            raise MethodError(f"{string}: {family.name} trains no encoders; its methods are of kind 'method'.")


def options_of(
    entry: MethodEntry, protocol: Protocol, family: FamilySpec, given: Mapping[str, Any] | None = None
) -> BaseModel:
    """What a component's options are in a family: protocol constants < the family's, for encoders < its own defaults <
    ``given``, validated; the objective's own options with the host's.

    Raises:
        OptionError: an option is unknown or out of range.
        MethodError: the class cannot be loaded, or is of another kind.
    """
    cls, kind, objective = entry.load(), entry.spec.kind, objective_of(family)
    bases: dict[str, type[Encoder | RetrievalNetwork | Method | Regularizer]] = {
        "encoder": Encoder, "network": RetrievalNetwork, "method": Method, "regularizer": Regularizer,
    }  # fmt: skip
    base = bases[kind]
    if not issubclass(cls, base):
        raise MethodError(
            f"Method {entry.spec.name!r}: {cls.__name__} is registered with kind {kind!r} but is no {base.__name__}."
        )
    trained = kind in TRAINED
    of_family = objective.defaults if kind == "encoder" and objective else {}
    constants = {**{name: getattr(protocol.training, name) for name in _SHARED}, **of_family}
    shared = {name: constants[name] for name in _SHARED if trained and name in cls.Options.model_fields}
    values = {**shared, **entry.spec.defaults, **(given or {})}
    model = cls.Options
    if trained and objective and objective.Options.model_fields:
        model = type("Options", (objective.Options, model), {})
    return parse_options(model, values, entry.spec.name)


def _plain(options: dict[str, Any]) -> dict[str, Any]:
    """JSON has no infinity: it is written as the string ``inf``, which options accept too."""
    return {key: "inf" if isinstance(value, float) and isinf(value) else value for key, value in options.items()}
