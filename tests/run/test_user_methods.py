"""A user's own method: a file, a folder, a plain ``Method``, with a regulariser; and files that are no good."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from lab import Lab, cells

ENCODER = '''
"""An encoder without a graph."""
import torch
from magbench.api import Encoded, Encoder, register_encoder

print("imported")

@register_encoder("mine")
class Mine(Encoder):
    """Project and fuse."""

    def __init__(self, in_dims, **options):
        super().__init__(in_dims, **options)
        self.last = torch.nn.Linear(self.fused_dim, self.hidden)

    def forward(self, x, edge_index, observed):
        z = self.project(x, observed)
        return Encoded(z=z, h=self.last(self.fuse(z)).relu())
'''
PLAIN = """
import numpy as np
from magbench.api import Method, NodeAnswer, register_method

@register_method("majority")
class Majority(Method):
    def fit(self, view, *, seed):
        self.counts = np.bincount(view.y[view.train].numpy(), minlength=view.num_classes)

    def predict(self, view):
        return NodeAnswer(view.test.numpy(), np.tile(self.counts, (len(view.test), 1)).astype(np.float32))
"""
PENALTY = """
from magbench.api import Regularizer, register_regularizer

@register_regularizer("shrink")
class Shrink(Regularizer):
    def __call__(self, ctx):
        loss = sum((z ** 2).mean() for z in ctx.z.values())
        return loss, {"size": float(loss)}
"""
TOML = """
name = "ours"
kind = "encoder"
class = "our_folder:Mine"
title = "Ours"
[defaults]
hidden = 8
"""


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    folder = tmp_path / "our_folder"
    folder.mkdir()
    (tmp_path / "my_method.py").write_text(ENCODER)
    (tmp_path / "majority.py").write_text(PLAIN)
    (tmp_path / "my majority-2.py").write_text(PLAIN.replace("majority", "second"))
    (tmp_path / "shrink.py").write_text(PENALTY)
    (folder / "__init__.py").write_text(ENCODER.replace('@register_encoder("mine")\n', ""))
    (folder / "method.toml").write_text(TOML)
    return tmp_path


def test_every_way_works(lab: Lab, mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(mine)
    methods = (
        "./my_method.py",
        "my_method.py+dagr",
        "my_method.py[hidden=4]",
        "./majority.py",
        "./my majority-2.py",
        "./our_folder",
        "mlp+./shrink.py[lam=0.5]",
    )
    chosen = [argument for method in methods for argument in ("-m", method)]
    outcome = lab.run("-t", "nc/toy", *chosen, "--seeds", "0", "--json", "-o", "mine.dropout=0.2")
    assert outcome.code == 0, outcome.err
    names = {row["method"] for row in outcome.json()["results"]}
    expected = {
        "mine[dropout=0.2]",
        "mine[dropout=0.2]+dagr",
        "mine[dropout=0.2,hidden=4]",
        "majority",
        "second",
        "ours",
        "mlp+shrink[lam=0.5]",
    }
    assert names == expected
    record = json.loads((cells(Path("runs"))["ours 0"] / "record.json").read_text())
    assert record["method"]["config"]["ours"]["hidden"] == 8


def test_an_edited_file_runs_again(lab: Lab, mine: Path) -> None:
    arguments = ("-t", "nc/toy", "-m", mine / "majority.py", "--seeds", "0", "--out", mine / "runs", "--plan", "--json")
    assert lab.run(*arguments[:-2]).code == 0
    assert lab.run(*arguments).json()["to_run"] == 0
    (mine / "majority.py").write_text(PLAIN + "# edited\n")
    assert lab.run(*arguments).json()["to_run"] == 1


BROKEN = {
    "syntax": ("def f(:\n", ["bad.py, line 1: syntax error"]),
    "nothing": ("x = 1\n", ["registers no method", '@register_encoder("name")']),
    "undecorated": (PLAIN.replace('@register_method("majority")', ""), ["registers no method", "@register_method"]),
    "import": ("import nowhere_to_be_found\n", ["does not run", "ModuleNotFoundError", "nowhere_to_be_found"]),
    "exit": ("raise SystemExit(0)\n", ["does not run", "SystemExit"]),
    "wrong base": (
        PLAIN.replace("register_method", "register_encoder"),
        ["registered with kind 'encoder' but is no Encoder"],
    ),
    "taken": (PLAIN.replace('"majority"', '"mlp"'), ["'mlp'", "is taken by", "another name"]),
    "bad name": (PLAIN.replace('"majority"', '"My Method"'), ["My Method", "pattern"]),
    "two": (
        PLAIN + PLAIN.replace("majority", "other").replace("Majority", "Other"),
        ["registers majority, other", "bad.py:majority"],
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_is_refused(case: str, lab: Lab, tmp_path: Path) -> None:
    source, expected = BROKEN[case]
    (tmp_path / "bad.py").write_text(source)
    message = lab.run("-t", "nc/toy", "-m", tmp_path / "bad.py", "--out", tmp_path / "runs").one_message()
    for part in expected:
        assert part in message
    assert not (tmp_path / "runs").exists()


def test_a_name_that_the_file_does_not_have(lab: Lab, mine: Path) -> None:
    message = lab.run("-t", "nc/toy", "-m", f"{mine / 'majority.py'}:minority", "--out", mine / "runs").one_message()
    assert "registers majority" in message
    assert "'minority'" in message


FOLDERS = {
    "toml": ("name = \n", ["method.toml", "TOML"]),
    "field": (TOML.replace("title", "titel"), ["method.toml", "titel", "Allowed fields", "title"]),
    "kind": (TOML.replace('"encoder"', '"decoder"'), ["method.toml", "kind", "'encoder'", "'decoder'"]),
    "class": (TOML.replace(":Mine", ":Yours"), ["our_folder:Yours", "cannot be loaded"]),
}


@pytest.mark.parametrize("case", FOLDERS)
def test_a_broken_folder_is_refused(case: str, lab: Lab, mine: Path) -> None:
    toml, expected = FOLDERS[case]
    (mine / "our_folder" / "method.toml").write_text(toml)
    message = lab.run("-t", "nc/toy", "-m", mine / "our_folder", "--out", mine / "runs").one_message()
    for part in expected:
        assert part in message
