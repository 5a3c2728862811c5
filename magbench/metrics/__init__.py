"""Metrics: one number from truth and prediction, each with its version, direction and bounds.

:mod:`~magbench.metrics.base` says what a metric is; every other module holds the metrics of one kind of prediction.
"""

from magbench.metrics.base import Metric
from magbench.metrics.classification import ACCURACY, MACRO_F1
from magbench.metrics.ranking import (
    HITS_AT_1,
    HITS_AT_3,
    HITS_AT_10,
    MEDIAN_RANK,
    MRR,
    RECALL_AT_1,
    RECALL_AT_5,
    RECALL_AT_10,
)
from magbench.metrics.texts import EXACT_MATCH

METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        ACCURACY,
        MACRO_F1,
        MRR,
        HITS_AT_1,
        HITS_AT_3,
        HITS_AT_10,
        RECALL_AT_1,
        RECALL_AT_5,
        RECALL_AT_10,
        MEDIAN_RANK,
        EXACT_MATCH,
    )
}
"""Every metric by name."""


def higher_is_better(metric: str) -> bool:
    """The direction of a metric by name; upwards for one that is not ours."""
    return metric not in METRICS or METRICS[metric].higher_is_better
