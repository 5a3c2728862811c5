"""Exact ranking: its time over the bare product's and over product + top-k's; its memory beyond the embeddings."""

from __future__ import annotations

from magbench.perf.profiles import chosen_profile
from magbench.perf.ranking import compare_ranking, extra_bytes

from ..measure.benchmark import has, require

PROFILE = chosen_profile()


class Ranking:
    """Every query against all candidates, 128 numbers each."""

    timeout = 3600

    def setup_cache(self) -> dict[str, float]:
        if not PROFILE.ranked or not has("torch"):
            return {}
        queries = PROFILE.ranked // 5
        found = compare_ranking(queries, PROFILE.ranked, rounds=PROFILE.rounds, budget=PROFILE.budget)
        nanoseconds = 1e9 * found.seconds.median / (queries * PROFILE.ranked)
        return {"topk": 1.0 / found.topk.median, "product": 1.0 / found.product.median, "score": nanoseconds}

    def setup(self, found: dict[str, float]) -> None:
        require(bool(found))

    def track_ratio_topk(self, found: dict[str, float]) -> float:
        return found["topk"]

    def track_ratio_product(self, found: dict[str, float]) -> float:
        return found["product"]

    def track_nanoseconds_a_score(self, found: dict[str, float]) -> float:
        return found["score"]


class Memory:
    """Numbers held beyond the embeddings, over the numbers of the gallery; a count, for it does not depend on load."""

    timeout = 900

    def setup(self) -> None:
        require(has("torch"))

    def track_count_galleries(self) -> float:
        return round(extra_bytes(4_000, 50_000) / (4 * 128 * 50_000), 1)
