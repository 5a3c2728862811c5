"""Metrics: one number from truth and prediction, each with its version, direction and bounds.

:mod:`~magbench.metrics.base` says what a metric is; every other module holds the metrics of one kind of prediction.
"""

from magbench.metrics.base import Metric
from magbench.metrics.classification import ACCURACY, MACRO_F1

METRICS: dict[str, Metric] = {metric.name: metric for metric in (ACCURACY, MACRO_F1)}
"""Every metric by name."""
