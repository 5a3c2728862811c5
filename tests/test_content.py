"""Content of one's own: a whole task family in one folder and one module, run, kept, scored again, reported, probed."""

from __future__ import annotations

import importlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab import Lab, stop_server

from magbench.errors import SpecError
from magbench.registry import Registry
from magbench.tasks.base import make_task
from magbench.train.compose import compose
from magbench.train.probe import leaks

CONTENT = Path(__file__).with_name("content")
TASKS = ("cap/emoji", "cap/emoji[visible=graph]", "cap/emoji[control=no_graph]", "cap/emoji[edge_drop=.50]")


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A laboratory with the toy family beside its own tasks, and a fork server that knows it."""
    from magbench.run.server import start_server

    found = Lab(tmp_path_factory.mktemp("toy"))
    shutil.copytree(CONTENT, found.tasks.parent, dirs_exist_ok=True)
    stop_server()
    with found.environment():
        start_server()
    yield found
    stop_server()


@pytest.fixture(scope="module")
def runs(toy: Lab) -> Path:
    out = toy.root / "runs"
    arguments = [word for task in TASKS for word in ("-t", task)]
    assert toy.run(*arguments, "-m", "constant_caption", "--seeds", "0-1", "--out", out).code == 0
    return out


def test_a_family_is_one_folder_and_one_module(toy: Lab, runs: Path) -> None:
    listed = {row["task"] for row in toy.call("ls", "tasks", "--json").json()["tasks"]}
    assert "captions/emoji@1" in listed
    records = [json.loads(path.read_text()) for path in runs.glob("**/record.json")]
    assert {record["status"] for record in records} == {"ok"} and len(records) == 8
    assert {record["predictions"]["kind"] for record in records} == {"texts"}
    assert {tuple(record["task"]["variant"].items()) for record in records} == {
        (),
        (("visible", "graph"),),
        (("control", "no_graph"),),
        (("edge_drop", "0.5"),),
    }
    assert {tuple(record["dataset"]["sha256"]) for record in records} == {("graph", "features", "texts")}


def test_an_edit_of_the_familys_code_is_another_question(tmp_path: Path) -> None:
    """Else a score of the old code would be served for the new one; for shipped families ENGINE stands."""
    shutil.copytree(CONTENT, tmp_path / "own")

    def digest() -> str:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("MAGBENCH_CONTENT", str(tmp_path / "own"))
            return Registry.default().task("cap/emoji").digest()

    before = digest()
    method = tmp_path / "own" / "baselines" / "constant_caption" / "__init__.py"
    method.write_text(method.read_text() + "\n# a comment\n")
    assert digest() == before
    module = tmp_path / "own" / "captions.py"
    module.write_text(module.read_text() + "\n# a comment\n")
    assert digest() != before
    assert Registry.default().task("nc/emoji").source == ""


def test_its_results_are_kept_scored_again_and_reported(toy: Lab, runs: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    assert toy.call("results", "keep", "--runs", runs, "--to", kept).code == 0
    for place in (runs, kept):
        found = toy.call("score", place, "--json").json()
        assert len(found["cells"]) == 8 and found["wrong"] == 0
        assert {cell["difference"] for cell in found["cells"]} == {0}
    rows = toy.call("results", "ls", "--runs", runs, "--json").json()["results"]
    assert {row["method"] for row in rows} == {"constant_caption"}
    assert toy.call("report", "--runs", runs, "--out", tmp_path / "page").code == 0
    assert "captions/emoji" in (tmp_path / "page" / "index.html").read_text()


def test_a_score_that_is_not_its_predictions_is_caught(toy: Lab, runs: Path, tmp_path: Path) -> None:
    copied = tmp_path / "runs"
    shutil.copytree(runs, copied)
    path = next(copied.glob("**/record.json"))
    record = json.loads(path.read_text())
    record["scores"][0]["value"] = 0.25
    path.write_text(json.dumps(record))
    found = toy.call("score", copied, "--json")
    assert (found.code, found.json()["wrong"]) == (1, 1)
    assert "are not those of their predictions" in toy.call("results", "rescore", copied).one_message()


def test_the_probe_catches_a_planted_peek(toy: Lab) -> None:
    with toy.environment():
        registry = Registry.default()
        spec = registry.task("cap/emoji")
        leaky = importlib.import_module("captions").LeakyTask(spec)
        from magbench.train.check import small_graph

        make = compose("constant_caption", registry, registry.protocol("short"), "captions").build
        assert leaks(make, make_task(spec), small_graph(), 0) == []
        assert leaks(make, leaky, small_graph(), 0) == ["what the task hides"]


def test_check_answers_in_words(toy: Lab) -> None:
    found = toy.call("check", "constant_caption", "-t", "cap/emoji", "--json").json()["findings"]
    assert [row["ok"] for row in found] == [True] * 5


def test_names_that_are_taken_are_refused(toy: Lab, tmp_path: Path) -> None:
    shutil.copytree(CONTENT, tmp_path / "own")
    family = tmp_path / "own" / "tasks" / "captions" / "family.toml"
    family.write_text(family.read_text().replace('name = "captions"', 'name = "retrieval"', 1))
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SpecError, match="the name 'retrieval' is taken"):
        patch.setenv("MAGBENCH_CONTENT", str(tmp_path / "own"))
        Registry.default()
    assert "neither tasks/ nor baselines/" in toy.call("--content", tmp_path, "ls", "tasks").one_message()
