"""What evaluating link prediction costs: drawing the candidates, scoring them with a decoder, counting the ranks.

Measured in a process of its own, which does nothing else, so that its high-water mark is that of the evaluation.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from itertools import pairwise

from magbench.errors import DataError

WIDTH = 256
"""Numbers of a state, as under ``standard@1``."""


@dataclass(frozen=True)
class Evaluation:
    """CPU seconds of the three steps, pairs that were scored, and the peak memory of the process in bytes."""

    draw: float
    score: float
    count: float
    pairs: int
    peak: int

    @property
    def total(self) -> float:
        """CPU seconds."""
        return self.draw + self.score + self.count

    @property
    def pairs_per_second(self) -> float:
        """Pairs scored in a CPU second of the decoder."""
        return self.pairs / self.score


def evaluate(decoder: str, *, queries: int, negatives: int, nodes: int) -> Evaluation:
    """Evaluate random states of a random graph (mean degree 20) on one thread.

    Raises:
        DataError: the process failed.
    """
    command = [sys.executable, __file__, decoder, *map(str, (queries, negatives, nodes))]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = done.stderr.strip().rpartition("\n")[2]
        raise DataError(f"The process that measures the evaluation ended with {done.returncode}: {reason}")
    return Evaluation(**json.loads(done.stdout))


def _measure(decoder: str, queries: int, negatives: int, nodes: int) -> Evaluation:
    import numpy as np
    import torch

    from magbench.graph.negatives import NonNeighbours, draw_negatives, hide_targets
    from magbench.metrics.ranking import count_above_equal
    from magbench.nn.decoders import DECODERS

    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    known = NonNeighbours.of(rng.integers(nodes, size=(2, 10 * nodes)), nodes)
    source, target = rng.integers(nodes, size=(2, queries))
    right = rng.integers(negatives + 1, size=queries)
    head = DECODERS[decoder](WIDTH)
    marks = [time.process_time()]
    table = hide_targets(draw_negatives(known, source, negatives, 0, 0, spare=1), target, right)
    marks.append(time.process_time())
    with torch.no_grad():
        embedded = head.embed(torch.randn(nodes, WIDTH))
        scores = head.rank_scores(embedded, torch.from_numpy(source), torch.from_numpy(table)).numpy()
    marks.append(time.process_time())
    count_above_equal(scores, right)
    marks.append(time.process_time())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    draw, score, count = (after - before for before, after in pairwise(marks))
    return Evaluation(draw, score, count, table.size, peak)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(vars(_measure(sys.argv[1], *map(int, sys.argv[2:])))))
