"""Fixtures shared by the tests of the command line, of runs and of results."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab import Lab, stop_server

collect_ignore = ["content"]  # a folder of a user's, which tests copy
os.environ["MAGBENCH_DEVICE"] = "cpu"  # what tests compare to the byte; those of test_gpu.py name their device


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The laboratory of this test process, with a fork server that lives in it."""
    from magbench.run.server import start_server

    found = Lab(tmp_path_factory.mktemp("lab"))
    stop_server()
    with found.environment():
        start_server()
    yield found
    stop_server()


@pytest.fixture(scope="session")
def finished(lab: Lab) -> Path:
    """A runs folder with three seeds of two methods and a report; tests read it and leave it as it is."""
    out = lab.root / "finished"
    outcome = lab.run(
        "-t", "nc/toy", "-m", "mlp", "-m", "mlp[hidden=8]", "-m", "label_propagation", "--seeds", "0-2", "--out", out
    )
    assert outcome.code == 0, outcome.err
    return out
