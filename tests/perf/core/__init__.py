"""Benchmarks without torch."""
