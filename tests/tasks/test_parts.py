"""The parts of a data set's tasks are those of the split of seed 0."""

from __future__ import annotations

import numpy as np

from magbench.data.load import load_dataset
from magbench.registry import Registry
from magbench.tasks.base import make_task
from magbench.tasks.parts import task_parts


def test_every_task_of_the_data_set_and_no_other() -> None:
    registry = Registry.default()
    mag = load_dataset(registry.dataset("emoji"))
    parts = task_parts(registry, mag)
    nodes = {"node_classification/emoji@1", "node_classification/emoji-coarse@1"}
    assert nodes <= set(parts)
    assert all(name.partition("@")[0].partition("/")[2].startswith("emoji") for name in parts)
    split = make_task(registry.task("nc/emoji")).draw(mag, 0).split
    assert np.array_equal(parts["node_classification/emoji@1"].train, split.train)
    assert np.array_equal(parts["node_classification/emoji@1"].test, split.test)
