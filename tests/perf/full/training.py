"""A training step with OptiMAG over a plain one; the host is gated, emoji's plain step is too short for that."""

from __future__ import annotations

from magbench.perf.timing import one_thread

one_thread()

from magbench.perf.benchmark import require_packages  # noqa: E402
from magbench.perf.profiles import chosen_profile  # noqa: E402
from magbench.perf.training import step_overhead  # noqa: E402

PROFILE = chosen_profile()


class Step:
    """Two modalities, 512 nodes a batch, 5 outer iterations."""

    timeout = 900

    def setup(self) -> None:
        require_packages("torch", "torch-geometric")

    def track_ratio_host(self) -> float:
        return step_overhead("host", rounds=PROFILE.rounds)[1].median

    def track_emoji(self) -> float:
        return step_overhead("emoji", rounds=PROFILE.rounds)[1].median
