"""Mini-batch training on a large graph: edges sampled a second, and what an epoch takes in time and memory.

The graph is synthetic (:func:`magbench.data.synthetic.generate`), with features that are drawn chunk by chunk straight
to a file and stay there: training reads the rows of its batches. The epoch is measured in a process of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from magbench.errors import DataError
from magbench.perf.memory import field
from magbench.perf.timing import Spread, interleave

_CLASSES = 16
_CHUNK = 50_000
_BATCHES = 20


@dataclass(frozen=True)
class Epoch:
    """One epoch of ``sampled@1`` and one evaluation of all nodes, on one thread.

    Attributes:
        train_nodes: nodes that the epoch trains on.
        fit_s: CPU seconds of the epoch with its validation.
        predict_s: CPU seconds of a second evaluation.
        peak: bytes resident at the peak, mapped pages of the features among them.
        peak_own: bytes that are no file's pages, at their peak.
        accuracy: of the other nodes; chance is 1 / 16.
    """

    train_nodes: int
    fit_s: float
    predict_s: float
    peak: int
    peak_own: int
    accuracy: float


def write_graph(folder: Path, nodes: int, *, degree: float = 20.0, width: int = 768, seed: int = 0) -> None:
    """Edges, classes and features of a synthetic graph as ``.npy`` files; holds edges and one chunk of features."""
    from magbench.data.synthetic import generate

    mag, truth = generate(
        num_nodes=nodes, num_classes=_CLASSES, modalities=("text",), dim=1, degree=degree, homophily=0.6, seed=seed
    )
    np.save(folder / "edge_index.npy", mag.edge_index.numpy())
    np.save(folder / "y.npy", truth.y)
    generator = np.random.default_rng(seed)
    means = generator.standard_normal((_CLASSES, width), dtype=np.float32)
    x = np.lib.format.open_memmap(folder / "x.npy", mode="w+", dtype=np.float32, shape=(nodes, width))
    for start in range(0, nodes, _CHUNK):
        labels = truth.y[start : start + _CHUNK]
        x[start : start + _CHUNK] = generator.standard_normal((len(labels), width), dtype=np.float32)
        x[start : start + _CHUNK] += 0.1 * means[labels]
    x.flush()


def measure_epoch(folder: Path, train_nodes: int, *, method: str = "sage") -> Epoch:
    """Train ``method`` for one epoch on the graph in ``folder``, in a process of its own.

    Raises:
        DataError: the process failed.
    """
    command = [sys.executable, __file__, str(folder), str(train_nodes), method]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = done.stderr.strip().rpartition("\n")[2]
        raise DataError(f"The process that trains on {folder} ended with {done.returncode}: {reason}")
    return Epoch(**json.loads(done.stdout))


def compare_sampling(folder: Path, *, rounds: int, batch_size: int = 1024) -> tuple[Spread, Spread | None]:
    """Sample ``[15, 10]`` neighbours around batches of random nodes by our loader and PyG's in turns; no features.

    Returns:
        Edges a CPU second of ours, and how many times as long PyG's takes an edge (None: it needs pyg-lib or
        torch-sparse, and has neither).
    """
    import torch

    from magbench.graph.adjacency import Adjacency
    from magbench.graph.batches import Features, NodeBatches
    from magbench.graph.neighbors import NeighborSampler

    edge_index = torch.from_numpy(np.load(folder / "edge_index.npy"))
    num_nodes = len(np.load(folder / "y.npy"))
    nodes = torch.from_numpy(np.random.default_rng(0).permutation(num_nodes)[: _BATCHES * batch_size])
    sampler = NeighborSampler(Adjacency.of(edge_index, num_nodes), [15, 10])
    batches = NodeBatches(sampler, Features({}, {}), nodes, batch_size=batch_size, seed=0)
    ours = lambda: sum(batch.edge_index.size(1) for batch in batches.epoch(0))  # noqa: E731
    candidates: dict[str, Callable[[], int]] = {"ours": ours}
    loader = _pyg_loader(edge_index, nodes, num_nodes, batch_size)
    if loader is not None:
        candidates["pyg"] = lambda: sum(batch.edge_index.size(1) for batch in loader)
    times, edges = interleave(candidates, rounds), {name: call() for name, call in candidates.items()}
    rate = Spread.of(edges["ours"] / seconds for seconds in times.seconds["ours"])
    return rate, None if loader is None else times.ratio("pyg", "ours").scaled(edges["ours"] / edges["pyg"])


def _pyg_loader(edge_index: Any, nodes: Any, num_nodes: int, batch_size: int) -> Any:
    import torch_geometric.typing
    from torch_geometric.data import Data
    from torch_geometric.loader import NeighborLoader

    if not (torch_geometric.typing.WITH_PYG_LIB or torch_geometric.typing.WITH_TORCH_SPARSE):
        return None
    data = Data(edge_index=edge_index, num_nodes=num_nodes)
    return NeighborLoader(data, [15, 10], input_nodes=nodes, batch_size=batch_size)


def _train(folder: Path, train_nodes: int, method: str) -> Epoch:
    from magbench.registry import Registry
    from magbench.specs import Protocol
    from magbench.train.compose import compose

    view, y = _view(folder, train_nodes)
    registry = Registry.default()
    protocol = registry.protocol("sampled@1")
    once: Protocol = protocol.model_copy(update={"training": protocol.training.model_copy(update={"max_epochs": 1})})
    fitted = compose(method, registry, once).build()
    own = _OwnMemory()
    start = time.process_time()
    fitted.fit(view, seed=0)
    middle = time.process_time()
    answer = fitted.predict(view)
    end = time.process_time()
    return Epoch(
        train_nodes=train_nodes,
        fit_s=middle - start,
        predict_s=end - middle,
        peak=field("VmHWM") * 1024,
        peak_own=own.stop(),
        accuracy=float((answer.scores.argmax(axis=1) == y[answer.nodes]).mean()),
    )


def _view(folder: Path, train_nodes: int) -> tuple[Any, np.ndarray[Any, Any]]:
    """A random ``train_nodes`` to train on, as many for validation, all others to test."""
    import torch

    from magbench.tasks.node_classification.view import NodeClassificationView

    x = torch.from_numpy(np.load(folder / "x.npy", mmap_mode="c"))
    y = np.load(folder / "y.npy")
    order = np.random.default_rng(1).permutation(len(y))
    train, val, test = (np.sort(part) for part in np.split(order, [train_nodes, 2 * train_nodes]))
    visible = y.copy()
    visible[test] = -1
    view = NodeClassificationView(
        task="node_classification/synthetic@1",
        seed=0,
        x={"text": x},
        observed={"text": torch.ones(len(y), dtype=torch.bool)},
        edge_index=torch.from_numpy(np.load(folder / "edge_index.npy")),
        texts=None,
        y=torch.from_numpy(visible),
        train=torch.from_numpy(train),
        val=torch.from_numpy(val),
        test=torch.from_numpy(test),
        num_classes=_CLASSES,
    )
    return view, y


class _OwnMemory:
    """The peak of this process's anonymous memory, looked at twenty times a second."""

    def __init__(self) -> None:
        self._peak, self._ended = 0, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._ended.wait(0.05):
            self._peak = max(self._peak, field("RssAnon"))

    def stop(self) -> int:
        """Bytes."""
        self._ended.set()
        self._thread.join()
        return self._peak * 1024


if __name__ == "__main__":
    from magbench.perf.timing import one_thread

    one_thread()
    sys.stdout.write(json.dumps(asdict(_train(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))) + "\n")
