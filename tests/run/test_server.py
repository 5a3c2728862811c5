"""The fork server's environment: one thread a cell, memory held on to, and nothing of it left behind."""

from __future__ import annotations

import os

import pytest

from magbench.run.server import THREAD_VARIABLES, _environment


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
