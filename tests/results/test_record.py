"""Records: the JSON Schema holds for what runs write, the round trip is exact, a foreign schema is refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from lab import Lab, cells

from magbench.errors import RecordError
from magbench.results.record import SCHEMA, ScorePart, TaskPart, json_schema, parse_record, read_record


@pytest.fixture(scope="module")
def text(finished: Path) -> str:
    return (cells(finished)["mlp 0"] / "record.json").read_text()


def test_the_schema_is_one(text: str) -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema())


def test_what_runs_write_is_valid(finished: Path) -> None:
    validator = jsonschema.Draft202012Validator(json_schema())
    for folder in cells(finished).values():
        validator.validate(json.loads((folder / "record.json").read_text()))


def test_a_failure_is_valid_too(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text(
        "from magbench.api import Method, register_method\n"
        '@register_method("bad")\nclass Bad(Method):\n'
        "    def fit(self, view, *, seed): raise ValueError('no')\n"
        "    def predict(self, view): ...\n"
    )
    lab.run("-t", "nc/toy", "-m", tmp_path / "bad.py", "--seeds", "0", "--out", tmp_path / "runs")
    record = json.loads((cells(tmp_path / "runs")["bad 0"] / "record.json").read_text())
    jsonschema.Draft202012Validator(json_schema()).validate(record)
    assert record["error"]["type"] == "ValueError"
    assert "bad.py" in record["error"]["traceback"]


def test_what_a_record_says(text: str) -> None:
    record = parse_record(text, "here")
    assert record.task.id == "node_classification/toy"
    assert record.status == "ok"
    assert [score.metric for score in record.scores] == ["accuracy", "macro_f1"]
    assert record.selection is not None
    assert record.selection.split == "val"
    assert record.env["threads"] == 1
    assert record.method.params is not None
    assert record.cost.peak_rss is not None
    assert record.cost.peak_rss < 1.5e9
    assert record.started < record.finished
    assert (record.task.variant, record.task.design) == ({}, "drawn")
    assert set(record.dataset.sha256) == {"graph", "features", "labels"}
    assert record.method.revisions == {"mlp": 1} and len(record.method.source.sha256) == 64
    assert record.predictions.kind == "classes" and record.predictions.files[0].path == "predictions.npz"


def schema_1(text: str, task: str = "node_classification/toy") -> dict[str, Any]:
    """A record as schema 1 had it."""
    record = json.loads(text)
    (file,) = record["predictions"]["files"]
    record["schema"] = "magbench.record/1"
    record["task"] = {"id": task, "version": 1, "hash": record["task"]["hash"]}
    record["dataset"]["sha256"] = "d" * 64
    record["predictions"] = {**file, "rows": record["predictions"]["rows"]}
    del record["method"]["revisions"], record["selection"]["config"]
    return record


@pytest.mark.parametrize(
    ("task", "kind", "variant", "design"),
    [
        ("node_classification/toy", "classes", {}, "drawn"),
        ("node_classification/movies-magb42", "classes", {}, "fixed"),
        ("node_classification/ele-fashion", "classes", {}, "fixed"),
        ("link_prediction/toy", "ranks", {}, "fixed"),
        ("retrieval/toy[pool=all,control=random]", "ranks", {"pool": "all", "control": "random"}, "fixed"),
    ],
)
def test_records_of_schema_1_are_read(text: str, task: str, kind: str, variant: dict[str, str], design: str) -> None:
    today, old = parse_record(text, "here"), schema_1(text, task)
    record = parse_record(json.dumps(old), "there")
    assert (record.task.variant, record.task.design) == (variant, design)
    assert (record.predictions.kind, record.predictions.files) == (kind, today.predictions.files)
    assert record.dataset.sha256 == {"all": "d" * 64}
    assert record.method.revisions == {"mlp": today.method.source.sha256} and record.selection.config == {}
    alike = ("run_id", "key", "seed", "status", "scores", "cost", "telemetry", "env", "started", "finished", "magbench")
    assert all(getattr(record, name) == getattr(today, name) for name in alike)
    assert parse_record(record.to_json(), "again") == record and json.loads(record.to_json())["schema"] == SCHEMA


def test_a_failure_of_schema_1_is_read(text: str) -> None:
    failed = {"status": "failed", "scores": [], "selection": None, "predictions": None}
    record = parse_record(json.dumps({**schema_1(text), **failed}), "there")
    assert record.status == "failed" and record.predictions is None and record.selection is None


@pytest.mark.parametrize(
    "change", [{"task": {}}, {"task": 3}, {"predictions": []}, {"method": {"name": "mlp"}}, {"dataset": None}]
)
def test_what_is_no_record_of_schema_1_is_refused(change: dict[str, Any], text: str) -> None:
    with pytest.raises(RecordError, match="FILE is not a record of schema"):
        parse_record(json.dumps({**schema_1(text), **change}), "FILE")


def test_round_trip(text: str) -> None:
    record = parse_record(text, "here")
    assert record.to_json() == text
    assert parse_record(record.to_json(), "there") == record


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"schema": "magbench.record/9"}, ["schema", SCHEMA, "'magbench.record/9'"]),
        ({"colour": "red"}, ["colour", "not permitted"]),
        ({"seed": "zero"}, ["seed", "integer", "'zero'"]),
        ({"status": "fine"}, ["status", "'fine'"]),
        ({"seed": -1}, ["seed", "greater than or equal to 0"]),
        ({"scores": []}, ["a cell that is ok must have a score"]),
        ({"finished": "yesterday"}, ["finished", "'yesterday'"]),
        ({"protocol": "../../x"}, ["protocol", "'../../x'"]),
        ({"task.id": "../../escaped/x"}, ["task.id", "'../../escaped/x'"]),
        ({"task.id": "/tmp/x"}, ["task.id", "'/tmp/x'"]),
        ({"dataset.features": "../clip"}, ["dataset.features", "'../clip'"]),
        ({"dataset.id": ".."}, ["dataset.id", "'..'"]),
        ({"method.name": "mlp\x1b[2J"}, ["method.name", "pattern"]),
        ({"method.name": "ml\0p"}, ["method.name", "pattern"]),
    ],
)
def test_foreign_records_are_refused(change: dict[str, Any], expected: list[str], text: str) -> None:
    record = json.loads(text)
    for place, value in change.items():
        *parts, last = place.split(".")
        inner = record[parts[0]] if parts else record
        inner[last] = value
    with pytest.raises(RecordError) as caught:
        parse_record(json.dumps(record), "FILE")
    for part in ["FILE", "--out", *expected]:
        assert part in str(caught.value)


def test_half_a_record_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "record.json").write_text(text[: len(text) // 2])
    with pytest.raises(RecordError, match=r"record\.json is not a record"):
        read_record(tmp_path / "record.json")


@pytest.mark.parametrize("name", ["retrieval/emoji[control=random,pool=1k]", "link_prediction/synthetic-conflict"])
def test_names_of_tasks_and_variants_are_records_names(name: str) -> None:
    assert TaskPart(id=name, version=1, hash="0", variant={}, design="fixed").id == name


def test_a_score_outside_its_bounds_is_refused() -> None:
    with pytest.raises(ValueError, match=r"accuracy must be from 0 to 1, not 7\.25"):
        ScorePart(metric="accuracy", version=1, split="test", value=7.25, n=3)
    assert ScorePart(metric="accuracy", version=99, split="test", value=7.25, n=3).value == 7.25  # who knows


def test_a_score_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        ScorePart(metric="accuracy", version=1, split="test", value=float("nan"), n=3)
