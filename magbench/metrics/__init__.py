"""Metrics: one number from truth and prediction, each with its version, direction and bounds.

:mod:`~magbench.metrics.base` says what a metric is; every other module holds the metrics of one kind of prediction.
"""
