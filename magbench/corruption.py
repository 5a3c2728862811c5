"""A corruption as a value: what is done to a task's data, and at which rate; written ``edge_drop=0.25``.

A *kind* acts on features, on the graph, on the training labels or on the training pairs. Its *rate* has one written
form (``.5``, ``0.50`` and ``5e-1`` are ``0.5``), so equal corruptions have equal names. Nothing is drawn here:
:mod:`magbench.variation` does that.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from magbench.errors import OptionError, UnknownNameError

Part = Literal["features", "graph", "labels", "pairs"]
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True)
class Kind:
    """What one kind of corruption does.

    Attributes:
        acts_on: what it changes.
        rate: what its rate is, in words.
        stream: last number of its seed, so that kinds drawn from one seed are independent. (Above 0: trailing zeros do
            not count in a seed.)
        most: largest rate; the smallest is 0.
        keeps: whether the rate is the share that is kept: then 1 changes nothing and 0 is not allowed.
    """

    acts_on: Part
    rate: str
    stream: int
    most: float = 1.0
    keeps: bool = False

    @property
    def allowed(self) -> str:
        """The rates there are, as an interval."""
        return f"{'(' if self.keeps else '['}0, {self.most:g}]"


KINDS: dict[str, Kind] = {
    "missing": Kind("features", "the share of the nodes with two or more modalities that lose one of them", 11),
    "feature_noise": Kind("features", "the noise's deviation in units of the features' root mean square", 12, 10),
    "edge_drop": Kind("graph", "the share of the edges that are dropped", 13),
    "edge_add": Kind("graph", "the number of false edges as a share of the true ones", 14),
    "edge_swap": Kind("graph", "the share of the edges that are swapped among each other", 15),
    "cold_start": Kind("graph", "the share of the asked nodes that lose all their edges", 16),
    "label_noise": Kind("labels", "the share of the training labels that are replaced by another class", 17),
    "label_share": Kind("labels", "the share of the training labels that are kept", 18, keeps=True),
    "pair_share": Kind("pairs", "the share of the training pairs that are kept", 19, keeps=True),
}
"""Every kind, in the order in which a name gives them."""


@dataclass(frozen=True)
class Corruption:
    """One kind at one rate.

    >>> str(Corruption.parse("edge_drop=.50")), Corruption("edge_drop", 0.5) == Corruption.parse("edge_drop=5e-1")
    ('edge_drop=0.5', True)

    Raises:
        UnknownNameError: there is no such kind.
        OptionError: a rate that is no number or outside the kind's range.
    """

    kind: str
    rate: float

    def __post_init__(self) -> None:
        kind, rate = _known(self.kind), self.rate
        number = isinstance(rate, int | float) and not isinstance(rate, bool)
        if not number or not (0 <= rate <= kind.most) or (kind.keeps and rate == 0):
            raise _refused(self.kind, repr(rate))
        object.__setattr__(self, "rate", float(rate) + 0.0)  # no -0.0

    @classmethod
    def parse(cls, text: str) -> Corruption:
        """Read ``kind=rate``.

        Raises:
            UnknownNameError, OptionError: as the class does, or the text has another form.
        """
        kind, equals, rate = (part.strip() for part in text.partition("="))
        if not equals:
            raise OptionError(f"Corruption {text!r} is not of the form KIND=RATE, e.g. edge_drop=0.25.")
        _known(kind)
        if not _NUMBER.fullmatch(rate):
            raise _refused(kind, rate)
        return cls(kind, float(rate))

    @property
    def text(self) -> str:
        """The rate as it is written: without exponent, sign or zeros that say nothing."""
        digits = format(Decimal(repr(float(self.rate))), "f")
        return digits.rstrip("0").rstrip(".") if "." in digits else digits

    @property
    def acts_on(self) -> Part:
        """What it changes."""
        return KINDS[self.kind].acts_on

    @property
    def neutral(self) -> bool:
        """Whether it changes nothing: at rate 0, and for the kinds that keep a share at rate 1."""
        return self.rate == float(KINDS[self.kind].keeps)

    def seeded(self, seed: tuple[int, ...]) -> tuple[int, ...]:
        """The seed of its own draws, apart from those of other kinds under the same ``seed``."""
        return (*seed, KINDS[self.kind].stream)

    def __str__(self) -> str:
        return f"{self.kind}={self.text}"


def _known(kind: str) -> Kind:
    if kind not in KINDS:
        raise UnknownNameError("kind of corruption", kind, KINDS)
    return KINDS[kind]


def _refused(kind: str, found: str) -> OptionError:
    known = KINDS[kind]
    return OptionError(f"{kind}={found} is not allowed: it is {known.rate}, a number in {known.allowed}.")
