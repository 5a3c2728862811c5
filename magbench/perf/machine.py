"""Which machine and versions a figure belongs to."""

from __future__ import annotations

from typing import Any

import magbench
from magbench.perf.peers import PEERS, installed_version


def describe() -> dict[str, Any]:
    """Processor, threads and the versions of everything that was compared."""
    from magbench.run.provenance import environment

    packages = ("numpy", "numba", *dict.fromkeys(package for peer in PEERS for package in peer.packages))
    found = environment()
    return {
        "cpu": found["cpu"],
        "cores": found["cores"],
        "threads": found["threads"],
        "platform": found["platform"],
        "python": found["python"],
        "magbench": magbench.__version__,
        "packages": {package: installed_version(package) for package in packages},
    }
