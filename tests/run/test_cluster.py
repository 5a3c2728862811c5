"""What a cluster may answer: a lost worker is a record, a folder not shared is an error, a dead host is named."""

from __future__ import annotations

import dataclasses
import socket
from pathlib import Path

import pytest
from lab import Lab

from magbench.errors import MagbenchError, OutputError
from magbench.run.cell import make_temporary, remove_orphans, run_cell
from magbench.run.cluster import collect
from magbench.run.host import Host
from magbench.run.plan import Cell
from magbench.run.provenance import magbench_part
from magbench.run.request import make_request


class Future:
    """A finished future of Dask's."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    def exception(self) -> Exception | None:
        return self.error


@pytest.fixture
def cell(lab: Lab, tmp_path: Path) -> Cell:
    with lab.environment():
        return make_request(tasks=["nc/toy"], methods=["label_propagation"], protocol="short@1", seeds="0").plan(
            tmp_path
        )[0]


def test_a_lost_worker_is_a_record(lab: Lab, cell: Cell) -> None:
    with lab.environment():
        record = collect(Future(RuntimeError("KilledWorker")), cell, magbench_part())
    assert record.status == "failed"
    assert record.error is not None
    assert "KilledWorker" in record.error.message
    assert cell.record() == record


def test_what_a_worker_published_before_it_was_lost_stays(lab: Lab, cell: Cell) -> None:
    with lab.environment():
        published = run_cell(cell, magbench_part())
        assert collect(Future(RuntimeError("KilledWorker")), cell, magbench_part()) == published
    assert cell.record().status == "ok"
    with pytest.raises(OutputError, match="or an older one"):
        collect(Future(), cell, magbench_part(), published)


def test_a_folder_that_is_not_shared(cell: Cell) -> None:
    with pytest.raises(OutputError, match="workers share with this machine"):
        collect(Future(), cell, magbench_part())


def test_what_the_user_can_mend_is_passed_on(cell: Cell) -> None:
    with pytest.raises(MagbenchError, match="no such method there"):
        collect(Future(MagbenchError("no such method there")), cell, magbench_part())


def test_a_dead_host_is_named(cell: Cell) -> None:
    host = Host()
    host.process.kill()
    host.process.wait()
    with pytest.raises(MagbenchError, match=r"label_propagation seed 0: .*has died"):
        host.run((cell, magbench_part(), None, 1))


def test_only_what_dead_processes_of_this_host_left_is_removed(cell: Cell) -> None:
    alive = make_temporary(cell)
    folder = alive.parent
    dead = folder / f".tmp-0-{socket.gethostname()}-{2**22 + 1}-00000000"  # above the largest process id of Linux
    foreign = folder / f".tmp-0-elsewhere-{2**22 + 1}-00000000"
    longer = folder / f".tmp-0-gpu-{socket.gethostname()}-{2**22 + 1}-00000000"
    old = folder / f".tmp-old-{dead.name.removeprefix('.tmp-')}"
    for path in (dead, foreign, longer, old):
        path.mkdir()
    remove_orphans(Path(cell.out))
    assert sorted(folder.iterdir()) == sorted([alive, foreign, longer])
    assert dataclasses.replace(cell, seed=1).record() is None
