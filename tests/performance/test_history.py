"""The table version x ratio, from result files of three releases on two machines."""

from __future__ import annotations

from pathlib import Path

import pytest
from asvfiles import write_asv

from magbench.errors import RecordError
from magbench.paths import checkout
from magbench.perf.history import read_history

RATIO = "core.solver.Floor.track_ratio_floor"


def _kept(folder: Path) -> Path:
    sizes = [["128", "256"]]
    write_asv(
        folder / "box/0.9.0.json", {RATIO: ([3.0, 2.0], sizes), "core.solver.Solve.time_solve": ([0.1, 0.2], sizes)}
    )
    write_asv(folder / "box/0.10.0.json", {RATIO: ([1.5, None], sizes), "core.work.Work.track_count_outer": ([5], [])})
    write_asv(folder / "box/0.10.0rc1.json", {RATIO: ([2.5, 1.9], sizes)})
    write_asv(folder / "other/0.9.0.json", {RATIO: ([4.0, 3.0], sizes)})
    return folder


def test_one_table_a_machine_versions_in_order(tmp_path: Path) -> None:
    box, other = read_history(_kept(tmp_path))
    assert (box.machine, other.machine) == ("box", "other")
    assert box.versions == ("0.9.0", "0.10.0rc1", "0.10.0")
    assert box.values == {
        "core.solver.Floor.track_ratio_floor(128)": {"0.9.0": 3.0, "0.10.0rc1": 2.5, "0.10.0": 1.5},
        "core.solver.Floor.track_ratio_floor(256)": {"0.9.0": 2.0, "0.10.0rc1": 1.9, "0.10.0": None},
        "core.work.Work.track_count_outer": {"0.9.0": None, "0.10.0rc1": None, "0.10.0": 5.0},
    }
    assert other.versions == ("0.9.0",)


def test_nothing_kept(tmp_path: Path) -> None:
    for folder in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(RecordError, match=r"MACHINE/VERSION\.json"):
            read_history(folder)


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    _kept(tmp_path)
    (tmp_path / "box/0.11.0.json").write_text("{")
    with pytest.raises(RecordError, match=r"0\.11\.0\.json"):
        read_history(tmp_path)


def test_what_is_kept_can_be_read_and_keeps_memory_to_its_promise() -> None:
    root = checkout()
    assert root is not None
    for part in read_history(root / "leaderboard/perf"):
        memory = [values for name, values in part.values.items() if "track_count_matrices" in name]
        assert memory
        assert all(value is None or value <= 8 for values in memory for value in values.values())
