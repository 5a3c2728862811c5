"""Where training runs: chosen here and nowhere else. Nothing needs a GPU."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from itertools import chain

import torch
from torch import nn

from magbench.errors import OptionError


def choose_device() -> torch.device:
    """``$MAGBENCH_DEVICE`` (``cpu``, ``cuda``, ``cuda:1``), else the first GPU that torch sees, else the CPU.

    Raises:
        OptionError: the variable names no device of this machine.
    """
    name = os.environ.get("MAGBENCH_DEVICE") or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise OptionError(
            f"MAGBENCH_DEVICE={name!r} is no device of this machine; use cpu, or leave it unset."
        ) from error
    return device


def device_of(network: nn.Module) -> torch.device:
    """Where a network lies, by its parameters and buffers; the CPU, if it has neither."""
    tensors = chain(network.parameters(), network.buffers())
    return next((tensor.device for tensor in tensors), torch.device("cpu"))


def mixed_precision(device: torch.device, wanted: bool) -> AbstractContextManager[object]:
    """bfloat16 products, if ``wanted``, on a GPU that has them; elsewhere nothing changes."""
    if wanted and device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.autocast("cuda", dtype=torch.bfloat16)
    return nullcontext()
