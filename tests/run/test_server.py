"""The fork server: one thread a cell, memory held on to, nothing left behind, and nothing loaded where a GPU is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from lab import Lab, stop_server

from magbench.run import server
from magbench.run.server import THREAD_VARIABLES, _environment, gpu_wanted


def test_set_inside_and_gone_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*THREAD_VARIABLES, *(name for name in os.environ if name.startswith("MALLOC_"))]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    monkeypatch.setenv("MALLOC_TOP_PAD_", "4096")
    before = dict(os.environ)
    with _environment():
        assert {os.environ[name] for name in THREAD_VARIABLES} == {"1"}
        assert int(os.environ["MALLOC_TRIM_THRESHOLD_"]) > int(os.environ["MALLOC_MMAP_THRESHOLD_"])
        assert os.environ["MALLOC_TOP_PAD_"] == "4096", "the user's own stays"
    assert dict(os.environ) == before


@pytest.mark.parametrize(
    ("variables", "wanted"),
    [
        ({}, True),
        ({"MAGBENCH_DEVICE": "cuda:1"}, True),
        ({"MAGBENCH_DEVICE": "cpu"}, False),
        ({"CUDA_VISIBLE_DEVICES": ""}, False),
        ({"CUDA_VISIBLE_DEVICES": "0"}, True),
    ],
    ids=str,
)
def test_a_gpu_is_expected_where_its_driver_is(
    variables: dict[str, str], wanted: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("MAGBENCH_DEVICE", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(server, "_DRIVERS", (str(tmp_path),))
    assert gpu_wanted() is wanted
    monkeypatch.setattr(server, "_DRIVERS", (str(tmp_path / "none"),))
    assert not gpu_wanted()


def test_cells_load_what_they_need_themselves(lab: Lab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """From a server that has loaded nothing, as beside a GPU, cells are the same."""
    arguments = ("-t", "nc/toy", "-m", "mlp", "--seeds", "0")
    scores = []
    try:
        for gpu in (False, True):
            stop_server()
            monkeypatch.setattr(server, "gpu_wanted", lambda gpu=gpu: gpu)
            outcome = lab.run(*arguments, "--out", tmp_path / str(gpu))
            assert outcome.code == 0, outcome.err
            (predictions,) = (tmp_path / str(gpu)).rglob("predictions.npz")
            scores.append(predictions.read_bytes())
    finally:
        stop_server()
    assert scores[0] == scores[1]
