"""Every kind of prediction: written and read, packed and unpacked, and what metrics are given of it."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from predictions.cases import ANY, example, same

from magbench.errors import UnknownNameError
from magbench.metrics import METRICS
from magbench.metrics.ranking import reciprocal_ranks
from magbench.metrics.scores import score_prediction
from magbench.predictions.arrays import npz_bytes, read_npz
from magbench.predictions.base import Prediction
from magbench.predictions.kinds import KINDS, kind_of


def test_the_kinds() -> None:
    assert list(KINDS) == ["classes", "ranks", "texts", "images"] == list(ANY)
    assert all(kind_of(name).kind == name for name in KINDS)
    with pytest.raises(UnknownNameError, match=r"Unknown kind of prediction 'text'\. Did you mean 'texts'"):
        kind_of("text")


@pytest.mark.parametrize("kind", KINDS)
@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_written_and_read(kind: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    prediction, folder = data.draw(ANY[kind]), tmp_path_factory.mktemp("cell")
    (name,) = prediction.write(folder)
    content = (folder / name).read_bytes()
    again = kind_of(kind).read(folder)
    assert same(again, prediction) and again.rows == prediction.rows == len(prediction.arrays()[_first(kind)])
    again.write(folder)
    assert [path.name for path in folder.iterdir()] == [name] and (folder / name).read_bytes() == content


@pytest.mark.parametrize("kind", KINDS)
@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_packed_and_unpacked(kind: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    """By way of a file, as kept results are; what a class is the largest of is not kept."""
    prediction, path = data.draw(ANY[kind]), tmp_path_factory.mktemp("kept") / "kept.npz"
    path.write_bytes(npz_bytes(prediction.pack(), compress=True))
    again = kind_of(kind).unpack(read_npz(path), "kept")
    assert same(again, replace(prediction, scores=None) if kind == "classes" else prediction)
    assert {name: array.dtype for name, array in again.pack().items()} == {
        name: array.dtype for name, array in prediction.pack().items()
    }


@pytest.mark.parametrize("kind", KINDS)
def test_the_full_form_unpacks_too(kind: str) -> None:
    prediction = example(kind)
    assert same(type(prediction).unpack(prediction.arrays(), "here"), prediction)


def _first(kind: str) -> str:
    return "above" if kind == "ranks" else "nodes"


def slices(prediction: Prediction) -> list[tuple[str, int, int | None, int]]:
    return [(part.split, part.n, part.pool, len(part.groups)) for part in prediction.slices()]


def test_classes_by_hand() -> None:
    """True 0 1 2, predicted 0 2 2: two of three; F1 of the classes 1, 0 and 2 / 3."""
    prediction = example("classes")
    assert slices(prediction) == [("test", 3, None, 1)]
    assert prediction.items(METRICS["accuracy"].items).tolist() == [1, 0, 1]
    scores = {score.metric: score for score in score_prediction(prediction, ("accuracy", "macro_f1"))}
    assert scores["accuracy"].value == pytest.approx(2 / 3) and scores["macro_f1"].value == pytest.approx(5 / 9)
    assert {(score.split, score.n, score.pool) for score in scores.values()} == {("test", 3, None)}


def test_ranks_by_hand() -> None:
    """Text asks for item 0 at ranks 1 and 3 and for item 1 at 5; pictures ask at 2 and 1. Directions count alike."""
    prediction = example("ranks")
    assert slices(prediction) == [
        ("test", 5, 9, 2),
        ("test/text->image", 3, 7, 1),
        ("test/image->text", 2, 9, 1),
        ("test/connected", 3, 9, 2),
        ("test/isolated", 2, 9, 2),
    ]
    text, image = (1 + 1 / 3 + 1 / 5) / 3, (1 / 2 + 1) / 2
    expected = [(text + image) / 2, text, image, ((1 + 1 / 3) / 2 + 1 / 2) / 2, (1 / 5 + 1) / 2]
    found = score_prediction(prediction, ("mrr",))
    assert [score.value for score in found] == pytest.approx(expected)
    items = prediction.items(reciprocal_ranks)
    # Text has three queries for two items, so each of them weighs two thirds.
    assert items == pytest.approx([(2 / 3 * (1 + 1 / 3) + 1 / 2) / 2, (2 / 3 * (1 / 5) + 1) / 2])
    assert items.mean() == pytest.approx(expected[0])


def test_ranks_of_queries_without_items_by_hand() -> None:
    """Each query is an item of its own; candidates beside the right one count half."""
    prediction = kind_of("ranks").unpack({"above": np.array([0, 1, 3]), "equal": np.array([0, 2, 0])}, "here")
    assert slices(prediction) == [("test", 3, None, 1)]
    assert prediction.items(lambda above, equal: above + equal / 2).tolist() == [0, 2, 3]
    assert score_prediction(prediction, ("median_rank",))[0].value == 3


def test_the_direction_that_nobody_asks_in_has_no_say() -> None:
    prediction = example("ranks")
    first = replace(prediction, **{name: getattr(prediction, name)[:3] for name in ("above", "equal", "item", "side")})
    first = replace(first, part=prediction.part[:3])
    assert next(iter(first.slices())).n == 3 and len(next(iter(first.slices())).groups) == 1
    assert first.items(reciprocal_ranks) == pytest.approx([2 / 3 * (1 + 1 / 3), 2 / 3 / 5])


@pytest.mark.parametrize("kind", ["texts", "images"])
def test_texts_and_images_by_hand(kind: str) -> None:
    """What a metric of them takes: the references or the nodes, and what was made."""
    prediction = example(kind)
    assert slices(prediction) == [("test", 3, None, 1)]
    ((first, made),) = next(iter(prediction.slices())).groups
    if kind == "texts":
        assert (first, made) == ([["a cat", "the cat"], ["dog"], ["e"]], ["a cat", "", "é"])
        exact = prediction.items(
            lambda references, texts: np.array([t in r for r, t in zip(references, texts, strict=True)])
        )
        assert exact.tolist() == [True, False, False]
    else:
        assert first.tolist() == [3, 5, 8] and made == [b"one", b"", b"three"]
        assert prediction.items(lambda nodes, pictures: np.array([len(p) for p in pictures])).tolist() == [3, 0, 5]


def test_scores_name_the_metric_that_is_not_there() -> None:
    with pytest.raises(UnknownNameError, match=r"Unknown metric 'acuracy'\. Did you mean 'accuracy'"):
        score_prediction(example("classes"), ("acuracy",))


@pytest.mark.parametrize("modules", ["magbench.predictions.kinds", "magbench.metrics.scores"])
def test_predictions_and_their_scores_need_no_torch(modules: str, tmp_path: Path) -> None:
    """Reading a prediction and scoring it loads neither torch nor anything that trains."""
    example("classes").write(tmp_path)
    code = (
        f"import sys, {modules}\nfrom pathlib import Path\nfrom magbench.predictions.kinds import kind_of\n"
        "from magbench.metrics.scores import score_prediction\n"
        "print(score_prediction(kind_of('classes').read(Path(sys.argv[1])), ('accuracy',))[0].value)\n"
        "heavy = {'torch', 'torch_geometric', 'magbench.train', 'magbench.data.mag', 'magbench.tasks'}\n"
        "sys.exit(f'loaded: {heavy & set(sys.modules)}' if heavy & set(sys.modules) else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert float(done.stdout) == pytest.approx(2 / 3)
