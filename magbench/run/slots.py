"""Slots: how many cells run at a time, and what each has to itself: its threads and, where there are GPUs, one of them.

A cell is told its slot before it imports anything: CUDA reads ``CUDA_VISIBLE_DEVICES`` once, when it is first asked.
Nothing heavy is imported here for that reason.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection

from magbench.run.server import THREAD_VARIABLES, gpu_wanted


@dataclass(frozen=True)
class Slot:
    """What one cell is given.

    Attributes:
        threads: threads of torch, BLAS and OpenMP.
        device: the GPU as ``CUDA_VISIBLE_DEVICES`` names it; None: the environment stays as it is.
    """

    threads: int = 1
    device: str | None = None

    def enter(self) -> None:
        """Tell this process, and those it starts, to keep to the slot."""
        os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(self.threads)))
        if self.device is not None:
            os.environ["CUDA_VISIBLE_DEVICES"] = self.device


@dataclass(frozen=True)
class Slots:
    """The slots of a run.

    Attributes:
        jobs: cells at a time.
        threads: threads a cell.
        devices: GPUs that cells are spread over; none: where a cell trains is left to the environment.
    """

    jobs: int
    threads: int = 1
    devices: tuple[str, ...] = ()

    @classmethod
    def of_machine(cls, jobs: int | None = None, threads: int = 1) -> Slots:
        """``jobs`` cells at a time; by default one a GPU, or as many as the cores have threads for."""
        devices = visible_devices()
        return cls(jobs or len(devices) or max(1, _cores() // threads), threads, devices)

    def next(self, taken: Sequence[Slot]) -> Slot:
        """A slot beside those that are taken, on the GPU that has the fewest of them."""
        used = [slot.device for slot in taken]
        return Slot(self.threads, min(self.devices, key=used.count, default=None))


def visible_devices() -> tuple[str, ...]:
    """The GPUs among which a cell may be given one, as ``CUDA_VISIBLE_DEVICES`` names them.

    None where there is no GPU, and none where ``MAGBENCH_DEVICE`` chooses one for all cells (``cpu``, ``cuda:1``).
    """
    if not gpu_wanted() or os.environ.get("MAGBENCH_DEVICE", "") not in ("", "cuda"):
        return ()
    import torch

    count = torch.cuda.device_count()
    listed = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = map(str, range(count)) if listed is None else map(str.strip, listed.split(","))
    return tuple(names)[:count]


def start_cell(slot: Slot, job: bytes, lifeline: Connection, answer: Connection) -> None:
    """Entry point of a cell's process: enter the slot, and only then import what the cell needs.

    Args:
        slot: of the cell.
        job: the cell and magbench's own part of the record, pickled: reading them imports torch.
        lifeline, answer: as in :func:`magbench.run.worker.work`.
    """
    slot.enter()
    from magbench.run.worker import work

    cell, code = pickle.loads(job)
    work(cell, code, slot.threads, lifeline, answer)


def _cores() -> int:
    """Cores this process may use: a batch system or a container often grants fewer than there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
