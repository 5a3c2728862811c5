"""The device: the CPU where nothing else is there, and a name that is no device is named."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from magbench.errors import OptionError
from magbench.train.device import choose_device, device_of, mixed_precision


def test_the_variable_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAGBENCH_DEVICE", "cpu")
    assert choose_device() == torch.device("cpu")
    monkeypatch.delenv("MAGBENCH_DEVICE")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device() == torch.device("cpu")


@pytest.mark.parametrize("name", ["gpu", "cuda:99", "cpu:x"])
def test_a_wrong_name_is_named(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("MAGBENCH_DEVICE", name)
    with pytest.raises(OptionError, match=f"MAGBENCH_DEVICE='{name}' is no device of this machine; use cpu"):
        choose_device()


def test_a_cpu_keeps_full_precision() -> None:
    x = torch.randn(4, 4)
    with mixed_precision(torch.device("cpu"), True):
        assert (x @ x).dtype == torch.float32


def test_a_network_lies_where_its_parameters_or_buffers_do() -> None:
    assert device_of(nn.Linear(2, 2, device="meta")).type == "meta"
    assert device_of(nn.BatchNorm1d(2, affine=False, device="meta")).type == "meta"
    assert device_of(nn.ReLU()).type == "cpu"
