"""Benchmarks that need torch and the peers of the extra ``[perf]``."""
