"""Numbers quoted from papers: read with their source, refused without, and part of no record."""

from __future__ import annotations

from pathlib import Path

import pytest

from magbench.errors import SpecError, UnknownNameError
from magbench.registry import Registry
from magbench.results.kept import kept_records
from magbench.results.reported import read_reported

REGISTRY = Registry.default()
GOOD = """
method = "M"
source = "a paper"
note = "pool not stated"
metric = "recall@1"
[values]
"retrieval/toys" = 0.5
"""


def test_the_seven_of_goma() -> None:
    (goma,) = [reported for reported in read_reported(REGISTRY) if reported.method == "GOMA"]
    assert goma.note == "pool, encoder and direction not stated" and goma.metric == "recall@1"
    names = ("toys", "movies", "grocery", "reddit-s", "flickr30k", "ele-fashion", "sports")
    assert [goma.values[f"retrieval/{name}"] for name in names] == [0.874, 0.803, 0.888, 0.783, 0.917, 0.763, 0.726]


def test_no_record_is_a_reported_one() -> None:
    assert all(
        record.method.name != reported.method for record in kept_records() for reported in read_reported(REGISTRY)
    )


@pytest.mark.parametrize(
    ("change", "error", "expected"),
    [
        (('note = "pool not stated"\n', ""), SpecError, "note: Field required"),
        (('"a paper"', '""'), SpecError, "source"),
        (('"recall@1"', '"recal@1"'), SpecError, "no metric is called so"),
        (("0.5", "50"), SpecError, "retrieval/toys: 50 is no recall@1; expected 0 to 1"),
        (("retrieval/toys", "retrieval/toyz"), UnknownNameError, "Did you mean 'retrieval/toys'?"),
        (('"a paper"', '"a paper"\nrank = 1'), SpecError, "rank"),
    ],
)
def test_what_breaks_the_schema(tmp_path: Path, change: tuple[str, str], error: type[Exception], expected: str) -> None:
    (tmp_path / "m.toml").write_text(GOOD)
    assert read_reported(REGISTRY, tmp_path)[0].values == {"retrieval/toys": 0.5}
    (tmp_path / "m.toml").write_text(GOOD.replace(*change))
    with pytest.raises(error) as found:
        read_reported(REGISTRY, tmp_path)
    assert expected in str(found.value)
