"""Large graphs: the sampler against PyG's loader, and memory of an epoch whose features stay on disk."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from magbench.perf.profiles import chosen_profile

from ..measure.benchmark import has, require
from ..measure.large import compare_sampling, measure_epoch, write_graph

PROFILE = chosen_profile()


class Large:
    """20 edges a node, 768 numbers a node, a tenth of the nodes in training."""

    timeout = 3600

    def setup_cache(self) -> dict[str, float]:
        if not PROFILE.large or not has("torch", "torch-geometric"):
            return {}
        with TemporaryDirectory() as name:
            write_graph(Path(name), PROFILE.large)
            rate, ratio = compare_sampling(Path(name), rounds=PROFILE.rounds)
            epoch = measure_epoch(Path(name), PROFILE.large // 10)
        milliseconds, peak = 1e3 * epoch.fit_s / epoch.train_nodes, epoch.peak / PROFILE.large
        found = {"edges": 1e6 / rate.median, "fit": milliseconds, "peak": peak}
        return found if ratio is None else {**found, "pyg": 1.0 / ratio.median}

    def setup(self, found: dict[str, float]) -> None:
        require(bool(found))

    def track_ratio_pyg(self, found: dict[str, float]) -> float:
        require("pyg" in found)
        return found["pyg"]

    def track_seconds_million_edges(self, found: dict[str, float]) -> float:
        return found["edges"]

    def track_milliseconds_training_node(self, found: dict[str, float]) -> float:
        return found["fit"]

    def track_bytes_a_node(self, found: dict[str, float]) -> float:
        return found["peak"]
