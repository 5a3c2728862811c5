"""GOMA on large graphs: what one training step takes in time and memory, measured in a process of its own.

The graph is random (Poisson degrees), the features are noise: neither matters to the cost. A step is the forward pass
over the whole graph, InfoNCE on 1,024 pairs, the backward pass and one step of AdamW.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from magbench.errors import DataError
from magbench.perf.memory import field

if TYPE_CHECKING:
    from torch import Tensor

    from magbench.nn.goma import GOMA, CoupledGraph

_PAIRS = 1024


@dataclass(frozen=True)
class SmoothingStep:
    """One training step on one thread.

    Attributes:
        nodes: n, of either side.
        edges: directed edges of one side; M has four times as many entries.
        build_s: CPU seconds that the coupled graph took, once.
        step_s: CPU seconds of the step.
        peak: bytes resident at the process's peak: features, graph, torch and numba among them.
    """

    nodes: int
    edges: int
    build_s: float
    step_s: float
    peak: int


def measure_step(
    nodes: int, width: int, steps: int, *, degree: float = 10.0, operator: str = "uniform", readout: str = "node"
) -> SmoothingStep:
    """Measure one step of :class:`magbench.nn.goma.GOMA`.

    Args:
        nodes: n.
        width: d of both sides.
        steps: K.
        degree: mean degree of the graph.
        operator: of GOMA; ``learned`` has gradients go back through the steps.
        readout: of GOMA.

    Raises:
        DataError: the process failed.
    """
    arguments = [str(value) for value in (nodes, width, steps, degree, operator, readout)]
    command = [sys.executable, __file__, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = done.stderr.strip().rpartition("\n")[2]
        raise DataError(f"The process that smooths {nodes} nodes ended with {done.returncode}: {reason}")
    return SmoothingStep(**json.loads(done.stdout))


def _measure(nodes: int, width: int, steps: int, degree: float, operator: str, readout: str) -> SmoothingStep:
    import torch

    from magbench.nn.contrastive import info_nce
    from magbench.nn.goma import GOMA, CoupledGraph

    generator = torch.Generator().manual_seed(0)
    half = torch.randint(0, nodes, (2, round(nodes * degree / 2)), generator=generator)
    start = time.process_time()
    graph = CoupledGraph.of_nodes(torch.cat([half, half.flip(0)], dim=1), nodes)
    built = time.process_time()
    warm = CoupledGraph.of_nodes(half[:, :2] % 8, 8)
    _step(GOMA(8, steps=2, operator=operator, readout=readout), (torch.ones(8, 8), torch.ones(8, 8)), warm, info_nce)
    x = tuple(torch.randn(nodes, width, generator=generator) for _ in range(2))
    goma = GOMA(width, steps=steps, operator=operator, readout=readout)
    before = time.process_time()
    _step(goma, x, graph, info_nce)
    return SmoothingStep(
        nodes=nodes,
        edges=int(graph.degree[:nodes].sum()),
        build_s=built - start,
        step_s=time.process_time() - before,
        peak=field("VmHWM") * 1024,
    )


def _step(
    goma: GOMA, x: Sequence[Tensor], graph: CoupledGraph, loss: Callable[[Tensor, Tensor, float], Tensor]
) -> None:
    import torch

    optimizer = torch.optim.AdamW(goma.parameter_groups(), lr=1e-3)
    rows = torch.arange(min(_PAIRS, len(x[0])))
    first, second = goma(x, graph).embeddings
    loss(first[rows], second[rows], 0.07).backward()
    optimizer.step()


if __name__ == "__main__":
    from magbench.perf.timing import one_thread

    one_thread()
    n, d, k, mean_degree, name, read = sys.argv[1:]
    found = _measure(int(n), int(d), int(k), float(mean_degree), name, read)
    sys.stdout.write(json.dumps(asdict(found)) + "\n")
