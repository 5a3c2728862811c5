"""The committed results: kept predictions cover their seed's test items and give the kept scores, digit by digit."""

from __future__ import annotations

import re
import shutil
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from magbench import paths
from magbench.data.digests import part_digests
from magbench.data.load import load_dataset
from magbench.data.mag import MAG
from magbench.method_string import parse_method
from magbench.predictions.base import Prediction
from magbench.predictions.classes import Classes
from magbench.predictions.ranks import Ranks
from magbench.registry import Registry
from magbench.results.kept import KeptCell, kept_cells, kept_records
from magbench.results.record import Record
from magbench.run.plan import PlanPart, make_plan
from magbench.tasks.base import AnyTask, make_task
from magbench.tasks.retrieval.task import RetrievalTask

FOLDERS = sorted({path.parent for path in (paths.content("leaderboard") / "runs").glob("*/*/*.jsonl")})
Name = tuple[str, str, str, str]


@pytest.fixture(scope="module")
def cells() -> dict[str, list[KeptCell]]:
    """Of every task, those on the first feature set of its data set."""
    registry, found = Registry.default(), defaultdict(list)
    for cell in kept_cells():
        task, features, *_ = _name(cell.record)
        if features == registry.dataset(cell.record.dataset.id).features[0]:
            found[task].append(cell)
    return found


def test_there_are_kept_results() -> None:
    assert FOLDERS


@pytest.mark.parametrize("name", [f"{folder.parent.name}/{folder.name}" for folder in FOLDERS])
def test_kept_predictions_give_the_kept_scores(name: str, cells: dict[str, list[KeptCell]]) -> None:
    registry = Registry.default()
    spec = registry.task(name)
    mag = load_dataset(registry.dataset(spec.dataset))
    task, data = make_task(spec), part_digests(mag, registry.family(spec.family).reads)
    assert cells[name]
    for cell in cells[name]:
        record, prediction = cell.record, cell.prediction()
        assert record.dataset.sha256 == data
        assert record.task.hash == spec.digest() and record.task.variant == spec.variant
        assert record.task.design == task.design
        _covers_the_test_items(prediction, task, mag, record.seed)
        again = {(score.metric, score.split): score for score in task.score(prediction)}
        for score in record.scores:
            found = again[score.metric, score.split]
            assert found.value == pytest.approx(score.value, abs=1e-12), (record.method.name, record.seed, score.metric)
            assert (found.n, found.pool) == (score.n, score.pool)


def _covers_the_test_items(prediction: Prediction, task: AnyTask, mag: MAG, seed: int) -> None:
    """Each once: test nodes with their classes, test edges, or what each side asks."""
    if isinstance(prediction, Classes):
        assert np.array_equal(np.sort(prediction.nodes), task.split(mag, seed).test), seed
        assert np.array_equal(prediction.true, np.asarray(mag[task.spec.label])[prediction.nodes])
        return
    assert isinstance(prediction, Ranks)
    if isinstance(task, RetrievalTask):
        places = np.arange(len(task.ask(mag).asked))
        sides = [np.sort(prediction.item[prediction.side == side]) for side in (0, 1)]
        assert all(np.array_equal(np.unique(own) if "text" in task.spec.variant else own, places) for own in sides)
    else:
        assert prediction.rows == task.split(mag).test.shape[1]


def test_kept_cells_are_found_by_their_key_whatever_is_said_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Titles, summaries, citations and comments of every task, protocol and method change, and no key does."""
    own = {(_name(record), record.key) for record in kept_records()}
    names = {name for name, _ in own}
    before = _keys(Registry.default(), names)
    current = own & before
    assert len(current) > 0.8 * len(own), "kept cells that no plan finds"
    for kind in ("tasks", "baselines"):
        shutil.copytree(paths.content(kind), tmp_path / kind)  # type: ignore[arg-type]
    for path in [*tmp_path.glob("tasks/*/*.toml"), *tmp_path.glob("baselines/*/method.toml")]:
        text = path.read_text(encoding="utf-8")
        text = re.sub(r'(?m)^(title|summary) = "', r"\g<0>Another ", text)
        path.write_text(re.sub(r"(?m)^citation = \[", r'\g<0>"Another.", ', text), encoding="utf-8")
    for path in tmp_path.glob("baselines/*/__init__.py"):
        path.write_text(path.read_text(encoding="utf-8") + "# another comment\n", encoding="utf-8")
    sources = Registry.default().method("gcn").source_hash()
    monkeypatch.setattr(paths, "content", lambda kind: tmp_path / kind)
    registry = Registry.default()
    assert registry.task("nc/emoji").title.startswith("Another") and registry.method("gcn").source_hash() != sources
    assert _keys(registry, names) == before


def _name(record: Record) -> Name:
    task = f"{record.task.id}@{record.task.version}"
    return task, record.dataset.features, record.method.name, record.protocol


def _keys(registry: Registry, names: set[Name]) -> set[tuple[Name, str]]:
    """The key that a plan gives to each task, feature set, method and protocol today."""
    asked: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for task, features, method, protocol in names:
        asked[task, features, protocol].add(method)
    parts = [
        PlanPart(
            (registry.task(task),), (features,), tuple(map(parse_method, methods)), registry.protocol(protocol), (0,)
        )
        for (task, features, protocol), methods in sorted(asked.items())
    ]
    plan = make_plan(registry, parts, Path("out"))
    return {((cell.task, cell.features, cell.method, cell.protocol), cell.key) for cell in plan}
