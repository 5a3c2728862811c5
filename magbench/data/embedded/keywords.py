"""Edges from shared keywords, none of which may come from a node's own name.

The name is the text feature and the caption, so an edge that it causes would hand the answer to the graph. A node's
*informative* keywords are therefore those that share no word stem with its name, and only they make edges: two nodes
are linked when the Jaccard overlap of their informative keywords reaches a threshold. A keyword that more than
:data:`MAX_NODES` nodes carry says nothing and is ignored, above and below the fraction line.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import combinations

MAX_NODES = 30
ENDINGS = ("ings", "ing", "ness", "ers", "er", "ies", "ied", "ed", "es", "s")
SHORTEST_STEM = 3


def words(text: str) -> list[str]:
    """Lower-case words without accents and apostrophes: ``"Men’s piñata"`` → ``["mens", "pinata"]``."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))
    return re.findall(r"[^\W_]+", re.sub("['’]", "", plain))


def stem(word: str) -> str:
    """A light English stem: one ending, then final e, i, y, then a doubled consonant go; three letters always stay.

    It rather merges too much than too little (``ski, skier, skiing`` → ``ski``; ``happy, happiness`` → ``hap``),
    because a merged keyword costs an edge while a missed one leaks the name.
    """
    for ending in ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= SHORTEST_STEM:
            word = word.removesuffix(ending)
            break
    while len(word) > SHORTEST_STEM and word[-1] in "eiy":
        word = word[:-1]
    if len(word) > SHORTEST_STEM and word[-1] == word[-2]:
        word = word[:-1]
    return word[:-1] + "y" if word.endswith("i") else word


def stems(text: str) -> set[str]:
    """The stems of every word of `text`."""
    return {stem(word) for word in words(text)}


def informative(name: str, keywords: Iterable[str]) -> set[str]:
    """The keywords, in lower case, that share no word stem with `name`."""
    own = stems(name)
    return {keyword.casefold() for keyword in keywords if not stems(keyword) & own}


def keyword_edges(
    keyword_sets: Sequence[set[str]], threshold: Fraction, max_nodes: int = MAX_NODES
) -> set[tuple[int, int]]:
    """Pairs (i < j) with |A ∩ B| / |A ∪ B| ≥ `threshold` over the keywords that at most `max_nodes` nodes carry."""
    fan_out = Counter(keyword for keywords in keyword_sets for keyword in keywords)
    kept = [{keyword for keyword in keywords if fan_out[keyword] <= max_nodes} for keywords in keyword_sets]
    carriers: dict[str, list[int]] = defaultdict(list)
    for node, keywords in enumerate(kept):
        for keyword in keywords:
            carriers[keyword].append(node)
    shared = Counter(pair for nodes in carriers.values() for pair in combinations(nodes, 2))
    return {(i, j) for (i, j), common in shared.items() if Fraction(common, len(kept[i] | kept[j])) >= threshold}
