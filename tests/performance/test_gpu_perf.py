"""The measurements for a GPU, in small and on the CPU: every part runs, and refuses what it cannot do."""

from __future__ import annotations

import pytest
import torch

from magbench.perf.gpu import SMALL, main, measure


def test_every_part_is_timed() -> None:
    found = dict(measure(torch.device("cpu"), SMALL, rounds=2))
    assert [list(rounds.seconds) for rounds in found.values()] == [
        ["rank_counts", "product, top 10", "product alone"],
        ["edges", "CSR"],
        ["fixed operator", "learned operator"],
        ["cpu", "the CPU"],
    ]
    assert all(min(seconds) > 0 for rounds in found.values() for seconds in rounds.seconds.values())


def test_without_a_gpu_only_the_trial_runs(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="needs a CUDA device"):
        main([])
    with pytest.raises(SystemExit, match="--small tries it"):
        main(["--large"])
    main(["--small"])
    assert "ufgw, N = 32: cpu " in capsys.readouterr().out
