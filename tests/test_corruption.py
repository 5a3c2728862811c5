"""Corruptions as values: one written form for equal rates, and what is refused."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magbench.corruption import KINDS, Corruption
from magbench.errors import OptionError, UnknownNameError


@pytest.mark.parametrize(
    ("written", "canonical"),
    [(".5", "0.5"), ("0.50", "0.5"), ("5e-1", "0.5"), ("+.5", "0.5"), ("1.0", "1"), ("1", "1"), ("0", "0"), ("-0", "0"),
     ("1E-5", "0.00001"), ("0.30000000000000000000001", "0.3")],
)  # fmt: skip
def test_equal_rates_have_one_written_form(written: str, canonical: str) -> None:
    found = Corruption.parse(f" edge_drop = {written} ")
    assert str(found) == f"edge_drop={canonical}"
    assert found == Corruption("edge_drop", float(canonical)) and hash(found) == hash(Corruption.parse(str(found)))


@given(st.floats(0, 1))
def test_the_written_form_is_the_rate(rate: float) -> None:
    assert Corruption.parse(str(Corruption("missing", rate))).rate == rate


@pytest.mark.parametrize("rate", ["1.5", "-0.1", "1e999", "half", "", "nan", "inf", "0x1", "1_0", "1 0", "٠.٥"])
def test_other_rates_are_refused_in_words(rate: str) -> None:
    with pytest.raises(
        OptionError, match=r"edge_drop=.* the share of the edges that are dropped, a number in \[0, 1\]"
    ):
        Corruption.parse(f"edge_drop={rate}")


@pytest.mark.parametrize("rate", [True, "0.5", None, math.nan, math.inf, -1])
def test_values_are_checked_as_texts_are(rate: object) -> None:
    with pytest.raises(OptionError, match="label_noise="):
        Corruption("label_noise", rate)  # type: ignore[arg-type]


def test_unknown_kinds_and_forms() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'edge_drop'"):
        Corruption.parse("edge_drops=0.5")
    with pytest.raises(UnknownNameError, match="kind of corruption 'rewire'"):
        Corruption("rewire", 0.5)
    with pytest.raises(OptionError, match="not of the form KIND=RATE"):
        Corruption.parse("edge_drop")


@pytest.mark.parametrize("kind", KINDS)
def test_ranges_and_what_changes_nothing(kind: str) -> None:
    known = KINDS[kind]
    assert Corruption(kind, known.most).rate == known.most
    with pytest.raises(OptionError):
        Corruption(kind, known.most + 1e-6)
    if known.keeps:
        assert Corruption(kind, 1).neutral and not Corruption(kind, 0.5).neutral
        with pytest.raises(OptionError, match=r"a number in \(0, 1\]"):
            Corruption(kind, 0)
    else:
        assert Corruption(kind, 0).neutral and not Corruption(kind, 1).neutral


def test_kinds_draw_apart() -> None:
    """A zero at the end of a seed does not count, and `edge_swap` appends a 1 of its own."""
    streams = [kind.stream for kind in KINDS.values()]
    assert len(set(streams)) == len(streams) and min(streams) > 1
    assert Corruption("missing", 0.1).seeded((3, 0)) == (3, 0, KINDS["missing"].stream)
