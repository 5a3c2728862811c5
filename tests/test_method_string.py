"""Method strings: round trip, one canonical form for equal methods, messages for what cannot be read."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magbench.errors import OptionError
from magbench.method_string import Component, MethodString, file_name, parse_method, split_host

NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)
SCALARS = st.one_of(
    st.booleans(),
    st.integers(-(10**9), 10**9),
    st.floats(allow_nan=False),
    st.text(max_size=8, alphabet=st.characters(codec="utf-8")),
    st.text(max_size=8, alphabet="a1 \\'\",+=[]{}#\n\x7f"),
)
VALUES = st.one_of(SCALARS, st.lists(st.one_of(SCALARS, st.lists(SCALARS, max_size=2)), max_size=3))
PARTS = st.builds(Component, NAMES, st.dictionaries(NAMES, VALUES, max_size=3))


@given(st.lists(PARTS, min_size=1, max_size=3))
def test_round_trip(parts: list[Component]) -> None:
    string = MethodString(tuple(parts))
    again = parse_method(str(string))
    assert again == string
    assert str(again) == str(string)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("sage", "sage"),
        (" sage + optimag ", "sage+optimag"),
        ("sage+optimag[rho=0.10, lam=10]", "sage+optimag[lam=10,rho=0.1]"),
        ("sage+optimag[lam=1e1]", "sage+optimag[lam=10]"),
        ("sage+optimag[lam=10.0]", "sage+optimag[lam=10]"),
        ("sage+optimag[rho=inf]", "sage+optimag[rho=inf]"),
        ("sage+optimag[kl=joint]", "sage+optimag[kl=joint]"),
        ('sage+optimag[kl="joint"]', "sage+optimag[kl=joint]"),
        ("lr[C=[0.1, 1.0],max_iter=5]", "lr[C=[0.1,1],max_iter=5]"),
        ("gcn[]", "gcn"),
        ("dagr[on=true]", "dagr[on=true]"),
        ("gcn[s='a,b',lr=1]+dagr[t='x]+y']", 'gcn[lr=1,s="a,b"]+dagr[t="x]+y"]'),
        ("gcn[s=['a,b', 'c'],lr=1]", 'gcn[lr=1,s=["a,b","c"]]'),
        ("gcn[s=don't,lr=1]", 'gcn[lr=1,s="don\'t"]'),
        ('gcn[s="a\\\\",lr=1]', 'gcn[lr=1,s="a\\\\"]'),
        ('gcn[day="2020-01-01"]', 'gcn[day="2020-01-01"]'),
        ('gcn[s="0.1#5"]', 'gcn[s="0.1#5"]'),
    ],
)
def test_canonical_form(text: str, canonical: str) -> None:
    assert str(parse_method(text)) == canonical


def test_parts() -> None:
    string = parse_method("sage[hidden=8]+optimag[rho=inf]+dagr")
    assert string.host == Component("sage", {"hidden": 8})
    assert string.regularizers == (Component("optimag", {"rho": math.inf}), Component("dagr"))


def test_equal_methods_are_one_key() -> None:
    assert len({parse_method("a[x=1,y=2]"), parse_method("a[y=2,x=1.0]")}) == 1


def test_options_go_to_the_part_of_that_name() -> None:
    string = parse_method("sage[lr=1]+optimag").with_options([("sage", "lr", 2), ("optimag", "rho", 0.5)])
    assert str(string) == "sage[lr=2]+optimag[rho=0.5]"


@pytest.mark.parametrize(
    "text",
    ["", "+", "sage+", "+sage", "sage[", "sage]", "sage[a=1", "sage[a]", "sage[=1]", "sage[a=]", "a=b", "sage[a=1]b"],
)
def test_refused(text: str) -> None:
    with pytest.raises(OptionError, match="Method "):
        parse_method(text)


@pytest.mark.parametrize(
    "text", ["gcn[lr=2020-01-01]", "gcn[lr={a=1}]", "gcn[lr=[1,{a=1}]]", "gcn[lr=0.1#5]", "gcn[lr=1\nfoo=2]"]
)
def test_values_that_are_no_literals(text: str) -> None:
    with pytest.raises(OptionError, match=r"Method 'gcn\[lr=.*\]': option 'lr': .*(Allowed: booleans|Leave that out)"):
        parse_method(text)


def test_a_value_that_cannot_be_written() -> None:
    with pytest.raises(OptionError, match=r"\{'a': 1\} cannot be written in a method string"):
        str(Component("gcn", {"lr": {"a": 1}}))


def test_an_option_given_twice() -> None:
    with pytest.raises(OptionError, match="'lr' is given twice"):
        parse_method("sage[lr=1,lr=2]")


@pytest.mark.parametrize(
    ("method", "parts"),
    [
        ("mlp", ("mlp", "")),
        ("mlp+optimag", ("mlp", "optimag")),
        ("mlp[lr=1e+16]", ("mlp[lr=1e+16]", "")),
        ("sage[lr=1e+2]+optimag[lam=1e+1]+dagr", ("sage[lr=1e+2]", "optimag[lam=1e+1]+dagr")),
        ('mlp[s="]+"]+dagr', ('mlp[s="]+"]', "dagr")),
    ],
)
def test_host_and_the_rest(method: str, parts: tuple[str, str]) -> None:
    assert split_host(method) == parts


def test_file_names() -> None:
    assert file_name("sage+optimag[lam=10]") == "sage+optimag[lam=10]"
    long = "sage+optimag[" + ",".join(f"option_{k}={k}" for k in range(40)) + "]"
    assert len(file_name(long)) <= 100
    assert file_name(long) != file_name(long + "+dagr")
    assert "/" not in file_name("sage[path=a/b]")
