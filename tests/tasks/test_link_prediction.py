"""Link prediction: what is hidden, what is accepted, and the scores of known predictions."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from data import miniatures
from small import digest, small_link_task, small_mag, stored

from magbench import paths
from magbench.data.digests import part_digests
from magbench.data.load import load_dataset
from magbench.data.published.convert import convert
from magbench.data.published.locate import local_sources
from magbench.errors import DataError, MethodError, SpecError
from magbench.predictions.ranks import Ranks
from magbench.registry import Registry
from magbench.tasks.link_prediction.task import LinkPredictionTask
from magbench.tasks.link_prediction.view import LinkAnswer, LinkPredictionView
from magbench.tasks.lock import read_lock
from magbench.tasks.node_classification.view import NodeAnswer

TASK, MAG = small_link_task(), small_mag()


@pytest.fixture(scope="module")
def view() -> LinkPredictionView:
    return TASK.view(MAG, 0)


def pairs(source, target) -> set[tuple[int, int]]:
    return {(min(u, v), max(u, v)) for u, v in zip(source.tolist(), target.tolist(), strict=True)}


def test_held_out_edges_are_absent_in_both_directions(view: LinkPredictionView) -> None:
    split = TASK.split(MAG)
    shown = pairs(*view.edge_index)
    assert shown == pairs(*view.train)
    assert view.edge_index.size(1) == 2 * view.train.size(1)
    for held in (split.val, split.test):
        assert not shown & pairs(*held)
    assert shown | pairs(*split.val) | pairs(*split.test) == pairs(*MAG.edge_index)
    assert len(pairs(*view.val)) == view.val.size(1) == len(view.val_negatives)


def test_one_candidate_is_right_and_the_others_are_no_edges(view: LinkPredictionView) -> None:
    split, edges, right = TASK.split(MAG), pairs(*MAG.edge_index), TASK.draw(MAG, 0).right
    assert view.test.source.tolist() == split.test[0].tolist()
    for row, (source, candidates) in enumerate(zip(view.test.source, view.test.candidates, strict=True)):
        joined = [column for column, node in enumerate(candidates.tolist()) if pairs(source[None], node_(node)) & edges]
        assert joined == [right[row]]
        assert candidates[right[row]] == split.test[1, row]
    for source, negatives in zip(view.val[0], view.val_negatives, strict=True):
        assert not pairs(source.repeat(10), negatives) & edges
        assert source not in negatives
    assert len(set(right.tolist())) > 20  # the place of the answer says nothing


def node_(node: int) -> torch.Tensor:
    return torch.tensor([node])


def test_a_seed_changes_nothing(view: LinkPredictionView) -> None:
    other = TASK.view(MAG, 7)
    for name in ("edge_index", "train", "val", "val_negatives"):
        assert torch.equal(getattr(view, name), getattr(other, name))
    assert torch.equal(view.test.candidates, other.test.candidates)
    assert digest(TASK, MAG, 0) == digest(TASK, MAG, 7)


def test_a_task_seed_changes_the_draw() -> None:
    moved = TASK.spec.model_copy(update={"split": TASK.spec.split.model_copy(update={"seed": 1})})
    assert digest(LinkPredictionTask(moved), MAG, 0) != digest(TASK, MAG, 0)


def perfect(view: LinkPredictionView) -> LinkAnswer:
    right = torch.from_numpy(TASK.split(MAG).test[1])
    return LinkAnswer((view.test.candidates == right[:, None]).float().numpy())


def scores(prediction: LinkAnswer) -> dict[str, float]:
    return {score.metric: score.value for score in TASK.score(stored(TASK, [prediction], MAG, 0))}


def test_the_order_of_the_queries_says_nothing_of_their_targets() -> None:
    """Were they in ascending order of the edges, a target would lie between the sources before and after it."""
    registry = Registry.default()
    spec = registry.task("lp/emoji")
    task, mag = LinkPredictionTask(spec), load_dataset(registry.dataset(spec.dataset))
    test, drawn = task.view(mag, 0).test, task.draw(mag, 0)

    def mrr_by_order(source: np.ndarray, candidates: np.ndarray) -> float:
        bound = np.minimum.accumulate(source[::-1])[::-1]
        guess = LinkAnswer(-np.abs(candidates - bound[:, None]).astype(np.float32))
        return task.score(stored(task, [guess], mag, 0))[0].value

    assert mrr_by_order(test.source.numpy(), test.candidates.numpy()) < 0.02  # chance is .0075
    low = np.minimum(*drawn.split.test)
    assert np.corrcoef(np.arange(len(low)), low)[0, 1] < 0.15


def test_scores_of_known_predictions(view: LinkPredictionView) -> None:
    TASK.check(perfect(view), view)
    assert set(scores(perfect(view)).values()) == {1.0}
    constant = LinkAnswer(np.zeros(view.test.candidates.shape, dtype=np.float32))
    # all 31 tie: rank 1 + 0 + 30/2 = 16
    assert scores(constant) == {"mrr": 1 / 16, "hits@1": 0.0, "hits@3": 0.0, "hits@10": 0.0}
    kept = stored(TASK, [constant], MAG, 0)
    assert kept.above.tolist() == [0] * kept.rows and kept.equal.tolist() == [30] * kept.rows
    assert isinstance(kept, Ranks) and kept.above.dtype == kept.equal.dtype == np.int32


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (lambda p: p.scores, "returned ndarray, expected magbench.api.LinkAnswer"),
        (lambda p: NodeAnswer(np.arange(3), p.scores), "returned NodeAnswer"),
        (lambda p: LinkAnswer(p.scores[:, :-1]), r"shape \[\d+, 31\], .* found float32 \[\d+, 30\]"),
        (lambda p: LinkAnswer(p.scores.astype(int)), "must be floats .* found int64"),
    ],
)
def test_bad_predictions_are_refused(view: LinkPredictionView, broken, message: str) -> None:
    with pytest.raises(MethodError, match=message):
        TASK.check(broken(perfect(view)), view)


def test_nan_is_refused(view: LinkPredictionView) -> None:
    prediction = perfect(view)
    prediction.scores[3, 5] = np.nan
    with pytest.raises(MethodError, match="scores of query 3 hold NaN"):
        stored(TASK, [prediction], MAG, 0)


def official_mag():
    """The small MAG with published edges and negatives; the first test edge stands among the training edges too."""
    mag, split = small_mag(), TASK.split(MAG)
    rng = np.random.default_rng(0)
    train = np.concatenate([split.train, split.test[::-1, :1], split.train[::-1, :4]], axis=1)
    mag["official"] = {
        "train_edges": torch.from_numpy(train),
        "val_edges": torch.from_numpy(split.val),
        "val_negatives": torch.from_numpy(rng.integers(200, size=(split.val.shape[1], 15))),
        "test_edges": torch.from_numpy(split.test),
        "test_negatives": torch.from_numpy(rng.integers(200, size=(split.test.shape[1], 12))),
    }
    return mag


def test_official_edges_are_taken_as_they_are() -> None:
    mag, task = official_mag(), small_link_task("official_edges")
    view, split = task.view(mag, 0), TASK.split(MAG)
    assert torch.equal(view.val, mag.official["val_edges"])
    assert torch.equal(view.val_negatives, mag.official["val_negatives"][:, :10].int())
    right = task.draw(mag, 0).right
    for row, candidates in enumerate(view.test.candidates.tolist()):
        published = mag.official["test_negatives"][row].tolist()
        assert sorted(candidates) == sorted([*published, int(split.test[1, row])])
        assert candidates[right[row]] == split.test[1, row]
    # The test edge among the training edges, and their repeats, are gone from the graph.
    assert pairs(*view.edge_index) == pairs(*split.train)
    assert view.edge_index.size(1) == 2 * split.train.shape[1]
    assert np.array_equal(task.parts(mag, 0).train, view.train.numpy()), "the conflict report counts what is seen"
    assert digest(task, mag, 0) != digest(TASK, MAG, 0)


def test_a_data_set_without_official_edges() -> None:
    with pytest.raises(DataError, match="data set 'small' brings no official 'train_edges', only"):
        small_link_task("official_edges").view(MAG, 0)


@pytest.mark.parametrize(
    ("family", "rule", "has"),
    [
        ("link_prediction", "stratified", "edges, official_edges"),
        ("node_classification", "edges", "stratified, magb-42"),
    ],
)
def test_a_family_refuses_the_split_rules_of_another(family: str, rule: str, has: str) -> None:
    with pytest.raises(SpecError, match=rf"x\.toml: split.rule is '{rule}'; the family {family} has {has}"):
        Registry.default().family(family).parse_split({"rule": rule}, "x.toml")


def test_a_converted_mmgraph_folder_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the published files to the queries: 30 + 4 + the rest edges, 7 negatives each."""
    monkeypatch.setenv("MAGBENCH_HOME", str(tmp_path / "home"))
    spec = miniatures.spec("sports", tmp_path)
    mirror, sources = local_sources(spec, miniatures.WRITERS["sports"](tmp_path / "repo"), ())
    convert(spec, mirror, sources, paths.home() / "datasets" / spec.id)
    mag = load_dataset(spec)
    view = small_link_task("official_edges").view(mag, 0)
    published = miniatures.edges()
    held = pairs(*published[:, 30:])
    assert pairs(*view.edge_index) == pairs(*published[:, :30]) - held
    assert pairs(*view.val) | pairs(view.test.source, published[1, 34:]) == held
    assert view.test.candidates.shape == (published.shape[1] - 34, 8)
    assert view.val_negatives.shape == (4, 7)


@pytest.mark.skipif("MAGBENCH_TEST_DATA" not in os.environ, reason="needs MAGBENCH_TEST_DATA")
def test_flickr8k1k_draws_what_is_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path(os.environ["MAGBENCH_TEST_DATA"]) / "Flickr8k1k"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    monkeypatch.setenv("MAGBENCH_HOME", str(tmp_path))
    registry = Registry.default()
    spec = registry.dataset("flickr8k1k")
    mirror, sources = local_sources(spec, folder, ())
    convert(spec, mirror, sources, paths.home() / "datasets" / spec.id)
    locked = read_lock()["link_prediction/flickr8k1k@2"]
    mag, task = load_dataset(spec), registry.task("lp/flickr8k1k")
    reads = registry.family(task.family).reads
    assert [task.digest(), part_digests(mag, reads)] == [locked["spec"], locked["data"]]
    assert [digest(LinkPredictionTask(task), mag, 0)] == locked["splits"]
