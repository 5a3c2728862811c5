"""asv's benchmarks, see docs/performance.md. ``track_ratio_*`` and ``track_count_*`` are gated, all others inform.

``core/`` needs no torch and runs in the environments that asv builds a commit; ``full/`` needs torch and the extra
``[perf]`` and skips without them. How much runs is the profile's, chosen by MAGBENCH_PERF.
"""

import sys

if "pytest" not in sys.modules:  # asv imports this package before any benchmark; pytest meets conftest.py in it
    from magbench.perf.timing import one_thread

    one_thread()
