"""``magbench check``: what it finds in methods of one's own, in words."""

from __future__ import annotations

from pathlib import Path

import pytest
from lab import Lab

METHOD = """
import numpy as np
import torch
from magbench.api import Method, NodeAnswer, RetrievalAnswer, register_method


@register_method("own", families=["node_classification", "retrieval"])
class Own(Method):
    towers = "pure"

    def fit(self, view, *, seed):
        {fit}

    def predict(self, view):
        if hasattr(view, "sides"):
            {retrieve}
        scores = np.zeros((len(view.test), view.num_classes), dtype=np.float32)
        {classify}
        return NodeAnswer(view.test.numpy(), scores)
"""
PLAIN = "return RetrievalAnswer({name: side.x.numpy() for name, side in view.sides.items()})"
POSITION = (
    "return RetrievalAnswer({name: np.arange(len(side), dtype=np.float32)[:, None]"
    " for name, side in view.sides.items()})"
)

IN_PLACE = "next(iter(getattr(view, 'x', {0: torch.ones(1)}).values())).mul_(2)"
DRAWN = "scores += np.random.default_rng().random(scores.shape)"


def own(folder: Path, *, fit: str = "pass", retrieve: str = PLAIN, classify: str = "pass") -> Path:
    path = folder / "own.py"
    path.write_text(METHOD.format(fit=fit, retrieve=retrieve, classify=classify))
    return path


def checked(lab: Lab, path: Path) -> dict[tuple[str, str], tuple[bool, str]]:
    outcome = lab.call("check", path, "--json")
    found = {(row["family"], row["question"]): (row["ok"], row["words"]) for row in outcome.json()["findings"]}
    assert outcome.code == (0 if all(ok for ok, _ in found.values()) else 2)
    return found


def test_an_honest_method_has_nothing_to_mend(lab: Lab, tmp_path: Path) -> None:
    found = checked(lab, own(tmp_path))
    assert {family for family, _ in found} == {"node_classification", "retrieval"}
    assert all(ok for ok, _ in found.values()), found
    assert len(found) == 10


@pytest.mark.parametrize(
    ("change", "question", "words"),
    [
        ({"fit": IN_PLACE}, "leaves its input alone", "in place"),
        ({"fit": "torch.rand(1)"}, "draws from generators of its own", "make one of its own from `seed`"),
        ({"fit": "np.random.rand()"}, "draws from generators of its own", "global generators"),
        ({"classify": DRAWN}, "the same seed gives the same answer", "answered otherwise"),
        ({"classify": "scores = scores[:, 1:]"}, "fits and answers", "scores must have shape [40, 4]"),
        ({"classify": "1 / 0"}, "fits and answers", "ZeroDivisionError: division by zero"),
    ],
)  # fmt: skip
def test_what_is_to_be_mended_is_named(
    lab: Lab, tmp_path: Path, change: dict[str, str], question: str, words: str
) -> None:
    ok, said = checked(lab, own(tmp_path, **change))["node_classification", question]
    assert not ok and words in said


def test_a_leak_is_named_by_what_was_seen(lab: Lab, tmp_path: Path) -> None:
    ok, said = checked(lab, own(tmp_path, retrieve=POSITION))["retrieval", "sees nothing that is hidden"]
    assert not ok and "the order of the rows of 'text' and the order of the rows of 'image'" in said


def test_words_for_people(lab: Lab, tmp_path: Path) -> None:
    text = lab.call("check", own(tmp_path, fit="torch.rand(1)"), "-t", "nc/emoji").out
    assert "ok  node_classification: fits and answers: on 200 nodes" in text
    assert "NO  node_classification: draws from generators of its own" in text
    assert "retrieval" not in text
    assert (
        "'katz' does link_prediction, not node_classification"
        in lab.call("check", "katz", "-t", "nc/emoji").one_message()
    )
