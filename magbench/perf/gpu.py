"""What a GPU makes of the parts that matter, each beside what one would use instead: ``python -m magbench.perf.gpu``.

Wall time of work that is waited for, candidates in turns, medians of rounds. The CPU's times are those of all its
cores.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from magbench.perf.timing import Rounds, interleave

if TYPE_CHECKING:
    import torch

Calls = Mapping[str, Callable[[], object]]


@dataclass(frozen=True)
class Sizes:
    """How large each part is.

    Attributes:
        ranked: queries, and candidates.
        solved: nodes N of the solver's problems.
        smoothed: rows of each side, width, and edges of the graph that GOMA smooths over.
        layered: nodes and edges that a layer of 256 numbers passes messages over.
    """

    ranked: int
    solved: tuple[int, ...]
    smoothed: tuple[int, int, int]
    layered: tuple[int, int]


FULL = Sizes(100_000, (128, 512, 1024, 2048, 4096), (50_000, 768, 500_000), (100_000, 2_000_000))
SMALL = Sizes(300, (32,), (100, 8, 300), (100, 500))


def measure(device: torch.device, sizes: Sizes, *, rounds: int = 3) -> Iterator[tuple[str, Rounds]]:
    """Title and times of each part, one after the other."""
    n, edges = sizes.layered
    rows, width, links = sizes.smoothed
    parts: dict[str, Callable[[], Calls]] = {
        f"{sizes.ranked:,} queries among as many candidates": lambda: _ranking(device, sizes.ranked),
        f"a layer of 256 numbers, {n:,} nodes, {edges:,} edges": lambda: _layer(device, n, edges),
        f"a step of GOMA, 2 × {rows:,} × {width}, K = 8, {links:,} edges": lambda: _smoothing(device, *sizes.smoothed),
        **{f"ufgw, N = {size}": lambda size=size: _solver(device, size) for size in sizes.solved},  # type: ignore[misc]
    }
    for title, make in parts.items():
        yield title, interleave(make(), rounds, clock=_clock(device))


def _clock(device: torch.device) -> Callable[[], float]:
    """Seconds, read when the device has nothing left to do."""
    import torch

    def clock() -> float:
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return time.perf_counter()

    return clock


def _ranking(device: torch.device, count: int) -> Calls:
    from magbench.metrics.exact import rank_counts
    from magbench.perf.ranking import embeddings

    asked, gallery, positive = (part.to(device) for part in embeddings(count, count))
    parts = [slice(start, start + 2048) for start in range(0, count, 2048)]
    return {
        "rank_counts": lambda: rank_counts(asked, gallery, positive),
        "product, top 10": lambda: [(asked[rows] @ gallery.T).topk(10) for rows in parts],
        "product alone": lambda: [asked[rows] @ gallery.T for rows in parts],
    }


def _layer(device: torch.device, nodes: int, edges: int) -> Calls:
    """Forward and backward, from edges as they are, and from a CSR matrix."""
    import torch
    from torch_geometric.nn import GCNConv

    generator = torch.Generator().manual_seed(0)
    source, target = torch.randint(0, nodes, (2, edges), generator=generator).to(device)
    weight = torch.rand(edges, generator=generator).to(device)
    x = torch.randn(nodes, 256, generator=generator).to(device)
    order = (target * nodes + source).argsort()
    ends = torch.bincount(target, minlength=nodes).cumsum(0)
    indptr = torch.cat([ends.new_zeros(1), ends])
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta")
        matrix = torch.sparse_csr_tensor(indptr, source[order], weight[order], (nodes, nodes), check_invariants=False)
    layer = GCNConv(256, 256, normalize=False, add_self_loops=False).to(device)

    def step(*graph: torch.Tensor) -> None:
        layer(x.clone().requires_grad_(), *graph).sum().backward()

    return {"edges": lambda: step(torch.stack([source, target]), weight), "CSR": lambda: step(matrix)}


def _smoothing(device: torch.device, rows: int, width: int, edges: int) -> Calls:
    import torch

    from magbench.nn.goma import GOMA, CoupledGraph

    generator = torch.Generator().manual_seed(0)
    half = torch.randint(0, rows, (2, edges), generator=generator)
    graph = CoupledGraph.of_nodes(torch.cat([half, half.flip(0)], dim=1), rows).to(device)
    x = [torch.randn(rows, width, generator=generator).to(device) for _ in range(2)]

    def step(operator: str) -> Callable[[], object]:
        goma = GOMA(width, steps=8, operator=operator).to(device)

        def call() -> None:
            first, second = goma(x, graph).embeddings
            (first[:1000] * second[:1000]).sum().backward()

        return call

    return {"fixed operator": step("uniform"), "learned operator": step("learned")}


def _solver(device: torch.device, size: int) -> Calls:
    import torch

    from magbench.errors import MagbenchWarning
    from magbench.ot import ufgw
    from magbench.perf.problem import make_problem

    problem = make_problem(size, kl="plain", precision="float32")

    def on(place: torch.device) -> Callable[[], object]:
        costs = [torch.from_numpy(part).to(place) for part in (problem.Cx, problem.Cy, problem.M)]

        def call() -> object:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", MagbenchWarning)
                return ufgw(*costs, alpha=problem.alpha, rho=problem.rho, eps=problem.eps)

        return call

    return {str(device): on(device), "the CPU": on(torch.device("cpu"))}


def main(arguments: list[str]) -> None:
    """Print the table; ``--small`` for a trial, which also runs without a GPU."""
    import torch

    from magbench.train.device import choose_device

    device, small = choose_device(), arguments == ["--small"]
    if (arguments and not small) or (device.type != "cuda" and not small):
        raise SystemExit("python -m magbench.perf.gpu needs a CUDA device; --small tries it without one.")
    name: Any = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    sys.stdout.write(f"{name}, torch {torch.__version__}, {torch.get_num_threads()} threads\n")
    for title, rounds in measure(device, SMALL if small else FULL):
        times = ", ".join(f"{name} {rounds.spread(name).median * 1e3:.1f} ms" for name in rounds.seconds)
        sys.stdout.write(f"{title}: {times}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
