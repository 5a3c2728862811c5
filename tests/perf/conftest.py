"""pytest leaves asv's benchmarks alone: they bind the process that imports them to one core."""

collect_ignore_glob = ["*"]
