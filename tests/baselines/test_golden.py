"""Every shipped method predicts what it predicted before, or says by its revision that it does not."""

from __future__ import annotations

from itertools import combinations

import golden
import pytest
from golden import REGISTRY, agree, answer, cells_of, stored

import magbench

AGAIN = "write it anew: PYTHONPATH=tests python tests/baselines/golden.py"


@pytest.mark.parametrize("name", REGISTRY.methods)
def test_predictions_move_only_with_the_revision(name: str) -> None:
    """Or with ENGINE, where shared code moves them all."""
    found, revision = stored(name), REGISTRY.method(name).spec.revision
    assert found, f"{name} has no golden predictions; {AGAIN} {name}"
    assert (found["revision"], found["engine"]) == (revision, magbench.ENGINE), f"{name} was raised; {AGAIN} {name}"
    cells = {f"{family} {text}": (family, text) for family, text in cells_of(name)}
    assert set(found["answers"]) == set(cells), f"{name} does something else now; {AGAIN} {name}"
    for cell, (family, text) in cells.items():
        assert agree(answer(family, text), found["answers"][cell]), (
            f"{cell} moved: raise revision in baselines/{name}/method.toml, then {AGAIN} {name}"
        )


@pytest.mark.parametrize("family", [golden.NC, golden.LP, golden.RET, golden.MINI])
def test_golden_predictions_tell_methods_apart(family: str) -> None:
    """No two methods agree within the tolerance, so a change of any of them would be seen."""
    answers = {
        cell: rows
        for name in REGISTRY.methods
        if family == golden.NC or REGISTRY.method(name).spec.kind != "regularizer"
        for cell, rows in stored(name)["answers"].items()
        if cell.startswith(f"{family} ")
    }
    assert len(answers) > 3
    for a, b in combinations(answers, 2):
        assert not agree(answers[a], answers[b]), (a, b)


def test_moved_predictions_are_not_written_under_the_same_revision(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(golden, "answer", lambda family, text: [[9.0]])
    with pytest.raises(SystemExit, match=r"katz: the predictions of link_prediction katz moved; raise revision"):
        golden.write("katz")
    monkeypatch.setattr(golden, "FOLDER", tmp_path)
    monkeypatch.setattr(golden, "stored", lambda name: {**stored(name), "revision": 0})
    golden.write("katz")
    assert "9.0" in (tmp_path / "katz.json").read_text()
