"""Specifications: what a bad TOML file is told, and digests that follow the content."""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path

import pytest

from magbench.errors import SpecError
from magbench.specs import DatasetSpec, FamilySpec, MethodSpec, Protocol, Spec, TaskSpec, canonical_hash, read_toml
from magbench.suites import Suite
from magbench.tasks.node_classification.rule import SplitSpec

DATASET = """
name = "d"
version = 1
title = "D"
source = "store"
features = ["f"]
modalities = ["text"]
licence = "CC0-1.0"
"""
METHOD = """
name = "m"
kind = "encoder"
class = "package:Class"
title = "M"
"""
TASK = """
family = "nc"
name = "t"
version = 1
title = "T"
task_class = "a:b"
dataset = "d"
metrics = ["accuracy"]
"""
FAMILY = """
name = "f"
alias = "f"
title = "F"
task = "magbench.tasks.node_classification.task:NodeClassification"
prediction = "classes"
reads = ["graph"]
metrics = ["accuracy"]
[split]
rule = "stratified"
[split_rules]
stratified = "magbench.tasks.node_classification.rule:SplitSpec"
"""
SUITE = """
name = "s"
title = "S"
protocol = "standard@1"
tasks = ["nc/t"]
methods = ["mlp"]
"""
PARTS = (
    SUITE.replace("tasks", "# tasks")
    + """
[[parts]]
tasks = ["nc/t"]
"""
)
GRID = """
[grid]
method = "mlp+optimag[alpha=0.5]"
[grid.axes.optimag]
"""
PROTOCOL = """
name = "p"
version = 1
title = "P"
ranked = false
seeds = [0]
[training]
lr = 0.1
weight_decay = 0
hidden = 1
layers = 1
dropout = 0
max_epochs = 1
patience = 1
validate_every = 1
"""


@pytest.mark.parametrize(
    ("model", "text", "expected"),
    [
        (
            DatasetSpec,
            DATASET.replace('"store"', '"cloud"'),
            ["source", "'embedded', 'synthetic' or 'store'", "'cloud'"],
        ),
        (DatasetSpec, DATASET + "colour = 1\n", ["colour", "not permitted", "Allowed fields: name, version"]),
        (DatasetSpec, DATASET.replace('licence = "CC0-1.0"\n', ""), ["licence", "required"]),
        (
            DatasetSpec,
            DATASET.replace("version = 1", "version = 0"),
            ["version", "greater than or equal to 1", "found 0"],
        ),
        (DatasetSpec, DATASET.replace('["f"]', "[]"), ["features", "at least 1"]),
        (DatasetSpec, "name =", ["cannot be read as TOML"]),
        (MethodSpec, METHOD.replace('"encoder"', '"decoder"'), ["kind", "'decoder'"]),
        (MethodSpec, METHOD.replace("package:Class", "package.Class"), ["class", "'package.Class'"]),
        (MethodSpec, METHOD.replace('"m"', '"My-Method"'), ["name", "'My-Method'"]),
        (TaskSpec, TASK + "[split]\ntrain = 0.9\n", ["split", "instance of SplitRule"]),
        (TaskSpec, TASK.replace('["accuracy"]', "[]"), ["metrics", "at least 1"]),
        (Suite, SUITE.replace('["mlp"]', '"mlp"'), ["methods", "tuple"]),
        (Suite, SUITE + "seeds = []\n", ["seeds", "at least 1"]),
        (Suite, SUITE + "[[parts]]\ntasks = ['nc/emoji']\n", ["needs tasks, or parts", "not both"]),
        (Suite, SUITE.replace("tasks", "# tasks"), ["needs tasks, or parts"]),
        (Suite, PARTS + "[study]\n", ["has no parts"]),
        (Suite, PARTS + "[[parts]]\nfeatures = ['clip']\n", ["parts.1.tasks", "required"]),
        (Suite, SUITE + '[grid]\nmethod = "mlp"\n', ["grid.axes", "required"]),
        (Suite, SUITE + GRID + "[grid.axes.gcn]\ndropout = [0]\n", ["axes.gcn", "no such component", "mlp, optimag"]),
        (Suite, SUITE + GRID + "eps = []\n", ["axes.optimag.eps", "needs values"]),
        (Suite, SUITE + GRID + "eps = [1, 1.0]\n", ["axes.optimag.eps", "each once"]),
        (Suite, SUITE + GRID + "alpha = [1]\n", ["axes.optimag.alpha", "sets it already"]),
        (Suite, SUITE + GRID + "eps = 1\n", ["grid.axes.optimag.eps", "tuple"]),
        (Suite, SUITE + GRID.replace(']"', '"') + "eps = [1]\n", ["grid", "not of the form host[option=value]"]),
        (Protocol, PROTOCOL.replace("lr = 0.1", "lr = 0"), ["training.lr", "greater than 0"]),
        (Protocol, PROTOCOL.replace("[0]", '["a"]'), ["seeds.0", "integer", "'a'"]),
    ],
)
def test_bad_files(model: type[Spec], text: str, expected: list[str], tmp_path: Path) -> None:
    path = tmp_path / "spec.toml"
    path.write_text(text)
    with pytest.raises(SpecError) as caught:
        model.from_toml(path)
    message = str(caught.value)
    for part in [str(path), *expected]:
        assert part in message
    assert "\n" not in message


