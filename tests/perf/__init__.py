"""asv's benchmarks, see docs/performance.md. ``track_ratio_*`` and ``track_count_*`` are gated, all others inform.

``core/`` needs no torch and runs in the environments that asv builds a commit; ``full/`` needs torch and the extra
``[perf]`` and skips without them. How much runs is the profile's, chosen by MAGBENCH_PERF.
"""
