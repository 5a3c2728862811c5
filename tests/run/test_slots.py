"""Slots: cells are spread over the GPUs there are, here by torch's count of them, and have the threads asked for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from lab import Lab, cells

from magbench.results.record import Record
from magbench.run import server, slots
from magbench.run.slots import Slot, Slots, visible_devices

METHOD = """
import os
import threadpoolctl
import torch
from magbench.api import Method, NodeAnswer, register_method

@register_method("telltale")
class Telltale(Method):
    def fit(self, view, *, seed):
        self.outcome.telemetry = {
            "device": float(os.environ.get("CUDA_VISIBLE_DEVICES", -1)),
            "torch": torch.get_num_threads(),
            "pools": max(pool["num_threads"] for pool in threadpoolctl.threadpool_info()),
            "variable": int(os.environ["OMP_NUM_THREADS"]),
        }

    def predict(self, view):
        return NodeAnswer(view.test.numpy(), torch.eye(view.num_classes)[view.test % view.num_classes].numpy())
"""


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """A machine where torch counts three GPUs, and no variable says anything about them."""
    monkeypatch.setattr(server, "_DRIVERS", (str(tmp_path),))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    for name in ("MAGBENCH_DEVICE", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.mark.parametrize(
    ("variables", "devices"),
    [
        ({}, ("0", "1", "2")),
        ({"MAGBENCH_DEVICE": "cuda"}, ("0", "1", "2")),
        ({"MAGBENCH_DEVICE": "cuda:1"}, ()),
        ({"MAGBENCH_DEVICE": "cpu"}, ()),
        ({"CUDA_VISIBLE_DEVICES": "4, 5,7"}, ("4", "5", "7")),
        ({"CUDA_VISIBLE_DEVICES": "GPU-8a,GPU-8b,GPU-8c,-1,6"}, ("GPU-8a", "GPU-8b", "GPU-8c")),
        ({"CUDA_VISIBLE_DEVICES": ""}, ()),
    ],
    ids=str,
)
def test_devices_that_cells_are_spread_over(variables, devices, gpus) -> None:
    for name, value in variables.items():
        gpus.setenv(name, value)
    assert visible_devices() == devices


def test_one_job_a_gpu_unless_told_otherwise(gpus) -> None:
    assert Slots.of_machine() == Slots(3, 1, ("0", "1", "2"))
    assert Slots.of_machine(jobs=7, threads=2) == Slots(7, 2, ("0", "1", "2"))


@pytest.mark.parametrize(("threads", "jobs"), [(1, 8), (3, 2), (8, 1), (16, 1)])
def test_without_one_as_many_as_the_cores_have_threads_for(threads, jobs, monkeypatch) -> None:
    monkeypatch.setattr(slots, "_cores", lambda: 8)
    assert Slots.of_machine(threads=threads) == Slots(jobs, threads)


def test_the_gpu_with_the_fewest_cells_is_next() -> None:
    found = Slots(5, 1, ("0", "1"))
    taken: list[Slot] = []
    for _ in range(5):
        taken.append(found.next(taken))
    assert [slot.device for slot in taken] == ["0", "1", "0", "1", "0"]
    assert found.next([Slot(1, "0"), Slot(1, "0"), Slot(1, "1")]).device == "1"
    assert Slots(5, 4).next(taken) == Slot(4, None)


def test_a_cell_enters_its_slot_before_torch_is_loaded() -> None:
    code = "import sys, magbench.run.slots; sys.exit(bool({'numpy', 'torch'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def telemetry(lab: Lab, tmp_path: Path, *arguments: object) -> list[dict[str, float]]:
    file = tmp_path / "telltale.py"
    file.write_text(METHOD)
    out = tmp_path / "runs"
    outcome = lab.call("run", "--protocol", "short@1", "-t", "nc/toy", "-m", file, "--out", out, *arguments)
    assert outcome.code == 0, outcome.err
    return [json.loads((cell / "record.json").read_text()) for cell in cells(out).values()]


def test_each_cell_sees_a_gpu_of_its_own(lab: Lab, gpus, tmp_path: Path) -> None:
    records = telemetry(lab, tmp_path, "--seeds", "0-2")
    assert sorted(record["telemetry"]["device"] for record in records) == [0, 1, 2]
    assert "CUDA_VISIBLE_DEVICES" not in os.environ


def test_threads_reach_every_pool_and_the_record(lab: Lab, tmp_path: Path) -> None:
    (record,) = telemetry(lab, tmp_path, "--seeds", "0", "--threads", "3")
    assert {name: record["telemetry"][name] for name in ("torch", "pools", "variable")} == {
        "torch": 3,
        "pools": 3,
        "variable": 3,
    }
    assert record["env"]["threads"] == 3
    counted, single = Record.model_validate(record), Record.model_validate({**record, "env": {"threads": 1}})
    assert counted.core_seconds == 3 * single.core_seconds > 0


def test_the_plan_says_how_many_at_a_time(lab: Lab, gpus, tmp_path: Path) -> None:
    arguments = ("run", "-t", "nc/toy", "-m", "mlp", "--protocol", "short@1", "--out", tmp_path, "--plan", "--json")
    assert lab.call(*arguments).json()["jobs"] == 3
    assert lab.call(*arguments, "--jobs", 5).json()["jobs"] == 5
