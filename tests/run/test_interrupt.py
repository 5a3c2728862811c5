"""A run that is stopped: whole cells only, no process left behind, and the same command finishes it to the byte."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest
from lab import Lab, Outcome, cells, group_members, temporaries, wait_until

# Cells of some tenths of a second that print nothing, so that kills fall before, into and between them.
SLOW = """
import time
import numpy as np
from magbench.api import Method, NodeAnswer, register_method

@register_method("slow")
class Slow(Method):
    def fit(self, view, *, seed):
        self.seed = seed
        time.sleep(0.2)

    def predict(self, view):
        scores = np.random.default_rng(self.seed).random((len(view.test), view.num_classes))
        return NodeAnswer(view.test.numpy(), scores.astype(np.float32))
"""


@pytest.fixture(scope="module")
def request_(lab: Lab) -> tuple[str, ...]:
    path = lab.root / "slow.py"
    path.write_text(SLOW)
    methods = ("-m", "mlp", "-m", str(path))
    return ("run", "--protocol", "short@1", "-t", "nc/toy", *methods, "--jobs", "2", "--out")


@pytest.fixture(scope="module")
def undisturbed(lab: Lab, request_: tuple[str, ...]) -> Path:
    out = lab.root / "undisturbed"
    assert lab.call(*request_, out).code == 0
    return out


def content(folder: Path) -> tuple[object, ...]:
    """What must be equal in two runs of a cell."""
    record = json.loads((folder / "record.json").read_text())
    history = folder / "history.jsonl"
    return (
        record["status"],
        record["key"],
        record["scores"],
        record["selection"],
        record["predictions"],
        (folder / "predictions.npz").read_bytes(),
        history.read_bytes() if history.is_file() else b"",
    )


def same(out: Path, other: Path) -> bool:
    found, expected = cells(out), cells(other)
    return found.keys() == expected.keys() and all(content(found[n]) == content(expected[n]) for n in expected)


def finish(process: subprocess.Popen[str]) -> Outcome:
    out, err = process.communicate(timeout=60)
    return Outcome(process.returncode, out, err)


def test_same_seeds_twice_give_the_same_bytes(
    lab: Lab, request_: tuple[str, ...], undisturbed: Path, tmp_path: Path
) -> None:
    assert lab.call(*request_[:-1], "--jobs", "1", "--out", tmp_path).code == 0
    assert len(cells(tmp_path)) == 8
    assert same(tmp_path, undisturbed)


def test_other_seeds_differ(undisturbed: Path) -> None:
    found = cells(undisturbed)
    assert content(found["mlp 0"])[2:] != content(found["mlp 1"])[2:]


def test_ctrl_c_leaves_whole_cells(lab: Lab, request_: tuple[str, ...], undisturbed: Path, tmp_path: Path) -> None:
    process = lab.start(*request_, tmp_path)
    assert wait_until(lambda: len(cells(tmp_path)) >= 2)
    os.killpg(process.pid, signal.SIGINT)
    outcome = finish(process)
    assert outcome.code == 130
    assert "Traceback" not in outcome.err
    assert "the same command goes on from there" in outcome.err
    assert outcome.out == ""
    assert temporaries(tmp_path) == []
    left = cells(tmp_path)
    assert 2 <= len(left) < 8
    expected = cells(undisturbed)
    assert all(content(left[name]) == content(expected[name]) for name in left)
    assert wait_until(lambda: group_members(process.pid) == [])


@pytest.mark.parametrize("delay", [0.3, 1.5])
def test_ctrl_c_at_the_start(delay: float, lab: Lab, request_: tuple[str, ...], tmp_path: Path) -> None:
    """While Python is still importing, Ctrl-C has no handler of ours; from the first line of a command on it has."""
    process = lab.start(*request_, tmp_path)
    time.sleep(delay)
    os.killpg(process.pid, signal.SIGINT)
    outcome = finish(process)
    assert outcome.code in (130, -signal.SIGINT)
    assert outcome.out == ""
    assert temporaries(tmp_path) == []
    assert wait_until(lambda: group_members(process.pid) == [])


def wait_for_work(process: subprocess.Popen[str], out: Path, before: set[Path]) -> None:
    """Wait until a cell is at work, or the run has nothing left to do."""
    wait_until(lambda: set(temporaries(out)) - before or process.poll() is not None)


def kill_at_random(lab: Lab, request_: tuple[str, ...], undisturbed: Path, out: Path, moments: list[float]) -> None:
    """Kill a run at ``moments`` (shares of the time from its first to its last cell), let it finish, and compare."""
    for moment in moments:
        before, todo = set(temporaries(out)), 8 - len(cells(out))
        process = lab.start(*request_, out)
        wait_for_work(process, out, before)
        time.sleep(moment * 0.25 * todo)
        process.kill()
        process.communicate()
        assert wait_until(lambda group=process.pid: group_members(group) == []), "processes left behind"
        for folder in cells(out).values():
            assert json.loads((folder / "record.json").read_text())["status"] == "ok"
    outcome = lab.call(*request_, out)
    assert outcome.code == 0, outcome.err
    assert temporaries(out) == []
    assert same(out, undisturbed)


def test_killed_three_times(lab: Lab, request_: tuple[str, ...], undisturbed: Path, tmp_path: Path) -> None:
    kill_at_random(lab, request_, undisturbed, tmp_path, [0.0, 0.1, 0.25])


@pytest.mark.slow
@pytest.mark.parametrize("batch", range(5))
def test_killed_at_random(batch: int, lab: Lab, request_: tuple[str, ...], undisturbed: Path, tmp_path: Path) -> None:
    """Twenty kills in all."""
    draw = random.Random(batch)
    kill_at_random(lab, request_, undisturbed, tmp_path, [draw.random() / 2 for _ in range(4)])