def test_a_grid_adds_every_combination_in_canonical_form() -> None:
    text = SUITE + GRID + "rho = [0.1, inf]\neps = [1, 0.5]\n"
    suite = Suite.parse(tomllib.loads(text), "here")
    rows = [f"mlp+optimag[alpha=0.5,eps={eps},rho={rho}]" for rho in ("0.1", "inf") for eps in ("1", "0.5")]
    assert suite.method_strings == ("mlp", *rows)


def test_a_part_leaves_out_what_the_suite_says() -> None:
    text = PARTS + "[[parts]]\ntasks = ['lp/t']\nfeatures = ['a', 'b']\nmethods = ['gcn']\nprotocol = 'sampled@1'\n"
    first, second = Suite.parse(tomllib.loads(text), "here").whole_parts
    assert (first.tasks, first.features, first.methods, first.protocol) == (("nc/t",), (), ("mlp",), "standard@1")
    assert (second.features, second.methods, second.protocol) == (("a", "b"), ("gcn",), "sampled@1")
    (whole,) = Suite.parse(tomllib.loads(SUITE), "here").whole_parts
    assert whole == first


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="No such file"):
        read_toml(tmp_path / "nothing.toml")


def test_good_files(tmp_path: Path) -> None:
    for model, text, given in (
        (DatasetSpec, DATASET, {}),
        (MethodSpec, METHOD, {}),
        (TaskSpec, TASK, {"split": SplitSpec()}),
        (Suite, SUITE, {}),
        (Protocol, PROTOCOL, {}),
        (FamilySpec, FAMILY, {}),
    ):
        (tmp_path / "spec.toml").write_text(text)
        assert model.from_toml(tmp_path / "spec.toml", **given) == model.from_toml(tmp_path / "spec.toml", **given)


def test_defaults_fill_what_the_file_leaves_out(tmp_path: Path) -> None:
    (tmp_path / "spec.toml").write_text(TASK.replace('family = "nc"\n', "").replace('title = "T"', 'title = "own"'))
    task = TaskSpec.from_toml(tmp_path / "spec.toml", family="nc", title="shared", split=SplitSpec())
    assert (task.id, task.title) == ("nc/t", "own")


def test_the_digest_of_a_task_follows_what_is_asked_alone() -> None:
    """By hand: the canonical JSON of family, data set, label, split and variant."""
    task = TaskSpec(
        family="nc", name="t", version=1, title="T", task_class="a:b", dataset="d", metrics=("m",), split=SplitSpec()
    )
    split = '{"min_class_size":5,"rule":"stratified","test":0.2,"train":0.6,"val":0.2}'
    text = '{"dataset":"d","family":"nc","label":"y","split":' + split + ',"variant":{}}'
    assert task.digest() == hashlib.sha256(text.encode()).hexdigest()
    prose = {"name": "u", "version": 2, "title": "U", "summary": "S", "metrics": ("n",), "ranked": False}
    assert task.model_copy(update={**prose, "task_class": "c:d"}).digest() == task.digest()
    asked = {
        "family": "lp",
        "dataset": "e",
        "label": "y_coarse",
        "split": SplitSpec(train=0.5, test=0.3),
        "variant": {"control": "random"},
    }
    digests = {task.model_copy(update={name: value}).digest() for name, value in asked.items()}
    assert len({task.digest(), *digests}) == 1 + len(asked)


def test_the_digest_of_a_protocol_follows_seeds_and_training_alone() -> None:
    protocol = Protocol.parse(tomllib.loads(PROTOCOL), "here")
    prose = protocol.model_copy(update={"name": "q", "version": 2, "title": "Q", "ranked": True})
    assert prose.digest() == protocol.digest()
    seeds = protocol.model_copy(update={"seeds": (0, 1)})
    slower = protocol.model_copy(update={"training": protocol.training.model_copy(update={"lr": 0.01})})
    assert len({protocol.digest(), seeds.digest(), slower.digest()}) == 3


def test_a_familys_split_rules_read_the_tables_of_tasks() -> None:
    family = FamilySpec.parse(tomllib.loads(FAMILY), "here")
    assert family.parse_split({}, "t.toml") == SplitSpec()
    assert family.parse_split({"rule": "stratified", "train": 0.7, "test": 0.1}, "t.toml").train == 0.7
    with pytest.raises(SpecError, match=r"t\.toml, split: .*must be 1, found 1\.3"):
        family.parse_split({"train": 0.9}, "t.toml")
    with pytest.raises(SpecError, match=r"t\.toml: split\.rule is 'edges'; the family f has stratified"):
        family.parse_split({"rule": "edges"}, "t.toml")
    with pytest.raises(SpecError, match=r"t\.toml, split: colour: .*not permitted"):
        family.parse_split({"colour": "red"}, "t.toml")


def test_canonical_hash() -> None:
    """sha256 of ``{"a":[1,"é"],"b":null}`` in UTF-8, whatever the order of the keys."""
    expected = hashlib.sha256('{"a":[1,"é"],"b":null}'.encode()).hexdigest()
    assert canonical_hash({"b": None, "a": [1, "é"]}) == expected
