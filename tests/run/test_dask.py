"""``--scheduler``: the same cells on a Dask cluster, whose workers are daemonic processes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab import Lab, cells, temporaries

distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def address(lab: Lab) -> Iterator[str]:
    with (
        lab.environment(),
        distributed.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster,
    ):
        yield cluster.scheduler_address


def test_a_cluster_gives_what_this_machine_gives(lab: Lab, finished: Path, address: str, tmp_path: Path) -> None:
    crash = tmp_path / "crash.py"
    crash.write_text(
        "import os\nfrom magbench.api import Method, register_method\n"
        '@register_method("crash")\nclass Crash(Method):\n'
        "    def fit(self, view, *, seed): os._exit(5)\n"
        "    def predict(self, view): pass\n"
    )
    out = tmp_path / "runs"
    methods = ("-m", "mlp", "-m", "label_propagation", "-m", crash)
    outcome = lab.run("-t", "nc/toy", *methods, "--seeds", "0,1", "--out", out, "--scheduler", address)
    assert outcome.code == 1, outcome.err
    assert "exit code 5" in outcome.err
    found, expected = cells(out), cells(finished)
    assert len(found) == 6
    assert temporaries(out) == []
    for name in ("mlp 0", "mlp 1", "label_propagation 0", "label_propagation 1"):
        ours, theirs = (json.loads((folder[name] / "record.json").read_text()) for folder in (found, expected))
        for field in ("key", "scores", "predictions", "selection", "status"):
            assert ours[field] == theirs[field]
