"""The regulariser contract: light import, calibrated weights, every shipped preset."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import torch

from magbench.errors import MagbenchWarning
from magbench.registry import Registry
from magbench.regularizers import DistMatch, calibrated_weight
from magbench.regularizers.base import Regularizer

REGISTRY = Registry.default()
NAMES = sorted(name for name, entry in REGISTRY.methods.items() if entry.spec.kind == "regularizer")


def test_package_import_is_light() -> None:
    code = "import sys, magbench.regularizers; print('torch' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"


def test_unknown_name_lists_what_there_is() -> None:
    import magbench.regularizers as package

    with pytest.raises(AttributeError, match="OptiMAG"):
        _ = package.Optimag  # type: ignore[attr-defined]


@pytest.mark.filterwarnings("ignore::magbench.errors.MagbenchWarning")
@pytest.mark.parametrize("name", NAMES)
def test_every_preset_gives_a_loss_with_a_gradient(name: str, make_context: Any) -> None:
    entry = REGISTRY.method(name)
    cls = entry.load()
    assert issubclass(cls, Regularizer)
    assert set(entry.spec.search) <= set(cls.Options.model_fields)
    ctx = make_context()
    loss, found = cls(**entry.spec.defaults)(ctx)
    loss.backward()
    assert all(isinstance(value, float) for value in found.values())
    assert all(float(z.grad.abs().max()) > 0 for z in ctx.z.values())


def test_calibrated_weight_matches_the_gradients(make_context: Any) -> None:
    ctx = make_context()
    task = sum(z.square().mean() for z in ctx.z.values())
    reg, _ = DistMatch()(ctx)
    weight = calibrated_weight(task, reg, ctx.z, 0.25)
    norms = []
    for loss in (task, weight * reg):
        grads = torch.autograd.grad(loss, list(ctx.z.values()), retain_graph=True)
        norms.append(float(torch.cat([g.flatten() for g in grads]).norm()))
    assert norms[1] == pytest.approx(0.25 * norms[0], rel=1e-5)
    with pytest.warns(MagbenchWarning, match="no gradient"):
        assert calibrated_weight(task, torch.zeros(()), ctx.z, 1.0) == 0.0


def test_none_can_be_written_on_the_command_line() -> None:
    assert DistMatch(gradient_ratio="none").options.gradient_ratio is None
