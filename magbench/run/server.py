"""The fork server: a process that has torch and PyG loaded, from which every cell's process is forked.

Loading takes it seconds, and as long the caller, who loads them to plan. Nothing heavy is imported here, so that it can
be started first and both load at once. Where cells may train on a GPU nothing is loaded beforehand: CUDA fails in a
process that was forked after its driver had been asked for devices, and importing torch_geometric asks (2.8, an H100;
``PYTORCH_NVML_BASED_CUDA_CHECK`` does not help).
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_DRIVERS = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")
"""What CUDA on Linux, CUDA on WSL and ROCm talk to."""
_ALLOCATOR = {
    "MALLOC_MMAP_THRESHOLD_": str(1 << 25),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 30),
    "MALLOC_TOP_PAD_": str(1 << 26),
}
"""glibc's own: arrays of the same sizes are asked for in every step, and by default a large one is given back to the
system at once, so that each of its pages is fetched anew. What the user has set stays."""


def start_server() -> Any:
    """The context whose processes are forked from the server; started at the first call."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([] if gpu_wanted() else ["__main__", "magbench.run.worker"])
    with _environment(), _no_interrupt():
        from multiprocessing import forkserver

        forkserver.ensure_running()
    return context


def gpu_wanted() -> bool:
    """Whether a cell may take a GPU, told without torch: its driver is there, and no variable keeps cells off it."""
    if os.environ.get("MAGBENCH_DEVICE", "").startswith("cpu") or os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return False
    return any(map(os.path.exists, _DRIVERS))


@contextmanager
def _no_interrupt() -> Iterator[None]:
    """What is started inside never sees Ctrl-C; this process decides what it means, and its children end with it."""
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


@contextmanager
def _environment() -> Iterator[None]:
    """What is started inside keeps to one thread and holds on to its memory; this process stays as it was."""
    wanted = {**dict.fromkeys(THREAD_VARIABLES, "1"), **{k: v for k, v in _ALLOCATOR.items() if k not in os.environ}}
    saved = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in saved.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
