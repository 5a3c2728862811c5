"""pytest leaves asv's benchmarks alone: they have a runner of their own, and no tests."""

collect_ignore_glob = ["*"]
